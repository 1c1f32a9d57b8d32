//! `mainstay ctl key`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use miette::{IntoDiagnostic, WrapErr};
use wire::command::{AddApiKey, ExtendApiKey, Permissions, RestrictApiKey, RevokeApiKey};
use wire::{AccountId, ApiKeyText, Network, Networks};

use super::{Place, conduct};
use crate::api_keys::{self, RsaParts};
use crate::config::read_envelope_key;
use crate::demo::accounts::random_text;
use crate::operator::Operator;
use crate::report::usage;

/// `mainstay ctl key`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Give an account a new API key, and print it: with a shared secret, or for an Ed25519 or RSA public key.
    Add {
        /// Whose key.
        name: String,
        /// The Ed25519 public key, as PEM. Without any, a shared secret is made.
        #[arg(long, value_name = "FILE", conflicts_with = "rsa")]
        ed25519: Option<PathBuf>,
        /// The RSA public key, as PEM: 2048, 3072 or 4096 bits, exponent 65537.
        #[arg(long, value_name = "FILE")]
        rsa: Option<PathBuf>,
        /// What it may do.
        #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Permission::Read, Permission::Trade])]
        allow: Vec<Permission>,
        /// Use it from this address or network alone, `192.0.2.7` or `192.0.2.0/24`; up to eight of them.
        #[arg(long, value_name = "NETWORK")]
        from: Vec<Network>,
    },
    /// List every API key.
    List,
    /// Say from where a key may be used, in place of what was said before.
    Restrict {
        /// Its public text.
        key: String,
        /// From this address or network alone; without any, from everywhere.
        #[arg(long, value_name = "NETWORK")]
        from: Vec<Network>,
    },
    /// Engage a key's kill switch: what was ordered with it is canceled, and nothing more is accepted with it.
    Kill {
        /// Whose key.
        name: String,
        /// Its public text.
        key: String,
    },
    /// Release a key's kill switch.
    Release {
        /// Whose key.
        name: String,
        /// Its public text.
        key: String,
    },
    /// Take an API key away.
    Revoke {
        /// Its public text.
        key: String,
    },
}

/// Something that an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Permission {
    /// Read private data.
    Read,
    /// Place and cancel orders.
    Trade,
    /// Withdraw funds.
    Withdraw,
}

impl Permission {
    const fn bits(self) -> Permissions {
        match self {
            Permission::Read => Permissions::READ,
            Permission::Trade => Permissions::TRADE,
            Permission::Withdraw => Permissions::WITHDRAW,
        }
    }
}

fn permissions(allowed: &[Permission]) -> Permissions {
    Permissions(allowed.iter().fold(0, |all, one| all | one.bits().0))
}

/// Does what was asked.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    match command {
        Command::Add { name, ed25519, rsa, allow, from } => {
            add(place, &name, Material { ed25519, rsa }, permissions(&allow), &from).await
        }
        Command::List => list(&place.operator().await?).await,
        Command::Restrict { key, from } => {
            restrict(&place.operator().await?, text_of(&key)?, &from).await?;
            match from.len() {
                0 => println!("{key} may be used from everywhere"),
                _ => println!("{key} may be used from {}", shown(&from)),
            }
            Ok(())
        }
        Command::Kill { name, key } => conduct::kill(&place.operator().await?, &name, text_of(&key)?, true).await,
        Command::Release { name, key } => conduct::kill(&place.operator().await?, &name, text_of(&key)?, false).await,
        Command::Revoke { key } => {
            let revoke = RevokeApiKey { key: text_of(&key)? };
            place.operator().await?.must(&wire::Command::RevokeApiKey(revoke)).await?;
            println!("{key} is revoked");
            Ok(())
        }
    }
}

fn text_of(key: &str) -> miette::Result<ApiKeyText> {
    ApiKeyText::new(key.as_bytes()).map_err(|_| usage(format!("{key} is not an API key")))
}

fn shown(networks: &[Network]) -> String {
    networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", ")
}

/// What signatures are checked with; neither file: a secret that is made.
struct Material {
    ed25519: Option<PathBuf>,
    rsa: Option<PathBuf>,
}

