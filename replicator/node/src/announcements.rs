//! Who leads one partition, as this node is told: by its own replica, and by the nodes that it has a link with.
//!
//! A node tells another what its own replica knows, and never what it was told: so no rumour goes in circles, and what a
//! node says is as new as its link. Its last word counts until it says another or its link closes. Of all words the one of
//! the greatest term is believed, for that is the newest; but
//!
//! - whom a word names must not deny it: a linked node knows best whether it leads;
//! - a term that Raft does not know here is believed for [`TRUST_NS`] at first, and longer only if another node says the same.
//!   A leader is followed by a quorum, which says so; without that, whoever claims the greatest term there can be would be
//!   believed for ever, and no leader after it be known. A node has these two seconds once, until the greatest term that it has
//!   said is confirmed, by Raft here or by another node: neither another term nor another link gives them anew, or whoever
//!   reconnects in time would be believed for ever.
//!
//! Who has no better word believes the one there is: a node that is no member of a partition of one replica hears of its
//! leader from that alone.

use std::collections::BTreeMap;

use wire::{NodeId, Term, Timestamp};

/// A term that is not known here is believed for so long on the word of one node. Raft or a second node has brought it by
/// then, many times over.
pub const TRUST_NS: u64 = 2_000_000_000;

/// A leader, if there is one, and the term.
type Leadership = (Option<NodeId>, Term);

/// See the module.
#[derive(Debug)]
pub struct Announcements {
    node: NodeId,
    /// What the replica here says.
    own: Leadership,
    /// The last word of each linked node, and since when it is to be believed.
    said: BTreeMap<NodeId, (Leadership, Timestamp)>,
    /// Nodes that have said what Raft does not know here, and since when; linked or not. Until what they say is confirmed, up to
    /// the greatest term of it.
    doubted: BTreeMap<NodeId, (Timestamp, Term)>,
    believed: Leadership,
    /// When a word is not believed any more by itself.
    due: Option<Timestamp>,
}

impl Announcements {
    /// On `node`, which knows nothing yet.
    pub fn new(node: NodeId) -> Announcements {
        let unknown = (None, Term::new(0));
        Announcements {
            node,
            own: unknown,
            said: BTreeMap::new(),
            doubted: BTreeMap::new(),
            believed: unknown,
            due: None,
        }
    }

    /// What this node tells others.
    pub fn own(&self) -> Leadership {
        self.own
    }

    /// What is believed here, and told to clients.
    pub fn believed(&self) -> Leadership {
        self.believed
    }

    /// The replica here says who leads; whether something else is believed now.
    pub fn replica_says(&mut self, leader: Option<NodeId>, term: Term, now: Timestamp) -> bool {
        self.own = (leader, term);
        self.judge(now)
    }

    /// Another node says who leads as far as its replica knows; whether something else is believed now.
    pub fn node_says(&mut self, from: NodeId, leader: Option<NodeId>, term: Term, now: Timestamp) -> bool {
        if from == self.node {
            return false;
        }
        let (since, greatest) = self.doubted.entry(from).or_insert((now, term));
        *greatest = term.max(*greatest);
        let since = *since;
        self.said.insert(from, ((leader, term), since));
        self.judge(now)
    }

    /// There is no link with a node any more; whether something else is believed now.
    pub fn forget(&mut self, node: NodeId, now: Timestamp) -> bool {
        self.said.remove(&node).is_some() && self.judge(now)
    }

    /// Time passes; whether something else is believed now.
    pub fn poll(&mut self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| now >= due) && self.judge(now)
    }

    fn judge(&mut self, now: Timestamp) -> bool {
        let is_confirmed = |from: &NodeId, greatest: Term| {
            let backed = || self.said.get(from).filter(|(word, _)| word.1 >= greatest && self.is_backed(*from, *word));
            greatest <= self.own.1 || backed().is_some()
        };
        let doubted = self.doubted.iter().filter(|(from, (_, greatest))| !is_confirmed(from, *greatest));
        self.doubted = doubted.map(|(from, doubt)| (*from, *doubt)).collect();
        let own = (self.node, (self.own, Timestamp::ZERO));
        let words = || self.said.iter().map(|(from, word)| (*from, *word)).chain([own]);
        let best = words().filter(|(from, (word, _))| word.0.is_some() && !self.is_denied(*from, *word)).max_by_key(
            |(from, (word, since))| (self.is_trusted(*from, *word, *since, now), word.1, *word == self.believed),
        );
        let believed = best.map_or((None, self.own.1), |(_, (word, _))| word);
        self.due = words().map(|(_, (_, since))| since.plus_nanos(TRUST_NS)).filter(|due| *due > now).min();
        std::mem::replace(&mut self.believed, believed) != believed
    }

    /// Whether the node that is named says otherwise. What Raft says here is newer than an older word.
    fn is_denied(&self, from: NodeId, word: Leadership) -> bool {
        let Some(leader) = word.0.filter(|leader| *leader != from) else { return false };
        let its = if leader == self.node { Some(self.own) } else { self.said.get(&leader).map(|(its, _)| *its) };
        its.is_some_and(|its| its.0 != Some(leader) && (from != self.node || its.1 >= word.1))
    }

    fn is_trusted(&self, from: NodeId, word: Leadership, since: Timestamp, now: Timestamp) -> bool {
        if from == self.node {
            // Raft follows nobody who is out of reach.
            return word.0.is_some_and(|leader| leader == self.node || self.said.contains_key(&leader));
        }
        word.1 <= self.own.1 || now < since.plus_nanos(TRUST_NS) || self.is_backed(from, word)
    }

    /// Whether another node says the same.
    fn is_backed(&self, from: NodeId, word: Leadership) -> bool {
        self.said.iter().any(|(other, (said, _))| *other != from && *said == word)
    }
}

#[cfg(test)]
mod tests;
