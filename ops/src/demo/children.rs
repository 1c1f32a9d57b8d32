//! The demo's processes: started from this binary, watched, ended. They die with the demo, whatever becomes
//! of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{lifeline, logging};

const FAREWELL: Duration = Duration::from_secs(5);
/// How much of what a process said on its standard error is shown when it ends.
const ERRORS_MAX: u64 = 64 * 1024;

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Market makers.
    Bots,
    /// What watches the chain.
    Chainwatch,
    /// A node of the chain, from 1.
    ChainNode(u8),
    /// The gateway.
    Gateway,
    /// A node.
    Node(u64),
    /// What signs withdrawals.
    Signer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Bots => f.write_str("bots"),
            Role::Chainwatch => f.write_str("chainwatch-1"),
            Role::ChainNode(id) => write!(f, "chain-{id}"),
            Role::Gateway => f.write_str("gateway-1"),
            Role::Node(id) => write!(f, "node-{id}"),
            Role::Signer => f.write_str("signer-1"),
        }
    }
}

/// A process has ended.
#[derive(Debug)]
pub struct Exited {
    /// Which.
    pub role: Role,
    /// Its process id.
    pub pid: u32,
    /// How.
    pub status: ExitStatus,
    /// What it said on its standard error.
    pub errors: String,
}

/// The processes that run.
pub struct Children {
    exe: PathBuf,
    /// Those that are started with another binary.
    binaries: BTreeMap<Role, PathBuf>,
    logs: PathBuf,
    /// How long processes may take to end when asked to.
    farewell: Duration,
    running: BTreeMap<Role, u32>,
    last: BTreeMap<Role, u32>,
    exits: mpsc::Sender<Exited>,
}

impl Children {
    /// None yet. Their logs go to `logs`; their ends are told to the receiver.
    pub fn new(logs: PathBuf) -> io::Result<(Children, mpsc::Receiver<Exited>)> {
        let (exits, ended) = mpsc::channel(64);
        let exe = std::env::current_exe()?;
        let (running, last, binaries) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok((Children { exe, binaries, logs, farewell: FAREWELL, running, last, exits }, ended))
    }

    /// The process id, if it runs.
    pub fn pid(&self, role: Role) -> Option<u32> {
        self.running.get(&role).copied()
    }

    /// The id of the process that was started last; 0 before the first.
    pub fn last_pid(&self, role: Role) -> u32 {
        self.last.get(&role).copied().unwrap_or_default()
    }

    /// What this role is started with.
    pub fn binary(&self, role: Role) -> &Path {
        self.binaries.get(&role).unwrap_or(&self.exe)
    }

    /// Starts this role with another binary from now on.
    pub fn use_binary(&mut self, role: Role, path: PathBuf) {
        self.binaries.insert(role, path);
    }

    /// Starts `mainstay ARGS` as this role. Call it on the main thread alone: the system ties a child's life to
    /// the thread that started it.
    pub fn start(&mut self, role: Role, args: &[OsString]) -> io::Result<u32> {
        if self.running.contains_key(&role) {
            return Err(io::Error::other(format!("{role} is running")));
        }
        let open = |ending: &str| {
            let path = self.logs.join(format!("{role}.{ending}"));
            OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)
        };
        let mut errors = open("err")?;
        let errors_from = errors.seek(SeekFrom::End(0))?;
        let mut command = Command::new(self.binary(role));
        command.args(args).stdin(Stdio::null()).stdout(open("log")?).stderr(errors.try_clone()?);
        // Its own group, so that ^C at the terminal reaches the demo alone, which then ends the others in order.
        command.process_group(0).kill_on_drop(true);
        command.env(lifeline::VARIABLE, std::process::id().to_string());
        if logging::form() == logging::Form::Json {
            command.env(logging::VARIABLE, "json");
        }
        let mut child = command.spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process has no id"))?;
        self.running.insert(role, pid);
        self.last.insert(role, pid);
        let exits = self.exits.clone();
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                let errors = read_from(errors, errors_from).unwrap_or_default();
                // Without a receiver the demo has ended.
                let _ = exits.send(Exited { role, pid, status, errors }).await;
            }
        });
        Ok(pid)
    }

    /// Forgets a process that has ended.
    pub fn on_exited(&mut self, exited: &Exited) {
        if self.pid(exited.role) == Some(exited.pid) {
            self.running.remove(&exited.role);
        }
    }

    /// Sends a signal; whether the process runs.
    pub fn signal(&self, role: Role, signal: Signal) -> bool {
        self.pid(role).is_some_and(|pid| send(pid, signal))
    }

    /// Ends every process: bots first, nodes last; those that do not end when asked are killed.
    pub async fn stop_all(&mut self, ended: &mut mpsc::Receiver<Exited>) {
        for role in self.running.keys().copied().collect::<Vec<_>>() {
            self.signal(role, Signal::SIGTERM);
            // A stopped process would not hear it.
            self.signal(role, Signal::SIGCONT);
        }
        let deadline = Instant::now() + self.farewell;
        let mut was_killed = false;
        while !self.running.is_empty() {
            tokio::select! {
                exited = ended.recv() => match exited {
                    Some(exited) => self.on_exited(&exited),
                    None => return,
                },
                () = tokio::time::sleep_until(deadline), if !was_killed => {
                    was_killed = true;
                    for pid in self.running.values() {
                        send(*pid, Signal::SIGKILL);
                    }
                }
            }
        }
    }
}

/// Only processes that were started here and not yet waited for are signalled, so the id is still theirs.
fn send(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).is_ok_and(|pid| pid > 0 && kill(Pid::from_raw(pid), signal).is_ok())
}

fn read_from(mut file: File, from: u64) -> io::Result<String> {
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(ERRORS_MAX))))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a process ended, for people.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended".into(),
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.to_string());
            format!("was killed by {name}")
        }
        (None, None) => format!("ended: {status}"),
    }
}

#[cfg(test)]
mod tests;
