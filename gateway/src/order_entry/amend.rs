//! Amending: an open order's quantity is lowered, and it keeps its place at its price.

use std::sync::Arc;

use wire::command::{AmendOrder, Reply};
use wire::{ClientOrderId, Command, OrderId, Qty, RejectReason};

use super::{GiveUp, Waited, answers, deadline, outcome, parse, renamed};
use crate::accounts::RequestOutcome;
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::params::Params;

/// Lowers an order's quantity and waits until its market has.
pub async fn amend(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let market = parse::market(gateway, &mut params)?;
    let named = parse::order_name(&mut params)?;
    let new_name = parse::client_order_id(&mut params, "newClientOrderId")?;
    let qty = parse::quantity(&market, "newQty", &params.required("newQty")?)?;
    params.finish()?;
    if market.rules.special.order_amends_max == 0 {
        return Err(errors::AMENDS_UNSUPPORTED);
    }
    let command = AmendOrder {
        account: caller.account,
        market: market.id,
        order: named.order.unwrap_or(OrderId::ZERO),
        client_order_id: named.client_order_id.unwrap_or(ClientOrderId::EMPTY),
        qty,
        new_client_order_id: new_name.unwrap_or_else(|| parse::generated_id(gateway)),
        asked_us: caller.asked_us,
    };
    let deadline = deadline(gateway);
    renamed(gateway, caller, command.order, command.client_order_id).await;
    // Before the order's turn: whoever has that waits for no name. A name that the order keeps is good now.
    let _rename = if keeps_name(gateway, &command) {
        None
    } else {
        let rename = gateway.renames.take((caller.account, command.new_client_order_id));
        Some(gateway.surroundings.by(deadline, rename).await.ok_or(errors::BUSY)?)
    };
    let turn = gateway.amends.take((caller.account, market.id, named_order(gateway, &command)));
    // What has not been sent has done nothing.
    let _turn = gateway.surroundings.by(deadline, turn).await.ok_or(errors::BUSY)?;
    check_direction(gateway, &command)?;
    let replied = gateway.sequence_by(&Command::AmendOrder(Box::new(command)), deadline).await?;
    if let Reply::Rejected { reason, .. } = replied.reply {
        return Err(refused(reason));
    }
    let position = replied.position;
    let receiver = gateway.exchange.accounts().await_request(position);
    let amended = {
        let _waiting = GiveUp { gateway, what: Waited::Request(position) };
        outcome(gateway, receiver, deadline).await?
    };
    match amended {
        RequestOutcome::Amended(market_id, id) => {
            let accounts = gateway.exchange.accounts();
            let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
            let order = account.orders.get(market_id, id).ok_or(errors::UNKNOWN_ORDER)?;
            Ok(answers::amended(order, account, &market))
        }
        RequestOutcome::Refused(reason) => Err(reason.into()),
        RequestOutcome::Canceled(_) => Err(errors::UNKNOWN),
    }
}

/// A name that is taken is refused by the code of amends, which no client takes for that of an order.
fn refused(reason: RejectReason) -> ApiError {
    match ApiError::from(reason) {
        error if reason == RejectReason::DuplicateClientOrderId => ApiError { code: -2038, ..error },
        error => error,
    }
}

/// The order, by its id; 0 of one that this gateway does not know by its name.
fn named_order(gateway: &Gateway, command: &AmendOrder) -> OrderId {
    let accounts = gateway.exchange.accounts();
    let orders = accounts.get(command.account).map(|account| &account.orders);
    let named = orders.and_then(|orders| orders.named(command.market, &command.client_order_id));
    match (command.order, named) {
        (OrderId::ZERO, Some(order)) => order.id,
        (id, _) => id,
    }
}

/// Whether the order has the name already that it is to have, as far as is known here.
fn keeps_name(gateway: &Gateway, command: &AmendOrder) -> bool {
    let name = &command.new_client_order_id;
    if command.order == OrderId::ZERO {
        return command.client_order_id == *name;
    }
    let accounts = gateway.exchange.accounts();
    let named = accounts.get(command.account).and_then(|account| account.orders.named(command.market, name));
    named.is_some_and(|order| order.id == command.order)
}

/// Of an order that this gateway knows: its quantity can only be lowered.
fn check_direction(gateway: &Gateway, command: &AmendOrder) -> Result<(), ApiError> {
    let accounts = gateway.exchange.accounts();
    let Some(orders) = accounts.get(command.account).map(|account| &account.orders) else { return Ok(()) };
    let known = match command.order {
        OrderId::ZERO => orders.named(command.market, &command.client_order_id),
        id => orders.get(command.market, id),
    };
    match known.filter(|order| order.status.is_open()).map_or(Qty::MAX, |order| order.qty) {
        present if command.qty > present => Err(errors::AMEND_UPWARDS),
        present if command.qty == present => Err(errors::AMEND_OF_NOTHING),
        _ => Ok(()),
    }
}
