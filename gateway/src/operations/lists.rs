//! Order lists, amendments and prevented trades.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use wire::{ListId, OrderId};

use super::Call;
use super::history::{LIMIT_DEFAULT, LIMIT_MAX, Within};
use crate::errors::{self, ApiError};
use crate::gateway::Answer;
use crate::history::{ListedOrders, PreventedWanted};
use crate::market_data::render;
use crate::order_entry::{amend, answers, lists, parse, seal};
use crate::reference::Reference;

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident => $entry:path;)+) => {
        $($(#[$doc])*
        pub(super) fn $name(call: Call) -> BoxFuture<'static, Answer> {
            async move { $entry(&call.gateway, call.caller()?, call.params).await }.boxed()
        })+
    };
}

entries! {
    /// `PUT order/amend/keepPriority`.
    amend_order => amend::amend;
    /// `POST orderList/oco`.
    oco => lists::oco;
    /// `POST order/oco`.
    limit_and_stop => lists::limit_and_stop;
    /// `POST orderList/oto`.
    oto => lists::oto;
    /// `POST orderList/otoco`.
    otoco => lists::otoco;
    /// `DELETE orderList`.
    cancel => lists::cancel;
}

fn show(listed: &ListedOrders, reference: &Reference) -> Option<String> {
    Some(answers::list(listed, reference.market(listed.list.market)?, None))
}

/// `GET orderList`.
pub(super) fn list(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let id = params.integer("orderListId")?.map(ListId::new);
        let name = parse::client_order_id(&mut params, "origClientOrderId")?;
        params.finish()?;
        if id.is_none() && name.is_none() {
            return Err(ApiError::either_mandatory("orderListId", "origClientOrderId"));
        }
        // Of both, the name counts.
        let id = id.filter(|_| name.is_none());
        call.gateway.up_to_date().await?;
        let reference = call.gateway.exchange.reference();
        let find = || -> Result<Option<ListedOrders>, ApiError> {
            let accounts = call.gateway.exchange.accounts();
            let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
            let list = match (id, &name) {
                (Some(id), _) => account.lists.get(id),
                (None, Some(name)) => account.lists.named(name),
                (None, None) => None,
            };
            Ok(list.map(|list| account.listed(list)))
        };
        let mut found = find()?;
        if let (None, None, Some(name)) = (&found, id, name) {
            // As of an order: it may be on its way.
            seal::seal_list(&call.gateway, caller, name).await?;
            found = find()?;
        }
        if found.is_none() {
            found = call.gateway.forgotten_list(caller.account, id, name.as_ref()).await?;
        }
        found.and_then(|listed| show(&listed, &reference)).ok_or(errors::NO_SUCH_LIST)
    }
    .boxed()
}

/// `GET openOrderList`.
pub(super) fn open(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        call.params.finish()?;
        call.gateway.up_to_date().await?;
        let reference = call.gateway.exchange.reference();
        let accounts = call.gateway.exchange.accounts();
        let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
        Ok(render::array(account.lists.open().filter_map(|list| show(&account.listed(list), &reference))))
    }
    .boxed()
}

/// `GET allOrderList`.
pub(super) fn all(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let from = params.integer("fromId")?;
        let within = Within::take(&mut params)?;
        let limit = params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        params.finish()?;
        if from.is_some() && !within.is_open() {
            return Err(errors::BAD_COMBINATION);
        }
        let lists = call.gateway.past_lists(caller.account, &within.page(from, limit)).await?;
        let reference = call.gateway.exchange.reference();
        Ok(render::array(lists.iter().filter_map(|listed| show(listed, &reference))))
    }
    .boxed()
}

/// `GET order/amendments`.
pub(super) fn amendments(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        let id = params.integer("orderId")?.ok_or_else(|| ApiError::mandatory("orderId"))?;
        let from = params.integer("fromExecutionId")?.unwrap_or(0);
        let limit = params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        params.finish()?;
        let order = OrderId::new(id);
        let (order, amendments) = call.gateway.past_amendments(caller.account, market.id, order, from, limit).await?;
        Ok(render::array(amendments.iter().map(|amendment| answers::amendment(&order, amendment, &market))))
    }
    .boxed()
}

/// `GET myPreventedMatches`.
pub(super) fn prevented(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        let id = params.integer("preventedMatchId")?;
        let order = params.integer("orderId")?.map(OrderId::new);
        let from = params.integer("fromPreventedMatchId")?;
        let limit = params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        params.finish()?;
        if id.is_some() == order.is_some() || (from.is_some() && order.is_none()) {
            return Err(errors::BAD_COMBINATION);
        }
        let wanted = PreventedWanted { id, order, from, limit };
        let prevented = call.gateway.past_prevented(caller.account, market.id, &wanted).await?;
        Ok(render::array(prevented.iter().map(|prevented| answers::prevented(prevented, &market))))
    }
    .boxed()
}

/// A prevented trade by its number is cheaper than those of an order.
pub(super) fn prevented_weight(params: &crate::params::Params) -> u32 {
    if params.get("orderId").is_some() { 20 } else { 2 }
}
