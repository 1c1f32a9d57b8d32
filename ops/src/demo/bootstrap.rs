//! Makes the ledger what a demo needs: assets, markets, accounts, keys, funds; in a new cluster its version and its room before
//! them. Whatever is there already is left alone, so it may be cut short anywhere and run again.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use loadgen::state::Account;
use miette::{IntoDiagnostic, WrapErr};
use wire::command::{AddApiKey, Credit, OpenAccount};
use wire::decimal::{self, DecimalError};
use wire::{AccountId, AccountName, Amount, AssetId, Command, FeeRate, PartitionId};

use super::layout::Layout;
use super::markets::{ASSETS, MARKETS, asset};
use super::{room, version};
use crate::api_keys;
use crate::operator::{Done, Inventory, Operator};
use crate::report::usage;

/// Every account's maker and taker fee, in parts per million; bots pay none.
const FEE_PPM: u32 = 1_000;

/// Brings the ledger up to what the demo promises.
pub async fn run(
    operator: &Operator,
    layout: &Layout,
    accounts: &[Account],
    envelope_key: &[u8; 32],
) -> miette::Result<()> {
    loop {
        let inventory = operator.inventory(|inventory| is_complete(inventory, accounts)).await?;
        if is_complete(&inventory, accounts) {
            return Ok(());
        }
        if inventory.is_empty() {
            version::begin(operator, layout).await;
            if room::make(operator, layout).await?.is_none() {
                continue;
            }
        }
        let bootstrap = Bootstrap { operator, layout, accounts, envelope_key, inventory };
        if bootstrap.add_missing().await?.is_some() {
            return Ok(());
        }
        // One command's outcome is unknown: the ledger's own record says what became of it.
        tracing::warn!("a command of the bootstrap had no answer; looking again");
    }
}

fn is_complete(inventory: &Inventory, accounts: &[Account]) -> bool {
    let keys_of = |account: &Account| [Some(account.api_key.clone()), account.ed25519_api_key.clone()];
    ASSETS.iter().all(|(symbol, _)| inventory.assets.contains_key(*symbol))
        && MARKETS.iter().all(|market| inventory.markets.contains_key(market.symbol))
        && accounts.iter().all(|account| {
            let Some(opened) = inventory.accounts.get(&account.name) else {
                return false;
            };
            let is_credited = |symbol: &String| {
                let asset = inventory.assets.get(symbol);
                asset.is_some_and(|asset| inventory.credited.contains(&(opened.account, asset.asset)))
            };
            account.balances.keys().all(is_credited)
                && keys_of(account).iter().flatten().all(|key| inventory.api_keys.contains_key(key))
        })
}

struct Bootstrap<'a> {
    operator: &'a Operator,
    layout: &'a Layout,
    accounts: &'a [Account],
    envelope_key: &'a [u8; 32],
    inventory: Inventory,
}

