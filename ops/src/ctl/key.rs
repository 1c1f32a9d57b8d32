//! `mainstay ctl key`.

use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use miette::{IntoDiagnostic, WrapErr};
use wire::ApiKeyText;
use wire::command::RevokeApiKey;

use super::Place;
use crate::config::read_envelope_key;
use crate::demo::accounts::random_text;
use crate::demo::bootstrap::{ed25519_key, hmac_key};

/// `mainstay ctl key`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Give an account a new API key, and print it: with a shared secret, or for an Ed25519 public key.
    Add {
        /// Whose key.
        name: String,
        /// The Ed25519 public key, as PEM. Without it, a shared secret is made.
        #[arg(long, value_name = "FILE")]
        ed25519: Option<PathBuf>,
    },
    /// Take an API key away.
    Revoke {
        /// Its public text.
        key: String,
    },
}

/// Does what was asked.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    match command {
        Command::Add { name, ed25519 } => add(place, &name, ed25519).await,
        Command::Revoke { key } => {
            let text = ApiKeyText::new(key.as_bytes()).map_err(|_| miette::miette!("{key} is not an API key"))?;
            place.operator().await?.must(&wire::Command::RevokeApiKey(RevokeApiKey { key: text })).await?;
            println!("{key} is revoked");
            Ok(())
        }
    }
}

async fn add(place: &Place, name: &str, ed25519: Option<PathBuf>) -> miette::Result<()> {
    let operator = place.operator().await?;
    let inventory = operator.inventory(|known| known.accounts.contains_key(name)).await?;
    let account = inventory.accounts.get(name).ok_or_else(|| miette::miette!("there is no account {name}"))?.account;
    let text = random_text();
    let (key, secret) = match ed25519 {
        Some(path) => {
            let unusable = || format!("{} is no Ed25519 public key in PEM", path.display());
            let pem = std::fs::read_to_string(&path).into_diagnostic().wrap_err_with(unusable)?;
            let public = VerifyingKey::from_public_key_pem(&pem).into_diagnostic().wrap_err_with(unusable)?;
            (ed25519_key(account, &text, public.as_bytes())?, None)
        }
        None => {
            let envelope_key = read_envelope_key(&place.cluster()?.envelope_key_file)?;
            let secret = random_text();
            (hmac_key(account, &text, &secret, &envelope_key)?, Some(secret))
        }
    };
    operator.must(&wire::Command::AddApiKey(Box::new(key))).await?;
    println!("API key {text}");
    if let Some(secret) = secret {
        println!("secret  {secret}");
    }
    Ok(())
}
