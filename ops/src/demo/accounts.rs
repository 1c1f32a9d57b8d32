//! The demo's accounts: names, funds, API keys. Keys are made once and kept, so that they stay the same over
//! restarts on one data directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use loadgen::api::message::AccountInfo;
use loadgen::api::rest::Rest;
use loadgen::api::sign::Credentials;
use loadgen::state::Account;
use miette::{IntoDiagnostic, WrapErr};
use rand::TryRngCore;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::OsRng;

use crate::{private, report};

/// How long the gateway may take to say what an account has.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// People's accounts.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// The bots' accounts.
const BOTS: [&str; 3] = ["bot-maker-1", "bot-maker-2", "bot-taker"];
/// What each person has.
const FUNDS: [(&str, &str); 3] = [("BTC", "1000"), ("ETH", "10000"), ("USDT", "100000000")];
/// What each bot has.
const BOT_FUNDS: [(&str, &str); 3] = [("BTC", "10000"), ("ETH", "100000"), ("USDT", "1000000000")];

/// Reads the accounts of an earlier start from `dir`, and makes those that are missing.
pub fn ensure(dir: &Path) -> miette::Result<Vec<Account>> {
    private::make_dir(dir).into_diagnostic().wrap_err_with(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("accounts.json");
    let mut accounts: Vec<Account> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} is damaged; the accounts' keys are in it", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display())),
    };
    let people = PEOPLE.iter().map(|name| (*name, &FUNDS));
    let bots = BOTS.iter().map(|name| (*name, &BOT_FUNDS));
    for (name, funds) in people.chain(bots) {
        if !accounts.iter().any(|account| account.name == name) {
            accounts.push(make(dir, name, funds).wrap_err_with(|| format!("cannot make the keys of {name}"))?);
        }
    }
    for account in &mut accounts {
        // The directory may have been moved since.
        account.pem_file = Some(pem_file(dir, &account.name));
    }
    let text = serde_json::to_vec_pretty(&accounts).into_diagnostic()?;
    private::write(&path, &text).into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))?;
    Ok(accounts)
}

/// The accounts with what they have now, free and held, instead of what they were opened with: an exchange that goes on has
/// been traded on.
pub async fn with_balances(mut accounts: Vec<Account>, rest: &str) -> miette::Result<Vec<Account>> {
    let rest = Rest::new(vec![rest.to_owned()]);
    for account in &mut accounts {
        let credentials = Credentials::of(account).into_diagnostic()?;
        let asked = rest.get_signed(&credentials, "/api/v3/account", "", ANSWER_WITHIN).await.into_diagnostic();
        // An operator may have bound the key to another address, or revoked it: the exchange trades without.
        match asked.wrap_err_with(|| format!("cannot see what {} has", account.name)) {
            Ok(info) => account.balances = balances(&info, &account.balances),
            Err(error) => tracing::warn!("{}; what it was opened with is told", report::in_a_line(&error)),
        }
    }
    Ok(accounts)
}

/// What is there, and zero of what it was opened with and is not.
fn balances(info: &AccountInfo, opened: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let all = info.balances.iter().map(|balance| (&balance.asset, (balance.free + balance.locked).normalize()));
    let shown = all.filter(|(asset, amount)| !amount.is_zero() || opened.contains_key(*asset));
    shown.map(|(asset, amount)| (asset.clone(), amount.to_string())).collect()
}

fn pem_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.ed25519.pem"))
}

fn make(dir: &Path, name: &str, funds: &[(&str, &str)]) -> miette::Result<Account> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).into_diagnostic()?;
    // PKCS #8 version 1, without the public key: OpenSSL and Python's `cryptography` read no other.
    let pem = KeypairBytes { secret_key: seed, public_key: None }.to_pkcs8_pem(LineEnding::LF).into_diagnostic()?;
    let pem_file = pem_file(dir, name);
    private::write(&pem_file, pem.as_bytes()).into_diagnostic()?;
    let balances = funds.iter().map(|(asset, amount)| (asset.to_string(), amount.to_string()));
    Ok(Account {
        name: name.to_string(),
        api_key: random_text(),
        secret: random_text(),
        ed25519_api_key: Some(random_text()),
        ed25519_private_key: Some(pem.to_string()),
        pem_file: Some(pem_file),
        balances: balances.collect::<BTreeMap<_, _>>(),
    })
}

/// 64 letters and digits, as Binance's keys and secrets.
pub fn random_text() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_the_same_and_a_missing_account_is_added() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure(dir.path()).unwrap();
        assert_eq!(first, ensure(dir.path()).unwrap());
        let path = dir.path().join("accounts.json");
        std::fs::write(&path, serde_json::to_vec(&first[1..]).unwrap()).unwrap();
        let second = ensure(dir.path()).unwrap();
        assert_eq!(second.len(), first.len());
        assert_eq!(second[..first.len() - 1], first[1..]);
        let alice = second.iter().find(|account| account.name == "alice").unwrap();
        assert_ne!(*alice, first[0]);
        assert_eq!(
            std::fs::read_to_string(alice.pem_file.as_ref().unwrap()).unwrap(),
            *alice.ed25519_private_key.as_ref().unwrap()
        );
    }

    #[test]
    fn balances_are_what_is_there_and_not_what_was_funded() {
        let info = r#"{"balances":[{"asset":"BTC","free":"999.95000000","locked":"0.04000000"},
            {"asset":"ETH","free":"0.00000000","locked":"0.00000000"},{"asset":"LTC","free":"1.5","locked":"0"},
            {"asset":"XYZ","free":"0","locked":"0"}]}"#;
        let opened = ["BTC", "ETH"].map(|asset| (asset.to_owned(), "1000".to_owned())).into();
        let shown = balances(&serde_json::from_str(info).unwrap(), &opened);
        let wanted = [("BTC", "999.99"), ("ETH", "0"), ("LTC", "1.5")];
        assert_eq!(shown, wanted.map(|(asset, amount)| (asset.to_owned(), amount.to_owned())).into());
    }

    #[test]
    fn a_damaged_file_of_keys_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("accounts.json");
        std::fs::write(&path, "[{").unwrap();
        assert!(ensure(dir.path()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[{");
    }
}
