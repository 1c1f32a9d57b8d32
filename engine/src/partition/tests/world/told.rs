//! What came of a step, in words.

use wire::{AccountId, Amount, Event, Side};

use super::{BASE, MARKET, QUOTE, World, price};

impl World {
    /// What the ledger told since it was cleared.
    pub(in super::super) fn told(&self) -> String {
        self.private.iter().filter_map(tell).collect::<Vec<String>>().join(", ")
    }

    pub(super) fn balance(&self, account: AccountId) -> String {
        let config = &self.partitions[0];
        let (base, quote) = (config.balance(account, BASE), config.balance(account, QUOTE));
        format!("{}+{} base, {}+{} quote", base.0, base.1, quote.0, quote.1)
    }

    /// What the public was told last about a level.
    pub(super) fn level(&self, side: &str, at: &str) -> String {
        let (side, at) = (if side == "buy" { Side::Buy } else { Side::Sell }, price(at.parse().unwrap()));
        let told = self.public.iter().rev().find_map(|event| match event {
            Event::LevelChanged(e) if (e.market, e.side, e.price) == (MARKET, side, at) => Some(e.qty.units()),
            _ => None,
        });
        told.unwrap_or(0).to_string()
    }
}

/// Whether a market told it.
pub(super) fn is_public(event: &Event) -> bool {
    matches!(
        event,
        Event::OrderShown(_)
            | Event::Traded(_)
            | Event::LevelChanged(_)
            | Event::DepthWindowClosed(_)
            | Event::PhaseChanged(_)
            | Event::AuctionIndicated(_)
            | Event::AuctionCompleted(_)
    )
}

pub(super) fn tell(event: &Event) -> Option<String> {
    Some(match event {
        Event::OrderAccepted(e) => format!("accepted {}", e.order),
        Event::OrderRejected(e) => format!("refused {} {:?}", e.order, e.reason),
        Event::OrderExecuted(e) if e.leaves.is_zero() => {
            format!("filled {} {}@{}{}", e.order, e.qty.units(), e.price.units(), fee(e.fee))
        }
        Event::OrderExecuted(e) => {
            format!("fill {} {}@{}{}", e.order, e.qty.units(), e.price.units(), fee(e.fee))
        }
        Event::OrderArmed(e) => format!("armed {}", e.order),
        Event::OrderPegged(e) => format!("pegged {} @{}", e.order, e.price.units()),
        Event::OrderTracking(e) => format!("tracks {}", e.order),
        Event::OrderTriggered(e) => format!("triggered {}", e.order),
        Event::OrderResting(e) => format!("rests {} {}", e.order, e.leaves.units()),
        Event::OrderCanceled(e) => {
            let by = if e.cause.is_expiry() { "expired" } else { "canceled" };
            format!("{by} {} {} {:?}", e.order, e.leaves.units(), e.cause)
        }
        Event::MatchPrevented(e) => {
            let (taker, maker) = (e.taker_qty.units(), e.maker_qty.units());
            format!("prevented {} {taker} x {} {maker} @{}", e.taker, e.maker, e.price.units())
        }
        Event::ListStarted(e) => format!("list {}", e.list),
        Event::ListEnded(e) => format!("done {}", e.list),
        Event::ListRejected(e) => format!("list {} refused {:?}", e.list, e.reason),
        Event::OrderAmended(e) => {
            format!("amended {} {}->{} leaves {}", e.order, e.qty_before.units(), e.qty.units(), e.leaves.units())
        }
        Event::AmendRejected(e) => format!("not amended {} {:?}", e.order, e.reason),
        Event::CancelRejected(e) => format!("no {:?} {}", e.reason, e.order),
        Event::ReplacementRefused(e) => format!("no replacement {:?}", e.reason),
        Event::AllCanceled(e) => format!("all {}", e.canceled),
        _ => return None,
    })
}

fn fee(fee: Amount) -> String {
    if fee.is_zero() { String::new() } else { format!(" fee {}", fee.units()) }
}
