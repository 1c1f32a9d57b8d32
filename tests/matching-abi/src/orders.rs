//! Who is who: the harness's order ids and the venue's.

/// What the harness said of an order that may still rest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entered {
    /// The venue's id of its present life; 0 when it is known not to rest.
    pub(crate) venue_id: u64,
    pub(crate) price_ticks: i64,
    pub(crate) side: u8,
}

/// Ids are dense, so both ways are arrays, as the harness's documents have it for every engine.
pub(crate) struct Orders {
    entered: Vec<Entered>,
    /// The harness's id by the venue's.
    harness_ids: Vec<u64>,
}

/// More than the canonical workloads use; what is beyond grows.
const EXPECTED: usize = 1 << 21;

/// Beyond this an id is not dense any more, and would not be worth its memory.
const ID_MAX: u64 = 1 << 32;

impl Orders {
    pub(crate) fn new() -> Orders {
        let mut harness_ids = Vec::with_capacity(EXPECTED);
        harness_ids.push(0);
        Orders { entered: vec![Entered::default(); EXPECTED], harness_ids }
    }

    /// A new life of an order: its next venue id.
    #[inline]
    pub(crate) fn enter(&mut self, harness_id: u64, side: u8, price_ticks: i64) -> u64 {
        assert!(harness_id < ID_MAX, "the harness promises dense order ids");
        let venue_id = self.harness_ids.len() as u64;
        self.harness_ids.push(harness_id);
        let at = harness_id as usize;
        if at >= self.entered.len() {
            self.entered.resize((at + 1).next_power_of_two(), Entered::default());
        }
        self.entered[at] = Entered { venue_id, price_ticks, side };
        venue_id
    }

    #[inline]
    pub(crate) fn get(&self, harness_id: u64) -> Entered {
        self.entered.get(harness_id as usize).copied().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn harness_id(&self, venue_id: u64) -> u64 {
        self.harness_ids[venue_id as usize]
    }
}
