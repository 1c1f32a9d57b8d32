//! How a node comes to run another binary: its demo starts it, or a command of the operator's does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miette::{IntoDiagnostic, WrapErr};

use super::super::Place;
use crate::demo::control::{self, Action, Answer, Ask};

/// A node writes what it has and ends.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which of the two binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that an upgrade brings.
    New,
    /// The one before.
    Old,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Which::New { "new" } else { "old" })
    }
}

/// See the module.
pub struct Restart<'a> {
    place: &'a Place,
    how: How,
}

enum How {
    /// The demo starts each with one of these.
    Demo { new: Option<PathBuf>, old: BTreeMap<u64, PathBuf> },
    /// A shell command.
    Command(String),
}

impl<'a> Restart<'a> {
    /// For an upgrade; and which binary each node of a demo has now.
    pub async fn prepare(
        place: &'a Place,
        binary: Option<&Path>,
        command: Option<&str>,
        nodes: &[u64],
    ) -> miette::Result<(Restart<'a>, BTreeMap<u64, PathBuf>)> {
        if let Some(command) = command {
            return Ok((Restart { place, how: How::Command(command.to_owned()) }, BTreeMap::new()));
        }
        let named = binary.ok_or_else(|| miette::miette!("name the --binary"))?;
        let new = named.canonicalize().into_diagnostic().wrap_err_with(|| format!("cannot use {}", named.display()))?;
        let mut old = BTreeMap::new();
        for id in nodes {
            match control::ask(&place.data_dir()?, Ask::Binary { id: *id, path: None }).await? {
                Answer::Binary(path) => old.insert(*id, path),
                Answer::Refused(why) => return Err(miette::miette!("{why}")),
                _ => miette::bail!("the demo answered another question"),
            };
        }
        Ok((Restart { place, how: How::Demo { new: Some(new), old: old.clone() } }, old))
    }

    /// For going back.
    pub fn back(place: &'a Place, command: Option<&str>, old: &BTreeMap<u64, PathBuf>) -> miette::Result<Restart<'a>> {
        let how = match command {
            Some(command) => How::Command(command.to_owned()),
            None if old.is_empty() => miette::bail!("no demo starts these nodes: say how, by --restart-with"),
            None => How::Demo { new: None, old: old.clone() },
        };
        Ok(Restart { place, how })
    }

    /// An upgrade that was broken off went before this one: what that began with is put back, not what it left.
    pub fn goes_back_to(&mut self, before: &BTreeMap<u64, PathBuf>) {
        if let How::Demo { old, .. } = &mut self.how {
            old.clone_from(before);
        }
    }

    /// Whether the node's process is there, as far as its demo or its page says.
    pub async fn runs(&self, id: u64) -> bool {
        if let How::Demo { .. } = self.how {
            return self.pid(id).await.is_some();
        }
        let http = self.place.state().ok().and_then(|state| state.nodes.into_iter().find(|node| node.id == id));
        match http {
            Some(node) => super::version::page(&node.http).await.is_some(),
            None => false,
        }
    }

    /// Whether it is known to have ended, which it was not told to.
    pub async fn has_ended(&self, id: u64) -> bool {
        matches!(self.how, How::Demo { .. }) && self.pid(id).await.is_none()
    }

    async fn pid(&self, id: u64) -> Option<u32> {
        let name = format!("node-{id}");
        match control::ask(&self.place.data_dir().ok()?, Ask::Processes).await {
            Ok(Answer::Processes(all)) => all.into_iter().find(|(role, _)| *role == name).and_then(|(_, pid)| pid),
            _ => None,
        }
    }

    /// Ends the node and starts it. The error says what went wrong.
    pub async fn restart(&self, id: u64, to: Which) -> Result<(), String> {
        match &self.how {
            How::Command(command) => self.command(command, id, to).await,
            How::Demo { new, old } => {
                let path = if to == Which::New { new.as_ref() } else { old.get(&id) };
                let path = path.ok_or("nobody knows which binary it had").map_err(str::to_owned)?;
                self.by_demo(id, path).await
            }
        }
    }

    async fn by_demo(&self, id: u64, path: &Path) -> Result<(), String> {
        let data_dir = self.place.data_dir().map_err(|error| error.to_string())?;
        let ask = async |ask| match control::ask(&data_dir, ask).await {
            Ok(Answer::Refused(why)) => Err(why),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if self.pid(id).await.is_some() {
            ask(Ask::Node { action: Action::Stop, id }).await?;
        }
        let begun = Instant::now();
        while self.pid(id).await.is_some() {
            if begun.elapsed() > ENDS_WITHIN {
                return Err("it does not end".into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        ask(Ask::Binary { id, path: Some(path.to_owned()) }).await?;
        ask(Ask::Node { action: Action::Start, id }).await
    }

    async fn command(&self, command: &str, id: u64, to: Which) -> Result<(), String> {
        let state = self.place.state().map_err(|error| error.to_string())?;
        let node = state.nodes.into_iter().find(|node| node.id == id).ok_or("the state file does not name it")?;
        let command = filled_in(command, id, &node.http, to);
        let status = tokio::process::Command::new("sh").args(["-c", &command]).status().await;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{command}`: {status}")),
            Err(error) => Err(format!("`{command}`: {error}")),
        }
    }
}

/// A restart command for one node.
fn filled_in(command: &str, id: u64, http: &str, to: Which) -> String {
    let address = http.trim_start_matches("http://");
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    command.replace("{id}", &id.to_string()).replace("{host}", host).replace("{to}", &to.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_command_is_told_which_node_and_which_binary() {
        let filled = filled_in("ssh {host} switch {to} node-{id}", 3, "http://10.0.0.3:7203", Which::Old);
        assert_eq!(filled, "ssh 10.0.0.3 switch old node-3");
    }
}
