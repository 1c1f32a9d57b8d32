//! Events of our own about a market: its book order by order, its phases, its auctions. Binance has none of them.

use wire::event::{AuctionCompleted, AuctionIndicated, PhaseChanged};
use wire::{Qty, Side};

use super::events::{begin, end};
use crate::market_data::Listing;
use crate::market_data::json::Json;
use crate::market_data::orders::{OrderChange, OrderChanges, OrderDepth, Shown};
use crate::names;

/// `l3`: `U` and `u` number the changes in `c`, of which each is `["SHOW",order,side,price,quantity,is last]` or
/// `["TRADE",trade,maker,taker,price,quantity,is of an auction]`.
pub fn orders(listing: &Listing, at_ms: u64, changes: &OrderChanges) -> String {
    let mut json = begin("l3", at_ms, listing, 96 + 72 * changes.changes.len());
    json.int_field("U", changes.first.get());
    json.int_field("u", changes.last());
    json.name("c");
    json.open_array();
    for change in &changes.changes {
        json.open_array();
        match change {
            OrderChange::Shown { side, shown, is_last } => {
                json.plain("SHOW");
                json.int(shown.order.get());
                json.plain(names::side(*side));
                level(&mut json, listing, shown);
                json.raw(if *is_last { "true" } else { "false" });
            }
            OrderChange::Traded { trade, maker, taker, price, qty, is_auction } => {
                json.plain("TRADE");
                json.int(trade.get());
                json.int(maker.get());
                json.int(taker.get());
                level(&mut json, listing, &Shown { order: *maker, price: *price, qty: *qty });
                json.raw(if *is_auction { "true" } else { "false" });
            }
        }
        json.close_array();
    }
    json.close_array();
    end(json)
}

/// The whole book, order by order: what [`orders`] are applied to.
pub fn orders_snapshot(listing: &Listing, at_ms: u64, depth: &OrderDepth) -> String {
    let mut json = begin("l3Snapshot", at_ms, listing, 128 + 56 * (depth.bids.len() + depth.asks.len()));
    orders_fields(&mut json, listing, depth);
    end(json)
}

/// `GET depth/orders`.
pub fn orders_answer(listing: &Listing, depth: &OrderDepth) -> String {
    let mut json = Json::with_capacity(128 + 56 * (depth.bids.len() + depth.asks.len()));
    json.open_object();
    orders_fields(&mut json, listing, depth);
    end(json)
}

fn orders_fields(json: &mut Json, listing: &Listing, depth: &OrderDepth) {
    json.int_field("lastUpdateId", depth.last.get());
    for (name, side) in [("bids", &depth.bids), ("asks", &depth.asks)] {
        json.name(name);
        json.open_array();
        for shown in side {
            json.open_array();
            level(json, listing, shown);
            json.int(shown.order.get());
            json.close_array();
        }
        json.close_array();
    }
}

fn level(json: &mut Json, listing: &Listing, shown: &Shown) {
    json.decimal(shown.price.units(), listing.scale.price_decimals);
    json.decimal(shown.qty.units(), listing.scale.qty_decimals);
}

/// `marketStatus`: `X` is the status as `exchangeInfo` has it, `p` the phase, `r` what moved the market there, `n` counts
/// its phases, `T` is when a plan or the schedule ends it, 0 when nothing does.
pub fn status(listing: &Listing, at_ms: u64, changed: &PhaseChanged) -> String {
    let mut json = begin("marketStatus", at_ms, listing, 160);
    json.plain_field("X", names::market_status(changed.status));
    json.plain_field("p", names::phase(changed.status));
    json.plain_field("r", names::phase_cause(changed.cause));
    json.int_field("n", changed.number);
    json.int_field("T", changed.until.millis());
    end(json)
}

/// `auctionIndication`: price and quantity that would trade, and what would be left over of which side; without `p` while
/// the book does not cross.
pub fn indicated(listing: &Listing, at_ms: u64, indicated: &AuctionIndicated) -> String {
    let mut json = begin("auctionIndication", at_ms, listing, 192);
    if let Some(price) = indicated.price {
        json.decimal_field("p", price.units(), listing.scale.price_decimals);
    }
    json.decimal_field("q", indicated.qty.units(), listing.scale.qty_decimals);
    let side = if indicated.surplus < 0 { Side::Sell } else { Side::Buy };
    json.decimal_field("o", indicated.surplus.abs(), listing.scale.qty_decimals);
    json.plain_field("S", if indicated.surplus == 0 { "NONE" } else { names::side(side) });
    end(json)
}

/// `auctionCompleted`: all of it traded at one price.
pub fn completed(listing: &Listing, at_ms: u64, completed: &AuctionCompleted) -> String {
    let mut json = begin("auctionCompleted", at_ms, listing, 160);
    json.decimal_field("p", completed.price.units(), listing.scale.price_decimals);
    json.decimal_field("q", completed.qty.min(Qty::MAX).units(), listing.scale.qty_decimals);
    end(json)
}
