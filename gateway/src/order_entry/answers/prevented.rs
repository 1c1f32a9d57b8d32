//! Trades that self-trade prevention prevented, in the answer to the order that would have taken them and by themselves.

use serde::Serialize;
use wire::{Qty, SelfTradePrevention};

use super::write;
use crate::accounts::PreventedMatch;
use crate::names;
use crate::reference::Market;

/// A trade with its own account or group that an order would have taken.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlacedPrevented<'a> {
    prevented_match_id: u64,
    maker_symbol: &'a str,
    maker_order_id: u64,
    price: String,
    #[serde(flatten)]
    lost: PreventedQuantities,
}

/// What the two orders lost, of those that the mode ends or lowers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreventedQuantities {
    #[serde(skip_serializing_if = "Option::is_none")]
    taker_prevented_quantity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maker_prevented_quantity: Option<String>,
}

impl PreventedQuantities {
    fn of(prevented: &PreventedMatch, market: &Market) -> PreventedQuantities {
        let PreventedMatch { mode, taker_qty, maker_qty, .. } = *prevented;
        let show = |qty: Qty| market.show_qty(qty.units());
        PreventedQuantities {
            taker_prevented_quantity: (mode != SelfTradePrevention::ExpireMaker).then(|| show(taker_qty)),
            maker_prevented_quantity: (mode != SelfTradePrevention::ExpireTaker).then(|| show(maker_qty)),
        }
    }
}

impl PlacedPrevented<'_> {
    pub(super) fn of<'a>(prevented: &PreventedMatch, market: &'a Market) -> PlacedPrevented<'a> {
        PlacedPrevented {
            prevented_match_id: prevented.id.get(),
            maker_symbol: market.symbol.as_str(),
            maker_order_id: prevented.maker.get(),
            price: market.show_price(prevented.price.units()),
            lost: PreventedQuantities::of(prevented, market),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPrevented<'a> {
    symbol: &'a str,
    prevented_match_id: u64,
    taker_order_id: u64,
    maker_symbol: &'a str,
    maker_order_id: u64,
    trade_group_id: i32,
    self_trade_prevention_mode: &'static str,
    price: String,
    #[serde(flatten)]
    lost: PreventedQuantities,
    transact_time: u64,
}

/// A prevented trade as `myPreventedMatches` answers it.
pub fn prevented(prevented: &PreventedMatch, market: &Market) -> String {
    write(&ShownPrevented {
        symbol: market.symbol.as_str(),
        prevented_match_id: prevented.id.get(),
        taker_order_id: prevented.taker.get(),
        maker_symbol: market.symbol.as_str(),
        maker_order_id: prevented.maker.get(),
        trade_group_id: names::trade_group(prevented.group),
        self_trade_prevention_mode: names::self_trade(prevented.mode),
        price: market.show_price(prevented.price.units()),
        lost: PreventedQuantities::of(prevented, market),
        transact_time: prevented.at.millis(),
    })
}
