//! What is done to a node.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::demo::{Demo, DemoError, signal};
use tests::nodes;

use crate::wall::Wall;

/// How long a stopped node sleeps.
const STOPPED_FOR: Duration = Duration::from_secs(3);
/// How long a killed node stays dead.
const DEAD_FOR: Duration = Duration::from_secs(1);
/// A node that was started lives after this.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// What a node takes at most, as a rule, to hand over.
const TRANSFERRED_WITHIN: Duration = Duration::from_millis(300);

/// A fault of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// SIGKILL, then a start through `mainstay ctl`.
    Kill,
    /// SIGSTOP for 3 s.
    Stop,
    /// Its packets are dropped for 3 s, both ways: nobody is told anything. Needs root and iptables.
    Partition,
    /// It is told to hand over what it leads, and goes on.
    Transfer,
}

impl Fault {
    /// How long it is in force unless a schedule says otherwise.
    pub fn lasts(self) -> Duration {
        match self {
            Fault::Kill => DEAD_FOR,
            Fault::Stop | Fault::Partition => STOPPED_FOR,
            Fault::Transfer => TRANSFERRED_WITHIN,
        }
    }

    /// Does it to `node`, and undoes it after `lasts`.
    pub async fn strike(self, demo: &Demo, node: u64, lasts: Duration) -> Result<(), DemoError> {
        let state = demo.state()?;
        let pid = state.nodes.iter().find(|n| n.id == node).map(|n| n.pid).expect("it is a node of the demo");
        match self {
            Fault::Kill => {
                signal(pid, Signal::SIGKILL);
                tokio::time::sleep(lasts).await;
                let data_dir = demo.data_dir().display().to_string();
                let start = demo.command(&["ctl", "--data-dir", &data_dir, "node", "start", &node.to_string()]);
                // Others that are struck at this time come back meanwhile.
                tokio::task::spawn_blocking(|| start.run()).await.expect("starting does not panic")?;
            }
            Fault::Stop => {
                signal(pid, Signal::SIGSTOP);
                tokio::time::sleep(lasts).await;
                signal(pid, Signal::SIGCONT);
            }
            Fault::Partition => {
                let wall = Wall::around(pid)?;
                tokio::time::sleep(lasts).await;
                drop(wall);
            }
            Fault::Transfer => {
                // A process's first moment, before it waits for signals, is nothing to hand over in.
                let page = state.nodes.iter().find(|n| n.id == node).map(|n| format!("{}/livez", n.http));
                nodes::until(ALIVE_WITHIN, async || nodes::text(page.as_ref()?).await).await;
                signal(pid, Signal::SIGUSR1);
                tokio::time::sleep(lasts).await;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Kill => "kill",
            Fault::Stop => "stop",
            Fault::Partition => "partition",
            Fault::Transfer => "transfer",
        })
    }
}
