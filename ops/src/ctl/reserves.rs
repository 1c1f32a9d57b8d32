//! `mainstay ctl reserves`: a published total of what accounts are owed, and a proof for each that it is part of it; and what
//! operators say of what chains have.

mod names;
mod standing;

use std::path::{Path, PathBuf};

use chainwatch::reserves::{self, Liability, Node, Side, Tree};
use miette::{IntoDiagnostic, WrapErr};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::{AccountId, decimal};

use super::Place;
use crate::operator::Inventory;
use crate::private;

/// Of both files.
const VERSION: u32 = 1;

/// `mainstay ctl reserves`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sum what accounts have of an asset, and write DIR/root.json to publish and DIR/accounts/NAME.json for each
    /// account alone. The house's own funds are no liability and are left out. Of a name what a file cannot be called is
    /// written as %2F; the file has the name itself in it.
    Prove {
        /// Which asset.
        asset: String,
        /// Where to write: a new directory, or an empty one.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Check that an account's file leads to a published root. It asks nobody: both files are enough.
    Verify {
        /// The published file.
        #[arg(value_name = "ROOT_FILE")]
        root: PathBuf,
        /// The account's own file.
        #[arg(value_name = "ACCOUNT_FILE")]
        account: PathBuf,
    },
    /// So much came to addresses of the exchange by no deposit (ether that was sent to the hot wallet), or, below zero, left them
    /// by no withdrawal (what you have taken from the cold address, what was stolen): in all, in place of what was said before.
    /// Where less should be there than before, a second operator must approve it.
    Declare {
        #[command(flatten)]
        which: standing::Which,
        /// In the chain's units.
        #[arg(allow_negative_numbers = true)]
        units: i128,
        /// After the block of this height it is so: that of a payment that is not final yet. Before it, nothing counts as brought.
        #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
        since: u64,
    },
    /// What was missing on a chain is there again, and you have looked: let withdrawals of the asset go on, once a second
    /// operator has approved it.
    Thaw(standing::Which),
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootFile {
    version: u32,
    asset: String,
    /// Decimals of the unit in which sums are.
    decimals: u8,
    /// Up to which position of the ledger's log.
    position: u64,
    accounts: usize,
    root: SumFile,
}

/// What one account is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    version: u32,
    asset: String,
    position: u64,
    account: String,
    amount: String,
    salt: String,
    path: Vec<StepFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SumFile {
    hash: String,
    sum: String,
}

/// The other child of a parent on the way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    side: SideWord,
    hash: String,
    sum: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SideWord {
    Left,
    Right,
}

/// Does it.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    match command {
        Command::Prove { asset, out } => {
            let known = place.operator().await?.inventory(|_| false).await?;
            prove(&known, &asset, &out)
        }
        Command::Verify { root, account } => {
            let (root, account) = (read::<RootFile>(&root)?, read::<AccountFile>(&account)?);
            let owed = check(&root, &account)?;
            let (owed, total) = (shown(owed, root.decimals), shown(number(&root.root.sum)?, root.decimals));
            let (name, asset, position) = (&account.account, &root.asset, root.position);
            println!("{name}'s {owed} {asset} are part of the {total} {asset} owed at position {position}");
            Ok(())
        }
        Command::Declare { which, units, since } => standing::declare(place, &which, units, since).await,
        Command::Thaw(which) => standing::thaw(place, &which).await,
    }
}

