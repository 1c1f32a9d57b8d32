//! Price limits that look at the market's own prices.
//!
//! - *Bands*. A trade of continuous trading may be as far from its references as `MarketProtection::band` says, bounds
//!   included: the static band's is the price of the last auction, the dynamic band's the last trade before the order that
//!   takes, however far that order walks. A band whose reference does not exist yet does not bound.
//! - *Breach*. An order stops before its first trade outside a band, and before it looks at the orders there. What may rest
//!   of it rests at its limit, the rest of any other ends with `PriceBand`; then a *volatility auction* begins, whose plan is
//!   trading after `volatility_auction_ns`. A fill-or-kill order that would have to leave the band expires whole and begins
//!   nothing. In the auction the order that stopped is a taker, the others on the book are makers.
//! - *The auction's price* is not bounded. It is the references' new value.
//! - *PERCENT_PRICE*, *PERCENT_PRICE_BY_SIDE*. The price of a limit order is measured against the last trade, in any phase, bounds
//!   included; an order beyond is refused with `PercentPrice` or `PercentPriceBySide`. A market has either filter or both, and an
//!   order passes each. Without a last trade every price passes. Binance's filters with `avgPriceMins` 0.
//!
//! The protection price of market orders is the gateway's; it stops them before or after a band does.

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::{ChangeMarketProtection, PlaceOrder};
use wire::{MarketProtection, MarketStatus, OrderId, PhaseCause, Price, RejectReason, Timestamp};

use super::MarketCell;
use crate::effects::Sink;

/// A market's price limits, and what they are measured against besides the last trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bands {
    protection: MarketProtection,
    /// The price of the last auction.
    auction: Option<Price>,
    /// Where trades are allowed, in price units. Derived.
    low: i64,
    high: i64,
    /// The order that has stopped at a band. Within a command.
    breached: Option<OrderId>,
}

impl Bands {
    pub(super) const NONE: Bands =
        Bands { protection: MarketProtection::NONE, auction: None, low: 0, high: i64::MAX, breached: None };

    /// Whether a trade may have this price.
    #[inline]
    pub(super) fn allow(&self, price: Price) -> bool {
        (self.low..=self.high).contains(&price.units())
    }

    pub(super) fn note_breach(&mut self, order: OrderId) {
        self.breached.get_or_insert(order);
    }

    pub(super) fn note_auction(&mut self, price: Price) {
        self.auction = Some(price);
    }

    /// Measures the bands anew.
    pub(super) fn settle(&mut self, last: Option<Price>) {
        (self.low, self.high) = self.protection.band(self.auction, last);
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.protection);
        to.put(&self.auction);
    }

    pub(super) fn load(last: Option<Price>, from: &mut Reader<'_>) -> Result<Bands, CodecError> {
        let mut bands = Bands { protection: from.get()?, auction: from.get()?, ..Bands::NONE };
        bands.settle(last);
        Ok(bands)
    }
}

impl MarketCell {
    /// Whether price limits need a look at each order.
    pub(super) fn has_limits(&self) -> bool {
        self.bands.protection.has_band() || self.bands.protection.has_price_filter()
    }

    /// Other price limits.
    pub(crate) fn change_protection(
        &mut self,
        now: Timestamp,
        change: &ChangeMarketProtection,
        effects: &mut impl Sink,
    ) {
        self.hear(change.version, effects);
        self.bands.protection = change.protection;
        self.bands.settle(self.auctions.last);
        self.settle_phase(now);
    }

    /// Whether the price of a limit order is near enough to the last trade.
    #[cold]
    pub(super) fn check_price_limits(&self, order: &PlaceOrder) -> Result<(), RejectReason> {
        // A stop order that becomes a market order has a protection price, no limit.
        let has_limit = !order.kind.is_market();
        match self.auctions.last {
            Some(last) if has_limit => self.bands.protection.check(order.side, order.price, last),
            _ => Ok(()),
        }
    }

    /// After an order: measures the bands anew, and begins an auction where it stopped at one.
    #[cold]
    pub(super) fn settle_bands(&mut self, now: Timestamp, effects: &mut impl Sink) {
        self.bands.settle(self.auctions.last);
        if let Some(order) = self.bands.breached.take() {
            self.plan_trading(now.plus_nanos(self.bands.protection.volatility_auction_ns));
            self.begin_phase(MarketStatus::Auction, PhaseCause::Volatility, effects);
            self.auctions.stopped = order;
            self.settle_phase(now);
        }
    }
}
