//! `mainstay ctl withdrawal`: what accounts have asked to be sent, and what operators decide of it.

use wire::command::{ApproveWithdrawal, CancelWithdrawal, FailWithdrawal};
use wire::event::WithdrawalChanged;
use wire::{AccountId, AccountName, Command as LedgerCommand, WithdrawalId};

use super::Place;
use crate::operator::Inventory;

/// `mainstay ctl withdrawal`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List withdrawals that are not over yet; with --all, every one.
    List {
        /// Those that are over as well.
        #[arg(long)]
        all: bool,
    },
    /// Show everything of one.
    Show(Which),
    /// Approve one that waits for it, in the name of your certificate.
    Approve(Which),
    /// Take one back that has no inputs and no nonce yet.
    Cancel(Which),
    /// A stranger's transaction has spent what this one spends, and you have looked at it: give the money back.
    Fail(Which),
}

/// A withdrawal.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Its number.
    #[arg(value_name = "ID")]
    id: u64,
}

/// Does it.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    let operator = place.operator().await?;
    match command {
        Command::List { all } => {
            let inventory = operator.inventory(|_| false).await?;
            println!("{:>6}  {:<16}  {:>20}  {:<8}  {:<10}  address", "id", "account", "amount", "asset", "stage");
            for row in inventory.withdrawals.values().filter(|row| all || !row.stage.is_final()) {
                let stage = format!("{:?}", row.stage);
                let (account, amount, asset) = words(&inventory, row);
                println!(
                    "{:>6}  {account:<16}  {amount:>20}  {asset:<8}  {stage:<10}  {}",
                    row.withdrawal, row.address
                );
            }
            Ok(())
        }
        Command::Show(Which { id }) => {
            let inventory = operator.inventory(|_| false).await?;
            let row = inventory.withdrawals.get(&id).ok_or_else(|| miette::miette!("there is no withdrawal {id}"))?;
            let (account, amount, asset) = words(&inventory, row);
            println!("withdrawal {id} of {account}: {amount} {asset} to {}, named {}", row.address, row.name);
            println!(
                "stage {:?}, {} approvals missing, {} transactions",
                row.stage, row.approvals_missing, row.attempts
            );
            println!(
                "transaction {:?}, height {}, {} of {} confirmations",
                row.tx, row.height, row.confirmations, row.required
            );
            Ok(())
        }
        Command::Approve(Which { id }) => {
            let approver = AccountName::new(place.cluster()?.operator.name.as_bytes())
                .map_err(|_| miette::miette!("the certificate's name is none"))?;
            let withdrawal = WithdrawalId::new(id);
            operator.must(&LedgerCommand::ApproveWithdrawal(ApproveWithdrawal { withdrawal, approver })).await?;
            println!("withdrawal {id} is approved by {approver}");
            Ok(())
        }
        Command::Cancel(Which { id }) => {
            let (withdrawal, account) = (WithdrawalId::new(id), AccountId::default());
            operator.must(&LedgerCommand::CancelWithdrawal(CancelWithdrawal { withdrawal, account })).await?;
            println!("withdrawal {id} is canceled; its money is free again");
            Ok(())
        }
        Command::Fail(Which { id }) => {
            let withdrawal = WithdrawalId::new(id);
            operator.must(&LedgerCommand::FailWithdrawal(FailWithdrawal { withdrawal })).await?;
            println!("withdrawal {id} has failed; its money is free again");
            Ok(())
        }
    }
}

/// Account, amount and asset, as people say them.
fn words(inventory: &Inventory, row: &WithdrawalChanged) -> (String, String, String) {
    let account = inventory.accounts.values().find(|opened| opened.account == row.account);
    let account = account.map_or_else(|| row.account.to_string(), |opened| opened.name.to_string());
    let Some(listed) = inventory.assets.values().find(|listed| listed.asset == row.asset) else {
        return (account, row.amount.units().to_string(), row.asset.to_string());
    };
    let unit = 10_i128.pow(listed.ledger_decimals.into());
    let (whole, part) = (row.amount.wide() / unit, row.amount.wide() % unit);
    let decimals = usize::from(listed.ledger_decimals);
    let amount = if decimals == 0 { whole.to_string() } else { format!("{whole}.{part:0decimals$}") };
    (account, amount, listed.symbol.to_string())
}
