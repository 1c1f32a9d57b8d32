//! Who is who: the harness's order ids and the venue's.
//!
//! Ids are dense, so both ways are arrays, as the harness's documents have it for every engine. They are written once
//! before the first message, so that the clock does not count the system's first look at their pages.

/// The two ways. A harness id may have several lives, one after the other: the last one counts.
pub(crate) struct Orders {
    /// The venue's id by the harness's; 0 when there was none.
    venue_ids: Vec<u32>,
    /// The harness's id by the venue's.
    harness_ids: Vec<u32>,
    last: u32,
}

/// More than the canonical workloads use; what is beyond grows.
const EXPECTED: usize = 1 << 22;

impl Orders {
    pub(crate) fn new() -> Orders {
        // Not zeros at first: zeroed memory is promised, not given.
        let mut orders = Orders { venue_ids: vec![1; EXPECTED], harness_ids: vec![1; EXPECTED], last: 0 };
        orders.venue_ids.fill(0);
        orders
    }

    /// A new life of an order: its next venue id.
    #[inline]
    pub(crate) fn enter(&mut self, harness_id: u64) -> u64 {
        self.last += 1;
        let last = self.last as usize;
        match (self.venue_ids.get_mut(harness_id as usize), self.harness_ids.get_mut(last)) {
            (Some(venue_id), Some(place)) => (*venue_id, *place) = (self.last, harness_id as u32),
            _ => self.enter_beyond(harness_id),
        }
        last as u64
    }

    #[cold]
    fn enter_beyond(&mut self, harness_id: u64) {
        assert!(u32::try_from(harness_id).is_ok(), "the harness promises dense order ids");
        let (at, last) = (harness_id as usize, self.last as usize);
        self.venue_ids.resize(self.venue_ids.len().max((at + 1).next_power_of_two()), 0);
        self.harness_ids.resize(self.harness_ids.len().max((last + 1).next_power_of_two()), 0);
        (self.venue_ids[at], self.harness_ids[last]) = (self.last, harness_id as u32);
    }

    /// The venue's id of its last life, 0 when there was none.
    #[inline]
    pub(crate) fn venue_id(&self, harness_id: u64) -> u64 {
        self.venue_ids.get(harness_id as usize).map_or(0, |id| u64::from(*id))
    }

    #[inline]
    pub(crate) fn harness_id(&self, venue_id: u64) -> u64 {
        u64::from(self.harness_ids[venue_id as usize])
    }
}
