//! Certainty about an order that nobody has heard of.
//!
//! A client whose order went unanswered asks what became of it, at this gateway or another one. "No such order" must
//! stay true although the order may still be under way: in another gateway that waits for a leader, in a connection that a
//! dead gateway left behind. So the name is *sealed* in the log before the client is told; an order that was asked for
//! before the question is refused from then on. A client that then orders anew under the same name has asked after the
//! question, by its own clock, which every order carries into the log: it passes. A cancel by name needs no seal from
//! here: the ledger seals a name in the same command in which it finds nothing.
//!
//! A name that an order has, has had, or is about to get by an amend cannot be sealed. Of the last the client has not been
//! told either what became of it: its market's word is waited for.

use std::time::Duration;

use wire::command::{Reply, SealName};
use wire::{ClientOrderId, Command, MarketId, OrderId};

use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;

/// A name that is kept for an amend is asked for again after so long, and then after twice as long each time: a refused amend
/// frees it, and nothing of the order says so. Every question is a command in the log, and a market without a leader keeps the
/// name for as long as it has none.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Makes sure that no order of this name is on its way any more, nor an order of the market on its way to the name, and that
/// the projections have seen one that was.
pub async fn seal(gateway: &Gateway, caller: Caller, market: MarketId, name: ClientOrderId) -> Result<(), ApiError> {
    let surroundings = &gateway.surroundings;
    let mut left = gateway.limits.read_timeout;
    let deadline = surroundings.now() + left;
    let mut pause = ASK_AGAIN;
    while let Some(order) = seal_name(gateway, caller, name, false, left).await? {
        let has_had_it = || {
            let accounts = gateway.exchange.accounts();
            let order = accounts.get(caller.account).and_then(|account| account.orders.get(market, order));
            order.is_none_or(|order| order.has_had(&name))
        };
        let told = gateway.exchange.until(gateway.exchange.ledger(), has_had_it);
        if surroundings.by(deadline.min(surroundings.now() + pause), told).await.is_some() {
            return Ok(());
        }
        left = deadline.saturating_duration_since(surroundings.now());
        if left.is_zero() {
            return Err(errors::DISCONNECTED);
        }
        pause *= 2;
    }
    Ok(())
}

/// Makes sure that no order list of this name is on its way any more, and that the projections have seen one that was.
pub async fn seal_list(gateway: &Gateway, caller: Caller, name: ClientOrderId) -> Result<(), ApiError> {
    seal_name(gateway, caller, name, true, gateway.limits.read_timeout).await.map(drop)
}

/// Who has taken the name, if it could not be sealed.
async fn seal_name(
    gateway: &Gateway,
    caller: Caller,
    name: ClientOrderId,
    is_list: bool,
    timeout: Duration,
) -> Result<Option<OrderId>, ApiError> {
    let (account, asked_us) = (caller.account, caller.asked_us);
    let seal = SealName { account, client_order_id: name, asked_us, is_list };
    let replied = gateway.sequence(&Command::SealName(seal), timeout).await.map_err(errors::of_read)?;
    let taken_by = match replied.reply {
        Reply::Rejected { reason, .. } => return Err(reason.into()),
        Reply::Accepted { id } => (id != 0).then_some(OrderId::new(id)),
    };
    if gateway.wait_for(gateway.exchange.ledger(), replied.position, timeout).await {
        Ok(taken_by)
    } else {
        Err(errors::DISCONNECTED)
    }
}
