//! Numbers the changes of price levels and groups them into windows of log time.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::{DepthWindowClosed, LevelChanged};
use wire::{Event, MarketId, Price, Qty, Side, Timestamp, UpdateId};

use crate::effects::Sink;

/// How long a window is, in nanoseconds of log time. Windows start at multiples of it, so that the markets of a
/// partition close theirs together.
pub const DEPTH_WINDOW_NS: u64 = 100_000_000;

/// The counters of one market's depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Depth {
    /// The last change's number.
    last: UpdateId,
    /// The first change of the open window, and when that window ends.
    open: Option<(UpdateId, Timestamp)>,
}

impl Depth {
    /// When the open window ends; `None` while nothing has changed in it.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.open.map(|(_, end)| end)
    }

    /// Tells a level's new sum.
    pub(super) fn change(
        &mut self,
        now: Timestamp,
        market: MarketId,
        side: Side,
        price: Price,
        qty: Qty,
        effects: &mut impl Sink,
    ) {
        self.last = self.last.next();
        if self.open.is_none() {
            let start = now.nanos() - now.nanos() % DEPTH_WINDOW_NS;
            self.open = Some((self.last, Timestamp::from_nanos(start).plus_nanos(DEPTH_WINDOW_NS)));
        }
        effects.tell(Event::LevelChanged(LevelChanged { market, side, price, qty, update: self.last }));
    }

    /// Closes the window of the changes so far when it is over; whether it was.
    pub(super) fn close_due(&mut self, now: Timestamp, market: MarketId, effects: &mut impl Sink) -> bool {
        if let Some((first, end)) = self.open
            && now >= end
        {
            self.open = None;
            effects.tell(Event::DepthWindowClosed(DepthWindowClosed { market, first, last: self.last }));
            return true;
        }
        false
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        let (first, end) = self.open.unwrap_or_default();
        to.put(&self.last);
        to.put(&self.open.is_some());
        to.put(&first);
        to.put(&end);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Depth, CodecError> {
        let last = from.get()?;
        let is_open: bool = from.get()?;
        let window = (from.get()?, from.get()?);
        Ok(Depth { last, open: is_open.then_some(window) })
    }
}