fn prove(known: &Inventory, symbol: &str, out: &Path) -> miette::Result<()> {
    let asset = known.assets.get(symbol);
    let asset = asset.ok_or_else(|| miette::miette!("the ledger does not know the asset {symbol}"))?;
    let is_house = |account: AccountId| known.withdrawing.rules.values().any(|rules| rules.house == account);
    let mut liabilities = Vec::new();
    for opened in known.accounts.values().filter(|opened| !is_house(opened.account)) {
        let Some(owed) = known.balances.get(&(opened.account, asset.asset)) else { continue };
        let mut salt = [0; 32];
        OsRng.try_fill_bytes(&mut salt).into_diagnostic()?;
        let amount = u128::try_from(*owed).map_err(|_| miette::miette!("{} has less than nothing", opened.name))?;
        liabilities.push(Liability { account: opened.name.to_string(), amount, salt });
    }
    let tree = Tree::new(symbol, &liabilities).into_diagnostic().wrap_err_with(|| format!("no proof of {symbol}"))?;
    let draft =
        private::Draft::of_dir(out).into_diagnostic().wrap_err_with(|| format!("cannot make {}", out.display()))?;
    let Some(draft) = draft else {
        let help = "name a new directory";
        miette::bail!(help = help, "{} holds something already, perhaps another proof", out.display());
    };
    let accounts = draft.path().join("accounts");
    private::make_dir(&accounts).into_diagnostic().wrap_err_with(|| format!("cannot make {}", accounts.display()))?;
    let position = known.position.get();
    let names = names::of(liabilities.iter().map(|liability| liability.account.as_str()));
    for ((at, liability), name) in liabilities.iter().enumerate().zip(names) {
        let path = tree.path(at).expect("each liability is a leaf");
        let file = AccountFile {
            version: VERSION,
            asset: symbol.to_owned(),
            position,
            account: liability.account.clone(),
            amount: liability.amount.to_string(),
            salt: hex::encode(liability.salt),
            path: path.iter().map(step).collect(),
        };
        write(&accounts.join(name), &file)?;
    }
    let (decimals, accounts) = (asset.ledger_decimals, liabilities.len());
    let root =
        RootFile { version: VERSION, asset: symbol.to_owned(), decimals, position, accounts, root: sum(tree.root()) };
    write(&draft.path().join("root.json"), &root)?;
    draft.keep().into_diagnostic().wrap_err_with(|| format!("cannot make {}", out.display()))?;
    println!(
        "{} {symbol} are owed to {accounts} accounts at position {position}; publish {}",
        shown(tree.root().sum, decimals),
        out.join("root.json").display()
    );
    Ok(())
}

/// What the account is owed, when its file leads to the root.
fn check(root: &RootFile, account: &AccountFile) -> miette::Result<u128> {
    if (root.version, account.version) != (VERSION, VERSION) {
        miette::bail!(
            "the files are of versions {} and {}; this program reads {VERSION}",
            root.version,
            account.version
        );
    }
    if (&root.asset, root.position) != (&account.asset, account.position) {
        miette::bail!(
            help = "ask for the account's file of the same day as the root",
            "the root is of {} at position {}, the account's file of {} at {}",
            root.asset,
            root.position,
            account.asset,
            account.position
        );
    }
    let liability =
        Liability { account: account.account.clone(), amount: number(&account.amount)?, salt: bytes(&account.salt)? };
    let path = account.path.iter().map(|step| {
        let side = if step.side == SideWord::Left { Side::Left } else { Side::Right };
        Ok((side, node(&step.hash, &step.sum)?))
    });
    let path = path.collect::<miette::Result<reserves::Path>>()?;
    if !reserves::verify(&root.asset, &liability, &path, &node(&root.root.hash, &root.root.sum)?) {
        miette::bail!(
            help = "one of the files was changed, or the account is not in that total: ask the exchange, and show both",
            "the account's file does not lead to the published root"
        );
    }
    Ok(liability.amount)
}

fn sum(node: Node) -> SumFile {
    SumFile { hash: hex::encode(node.hash), sum: node.sum.to_string() }
}

fn step((side, other): &(Side, Node)) -> StepFile {
    let side = if *side == Side::Left { SideWord::Left } else { SideWord::Right };
    let SumFile { hash, sum } = sum(*other);
    StepFile { side, hash, sum }
}

fn node(hash: &str, sum: &str) -> miette::Result<Node> {
    Ok(Node { hash: bytes(hash)?, sum: number(sum)? })
}

/// A natural number in digits: no sign, so nothing is below zero.
fn number(text: &str) -> miette::Result<u128> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| miette::miette!("{text} is no amount of whole units"))
}

fn bytes(text: &str) -> miette::Result<[u8; 32]> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| miette::miette!("{text} is not 32 bytes in hexadecimal"))
}

fn shown(units: u128, decimals: u8) -> String {
    let mut text = String::new();
    decimal::push_wide(&mut text, i128::try_from(units).unwrap_or(i128::MAX), decimals, 0);
    text
}

fn read<T: DeserializeOwned>(path: &Path) -> miette::Result<T> {
    let text = std::fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).into_diagnostic().wrap_err_with(|| format!("{} is no such file", path.display()))
}

fn write<T: Serialize>(path: &Path, file: &T) -> miette::Result<()> {
    let text = serde_json::to_vec_pretty(file).into_diagnostic()?;
    private::write(path, &text).into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
