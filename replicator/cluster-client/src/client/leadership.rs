//! Who leads one partition, as far as this client knows: announcements of the nodes, greatest term first;
//! hints of nodes that do not lead; failing both, one node after the other. An announcement counts until whom it names
//! denies it, is lost or stays out of reach: what comes after that is news whatever its term, or a term that never was would
//! be the last that is heard of.

use std::time::{Duration, Instant};

use wire::{NodeId, Term};

/// What became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new.
    None,
    /// The node that is being tried does lead.
    Confirmed,
    /// Another node is to be tried, the same one in a later term, or none: what is in flight must be sent again.
    Moved,
}

#[derive(Debug)]
pub(super) struct Leadership {
    term: Term,
    /// Of `term`, and not denied since.
    announced: Option<NodeId>,
    current: Option<NodeId>,
    confirmed: bool,
    /// Denials since the last confirmation.
    denials: usize,
    /// When the next node is tried. Meaningless once confirmed.
    probe_at: Instant,
    /// Since when the target was found to be out of reach.
    missed_since: Option<Instant>,
    last_probed: NodeId,
}

impl Leadership {
    pub(super) fn new(now: Instant) -> Leadership {
        Leadership {
            term: Term::default(),
            announced: None,
            current: None,
            confirmed: false,
            denials: 0,
            probe_at: now,
            missed_since: None,
            last_probed: NodeId::default(),
        }
    }

    /// Where to send.
    pub(super) fn target(&self) -> Option<NodeId> {
        self.current
    }

    /// Whether the target is known to lead; if not, it is only asked with one request at a time.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed && self.current.is_some()
    }

    /// When to call [`Leadership::probe`].
    pub(super) fn probe_at(&self) -> Option<Instant> {
        (!self.is_confirmed()).then_some(self.probe_at)
    }

    /// `from` says that `leader`, or nobody when it is 0, leads in `term`.
    pub(super) fn announce(&mut self, from: NodeId, leader: NodeId, term: Term) -> Change {
        if term < self.term {
            return Change::None;
        }
        if leader == NodeId::default() {
            // Others may only have lost sight of a leader; the leader itself knows that it is none any more.
            if self.current == Some(from) {
                self.current = None;
                return Change::Moved;
            }
            return Change::None;
        }
        let is_news = term > self.term || self.announced != Some(leader) || self.current != Some(leader);
        self.term = term;
        self.announced = Some(leader);
        self.current = Some(leader);
        let was_confirmed = std::mem::replace(&mut self.confirmed, true);
        self.denials = 0;
        match (is_news, was_confirmed) {
            (true, _) => Change::Moved,
            (false, false) => Change::Confirmed,
            (false, true) => Change::None,
        }
    }

    /// `from` did what only a leader does.
    pub(super) fn confirm(&mut self, from: NodeId) -> Change {
        if self.current != Some(from) || self.confirmed {
            return Change::None;
        }
        self.confirmed = true;
        self.denials = 0;
        Change::Confirmed
    }

    /// `from` says that it does not lead, and perhaps who does. `usable` says whether a hint may be followed,
    /// `nodes_len` how many hints may be followed in a row.
    pub(super) fn deny(&mut self, from: NodeId, hint: Option<NodeId>, nodes_len: usize) -> Change {
        if self.current != Some(from) {
            return Change::None;
        }
        self.confirmed = false;
        self.forget_announcement(from);
        self.denials += 1;
        self.current = hint.filter(|hint| *hint != from && self.denials <= nodes_len);
        Change::Moved
    }

    /// `node` cannot be reached or does not answer.
    pub(super) fn lose(&mut self, node: NodeId, now: Instant) -> Change {
        if self.current != Some(node) {
            return Change::None;
        }
        self.current = None;
        self.confirmed = false;
        self.forget_announcement(node);
        self.denials = 0;
        self.probe_at = now;
        Change::Moved
    }

    /// A target that is out of reach for so long is lost: whom nobody can ask does not deny that it leads.
    pub(super) fn watch(&mut self, is_usable: bool, now: Instant, patience: Duration) -> Change {
        let Some(target) = self.current.filter(|_| !is_usable) else {
            self.missed_since = None;
            return Change::None;
        };
        let since = *self.missed_since.get_or_insert(now);
        if now < since + patience {
            return Change::None;
        }
        self.missed_since = None;
        self.lose(target, now)
    }

    /// When to call [`Leadership::watch`] again, whose patience this is.
    pub(super) fn watch_at(&self, patience: Duration) -> Option<Instant> {
        self.missed_since.map(|since| since + patience)
    }

    fn forget_announcement(&mut self, leader: NodeId) {
        if self.announced == Some(leader) {
            (self.announced, self.term) = (None, Term::default());
        }
    }

    /// Tries the next of the `usable` nodes, ascending by id, when it is time to.
    pub(super) fn probe(&mut self, now: Instant, every: Duration, usable: impl Iterator<Item = NodeId>) -> Change {
        if self.is_confirmed() || now < self.probe_at {
            return Change::None;
        }
        self.probe_at = now + every;
        let mut first = None;
        let mut after = None;
        for node in usable {
            first = first.or(Some(node));
            if node > self.last_probed {
                after = after.or(Some(node));
            }
        }
        let Some(node) = after.or(first) else {
            return Change::None;
        };
        self.last_probed = node;
        self.denials = 0;
        self.confirmed = false;
        self.current = Some(node);
        Change::Moved
    }
}
