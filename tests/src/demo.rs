//! A demo as a child process, in a directory of its own, on free ports.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use loadgen::state::State;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a demo may take to trade. A fresh one takes two seconds on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to end all its children.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// How to start a demo.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The `mainstay` binary.
    pub binary: PathBuf,
    /// `split` or `joint`.
    pub layout: String,
    /// Whether market-making bots trade.
    pub with_bots: bool,
    /// Where a quorum has what is acknowledged.
    pub durability: String,
    /// How Raft messages go between the nodes, and events to the gateway: `tcp` or `aeron`.
    pub transport: String,
}

impl DemoOptions {
    /// Without bots; what is acknowledged is on the disks of a quorum.
    pub fn new(binary: PathBuf, layout: String) -> DemoOptions {
        let (durability, transport) = ("quorum-fsync".to_owned(), "tcp".to_owned());
        DemoOptions { binary, layout, with_bots: false, durability, transport }
    }
}

/// A running demo. Dropped, it is ended with all its children.
pub struct Demo {
    options: DemoOptions,
    home: tempfile::TempDir,
    child: Child,
}

/// A subcommand of the binary under test.
#[derive(Debug, Clone)]
pub struct Subcommand {
    binary: PathBuf,
    args: Vec<String>,
}

impl Subcommand {
    /// Runs it to its end.
    pub fn run(self) -> Result<String, DemoError> {
        let output = Command::new(&self.binary).args(&self.args).output().map_err(io_error("run mainstay"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Ok(text);
        }
        let command = format!("mainstay {}", self.args.join(" "));
        Err(DemoError::Command { command, status: output.status, output: text })
    }
}

/// Why a demo is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It could not be started or spoken to.
    #[error("{attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the demo ended with {status} before it was ready; its output:\n{output}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// It was not ready in time.
    #[error("the demo was not ready after {READY_WITHIN:?}; its output:\n{output}")]
    NotReady {
        /// What it printed.
        output: String,
    },
    /// A subcommand failed.
    #[error("`{command}` ended with {status}:\n{output}")]
    Command {
        /// Which.
        command: String,
        /// How.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// Its state file is not readable.
    #[error(transparent)]
    State(#[from] loadgen::state::StateError),
}

fn io_error(attempt: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::Io { attempt, source }
}

impl Demo {
    /// Starts a demo in a new directory and waits until it trades.
    pub fn start(options: DemoOptions) -> Result<Demo, DemoError> {
        let home = tempfile::tempdir().map_err(io_error("create a directory for the demo"))?;
        let child = spawn(&options, home.path())?;
        let mut demo = Demo { options, home, child };
        demo.wait_until_ready()?;
        Ok(demo)
    }

    /// Starts it again on the data it left.
    pub fn restart(&mut self) -> Result<(), DemoError> {
        self.child = spawn(&self.options, self.home.path())?;
        self.wait_until_ready()
    }

    /// What the state file says now.
    pub fn state(&self) -> Result<State, DemoError> {
        Ok(State::load(&self.state_file())?)
    }

    /// Where the state file is.
    pub fn state_file(&self) -> PathBuf {
        self.home.path().join("state.json")
    }

    /// Where the demo keeps everything.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Leaves its files behind when it is dropped, and says where.
    pub fn keep(&mut self) -> &Path {
        self.home.disable_cleanup(true);
        self.home.path()
    }

    /// Where files of the test may be put.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs `mainstay ARGS`, to its end.
    pub fn mainstay(&self, args: &[&str]) -> Result<String, DemoError> {
        self.command(args).run()
    }

    /// `mainstay ARGS`, to be run by whoever has the time.
    pub fn command(&self, args: &[&str]) -> Subcommand {
        Subcommand { binary: self.options.binary.clone(), args: args.iter().map(|arg| (*arg).to_owned()).collect() }
    }

    /// Starts `mainstay ARGS` with its output in `log`, under the test's home.
    pub fn spawn_mainstay(&self, args: &[&str], log: &str) -> Result<Child, DemoError> {
        let log = File::create(self.home.path().join(log)).map_err(io_error("create a log file"))?;
        let errors = log.try_clone().map_err(io_error("share a log file"))?;
        Command::new(&self.options.binary)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(io_error("start mainstay"))
    }

    /// SIGKILLs the demo and every process that it started, all at once.
    pub fn kill_everything(&mut self) -> Result<(), DemoError> {
        let state = self.state()?;
        let nodes = state.nodes.iter().map(|node| node.pid);
        let pids: Vec<u32> = nodes.chain(state.gateways.iter().map(|gateway| gateway.pid)).collect();
        signal(self.child.id(), Signal::SIGKILL);
        for pid in pids {
            signal(pid, Signal::SIGKILL);
        }
        self.child.wait().map_err(io_error("wait for the demo"))?;
        // A gateway's media driver has its files under the gateway's address, and the next start takes another one.
        for gateway in &state.gateways {
            let at = gateway.rest.trim_start_matches("http://").replace(':', "-");
            let _ = std::fs::remove_dir_all(format!("/dev/shm/mainstay-gateway-{at}"));
        }
        std::fs::remove_file(self.state_file()).map_err(io_error("remove the state file"))
    }

    /// Asks it to end, as ^C does, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus, DemoError> {
        if let Some(status) = self.child.try_wait().map_err(io_error("wait for the demo"))? {
            return Ok(status);
        }
        signal(self.child.id(), Signal::SIGINT);
        let deadline = Instant::now() + ENDED_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().map_err(io_error("wait for the demo"))? {
                return Ok(status);
            }
            sleep(Duration::from_millis(20));
        }
        signal(self.child.id(), Signal::SIGKILL);
        self.child.wait().map_err(io_error("wait for the demo"))
    }

    fn wait_until_ready(&mut self) -> Result<(), DemoError> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if self.state_file().exists() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().map_err(io_error("wait for the demo"))? {
                return Err(DemoError::Ended { status, output: self.output() });
            }
            sleep(Duration::from_millis(20));
        }
        Err(DemoError::NotReady { output: self.output() })
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.home.path().join("demo.log")).unwrap_or_default()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}

fn spawn(options: &DemoOptions, home: &Path) -> Result<Child, DemoError> {
    let log = File::create(home.join("demo.log")).map_err(io_error("create the demo's log file"))?;
    let errors = log.try_clone().map_err(io_error("share the demo's log file"))?;
    let mut command = Command::new(&options.binary);
    command.args([
        "demo",
        "--headless",
        "--any-port",
        "--layout",
        &options.layout,
        "--durability",
        &options.durability,
        "--transport",
        &options.transport,
    ]);
    command.arg("--data-dir").arg(home.join("data")).arg("--state").arg(home.join("state.json"));
    if !options.with_bots {
        command.arg("--no-bots");
    }
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().map_err(io_error("start the demo"))
}

/// Sends a signal to a process that this test, or a demo of it, started. One that has ended is fine.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid as i32), signal);
}
