//! `mainstay ctl withdrawal`: what accounts have asked to be sent, what they may ask for, and what operators decide of it.
//!
//! Every change is a command in the log; who made it is in the audit lines of the node that led (`target` is `audit`).

use std::time::{SystemTime, UNIX_EPOCH};

use wire::command::{ApproveWithdrawal, CancelWithdrawal, FailWithdrawal};
use wire::{AccountId, AccountName, Command as LedgerCommand, Timestamp, WithdrawalId};

use super::Place;

mod destinations;
mod hot;
mod request;
pub(super) mod rules;
mod shown;
mod waits;
pub(super) mod words;

/// `mainstay ctl withdrawal`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List withdrawals that are not over yet; with --all, every one.
    List {
        /// Those that are over as well.
        #[arg(long)]
        all: bool,
        /// Those of this account alone.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Show everything of one, and what it waits for.
    Show {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Ask the chainwatch whose pages are here, http://127.0.0.1:7301, why it waits, instead of those of the state file.
        #[arg(long, value_name = "URL")]
        http: Vec<String>,
    },
    /// Ask for one in an account's name; its rules and limits hold as if the account had asked.
    Request(request::Args),
    /// Approve one that waits for it, in the name of your certificate.
    Approve(Which),
    /// Take one back that has no inputs and no nonce yet.
    Cancel(Which),
    /// A stranger's transaction has spent what this one spends, and you have looked at it: give the money back.
    Fail(Which),
    /// Show what withdrawals keep to: limits, fees, delays, approvals; or change it. What loosens it waits for a second operator:
    /// `mainstay ctl loosening`.
    Rules {
        #[command(subcommand)]
        command: Option<rules::Command>,
    },
    /// Show the hot wallet's bounds: when withdrawals wait, what goes to a cold address, what is swept; or change them.
    HotWallet {
        #[command(subcommand)]
        command: Option<hot::Command>,
    },
    /// Show to which addresses accounts may send; or change it. What loosens it waits for a second operator.
    AllowList {
        #[command(subcommand)]
        command: Option<destinations::Command>,
    },
    /// Stop all withdrawals of an account. What has been signed is not stopped.
    Block {
        /// Which account.
        account: String,
    },
    /// Let an account withdraw again, once a second operator has approved it.
    Unblock {
        /// Which account.
        account: String,
    },
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
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
        Command::List { all, account } => {
            print!("{}", shown::list(&operator.inventory(|_| false).await?, all, account.as_deref())?);
            Ok(())
        }
        Command::Show { which: Which { id }, http } => {
            let heard = waits::Heard::ask(place, http).await;
            print!("{}", shown::one(&operator.inventory(|_| false).await?, id, &heard, now())?);
            Ok(())
        }
        Command::Request(args) => request::run(&operator, args).await,
        Command::Approve(Which { id }) => {
            let approver = AccountName::new(place.cluster()?.operator.name.as_bytes())
                .map_err(|_| miette::miette!("the certificate's name is none"))?;
            let withdrawal = WithdrawalId::new(id);
            operator.must(&LedgerCommand::ApproveWithdrawal(ApproveWithdrawal { withdrawal, approver })).await?;
            let missing = operator.inventory(|_| false).await?.withdrawing.rows[&id].approvals_missing;
            match missing {
                0 => println!("withdrawal {id} is approved by {approver}, and goes on"),
                _ => println!("withdrawal {id} is approved by {approver}; it needs {missing} more, by other operators"),
            }
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
        Command::Rules { command } => rules::run(place, &operator, command).await,
        Command::HotWallet { command } => hot::run(&operator, command).await,
        Command::AllowList { command } => destinations::run(place, &operator, command).await,
        Command::Block { account } => destinations::block(place, &operator, &account, true).await,
        Command::Unblock { account } => destinations::block(place, &operator, &account, false).await,
    }
}
