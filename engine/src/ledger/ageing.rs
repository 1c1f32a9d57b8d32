//! The time by which names of closed orders and seals age. Whoever is in doubt asks again by them, and a change of leaders is
//! when clients are in doubt.
//!
//! It is log time without what passed between one leader's last command and the next one's first entry: there log time leaps
//! by what their clocks are apart, and by as long as nobody led and clients could ask nobody.

use wire::Timestamp;
use wire::codec::{CodecError, Reader, Writer};

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ageing {
    /// When the last command was sequenced, or a leader's first entry.
    last: Timestamp,
    /// What of log time does not count; never more than there was until then.
    skipped_ns: u64,
}

impl Ageing {
    /// A new leader's first entry.
    pub(super) fn begin_term(&mut self, now: Timestamp) {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::NamesAgeUnled) {
            self.last = now;
            return;
        }
        self.skipped_ns += now.nanos().saturating_sub(self.last.nanos());
        self.last = now;
    }

    /// A command is sequenced. How late it is.
    #[inline]
    pub(super) fn begin(&mut self, now: Timestamp) -> Timestamp {
        self.last = now;
        Timestamp::from_nanos(now.nanos().saturating_sub(self.skipped_ns))
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.last);
        to.put(&self.skipped_ns);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Ageing, CodecError> {
        let Ageing { last, skipped_ns } = Ageing { last: from.get()?, skipped_ns: from.get()? };
        match skipped_ns <= last.nanos() {
            true => Ok(Ageing { last, skipped_ns }),
            false => Err(CodecError::OutOfRange),
        }
    }
}
