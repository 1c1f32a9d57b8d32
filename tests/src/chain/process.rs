//! A node as a child process in a directory of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use chainwatch::rpc::Told;
use nix::sys::signal::Signal;

use crate::demo::signal;

/// Below what Linux gives to connections.
const PORTS: std::ops::Range<u16> = 10_240..32_000;

/// Why chains are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A program is missing, or a directory cannot be made.
    #[error("{attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// What the system says.
        source: io::Error,
    },
    /// A node did not answer in time.
    #[error("{0} is not ready in time")]
    NotReady(String),
    /// A node answered otherwise than expected.
    #[error("{method}: {told}")]
    Rpc {
        /// What was asked.
        method: String,
        /// What came back.
        told: Told,
    },
    /// Nodes that were given the same transactions mine other blocks.
    #[error("nodes mine blocks that differ, again and again")]
    Unlike,
    /// A node does not do what its consensus client tells it.
    #[error("{method}: {answer}")]
    Engine {
        /// What it was told.
        method: String,
        /// What came back.
        answer: String,
    },
}

pub(super) fn io_error(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> ChainError {
    move |source| ChainError::Io { attempt: attempt.into(), source }
}

/// A child that ends with its owner.
pub(super) struct NodeProcess {
    child: Child,
}

impl NodeProcess {
    pub(super) fn spawn(program: &Path, args: &[String]) -> Result<NodeProcess, ChainError> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(io_error(format!("start {}", program.display())))?;
        Ok(NodeProcess { child })
    }

    pub(super) fn signal(&self, what: Signal) {
        signal(self.child.id(), what);
    }

    /// SIGKILL, and wait for the end.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for NodeProcess {
    /// Nothing of a test's node is worth an orderly end, which takes a litecoind seconds.
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first of `candidates` that exists, then `name` on the PATH.
pub(super) fn find_program(candidates: &[PathBuf], name: &str) -> PathBuf {
    candidates.iter().find(|path| path.exists()).cloned().unwrap_or_else(|| PathBuf::from(name))
}

/// A port that was free a moment ago, for programs that cannot bind port 0 and say which they got. It is none of those that
/// the system gives to connections and to whoever binds port 0: another would have it before the program does. No two calls
/// of this process give the same.
pub(super) fn free_port() -> Result<u16, ChainError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Processes that run beside each other begin elsewhere.
    let first = std::process::id().wrapping_mul(257);
    for _ in 0..PORTS.len() {
        let at = first.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        let port = PORTS.start + at as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(ChainError::NotReady("a free port".into()))
}
