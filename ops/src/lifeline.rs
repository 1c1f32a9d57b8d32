//! Ties a process's life to the one that started it: a demo's children die with it, even when it is killed.

use nix::unistd::{Pid, getppid};

/// Names the process that this one dies with.
pub const VARIABLE: &str = "MAINSTAY_DIES_WITH";

/// Becomes another program, which dies with the demo as this one would: the system keeps the tie.
pub fn become_program(program: &std::path::Path, args: &[std::ffi::OsString]) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    std::process::Command::new(program).args(args).exec()
}

/// Call it first, on the main thread. Whether the process may live: not if its parent has gone already.
pub fn tie() -> bool {
    let Some(parent) = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).map(Pid::from_raw) else {
        return true;
    };
    // The system alone can do it, where it can; elsewhere the demo's end is all there is.
    #[cfg(target_os = "linux")]
    if nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).is_err() {
        return false;
    }
    // It may have died before the call.
    getppid() == parent
}