async fn add(
    place: &Place,
    name: &str,
    material: Material,
    permissions: Permissions,
    from: &[Network],
) -> miette::Result<()> {
    let operator = place.operator().await?;
    let inventory = operator.inventory(|known| known.accounts.contains_key(name)).await?;
    let account = inventory.accounts.get(name).ok_or_else(|| miette::miette!("there is no account {name}"))?.account;
    let text = random_text();
    let (key, rest, secret) = make(place, account, &text, &material)?;
    operator.must(&wire::Command::AddApiKey(Box::new(AddApiKey { permissions, ..key }))).await?;
    for part in rest {
        operator.must(&wire::Command::ExtendApiKey(Box::new(part))).await?;
    }
    // Nobody knows the key before it is bound.
    if !from.is_empty() {
        restrict(&operator, text_of(&text)?, from).await?;
    }
    if from.is_empty() && permissions.allow(Permissions::WITHDRAW) {
        eprintln!("note: a key withdraws only when it is bound: mainstay ctl key restrict {text} --from ADDRESS");
    }
    println!("API key {text}");
    if let Some(secret) = secret {
        println!("secret  {secret}");
    }
    Ok(())
}

/// The key, what follows it, and the secret to be told.
fn make(
    place: &Place,
    account: AccountId,
    text: &str,
    material: &Material,
) -> miette::Result<(AddApiKey, Vec<ExtendApiKey>, Option<String>)> {
    if let Some(path) = &material.ed25519 {
        let unusable = || format!("{} is no Ed25519 public key in PEM", path.display());
        let public = VerifyingKey::from_public_key_pem(&read(path)?).into_diagnostic().wrap_err_with(unusable)?;
        return Ok((api_keys::ed25519(account, text, public.as_bytes())?, Vec::new(), None));
    }
    if let Some(path) = &material.rsa {
        let unusable = || format!("{} is no RSA public key in PEM that can be used", path.display());
        let RsaParts { key, rest } = api_keys::rsa(account, text, &read(path)?).wrap_err_with(unusable)?;
        return Ok((key, rest, None));
    }
    let envelope_key = read_envelope_key(&place.cluster()?.envelope_key_file)?;
    let secret = random_text();
    Ok((api_keys::hmac(account, text, &secret, &envelope_key)?, Vec::new(), Some(secret)))
}

fn read(path: &Path) -> miette::Result<String> {
    std::fs::read_to_string(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))
}

async fn restrict(operator: &Operator, key: ApiKeyText, from: &[Network]) -> miette::Result<()> {
    let networks = Networks::new(from)
        .ok_or_else(|| usage(format!("a key can be bound to at most {} networks", Networks::MAX)))?;
    operator.must(&wire::Command::RestrictApiKey(Box::new(RestrictApiKey { key, networks }))).await?;
    Ok(())
}

async fn list(operator: &Operator) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    println!("{:<64}  {:<16}  {:<8}  {:<20}  {:<7}  from", "key", "account", "signs by", "may", "state");
    for known in inventory.api_keys.values() {
        let owner = inventory.accounts.values().find(|account| account.account == known.added.account);
        let all = [(Permissions::READ, "read"), (Permissions::TRADE, "trade"), (Permissions::WITHDRAW, "withdraw")];
        let may: Vec<&str> =
            all.iter().filter(|(bit, _)| known.added.permissions.allow(*bit)).map(|(_, name)| *name).collect();
        let from =
            if known.networks.as_slice().is_empty() { "anywhere".into() } else { shown(known.networks.as_slice()) };
        let is_killed = |key| inventory.settings.killed.contains(&(known.added.account, key));
        let state = if is_killed(known.added.id) { "killed" } else { "usable" };
        let (owner, kind) = (owner.map_or("?", |owner| owner.name.as_str()), format!("{:?}", known.added.kind));
        println!("{:<64}  {owner:<16}  {kind:<8}  {:<20}  {state:<7}  {from}", known.added.key.as_str(), may.join(","));
    }
    Ok(())
}
