//! By which version the machine behaves: the log says so, once everybody has said that it can.
//!
//! A leader that is asked for a version asks every member, voter or learner, which versions its machine can behave by, and
//! has it sequenced only when all have lately said that they know it, so nobody is left behind who would have to stop.
//! Until then it refuses: whoever asked asks again. Whoever reads a version that it does not know stops before it, with an
//! error that says so.
//!
//! A version entry makes every replica take a snapshot soon. When that is on disk, what a replica reads when it is started
//! begins behind the entry: it may be started with a binary that does not know the version before.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use wire::{NodeId, Timestamp};

use super::Replica;
use super::envelope::Envelope;
use super::membership::NotChanged;
use crate::entry::{BatchWriter, Kind};
use crate::members::node_of;
use crate::snapshot::Header;
use crate::{LogStore, OpenError, Output, StateMachine, UnknownVersion};

/// What somebody has said of itself is true for so long.
const SAID_LASTS_NS: u64 = 1_000_000_000;

/// What is known of what others know.
#[derive(Debug, Default)]
pub(super) struct Versions {
    said: BTreeMap<NodeId, (RangeInclusive<u16>, Timestamp)>,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Has the log say that the machine behaves by another version, in everybody's way from there on.
    pub fn set_version(&mut self, version: u16) -> Result<(), NotChanged> {
        // Who is just being taken in is not asked.
        self.can_change()?;
        match () {
            () if self.is_broken() => return Err(NotChanged::UnderWay),
            () if self.state.machine.version() == version => return Err(NotChanged::IsSo),
            () => {}
        }
        let partition = self.config.partition;
        let members = self.state.members.all();
        let unable: Vec<u64> = members.into_iter().filter(|member| !self.can_behave(*member, version)).collect();
        for member in &unable {
            tracing::info!(%partition, version, node = %node_of(*member), "it is asked whether it knows the version");
            if *member != self.raft.raft.id {
                self.tell_versions(node_of(*member));
            }
        }
        if !unable.is_empty() {
            return Err(NotChanged::CannotRun);
        }
        let mut payload = Vec::new();
        self.state.machine.set_version(version, &mut payload);
        let mut batch = BatchWriter::new(0);
        batch.push(Kind::Version(version), &payload);
        let entry = batch.finish(self.sequencer.time(self.now));
        tracing::info!(%partition, version, "another behaviour version is proposed");
        self.raft.propose(Vec::new(), entry).map_err(|_| NotChanged::UnderWay)
    }

    fn can_behave(&self, member: u64, version: u16) -> bool {
        if member == self.raft.raft.id {
            return self.config.versions.contains(&version);
        }
        let said = self.versions.said.get(&node_of(member));
        said.is_some_and(|(versions, at)| versions.contains(&version) && self.is_lately(*at))
    }

    fn is_lately(&self, at: Timestamp) -> bool {
        self.now <= at.plus_nanos(SAID_LASTS_NS)
    }

    /// What others have lately said, if this one leads.
    pub(super) fn said_versions(&self) -> Vec<(NodeId, RangeInclusive<u16>)> {
        let said = self.versions.said.iter().filter(|(_, (_, at))| self.is_leader() && self.is_lately(*at));
        said.map(|(node, (versions, _))| (*node, versions.clone())).collect()
    }

    /// A peer says what it knows. A leader that does so asks.
    pub(super) fn on_versions(&mut self, from: NodeId, versions: RangeInclusive<u16>) -> bool {
        self.versions.said.insert(from, (versions, self.now));
        if !self.is_leader() && from == node_of(self.raft.raft.leader_id) {
            self.tell_versions(from);
        }
        true
    }

    fn tell_versions(&mut self, to: NodeId) {
        let payload = Envelope::Versions(self.config.versions.clone()).encode();
        self.outputs.push_back(Output::Send { to, payload });
    }

    /// Whether a snapshot of the leader's can be taken up here; if not, this replica stops before it is on the disk.
    pub(super) fn knows_version_of(&mut self, header: &Header) -> bool {
        let (version, index, known) = (header.behaviour, header.index, self.config.versions.clone());
        if known.contains(&version) {
            return true;
        }
        let unknown = UnknownVersion { version, known };
        self.fail(OpenError::Version { index, unknown }.to_string());
        false
    }
}
