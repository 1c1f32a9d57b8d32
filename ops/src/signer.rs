//! `mainstay signer`: the process that has the keys.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chainwatch::signer::bitcoin::BitcoinScheme;
use chainwatch::signer::evm::EvmScheme;
use chainwatch::signer::payment::Scheme;
use chainwatch::signer::policy::{AssetPolicy, ChainPolicy};
use chainwatch::signer::vault::Vault;
use chainwatch::signer::{Desk, server};
use miette::{IntoDiagnostic, WrapErr};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use wire::Text;
use zeroize::Zeroizing;

use crate::{logging, private};

/// So many times the most of one transaction may be paid to a chain within a day, where the file says nothing else.
const FEES_A_DAY: u128 = 100;

/// `mainstay signer`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is TOML; amounts are in the chain's smallest units, in quotes:

  key_file = \"signer.key\"               # encrypted by the passphrase
  passphrase_file = \"passphrase\"        # its first line
  journal = \"signer.journal\"            # what was signed; never delete it, never restore an old one
  socket = \"signer.socket\"              # its owner alone may ask

  [[chain]]
  symbol = \"LTC\"                        # as the ledger lists it
  kind = \"bitcoin\"                      # or \"evm\"
  account = \"m/84'/2'/0'\"
  network_fee_max = \"1000000\"           # of one transaction
  prefix = \"ltc\"                        # of addresses; bitcoin alone
  pubkey_prefix = 48
  script_prefix = 50
  dust = 5460
  # chain_id = 1                        # evm alone
  # network_fee_day_max = \"20000000\"   # of all within 24 hours; a hundred times network_fee_max without it
  # cold = [\"ltc1...\"]                 # where the hot wallet's excess may go
  # allow_list = [\"ltc1...\"]            # without it: every address

  [[chain.asset]]
  contract = \"\"                         # the chain's own coin; or a token's contract
  amount_max = \"500000000\"
  day_max = \"5000000000\"

