//! What applying a command causes beside the change of state.

use std::collections::VecDeque;

use wire::{Event, Mail, PartitionId};

/// Facts for the outside and mail for other cells, both in the order they came about.
pub(crate) struct Effects<'a> {
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) mail: &'a mut VecDeque<(PartitionId, Mail)>,
}

impl Effects<'_> {
    #[inline]
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    #[inline]
    pub(crate) fn send(&mut self, to: PartitionId, mail: Mail) {
        self.mail.push_back((to, mail));
    }
}