impl Bootstrap<'_> {
    /// `None` when a command's outcome is unknown.
    async fn add_missing(&self) -> miette::Result<Option<()>> {
        for listed in ASSETS {
            if !self.inventory.assets.contains_key(listed.0)
                && self.make(Command::ListAsset(asset(listed))).await?.is_none()
            {
                return Ok(None);
            }
        }
        for (index, market) in MARKETS.iter().enumerate() {
            if self.inventory.markets.contains_key(market.symbol) {
                continue;
            }
            let (Some(base), Some(quote)) = (self.asset(market.base).await?, self.asset(market.quote).await?) else {
                return Ok(None);
            };
            let partition = self.layout.partition_of_market(index);
            let list = market.list(base, quote, decimals_of(market.quote)?, PartitionId::new(partition));
            if self.make(Command::ListMarket(Box::new(list))).await?.is_none() {
                return Ok(None);
            }
        }
        for account in self.accounts {
            let added = self.add_account(account).await;
            if added.wrap_err_with(|| format!("cannot set up the account {}", account.name))?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// The id of an asset, listed if need be.
    async fn asset(&self, symbol: &str) -> miette::Result<Option<AssetId>> {
        if let Some(listed) = self.inventory.assets.get(symbol) {
            return Ok(Some(listed.asset));
        }
        let listed = Command::ListAsset(asset((symbol, decimals_of(symbol)?)));
        let id = self.make(listed).await?;
        Ok(id.and_then(|id| u16::try_from(id).ok()).map(AssetId::new))
    }

    async fn add_account(&self, account: &Account) -> miette::Result<Option<()>> {
        let id = match self.inventory.accounts.get(&account.name) {
            Some(opened) => opened.account,
            None => {
                let name = AccountName::new(account.name.as_bytes())
                    .map_err(|error| miette::miette!("not a name: {error:?}"))?;
                let fee = if account.is_bot() { FeeRate::ZERO } else { fee() };
                let open = OpenAccount { name, maker_fee: fee, taker_fee: fee };
                match self.make(Command::OpenAccount(open)).await? {
                    Some(id) => AccountId::new(u32::try_from(id).into_diagnostic()?),
                    None => return Ok(None),
                }
            }
        };
        for key in keys(account, id, self.envelope_key)? {
            let exists = self.inventory.api_keys.contains_key(key.key.as_str());
            if !exists && self.make(Command::AddApiKey(Box::new(key))).await?.is_none() {
                return Ok(None);
            }
        }
        for (symbol, amount) in &account.balances {
            let Some(asset) = self.asset(symbol).await? else {
                return Ok(None);
            };
            if self.inventory.credited.contains(&(id, asset)) {
                continue;
            }
            let credit = Credit { account: id, asset, amount: parse_amount(amount, decimals_of(symbol)?)? };
            if self.make(Command::Credit(credit)).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// Executes a command that makes something; the id of what it made or found. `None` when the outcome is
    /// unknown.
    async fn make(&self, command: Command) -> miette::Result<Option<u64>> {
        use wire::RejectReason::{AccountExists, ApiKeyExists, AssetExists, MarketExists};
        match self.operator.execute(&command).await? {
            Done::Accepted(id) => Ok(Some(id)),
            Done::Rejected(AccountExists | ApiKeyExists | AssetExists | MarketExists, id) => Ok(Some(id)),
            Done::Rejected(reason, _) => Err(miette::miette!("the ledger refuses {command:?}: {reason:?}")),
            Done::Unknown => Ok(None),
        }
    }
}

fn fee() -> FeeRate {
    FeeRate::new(FEE_PPM).expect("a tenth of a per cent is a fee")
}

fn decimals_of(symbol: &str) -> miette::Result<u8> {
    let asset = ASSETS.iter().find(|asset| asset.0 == symbol);
    asset.map(|asset| asset.1).ok_or_else(|| miette::miette!("the demo does not know the asset {symbol}"))
}

/// Decimal text to ledger units.
pub fn parse_amount(text: &str, decimals: u8) -> miette::Result<Amount> {
    match decimal::parse(text, decimals).map(Amount::new) {
        Ok(Some(units)) => Ok(units),
        Ok(None) | Err(DecimalError::TooLarge) => {
            let most = decimal::format(Amount::MAX.units(), decimals, 0);
            Err(usage(format!("{text} is more than an amount can be: {most}")))
        }
        Err(DecimalError::Malformed | DecimalError::TooManyDecimals) => {
            Err(usage(format!("{text} is not an amount with at most {decimals} decimals")))
        }
    }
}

/// What is wrong with a number that was named before.
pub fn not_a_number(why: DecimalError, decimals: u8) -> String {
    match why {
        DecimalError::Malformed => "is not a number: write digits, and a point before decimals".to_owned(),
        DecimalError::TooManyDecimals => format!("has too many decimals: up to {decimals} can be told apart there"),
        DecimalError::TooLarge => "is too large".to_owned(),
    }
}

/// The commands that give an account its keys.
fn keys(account: &Account, id: AccountId, envelope_key: &[u8; 32]) -> miette::Result<Vec<AddApiKey>> {
    let mut keys = vec![api_keys::hmac(id, &account.api_key, &account.secret, envelope_key)?];
    if let (Some(text), Some(pem)) = (&account.ed25519_api_key, &account.ed25519_private_key) {
        let public = SigningKey::from_pkcs8_pem(pem).into_diagnostic()?.verifying_key().to_bytes();
        keys.push(api_keys::ed25519(id, text, &public)?);
    }
    Ok(keys)
}

/// The key that seals secrets, made at the first start.
pub fn ensure_envelope_key(path: &Path) -> miette::Result<[u8; 32]> {
    if !path.exists() {
        let mut key = [0; 32];
        rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut key).into_diagnostic()?;
        crate::private::write(path, hex::encode(key).as_bytes()).into_diagnostic()?;
    }
    crate::config::read_envelope_key(path)
}
