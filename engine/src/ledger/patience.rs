//! What holds a client's word for a while by log time must hold it through a change of leaders: names that closed orders
//! have, and seals. By them whoever is in doubt asks again, and a change of leaders is when clients are.
//!
//! From one leader's last entry to the next one's first, log time moves by what their clocks are apart and by what nobody
//! led, and clients could ask nobody. Where that is more than [`SKIP_NS`], nothing is forgotten for a whole retention from
//! the new leader's first entry on.

use wire::Timestamp;
use wire::codec::{CodecError, Reader, Writer};

use crate::limits::Limits;

/// Log time passes at most so far beyond notice between two leaders: longer than a failover takes.
const SKIP_NS: u64 = 1_000_000_000;

/// See the module.
pub(super) struct Patience {
    /// When the last command was sequenced.
    last: Timestamp,
    /// Nothing is forgotten before this.
    not_before: Timestamp,
    retention_ns: u64,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Patience {
        let retention_ns = limits.client_order_id_retention_ns;
        Patience { last: Timestamp::ZERO, not_before: Timestamp::ZERO, retention_ns }
    }

    /// A new leader's first entry.
    pub(super) fn begin_term(&mut self, now: Timestamp) {
        if now > self.last.plus_nanos(SKIP_NS) {
            self.not_before = self.not_before.max(now.plus_nanos(self.retention_ns));
        }
    }

    /// A command is sequenced. Whether what is old may be forgotten.
    #[inline]
    pub(super) fn has_ended(&mut self, now: Timestamp) -> bool {
        self.last = now;
        now >= self.not_before
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.last);
        to.put(&self.not_before);
    }

    pub(super) fn load(limits: &Limits, from: &mut Reader<'_>) -> Result<Patience, CodecError> {
        Ok(Patience { last: from.get()?, not_before: from.get()?, ..Patience::new(limits) })
    }
}
