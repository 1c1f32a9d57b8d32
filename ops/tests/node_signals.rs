//! Signals that reach a node before it serves.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

/// Far beyond what a process takes to begin.
const WITHIN: Duration = Duration::from_secs(30);

/// A process that goes with the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the process has a handler of its own for the signal.
fn catches(child: &Child, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal as u32 - 1)) != 0
}

#[test]
fn a_node_that_is_told_to_hand_over_while_it_starts_goes_on_starting() {
    let home = tempfile::tempdir().unwrap();
    // It starts as slowly as its configuration is written.
    let config = home.path().join("node.toml");
    mkfifo(&config, Mode::S_IRWXU).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command.arg("node").arg("--config").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let mut node = Ended(command.spawn().unwrap());
    let deadline = Instant::now() + WITHIN;
    while !catches(&node.0, Signal::SIGUSR1) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(node.0.id() as i32), Signal::SIGUSR1).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(node.0.try_wait().unwrap(), None, "the signal ended it");

    OpenOptions::new().read(true).write(true).open(&config).unwrap().write_all(b"node = 'none'").unwrap();
    let status = node.0.wait().unwrap();
    assert_eq!((status.signal(), status.success()), (None, false), "it ends by what its configuration says");
}
