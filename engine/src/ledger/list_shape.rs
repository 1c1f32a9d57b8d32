//! Which orders make a list; the rules are those of [`super::lists`].

use wire::command::{NewOrder, NewOrderList, NewOrderOnTerms};
use wire::{ListKind, OrderKind, RejectReason, Side, TimeInForce};

use super::Refused;
use super::pegs::is_protected;

/// Whether the legs make a list of their kind.
pub(super) fn check_shape(new: &NewOrderList) -> Result<(), Refused> {
    let legs = &new.legs[..];
    let bad = || Refused::because(RejectReason::BadOrderList);
    let first = legs.first().ok_or_else(bad)?.order;
    let (account, market) = (first.account, first.market);
    let belongs = |leg: &NewOrderOnTerms| {
        (leg.order.account, leg.order.market) == (account, market)
            && leg.order.quote_qty.is_zero()
            && leg.order.time_in_force != TimeInForce::Gtd
            && leg.terms.expire_at.is_none()
            && leg.terms.qty_min.is_zero()
    };
    let names =
        |at: usize| legs.iter().skip(at + 1).any(|leg| leg.order.client_order_id == legs[at].order.client_order_id);
    if legs.len() != new.kind.legs() || !legs.iter().all(belongs) || (0..legs.len()).any(names) {
        return Err(bad());
    }
    let pair = match (new.kind, legs) {
        (ListKind::Oco, [first, second]) => Some((first, second)),
        (ListKind::Oto, [..]) => None,
        (ListKind::Otoco, [_, first, second]) => Some((first, second)),
        _ => return Err(bad()),
    };
    if new.kind != ListKind::Oco && !matches!(first.kind, OrderKind::Limit | OrderKind::LimitMaker) {
        return Err(bad());
    }
    pair.map_or(Ok(()), |(first, second)| check_pair(first, second))
}

fn check_pair(first: &NewOrderOnTerms, second: &NewOrderOnTerms) -> Result<(), Refused> {
    let is_stop_loss = |leg: &NewOrderOnTerms| matches!(leg.order.kind, OrderKind::StopLoss | OrderKind::StopLossLimit);
    let is_profit = |leg: &NewOrderOnTerms| {
        matches!(leg.order.kind, OrderKind::LimitMaker | OrderKind::TakeProfit | OrderKind::TakeProfitLimit)
    };
    let (loss, profit) = if is_stop_loss(first) { (first, second) } else { (second, first) };
    let alike = |order: &NewOrder| (order.side, order.qty, order.self_trade);
    if !is_stop_loss(loss) || !is_profit(profit) || alike(&loss.order) != alike(&profit.order) {
        return Err(RejectReason::BadOrderList.into());
    }
    let wanted = match profit.order.kind {
        OrderKind::TakeProfit => profit.terms.stop_price,
        _ => Some(profit.order.price).filter(|_| !is_protected(&profit.order, Some(&profit.terms))),
    };
    let (Some(wanted), Some(stop)) = (wanted, loss.terms.stop_price) else { return Ok(()) };
    let is_right = if loss.order.side == Side::Sell { wanted > stop } else { wanted < stop };
    if is_right { Ok(()) } else { Err(RejectReason::BadListPrices.into()) }
}
