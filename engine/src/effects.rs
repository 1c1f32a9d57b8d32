//! What applying a command causes beside the change of state.

use wire::{Event, Mail, PartitionId};

/// Where a market cell's facts for the outside and its mail for other cells go, in the order they come about. Whoever
/// hosts the cell says what becomes of them; what it does not read is never built.
pub trait Sink {
    /// A fact.
    fn tell(&mut self, event: Event);

    /// Mail to the partition of another cell, or the cell's own.
    fn send(&mut self, to: PartitionId, mail: Mail);

    /// How many mails the running command has caused that are not on their way yet.
    fn waiting(&self) -> usize;
}

/// Where they go in a partition: events to whoever applied the command, mail to the route.
pub(crate) struct Effects<'a> {
    pub(crate) events: &'a mut Vec<Event>,
    /// Whether anybody reads the events.
    pub(crate) is_heard: bool,
    pub(crate) mail: &'a mut Vec<(PartitionId, Mail)>,
}

impl Effects<'_> {
    #[inline]
    pub(crate) fn tell(&mut self, event: Event) {
        if self.is_heard {
            self.events.push(event);
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, to: PartitionId, mail: Mail) {
        self.mail.push((to, mail));
    }
}

impl Sink for Effects<'_> {
    #[inline]
    fn tell(&mut self, event: Event) {
        Effects::tell(self, event);
    }

    #[inline]
    fn send(&mut self, to: PartitionId, mail: Mail) {
        Effects::send(self, to, mail);
    }

    fn waiting(&self) -> usize {
        self.mail.len()
    }
}
