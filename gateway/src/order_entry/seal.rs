//! Certainty about an order that nobody has heard of.
//!
//! A client whose order went unanswered asks what became of it, at this gateway or another one. "No such order" must
//! stay true although the order may still be under way: in another gateway that waits for a leader, in a connection that a
//! dead gateway left behind. So the name is *sealed* in the log before the client is told; an order that was asked for
//! before the question is refused from then on. A client that then orders anew under the same name has asked after the
//! question, by its own clock, which every order carries into the log: it passes. A cancel by name needs no seal from
//! here: the ledger seals a name in the same command in which it finds nothing.

use wire::command::{Reply, SealName};
use wire::{ClientOrderId, Command};

use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;

/// Makes sure that no order of this name is on its way any more, and that the projections have seen one that was.
pub async fn seal(gateway: &Gateway, caller: Caller, name: ClientOrderId) -> Result<(), ApiError> {
    seal_name(gateway, caller, name, false).await
}

/// As [`seal`], of an order list.
pub async fn seal_list(gateway: &Gateway, caller: Caller, name: ClientOrderId) -> Result<(), ApiError> {
    seal_name(gateway, caller, name, true).await
}

async fn seal_name(gateway: &Gateway, caller: Caller, name: ClientOrderId, is_list: bool) -> Result<(), ApiError> {
    let (account, asked_us) = (caller.account, caller.asked_us);
    let seal = SealName { account, client_order_id: name, asked_us, is_list };
    let timeout = gateway.limits.read_timeout;
    let replied = gateway.sequence(&Command::SealName(seal), timeout).await.map_err(errors::of_read)?;
    if let Reply::Rejected { reason, .. } = replied.reply {
        return Err(reason.into());
    }
    if gateway.wait_for(gateway.exchange.ledger(), replied.position, timeout).await {
        Ok(())
    } else {
        Err(errors::DISCONNECTED)
    }
}
