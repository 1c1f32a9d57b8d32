//! The seam for casts: a partition's events, sent once for all gateways that joined, beside their links.
//!
//! Who joins, with what key, and how far a cast has come is said over links; what is lost on a cast is asked for over the link
//! of whoever misses it. The default build has no casts; with the feature `aeron` there is [`super::aeron`].

use std::collections::BTreeSet;
use std::fmt;

use wire::PartitionId;
use wire::link::{CastOpen, Place};

/// What carries casts. None of its functions may block.
pub trait CastWay: Send + fmt::Debug {
    /// Whether it reaches those who take casts there.
    fn reaches(&self, place: Place) -> bool;

    /// A cast for a partition, on this stream if it has one already, with an identity and a key that are its own; `None` when
    /// there are no random numbers.
    fn draw(&mut self, partition: PartitionId, stream: Option<u32>) -> Option<CastOpen>;

    /// Seals what is sent of its partition with that key from now on. Of each that was drawn once at most.
    fn turn(&mut self, open: CastOpen);

    /// Those who have joined take the partition's cast there.
    fn spread(&mut self, partition: PartitionId, places: BTreeSet<Place>);

    /// Nobody takes it any more.
    fn close(&mut self, partition: PartitionId);

    /// The longest message.
    fn message_max(&self) -> usize;

    /// Sends a message; what finds no room is lost.
    fn send(&mut self, partition: PartitionId, message: Vec<u8>);
}
