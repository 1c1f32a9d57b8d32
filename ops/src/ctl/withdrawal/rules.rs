//! What withdrawals keep to: `mainstay ctl withdrawal rules`.

use std::fmt::Write as _;

use wire::command::{Loosening, SetWithdrawalRules};
use wire::{Amount, AssetId, ChainId, WithdrawalRules, decimal};

use super::super::loosening;
use super::words;
use crate::demo::bootstrap::parse_amount;
use crate::operator::{Inventory, Operator};

/// `mainstay ctl withdrawal rules`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Set the rules of an asset on a chain; what is not named stays as it is. The first time --min, --max,
    /// --network-fee-max and --house are needed.
    Set(Box<Set>),
    /// Let an asset be withdrawn on a chain.
    Enable(Place),
    /// Take no more requests for an asset on a chain; those that are under way go on.
    Disable(Place),
}

/// An asset on a chain.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Which asset.
    asset: String,
    /// On which chain.
    chain: String,
}

/// Amounts are in the asset, without fees.
#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    place: Place,
    /// The smallest withdrawal.
    #[arg(long, value_name = "AMOUNT")]
    min: Option<String>,
    /// The largest withdrawal.
    #[arg(long, value_name = "AMOUNT")]
    max: Option<String>,
    /// What an account pays for one, beside the amount.
    #[arg(long, value_name = "AMOUNT")]
    fee: Option<String>,
    /// The most of one account within 24 hours; 0 for no limit.
    #[arg(long, value_name = "AMOUNT")]
    account_day: Option<String>,
    /// The most of all accounts within 24 hours; 0 for no limit.
    #[arg(long, value_name = "AMOUNT")]
    day: Option<String>,
    /// From this amount on operators must approve; 0 for never.
    #[arg(long, value_name = "AMOUNT")]
    review_from: Option<String>,
    /// How many operators must approve then, 1 to 3, each with a certificate of its own.
    #[arg(long, value_name = "COUNT")]
    approvals: Option<u8>,
    /// How long an address must have been known before money goes there, in seconds; at most 30 days.
    #[arg(long, value_name = "SECONDS")]
    address_delay: Option<u32>,
    /// Confirmations that settle one; 0 when it must be final.
    #[arg(long, value_name = "COUNT")]
    confirmations: Option<u32>,
    /// The most that a transaction may pay to its chain, in the chain's coin.
    #[arg(long, value_name = "AMOUNT")]
    network_fee_max: Option<String>,
    /// The account that gets the fees and pays the chain's.
    #[arg(long, value_name = "ACCOUNT")]
    house: Option<String>,
}

pub(super) async fn run(place: &super::Place, operator: &Operator, command: Option<Command>) -> miette::Result<()> {
    let known = operator.inventory(|_| false).await?;
    let (which, rules) = match &command {
        None => {
            print!("{}", table(&known));
            return Ok(());
        }
        Some(Command::Set(set)) => (&set.place, changed(&known, set)?),
        Some(Command::Enable(place)) => (place, switched(&known, place, true)?),
        Some(Command::Disable(place)) => (place, switched(&known, place, false)?),
    };
    let chain = words::chain(&known, &which.chain)?.listed.chain;
    let asset = words::asset(&known, &which.asset)?.asset;
    let set = Loosening::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain, asset, rules }));
    if loosening::ask(place, operator, set).await? {
        let open = if rules.is_enabled { "open" } else { "closed" };
        println!("withdrawals of {} on {} are {open}: mainstay ctl withdrawal rules", which.asset, which.chain);
    }
    Ok(())
}

fn before(known: &Inventory, place: &Place) -> miette::Result<Option<WithdrawalRules>> {
    let chain = words::chain(known, &place.chain)?.listed.chain;
    let asset = words::asset(known, &place.asset)?.asset;
    if !known.withdrawing.chain_decimals.contains_key(&(chain, asset)) {
        let Place { asset, chain } = place;
        miette::bail!(help = format!("mainstay ctl chain asset {chain} {asset} …"), "{asset} does not move on {chain}");
    }
    Ok(known.withdrawing.rules.get(&(chain, asset)).copied())
}

fn switched(known: &Inventory, place: &Place, is_enabled: bool) -> miette::Result<WithdrawalRules> {
    let Place { asset, chain } = place;
    let before = before(known, place)?.ok_or_else(|| {
        miette::miette!(
            help = format!(
                "mainstay ctl withdrawal rules set {asset} {chain} --min … --max … --network-fee-max … --house …"
            ),
            "withdrawals of {asset} on {chain} have no rules yet"
        )
    });
    before.map(|rules| WithdrawalRules { is_enabled, ..rules })
}

