//! A wall around a process: packets of its connections are dropped on their way in, at both ends, so that neither
//! end is told anything. By iptables, as root; a dropped wall leaves no rule behind.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::demo::DemoError;

/// Ports that one rule names at most.
const PORTS_PER_RULE: usize = 15;

/// See the module.
pub struct Wall {
    rules: Vec<Vec<String>>,
}

impl Wall {
    /// Around every TCP connection that the process has now, and its listeners.
    pub fn around(pid: u32) -> Result<Wall, DemoError> {
        let ports = ports(pid).map_err(|source| DemoError::Io { attempt: "list a node's connections", source })?;
        let mut wall = Wall { rules: Vec::new() };
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        for chunk in ports.chunks(PORTS_PER_RULE) {
            for side in ["--sports", "--dports"] {
                let rule = ["-i", "lo", "-p", "tcp", "-m", "multiport", side, &chunk.join(","), "-j", "DROP"];
                let rule: Vec<String> = rule.iter().map(|word| (*word).to_owned()).collect();
                iptables("-I", &rule).map_err(|source| DemoError::Io {
                    attempt: "drop a node's packets by iptables, which only root may",
                    source,
                })?;
                wall.rules.push(rule);
            }
        }
        Ok(wall)
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        for rule in &self.rules {
            if let Err(error) = iptables("-D", rule) {
                eprintln!("failover: a rule of iptables is left behind: {rule:?}: {error}");
            }
        }
    }
}

fn iptables(what: &str, rule: &[String]) -> io::Result<()> {
    let mut command = Command::new("iptables");
    let status = command.args(["-w", what, "INPUT"]).args(rule).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("iptables ended with {status}"))) }
}

/// The local ports of a process's TCP sockets.
fn ports(pid: u32) -> io::Result<BTreeSet<u16>> {
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let link = std::fs::read_link(entry?.path()).unwrap_or_default();
        if let Some(inode) = link.to_string_lossy().strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            inodes.insert(inode.to_owned());
        }
    }
    let table = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("net/tcp"))?;
    let port = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit(':').next()?, 16).ok()?;
        inodes.contains(*words.get(9)?).then_some(port)
    };
    Ok(table.lines().skip(1).filter_map(port).collect())
}