`--new-key` makes the key file and ends. `--public` prints each chain's extended public key, which chainwatch needs, and ends.")]
pub struct Args {
    /// Its configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Make a new key file, and end.
    #[arg(long, conflicts_with = "public")]
    new_key: bool,
    /// Print the extended public keys, and end.
    #[arg(long)]
    public: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerFile {
    key_file: PathBuf,
    passphrase_file: PathBuf,
    journal: PathBuf,
    socket: PathBuf,
    #[serde(rename = "chain")]
    chains: Vec<ChainTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainTable {
    symbol: String,
    kind: Kind,
    account: String,
    network_fee_max: String,
    network_fee_day_max: Option<String>,
    #[serde(default)]
    cold: Vec<String>,
    prefix: Option<String>,
    pubkey_prefix: Option<u8>,
    script_prefix: Option<u8>,
    dust: Option<u64>,
    chain_id: Option<u64>,
    #[serde(default)]
    allow_list: Vec<String>,
    #[serde(rename = "asset")]
    assets: Vec<AssetTable>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Bitcoin,
    Evm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetTable {
    contract: String,
    amount_max: String,
    day_max: String,
}

/// Runs the signer until it is told to end, or until its journal cannot be written.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_service();
    let text = std::fs::read_to_string(&args.config);
    let text = text.into_diagnostic().wrap_err_with(|| format!("cannot read {}", args.config.display()))?;
    let file: SignerFile = toml::from_str(&text).into_diagnostic()?;
    let beside = |path: &Path| args.config.parent().map_or(path.to_path_buf(), |directory| directory.join(path));
    let passphrase = read_passphrase(&beside(&file.passphrase_file))?;
    let key_file = beside(&file.key_file);
    if args.new_key {
        if key_file.exists() {
            miette::bail!("{} exists: it may have the keys to money", key_file.display());
        }
        let vault = Vault::generate().into_diagnostic()?;
        private::write(&key_file, &vault.seal(&passphrase).into_diagnostic()?).into_diagnostic()?;
        println!("{} is made; keep a copy of it and of the passphrase apart from each other", key_file.display());
        return Ok(ExitCode::SUCCESS);
    }
    let sealed = std::fs::read(&key_file);
    let sealed = sealed.into_diagnostic().wrap_err_with(|| format!("cannot read {}", key_file.display()))?;
    let vault = Vault::open(&sealed, &passphrase).into_diagnostic()?;
    let policies = file.chains.iter().map(|table| policy_of(table, &vault)).collect::<miette::Result<Vec<_>>>()?;
    if args.public {
        for policy in &policies {
            println!(
                "{} {} {}",
                policy.chain,
                policy.account,
                vault.account_public(&policy.account).into_diagnostic()?
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let desk = Desk::open(&vault, policies, &beside(&file.journal)).into_diagnostic()?;
    drop(vault);
    let socket = beside(&file.socket);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.into_diagnostic()?.block_on(async {
        let mut end = signal(SignalKind::terminate()).into_diagnostic()?;
        tracing::info!(socket = %socket.display(), "signer is ready");
        tokio::select! {
            served = server::serve(desk, &socket) => served.into_diagnostic(),
            _ = end.recv() => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read_passphrase(path: &Path) -> miette::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path);
    let text = Zeroizing::new(text.into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?);
    let line = Zeroizing::new(text.lines().next().unwrap_or("").to_owned());
    if line.is_empty() { Err(miette::miette!("{} has no passphrase", path.display())) } else { Ok(line) }
}

fn policy_of(table: &ChainTable, vault: &Vault) -> miette::Result<ChainPolicy> {
    let missing = |what: &str| miette::miette!("chain {} has no {what}", table.symbol);
    let xpub = vault.account_public(&table.account).into_diagnostic()?;
    let scheme = match table.kind {
        Kind::Bitcoin => Scheme::Bitcoin(BitcoinScheme {
            prefix: table.prefix.clone().ok_or_else(|| missing("prefix"))?,
            pubkey_prefix: table.pubkey_prefix.ok_or_else(|| missing("pubkey_prefix"))?,
            script_prefix: table.script_prefix.ok_or_else(|| missing("script_prefix"))?,
            xpub,
            dust: table.dust.ok_or_else(|| missing("dust"))?,
        }),
        Kind::Evm => Scheme::Evm(EvmScheme { chain_id: table.chain_id.ok_or_else(|| missing("chain_id"))?, xpub }),
    };
    let assets = table.assets.iter().map(|asset| {
        Ok(AssetPolicy {
            contract: text_of(&asset.contract)?,
            amount_max: number_of(&asset.amount_max)?,
            day_max: number_of(&asset.day_max)?,
        })
    });
    let addresses =
        |all: &[String]| all.iter().map(|address| text_of(address)).collect::<miette::Result<BTreeSet<_>>>();
    let network_fee_max = number_of(&table.network_fee_max)?;
    let network_fee_day_max = match &table.network_fee_day_max {
        Some(text) => number_of(text)?,
        None => network_fee_max.saturating_mul(FEES_A_DAY),
    };
    Ok(ChainPolicy {
        chain: text_of(&table.symbol)?,
        scheme,
        account: table.account.clone(),
        network_fee_max,
        network_fee_day_max,
        cold: addresses(&table.cold)?,
        allow_list: addresses(&table.allow_list)?,
        assets: assets.collect::<miette::Result<Vec<_>>>()?,
    })
}

fn text_of<const N: usize>(text: &str) -> miette::Result<Text<N>> {
    Text::new(text.as_bytes()).map_err(|_| miette::miette!("{text:?} is too long or has characters that cannot be"))
}

fn number_of(text: &str) -> miette::Result<u128> {
    text.parse().map_err(|_| miette::miette!("{text:?} is no whole number"))
}
