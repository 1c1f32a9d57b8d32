//! Withdrawals as operators read them.

use std::fmt::Write as _;

use gateway::market_data::interval::date_text;
use wire::event::WithdrawalChanged;
use wire::{AddressFormat, ChainFreeze, Timestamp, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use super::waits::Heard;
use super::words;
use crate::operator::Inventory;

/// Those that are not over yet, or all, as a table.
pub(super) fn list(known: &Inventory, all: bool, account: Option<&str>) -> miette::Result<String> {
    let account = account.map(|name| words::account_id(known, name)).transpose()?;
    let wanted = |row: &&WithdrawalChanged| {
        (all || !row.stage.is_final() || row.is_reverted) && account.is_none_or(|account| row.account == account)
    };
    let rows: Vec<_> = known.withdrawing.rows.values().filter(wanted).collect();
    if rows.is_empty() {
        let more = if all { "" } else { "; those that are over: --all" };
        return Ok(format!("no withdrawal is under way{more}\n"));
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:>6}  {:<16}  {:>20}  {:<6}  {:<6}  {:<10}  address",
        "id", "account", "amount", "asset", "chain", "stage"
    );
    for row in rows {
        let amount = words::amount(known, row.asset, row.amount);
        let (asset, chain) = (words::asset_name(known, row.asset), words::chain_name(known, row.chain));
        let account = match row.purpose {
            WithdrawalPurpose::Payment => words::account_name(known, row.account),
            move_of_ours => format!("({})", format!("{move_of_ours:?}").to_lowercase()),
        };
        let stage = match row.stage {
            WithdrawalStage::Settled if row.is_reverted => "taken back".into(),
            // An operator has failed it, and its account has its money again.
            _ if row.is_reverted => "PAID TWICE".into(),
            stage => format!("{stage:?}"),
        };
        let id = row.withdrawal;
        let to = match row.purpose {
            WithdrawalPurpose::Batch => format!("withdrawals {}", members(known, row)),
            _ if row.batch != WithdrawalId::default() => format!("{}, in {}", row.address, row.batch),
            _ => row.address.to_string(),
        };
        let _ = writeln!(text, "{id:>6}  {account:<16}  {amount:>20}  {asset:<6}  {chain:<6}  {stage:<10}  {to}");
    }
    Ok(text)
}

/// Those that a batch pays: `3, 4 and 7`.
fn members(known: &Inventory, batch: &WithdrawalChanged) -> String {
    let ids: Vec<String> = known.withdrawing.members(batch).map(|row| row.withdrawal.to_string()).collect();
    match ids.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "that have left it".into(),
    }
}

/// Everything about one, as of `now`.
pub(super) fn one(known: &Inventory, id: u64, heard: &Heard, now: Timestamp) -> miette::Result<String> {
    let row =
        known.withdrawing.rows.get(&id).ok_or_else(|| {
            miette::miette!(help = "mainstay ctl withdrawal list --all", "there is no withdrawal {id}")
        })?;
    let mut text = String::new();
    let asset = words::asset_name(known, row.asset);
    let amount = |amount| words::amount(known, row.asset, amount);
    let chain = known.withdrawing.chains.get(&row.chain);
    let transaction = |tx| words::transaction(chain, tx);
    let _ = writeln!(text, "withdrawal {id}: {}", waits_for(known, row, heard, now));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<14}  {value}");
    };
    match row.purpose {
        WithdrawalPurpose::Payment => line("account", words::account_name(known, row.account)),
        WithdrawalPurpose::Sweep => line("moves", "deposits into the hot wallet".into()),
        WithdrawalPurpose::Cold => line("moves", "what the hot wallet has too much to the cold address".into()),
        WithdrawalPurpose::Gas => line("moves", "gas to a deposit address that is to be swept".into()),
        WithdrawalPurpose::Child => {
            line("moves", format!("the change of withdrawal {}, and pays the chain for both", row.parent));
        }
        WithdrawalPurpose::Batch => line("pays", format!("withdrawals {}, by one transaction", members(known, row))),
    }
    line("amount", format!("{} {asset}, and a fee of {}", amount(row.amount), amount(row.fee)));
    let on = words::chain_name(known, row.chain);
    line(
        "to",
        if row.purpose == WithdrawalPurpose::Batch {
            format!("theirs, on {on}")
        } else {
            format!("{} on {on}", row.address)
        },
    );
    if row.batch != WithdrawalId::default() {
        line("goes with", format!("others, in withdrawal {}", row.batch));
    }
    line("name", row.name.to_string());
    line("stage", format!("{:?}", row.stage));
    line("requested", time(row.requested_at));
    line("changed", time(row.changed_at));
    for approver in known.withdrawing.approvers.get(&id).into_iter().flatten() {
        line("approved by", approver.to_string());
    }
    // The transactions of what goes with others are the batch's.
    let by = if row.batch == WithdrawalId::default() { id } else { row.batch.get() };
    for tx in known.withdrawing.transactions.get(&by).into_iter().flatten() {
        let is_it = if *tx == row.tx && row.height > 0 { format!(", in block {}", row.height) } else { String::new() };
        line("transaction", format!("{}{is_it}", transaction(*tx)));
    }
    if row.confirmations > 0 {
        let required = match row.required {
            0 if row.stage.is_final() => "when the ledger was told last".into(),
            0 => "until it is final".into(),
            required => format!("of {required}"),
        };
        line("confirmations", format!("{} {required}", row.confirmations));
    }
    Ok(text)
}

