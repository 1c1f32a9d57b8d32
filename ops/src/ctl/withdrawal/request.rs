//! `mainstay ctl withdrawal request`.

use rand::Rng;
use rand::distr::Alphanumeric;
use wire::command::RequestWithdrawal;
use wire::{ChainFreeze, ClientOrderId, Command, WithdrawalStage};

use super::words;
use crate::demo::bootstrap::parse_amount;
use crate::operator::Operator;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The account's name.
    account: String,
    /// On which chain.
    chain: String,
    /// To whom.
    address: String,
    /// How much arrives, 1.5; the fee comes on top.
    amount: String,
    /// Of what; the asset of the chain's name when nothing is said.
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<String>,
    /// The account's name for it; asking again under the same name is the same withdrawal.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

pub(super) async fn run(operator: &Operator, args: Args) -> miette::Result<()> {
    let known = operator.inventory(|_| false).await?;
    let chain = words::chain(&known, &args.chain)?;
    let asset = words::asset(&known, args.asset.as_deref().unwrap_or(&args.chain))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => rand::rng().sample_iter(Alphanumeric).take(22).map(char::from).collect(),
    };
    let request = RequestWithdrawal {
        account: words::account_id(&known, &args.account)?,
        chain: chain.listed.chain,
        asset: asset.asset,
        address: words::address(chain, &args.address)?,
        amount: parse_amount(&args.amount, asset.ledger_decimals)?,
        name: ClientOrderId::new(name.as_bytes())
            .map_err(|_| miette::miette!("a name is 1 to 36 of A-Z a-z 0-9 . : / _ -"))?,
    };
    let id = operator.must(&Command::RequestWithdrawal(Box::new(request))).await?;
    let known = operator.inventory(|_| false).await?;
    let next = match known.withdrawing.rows.get(&id) {
        Some(row) if row.stage == WithdrawalStage::Review => {
            format!("it waits for {}: mainstay ctl withdrawal approve {id}", words::operators(row.approvals_missing))
        }
        _ if known.withdrawing.chains[&request.chain].freeze != ChainFreeze::Thawed => {
            format!("it waits until {} thaws: mainstay ctl chain status", args.chain)
        }
        _ => format!("mainstay ctl withdrawal show {id}"),
    };
    println!("withdrawal {id}: {} {} to {}; {next}", args.amount, asset.symbol, request.address);
    Ok(())
}
