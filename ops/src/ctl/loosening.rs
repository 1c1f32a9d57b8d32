//! `mainstay ctl loosening`: what one operator has proposed to loosen of what guards withdrawals, and what another one says of it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wire::command::{
    AllowAddress, ApproveLoosening, DeclareReserves, DropLoosening, Loosening, ProposeLoosening, RestrictWithdrawals,
    SetWithdrawalRules, ThawReserves,
};
use wire::event::{LooseningProposed, WithdrawalsRestricted};
use wire::{AccountName, Command as LedgerCommand, LooseningId, RejectReason};

use super::Place;
use super::withdrawal::{rules, words};
use crate::operator::{Done, Inventory, Operator};

/// `mainstay ctl loosening`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List what waits for another operator.
    List,
    /// Let it be what another operator has proposed, in the name of your certificate.
    Approve(Which),
    /// Take back what you have proposed, or refuse what another operator has.
    Drop(Which),
}

/// A proposal.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Its number.
    #[arg(value_name = "N")]
    number: u64,
}

/// Does it.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    let operator = place.operator().await?;
    let known = operator.inventory(|_| false).await?;
    match command {
        Command::List => print!("{}", list(&known)),
        Command::Approve(Which { number }) => {
            let proposed = waiting(&known, number)?;
            let (id, approver) = (proposed.id, name(place)?);
            let said = said(&known, &proposed.loosening);
            let approve = ApproveLoosening { id, approver, loosening: proposed.loosening.clone() };
            // Seen before it is so: should it be refused now, this is what was to be approved.
            print!("{said}");
            operator.must(&LedgerCommand::ApproveLoosening(Box::new(approve))).await?;
            println!("{number} is so: {} has proposed it, {approver} has approved it", proposed.proposer);
        }
        Command::Drop(Which { number }) => {
            let (id, by) = (LooseningId::new(number), name(place)?);
            operator.must(&LedgerCommand::DropLoosening(DropLoosening { id, operator: by })).await?;
            println!("{number} is not to be");
        }
    }
    Ok(())
}

/// Does at once what tightens, and proposes what loosens. Whether it is so now.
pub(super) async fn ask(place: &Place, operator: &Operator, loosening: Loosening) -> miette::Result<bool> {
    let command = match loosening.clone() {
        Loosening::SetWithdrawalRules(set) => LedgerCommand::SetWithdrawalRules(set),
        Loosening::RestrictWithdrawals(restrict) => LedgerCommand::RestrictWithdrawals(restrict),
        Loosening::AllowAddress(allow) => LedgerCommand::AllowAddress(allow),
        Loosening::DeclareReserves(declare) => LedgerCommand::DeclareReserves(declare),
        Loosening::ThawReserves(thaw) => LedgerCommand::ThawReserves(thaw),
    };
    let done = operator.execute(&command).await?;
    if !matches!(done, Done::Rejected(RejectReason::NeedsSecondOperator, _)) {
        operator.succeeded(done)?;
        return Ok(true);
    }
    let propose = ProposeLoosening { proposer: name(place)?, loosening };
    let number = match operator.execute(&LedgerCommand::ProposeLoosening(Box::new(propose))).await? {
        Done::Rejected(RejectReason::LooseningExists, number) => number,
        done => operator.succeeded(done)?,
    };
    println!("it loosens what guards withdrawals");
    println!("waits for a second operator: mainstay ctl --operator NAME loosening approve {number}");
    Ok(false)
}

fn name(place: &Place) -> miette::Result<AccountName> {
    AccountName::new(place.cluster()?.operator.name.as_bytes())
        .map_err(|_| miette::miette!("the certificate's name is none"))
}

fn waiting(known: &Inventory, number: u64) -> miette::Result<&LooseningProposed> {
    let proposed = known.withdrawing.loosenings.get(&LooseningId::new(number));
    proposed.ok_or_else(|| {
        miette::miette!(
            help = "mainstay ctl loosening list",
            "no proposal {number} waits: it was approved, dropped, or overtaken by another change of the same"
        )
    })
}

fn list(known: &Inventory) -> String {
    let mut text = String::new();
    // The log's clock is the leader's; this one is as good for saying how long is left.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for proposed in known.withdrawing.loosenings.values() {
        let LooseningProposed { id, proposer, expires_at, loosening } = proposed;
        let left = Duration::from_nanos(expires_at.nanos()).saturating_sub(now).as_secs();
        if left == 0 {
            continue;
        }
        let _ = writeln!(
            text,
            "{id}: proposed by {proposer}, waits {} min more: mainstay ctl --operator NAME loosening approve {id}",
            left.div_ceil(60)
        );
        text.push_str(&said(known, loosening));
    }
    if text.is_empty() {
        text.push_str("nothing waits for a second operator\n");
    }
    text
}

/// What would be, in lines that are set in.
fn said(known: &Inventory, loosening: &Loosening) -> String {
    let on = |chain, asset| format!("{} on {}", words::asset_name(known, asset), words::chain_name(known, chain));
    match loosening {
        Loosening::SetWithdrawalRules(set) => {
            let SetWithdrawalRules { chain, asset, rules } = **set;
            let before = known.withdrawing.rules.get(&(chain, asset));
            let mut text = format!("  withdrawals of {}:\n", on(chain, asset));
            let was = before.map(|before| rules::rows(known, (chain, asset), before));
            for (at, (name, value)) in rules::rows(known, (chain, asset), &rules).into_iter().enumerate() {
                let _ = match was.as_ref().map(|was| &was[at].1) {
                    Some(was) if *was == value => Ok(()),
                    Some(was) => writeln!(text, "    {name:<20}  {was} -> {value}"),
                    None => writeln!(text, "    {name:<20}  {value}"),
                };
            }
            text
        }
        Loosening::RestrictWithdrawals(RestrictWithdrawals { account, is_blocked, is_allow_listed }) => {
            let none = WithdrawalsRestricted { account: *account, is_blocked: false, is_allow_listed: false };
            let was = known.withdrawing.restrictions.get(account).copied().unwrap_or(none);
            let may = |is_blocked: bool, is_allow_listed: bool| match (is_blocked, is_allow_listed) {
                (true, _) => "nothing",
                (false, true) => "to the addresses of its list alone",
                (false, false) => "to any address",
            };
            let (was, is) = (may(was.is_blocked, was.is_allow_listed), may(*is_blocked, *is_allow_listed));
            format!("  {} may withdraw: {was} -> {is}\n", words::account_name(known, *account))
        }
        Loosening::AllowAddress(allow) => {
            let AllowAddress { account, chain, address, .. } = **allow;
            let (account, chain) = (words::account_name(known, account), words::chain_name(known, chain));
            format!("  {account} may withdraw to {address} on {chain}\n")
        }
        Loosening::DeclareReserves(declare) => {
            let DeclareReserves { chain, asset, brought, since } = **declare;
            let was = known.withdrawing.reserves.get(&(chain, asset)).map_or((0, 0), |row| (row.brought, row.since));
            let (units, height) = was;
            format!(
                "  came to {} by no deposit, in the chain's units: {units} after block {height} -> {brought} after block \
                 {since}\n",
                on(chain, asset)
            )
        }
        Loosening::ThawReserves(ThawReserves { chain, asset }) => {
            format!("  withdrawals of {} go on: what was missing is there again\n", on(*chain, *asset))
        }
    }
}
