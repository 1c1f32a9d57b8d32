//! Nodes that join and leave the demo while it runs. Who is a member is the cluster's business; here are their processes.

use super::Demo;
use super::children::Role;
use super::control::Answer;
use crate::{pki, report};
use miette::IntoDiagnostic;
use nix::sys::signal::Signal;

/// A demo with more nodes than a laptop bears is a mistake.
const NODES_MAX: u64 = 16;

impl Demo {
    /// Starts one node more.
    pub(super) fn join(&mut self, id: Option<u64>) -> Answer {
        let free = (1..=NODES_MAX).find(|id| self.layout.node(*id).is_none());
        match id.or(free).filter(|id| (1..=NODES_MAX).contains(id)) {
            None => Answer::Refused(format!("a demo has nodes 1 to {NODES_MAX}")),
            // It is there; whether it is a member is another question.
            Some(id) => self.try_join(id).unwrap_or_else(|error| Answer::Refused(report::in_a_line(&error))),
        }
    }

    fn try_join(&mut self, id: u64) -> miette::Result<Answer> {
        let role = Role::Node(id);
        if let Some(place) = self.layout.node(id) {
            let addr = place.addr;
            if self.children.pid(role).is_none() {
                self.start(role)?;
                self.tell_state();
            }
            return Ok(Answer::Joined { id, addr });
        }
        pki::ensure(&self.home.paths.pki(), &[role.to_string()])?;
        let place = self.layout.place_for(id, self.args.any_port)?;
        self.put_aside(id)?;
        self.layout.nodes.push(place);
        self.layout.nodes.sort_by_key(|place| place.id);
        self.home.paths.write_node_config(&self.layout, &place, &self.life()?, self.args.threads)?;
        self.keep_roster()?;
        let pid = self.start(role)?;
        self.console.say(&format!("{role} was started (pid {pid}); it joins the cluster."));
        self.tell_state();
        Ok(Answer::Joined { id, addr: place.addr })
    }

    /// What a node of this number kept when it was a member before would not be believed.
    fn put_aside(&self, id: u64) -> miette::Result<()> {
        let dir = self.home.paths.node(id);
        if !dir.exists() {
            return Ok(());
        }
        let name = |number: u32| dir.with_file_name(format!("node-{id}.left-{number}"));
        let aside = (1..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0));
        std::fs::rename(&dir, aside).into_diagnostic()
    }

    /// Ends a node that has left.
    pub(super) fn leave(&mut self, id: u64) -> Answer {
        let role = Role::Node(id);
        if self.layout.node(id).is_none() {
            return Answer::Refused(format!("the demo has no node {id}"));
        }
        self.layout.nodes.retain(|place| place.id != id);
        let kept = self.keep_roster();
        self.children.signal(role, Signal::SIGTERM);
        self.children.signal(role, Signal::SIGCONT);
        self.tell_state();
        match kept {
            Ok(()) => Answer::Done(format!("{role} has left and ends")),
            Err(error) => Answer::Refused(report::in_a_line(&error)),
        }
    }

    fn keep_roster(&mut self) -> miette::Result<()> {
        self.home.keep_nodes(self.layout.nodes.iter().map(|place| place.id).collect())
    }
}