fn changed(known: &Inventory, set: &Set) -> miette::Result<WithdrawalRules> {
    let before = before(known, &set.place)?;
    let asset = words::asset(known, &set.place.asset)?;
    let amount = |text: &Option<String>, before: Option<Amount>, name: &str| match (text, before) {
        (Some(text), _) => parse_amount(text, asset.ledger_decimals),
        (None, Some(before)) => Ok(before),
        (None, None) => Err(needed(name)),
    };
    let house = match (&set.house, &before) {
        (Some(name), _) => words::account_id(known, name)?,
        (None, Some(before)) => before.house,
        (None, None) => return Err(needed("--house")),
    };
    let network_fee_max = match (&set.network_fee_max, &before) {
        (Some(text), _) => coin_units(known, set, text)?,
        (None, Some(before)) => before.network_fee_max,
        (None, None) => return Err(needed("--network-fee-max")),
    };
    let of = |pick: fn(&WithdrawalRules) -> Amount| Some(before.as_ref().map_or(Amount::ZERO, pick));
    let review_from = amount(&set.review_from, of(|rules| rules.review_from), "--review-from")?;
    Ok(WithdrawalRules {
        is_enabled: before.is_none_or(|rules| rules.is_enabled),
        amount_min: amount(&set.min, before.map(|rules| rules.amount_min), "--min")?,
        amount_max: amount(&set.max, before.map(|rules| rules.amount_max), "--max")?,
        fee: amount(&set.fee, of(|rules| rules.fee), "--fee")?,
        account_day_max: amount(&set.account_day, of(|rules| rules.account_day_max), "--account-day")?,
        day_max: amount(&set.day, of(|rules| rules.day_max), "--day")?,
        review_from,
        approvals: set.approvals.unwrap_or(before.map_or(u8::from(!review_from.is_zero()), |rules| rules.approvals)),
        address_delay_s: set.address_delay.unwrap_or(before.map_or(0, |rules| rules.address_delay_s)),
        confirmations: set.confirmations.unwrap_or(before.map_or(0, |rules| rules.confirmations)),
        network_fee_max,
        house,
    })
}

fn needed(option: &str) -> miette::Report {
    miette::miette!(help = "mainstay ctl withdrawal rules set --help", "{option} is needed the first time")
}

/// An amount of the chain's own coin in its smallest unit.
fn coin_units(known: &Inventory, set: &Set, text: &str) -> miette::Result<u128> {
    let chain = words::chain(known, &set.place.chain)?.listed.chain;
    let decimals = known.withdrawing.coin_decimals.get(&chain).copied();
    let decimals = decimals.ok_or_else(|| miette::miette!("{} has no coin of its own yet", set.place.chain))?;
    let malformed = || miette::miette!("{text} is not an amount with at most {decimals} decimals");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_number || fraction.len() > usize::from(decimals) {
        return Err(malformed());
    }
    format!("{whole}{fraction:0<width$}", width = usize::from(decimals)).parse().map_err(|_| malformed())
}

fn table(known: &Inventory) -> String {
    let mut text = String::new();
    if known.withdrawing.rules.is_empty() {
        text.push_str("nothing can be withdrawn yet; mainstay ctl withdrawal rules set --help\n");
        return text;
    }
    for (place, rules) in &known.withdrawing.rules {
        let (symbol, network) = (words::asset_name(known, place.1), words::chain_name(known, place.0));
        let state = if rules.is_enabled { "open" } else { "closed" };
        let _ = writeln!(text, "{symbol} on {network}: {state}");
        for (name, value) in rows(known, *place, rules).into_iter().skip(1) {
            let _ = writeln!(text, "  {name:<20}  {value}");
        }
    }
    text
}

/// Rules in words, always the same parts in the same order.
pub(in crate::ctl) fn rows(
    known: &Inventory,
    (chain, asset): (ChainId, AssetId),
    rules: &WithdrawalRules,
) -> [(&'static str, String); 10] {
    let amount = |amount: Amount| words::amount(known, asset, amount);
    let limit = |most: Amount| if most.is_zero() { "no limit".to_owned() } else { amount(most) };
    let coin_decimals = known.withdrawing.coin_decimals.get(&chain).copied().unwrap_or(0);
    let mut network_fee = String::new();
    let network_fee_max = i128::try_from(rules.network_fee_max).unwrap_or(i128::MAX);
    decimal::push_wide(&mut network_fee, network_fee_max, coin_decimals, 0);
    let review = match rules.review_from {
        Amount::ZERO => "never".to_owned(),
        from => format!("from {}, by {}", amount(from), rules.approvals),
    };
    let settled = match rules.confirmations {
        0 => "when final".to_owned(),
        count => format!("after {count} confirmations"),
    };
    [
        ("requests", if rules.is_enabled { "taken" } else { "refused" }.to_owned()),
        ("one withdrawal", format!("{} to {}", amount(rules.amount_min), amount(rules.amount_max))),
        ("fee beside it", amount(rules.fee)),
        ("an account in 24 h", limit(rules.account_day_max)),
        ("all in 24 h", limit(rules.day_max)),
        ("approval", review),
        ("a new address waits", format!("{} s", rules.address_delay_s)),
        ("settled", settled),
        ("network fee at most", network_fee),
        ("house", words::account_name(known, rules.house)),
    ]
}
