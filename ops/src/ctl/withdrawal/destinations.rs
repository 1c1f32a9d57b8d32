//! Where accounts may send: `mainstay ctl withdrawal allow-list|block|unblock`.

use std::fmt::Write as _;

use wire::command::{AllowAddress, Loosening, RestrictWithdrawals};
use wire::event::WithdrawalsRestricted;

use super::super::loosening;
use super::{Place, words};
use crate::operator::{Inventory, Operator};

/// `mainstay ctl withdrawal allow-list`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Allow an account an address. One that nobody knew waits for its delay, from now on.
    Add(Destination),
    /// Take an address off an account's list; should it be used again, its delay begins anew.
    Remove(Destination),
    /// Let an account send to the addresses of its list alone.
    Require {
        /// Which account.
        account: String,
    },
    /// Let an account send to any address.
    Lift {
        /// Which account.
        account: String,
    },
}

/// An address of an account's.
#[derive(Debug, clap::Args)]
pub struct Destination {
    /// Which account.
    account: String,
    /// On which chain.
    chain: String,
    /// As the chain prints it.
    address: String,
}

pub(super) async fn run(place: &Place, operator: &Operator, command: Option<Command>) -> miette::Result<()> {
    match command {
        None => {
            print!("{}", table(&operator.inventory(|_| false).await?));
            Ok(())
        }
        Some(Command::Add(destination)) => allow(place, operator, &destination, true).await,
        Some(Command::Remove(destination)) => allow(place, operator, &destination, false).await,
        Some(Command::Require { account }) => {
            if restrict(place, operator, &account, |said| said.is_allow_listed = true).await? {
                println!("{account} may withdraw to the addresses of its list alone");
            }
            Ok(())
        }
        Some(Command::Lift { account }) => {
            if restrict(place, operator, &account, |said| said.is_allow_listed = false).await? {
                println!("{account} may withdraw to any address");
            }
            Ok(())
        }
    }
}

/// Stops or allows all withdrawals of an account.
pub(super) async fn block(place: &Place, operator: &Operator, account: &str, is_blocked: bool) -> miette::Result<()> {
    if restrict(place, operator, account, |said| said.is_blocked = is_blocked).await? {
        println!("{account} may withdraw {}", if is_blocked { "nothing" } else { "again" });
    }
    Ok(())
}

async fn allow(place: &Place, operator: &Operator, destination: &Destination, is_allowed: bool) -> miette::Result<()> {
    let known = operator.inventory(|_| false).await?;
    let chain = words::chain(&known, &destination.chain)?;
    let account = words::account_id(&known, &destination.account)?;
    let address = words::address(chain, &destination.address)?;
    let allow = AllowAddress { account, chain: chain.listed.chain, address, is_allowed };
    if loosening::ask(place, operator, Loosening::AllowAddress(Box::new(allow))).await? {
        let may = if is_allowed { "is on" } else { "is off" };
        println!("{address} {may} the list of {}", destination.account);
    }
    Ok(())
}

/// Changes one thing of what was said of an account. Whether it is so now.
async fn restrict(
    place: &Place,
    operator: &Operator,
    name: &str,
    change: impl FnOnce(&mut RestrictWithdrawals),
) -> miette::Result<bool> {
    let known = operator.inventory(|_| false).await?;
    let account = words::account_id(&known, name)?;
    let before = known.withdrawing.restrictions.get(&account).copied();
    let before = before.unwrap_or(WithdrawalsRestricted { account, is_blocked: false, is_allow_listed: false });
    let WithdrawalsRestricted { is_blocked, is_allow_listed, .. } = before;
    let mut said = RestrictWithdrawals { account, is_blocked, is_allow_listed };
    change(&mut said);
    loosening::ask(place, operator, Loosening::RestrictWithdrawals(said)).await
}

fn table(known: &Inventory) -> String {
    let mut text = String::new();
    let said = &known.withdrawing.restrictions;
    for restricted in said.values().filter(|said| said.is_blocked || said.is_allow_listed) {
        let account = words::account_name(known, restricted.account);
        let may = if restricted.is_blocked { "nothing" } else { "to the addresses of its list alone" };
        let _ = writeln!(text, "{account} may withdraw {may}");
    }
    if known.withdrawing.allowed.is_empty() {
        text.push_str("no address is on a list; mainstay ctl withdrawal allow-list add ACCOUNT CHAIN ADDRESS\n");
        return text;
    }
    let _ = writeln!(text, "{:<16}  {:<8}  address", "account", "chain");
    for (account, chain, address) in known.withdrawing.allowed.keys() {
        let (account, chain) = (words::account_name(known, *account), words::chain_name(known, *chain));
        let _ = writeln!(text, "{account:<16}  {chain:<8}  {address}");
    }
    text
}
