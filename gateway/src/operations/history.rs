//! Orders and fills of an account, as the cluster has committed them when the request came.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use wire::{ListId, OrderId};

use super::{Call, market};
use crate::accounts::{Fill, Order};
use crate::errors::{self, ApiError};
use crate::gateway::Answer;
use crate::history::{FillsWanted, Page};
use crate::market_data::render;
use crate::names;
use crate::order_entry::{self, answers, parse};
use crate::params::Params;

pub(super) const LIMIT_DEFAULT: usize = 500;
pub(super) const LIMIT_MAX: usize = 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// `GET order`.
pub(super) fn order(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        let name = parse::order_name(&mut params)?;
        params.finish()?;
        let is_meant = |order: &Order| match (name.order, &name.client_order_id) {
            (Some(id), _) => order.market == market.id && order.id == id,
            (None, text) => order.market == market.id && Some(&order.client_order_id) == text.as_ref(),
        };
        call.gateway.orders_up_to_date(caller.account, is_meant).await?;
        let find = || -> Result<Option<String>, ApiError> {
            let accounts = call.gateway.exchange.accounts();
            let orders = &accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?.orders;
            let order = match (name.order, name.client_order_id) {
                (Some(id), text) => {
                    orders.get(market.id, id).filter(|order| text.is_none_or(|text| order.client_order_id == text))
                }
                (None, Some(text)) => orders.named(market.id, &text),
                (None, None) => None,
            };
            Ok(order.filter(|order| order.was_attempted()).map(|order| answers::queried(order, &market)))
        };
        if let Some(order) = find()? {
            return Ok(order);
        }
        if let (None, Some(text)) = (name.order, name.client_order_id) {
            // It may be on its way, its answer outstanding or given up: that it does not exist must stay true.
            order_entry::seal::seal(&call.gateway, caller, market.id, text).await?;
            if let Some(order) = find()? {
                return Ok(order);
            }
        }
        let text = name.client_order_id.as_ref();
        let forgotten = call.gateway.forgotten_order(caller.account, market.id, name.order, text).await?;
        if let Some(order) = forgotten.filter(Order::was_attempted) {
            return Ok(answers::queried(&order, &market));
        }
        if let (Some(id), Some(_)) = (name.order, text) {
            let known = {
                let accounts = call.gateway.exchange.accounts();
                let orders = accounts.get(caller.account).map(|account| &account.orders);
                orders.and_then(|orders| orders.get(market.id, id)).is_some_and(Order::was_attempted)
            };
            let by_id = call.gateway.forgotten_order(caller.account, market.id, name.order, None);
            if known || by_id.await?.as_ref().is_some_and(Order::was_attempted) {
                return Err(errors::OTHER_CLIENT_ORDER_ID);
            }
        }
        Err(errors::NO_SUCH_ORDER)
    }
    .boxed()
}

/// `GET openOrders`.
pub(super) fn open_orders(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let wanted = parse::market_or_all(&call.gateway, &mut params)?;
        params.finish()?;
        let is_wanted = |order: &Order| wanted.as_ref().is_none_or(|market| order.market == market.id);
        call.gateway.orders_up_to_date(caller.account, is_wanted).await?;
        let reference = call.gateway.exchange.reference();
        let open: Vec<Order> = {
            let accounts = call.gateway.exchange.accounts();
            let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
            account.orders.open(wanted.map(|market| market.id)).cloned().collect()
        };
        Ok(render::array(
            open.iter().filter_map(|order| Some(answers::queried(order, reference.market(order.market)?))),
        ))
    }
    .boxed()
}

/// `GET allOrders`: those that came in within a time, or from `orderId` on, or the latest; by id, which is the order in which
/// they came.
pub(super) fn all_orders(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        let from = params.integer("orderId")?;
        let within = Within::take(&mut params)?;
        let limit = params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        params.finish()?;
        // A time tells what is wanted by itself, as Binance has it.
        let from = from.filter(|_| within.is_open());
        let orders = call.gateway.past_orders(caller.account, market.id, &within.page(from, limit)).await?;
        Ok(render::array(orders.iter().map(|order| answers::queried(order, &market))))
    }
    .boxed()
}

/// `GET myTrades`: of one order, from `fromId` on, within a time, or the latest; by trade id.
pub(super) fn my_trades(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        let order = params.integer("orderId")?.map(OrderId::new);
        let from = params.integer("fromId")?;
        let within = Within::take(&mut params)?;
        let limit = params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        params.finish()?;
        if (from.is_some() || order.is_some()) && !within.is_open() {
            return Err(errors::BAD_COMBINATION);
        }
        let wanted = FillsWanted { order, page: within.page(from, limit) };
        let fills = call.gateway.past_fills(caller.account, market.id, &wanted).await?;
        let reference = call.gateway.exchange.reference();
        let show = |(fill, list): &(Fill, ListId)| answers::trade(fill, names::shown_list(*list), &market, &reference);
        Ok(render::array(fills.iter().map(show)))
    }
    .boxed()
}

/// A span of log time in milliseconds, both ends included.
pub(super) struct Within {
    start: Option<u64>,
    end: Option<u64>,
}

impl Within {
    pub(super) fn take(params: &mut Params) -> Result<Within, ApiError> {
        let (start, end) = market::times(params)?;
        if let (Some(start), Some(end)) = (start, end)
            && end - start > DAY_MS
        {
            return Err(ApiError::new(-1127, "More than 24 hours between startTime and endTime."));
        }
        Ok(Within { start, end })
    }

    /// Whether it has neither beginning nor end.
    pub(super) fn is_open(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// The part of a list that it asks for, from a number on.
    pub(super) fn page(&self, from: Option<u64>, limit: usize) -> Page {
        Page { from, start_ms: self.start, end_ms: self.end, limit }
    }
}