/// What comes next, and who does it.
fn waits_for(known: &Inventory, row: &WithdrawalChanged, heard: &Heard, now: Timestamp) -> String {
    let freeze = known.withdrawing.chains.get(&row.chain).map_or(ChainFreeze::Thawed, |chain| chain.freeze);
    // Of what goes with others anything is said by their batch.
    let is_alone = row.batch == WithdrawalId::default();
    let id = if is_alone { row.withdrawal } else { row.batch };
    if row.is_reverted {
        return match row.stage {
            WithdrawalStage::Settled if freeze == ChainFreeze::Thawed => {
                "the chain has taken it back: it is sent again until it is mined".into()
            }
            WithdrawalStage::Settled => {
                "the chain has taken it back, and is frozen: look, then mainstay ctl chain thaw; it is sent again then"
                    .into()
            }
            _ => "its transaction is on the chain although it was failed: its account has the money twice".into(),
        };
    }
    match row.stage {
        WithdrawalStage::Review => {
            format!("waits for {}: mainstay ctl withdrawal approve {id}", words::operators(row.approvals_missing))
        }
        WithdrawalStage::Conflicted => {
            format!("a stranger's transaction has spent what it spends: look, then mainstay ctl withdrawal fail {id}")
        }
        WithdrawalStage::Settled => "settled".into(),
        WithdrawalStage::Canceled | WithdrawalStage::Failed => match row.cause {
            WithdrawalCause::Client => "canceled by its account",
            WithdrawalCause::Operator if row.stage == WithdrawalStage::Canceled => "canceled by an operator",
            WithdrawalCause::Operator => "failed, says an operator",
            WithdrawalCause::SignerRefused => "failed: the signer will not sign it",
            WithdrawalCause::Undone => "failed: the chain has undone it",
            WithdrawalCause::Orphaned => "over: its parent came to its end without it",
            WithdrawalCause::Disbanded => {
                "over before anything was signed: its withdrawals have left it, or nothing was left to sweep"
            }
            WithdrawalCause::None => "over",
        }
        .into(),
        _ if freeze != ChainFreeze::Thawed => {
            format!("waits until its chain thaws ({freeze:?}): mainstay ctl chain status")
        }
        WithdrawalStage::Held if now < row.ready_at => {
            format!("waits until {}: its address is new", time(row.ready_at))
        }
        WithdrawalStage::Held => heard.held(row),
        WithdrawalStage::Allocated | WithdrawalStage::Bumped => match heard.reason(row) {
            Some(why) => format!("waits for the signer: {why}"),
            None => "waits for the signer: is mainstay signer up?".into(),
        },
        WithdrawalStage::Stuck if !is_alone => {
            format!("was sent and is not mined in time: mainstay ctl withdrawal show {id}")
        }
        WithdrawalStage::Stuck => and_why(stuck(known, row), heard, row),
        _ => and_why("under way".into(), heard, row),
    }
}

fn and_why(what: String, heard: &Heard, row: &WithdrawalChanged) -> String {
    heard.reason(row).map(|why| format!("{what}; {why}")).unwrap_or(what)
}

/// Who pays for what is not mined in time.
fn stuck(known: &Inventory, row: &WithdrawalChanged) -> String {
    let id = row.withdrawal.get();
    let withdrawing = &known.withdrawing;
    let child = withdrawing.children.get(&id).and_then(|child| withdrawing.rows.get(child));
    let is_evm = withdrawing.chains.get(&row.chain).is_none_or(|chain| chain.listed.addresses == AddressFormat::Evm);
    match child.filter(|child| !child.stage.is_final()) {
        Some(child) => format!("was sent and is not mined in time; its child, {}, pays for both", child.withdrawal),
        None if is_evm => "was sent and is not mined in time; it will pay more".into(),
        None if withdrawing.with_change.contains(&id) => {
            "was sent and is not mined in time; it, or a child of it, will pay more".into()
        }
        None => "was sent and is not mined in time; it will pay more, and where nodes take no replacement it waits until what it \
                 pays suffices: nothing comes back of it that a child could pay with"
            .into(),
    }
}

/// `2026-11-21 16:20:09 UTC`.
fn time(at: Timestamp) -> String {
    format!("{} UTC", date_text(at.nanos() / 1_000_000))
}

#[cfg(test)]
mod tests;
