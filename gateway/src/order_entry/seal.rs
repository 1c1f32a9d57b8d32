//! Certainty about an order that nobody has heard of.
//!
//! A client whose order went unanswered asks what became of it, at this gateway or another one. "No such order" must
//! stay true although the order may still be under way: in another gateway that waits for a leader, in a connection that a
//! dead gateway left behind. So the name is *sealed* in the log before the client is told; an order that was asked for
//! before the question is refused from then on. A client that then orders anew under the same name has asked after the
//! question, by its own clock: its order lifts the seal.

use wire::command::{Reply, SealName};
use wire::{ClientOrderId, Command, LogPosition, RejectReason};

use super::request;
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;

/// How often an order may meet a seal that somebody has just renewed.
const TRIES_MAX: usize = 4;

/// Makes sure that no order of this name is on its way any more, and that the projections have seen one that was.
pub async fn seal(gateway: &Gateway, caller: Caller, name: ClientOrderId) -> Result<(), ApiError> {
    let (account, asked_us) = (caller.account, caller.asked_us);
    let seal = SealName { account, client_order_id: name, asked_us, is_lifted: false };
    let timeout = gateway.limits.read_timeout;
    let replied = super::request_within(gateway, &Command::SealName(seal), timeout).await.map_err(errors::of_read)?;
    if let Reply::Rejected { reason, .. } = replied.reply {
        return Err(reason.into());
    }
    if gateway.exchange.wait_for(gateway.exchange.ledger(), replied.position, timeout).await {
        Ok(())
    } else {
        Err(errors::DISCONNECTED)
    }
}

/// Sends a command that places orders of these names. A seal that is older than the client's wish is lifted.
pub(super) async fn request_new(
    gateway: &Gateway,
    caller: Caller,
    command: &Command,
    names: &[ClientOrderId],
) -> Result<(LogPosition, Reply), ApiError> {
    for _ in 0..TRIES_MAX {
        let replied = request(gateway, command).await?;
        let sealed_us = match replied.reply {
            Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id } => SealName::asked_at(id),
            _ => None,
        };
        let Some(asked_us) = sealed_us.filter(|sealed_us| *sealed_us < caller.asked_us) else {
            return Ok((replied.position, replied.reply));
        };
        for name in names {
            let account = caller.account;
            let lift = SealName { account, client_order_id: *name, asked_us, is_lifted: true };
            request(gateway, &Command::SealName(lift)).await?;
        }
    }
    Err(RejectReason::DuplicateClientOrderId.into())
}
