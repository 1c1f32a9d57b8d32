//! The demo's signer: keys that everybody has, of coins that are worth nothing, and what it may sign.

use std::path::Path;

use ::chainwatch::signer::evm::{EvmScheme, own_address};
use ::chainwatch::signer::vault::Vault;
use miette::IntoDiagnostic;

use super::{ANVIL_CHAIN_ID, ChainKind};
use crate::private;

/// The seed of all keys.
const SEED: [u8; 32] = *b"mainstay demo, and worth nothing";
const PASSPHRASE: &str = "mainstay demo";
/// The names of its files, beside each other.
const CONFIG: &str = "signer.toml";
const SOCKET: &str = "signer.socket";

/// Whose keys spend.
fn account(kind: ChainKind) -> &'static str {
    match kind {
        ChainKind::Litecoin => "m/84'/2'/0'",
        ChainKind::Anvil => "m/44'/60'/0'",
    }
}

/// The extended public key of that account.
pub fn xpub(kind: ChainKind) -> miette::Result<String> {
    Ok(Vault::from_seed(SEED).account_public(account(kind)).into_diagnostic()?.to_string())
}

/// The account that sends, where accounts do.
pub fn hot_wallet(kind: ChainKind) -> Option<String> {
    let xpub = Vault::from_seed(SEED).account_public(account(kind)).ok()?;
    let is_evm = kind == ChainKind::Anvil;
    is_evm.then(|| own_address(&EvmScheme { chain_id: ANVIL_CHAIN_ID, xpub })).flatten().map(|it| it.to_string())
}

/// Where its configuration is.
pub fn config(dir: &Path) -> std::path::PathBuf {
    dir.join(CONFIG)
}

/// Where chainwatch asks it.
pub fn socket(dir: &Path) -> std::path::PathBuf {
    dir.join(SOCKET)
}

/// Writes its key and its configuration.
pub fn write(dir: &Path, kind: ChainKind) -> miette::Result<()> {
    private::make_dir(dir).into_diagnostic()?;
    let key = dir.join("signer.key");
    if !key.exists() {
        let sealed = Vault::from_seed(SEED).seal(PASSPHRASE).into_diagnostic()?;
        private::write(&key, &sealed).into_diagnostic()?;
    }
    private::write(&dir.join("signer.passphrase"), PASSPHRASE.as_bytes()).into_diagnostic()?;
    let (symbol, account) = (kind.symbol(), account(kind));
    let scheme = match kind {
        ChainKind::Litecoin => {
            "kind = \"bitcoin\"\nprefix = \"rltc\"\npubkey_prefix = 111\nscript_prefix = 58\ndust = 5460\n\
             network_fee_max = \"10000000\"\n\
             asset = [{ contract = \"\", amount_max = \"10000000000\", day_max = \"100000000000\" }]\n"
        }
        ChainKind::Anvil => {
            "kind = \"evm\"\nchain_id = 31337\nnetwork_fee_max = \"100000000000000000\"\n\
             asset = [{ contract = \"\", amount_max = \"100000000000000000000\", day_max = \"1000000000000000000000\" }]\n"
        }
    };
    let file = format!(
        "key_file = \"signer.key\"\npassphrase_file = \"signer.passphrase\"\njournal = \"signer.journal\"\n\
         socket = \"{SOCKET}\"\n\n[[chain]]\nsymbol = \"{symbol}\"\naccount = \"{account}\"\n{scheme}"
    );
    private::write(&config(dir), file.as_bytes()).into_diagnostic()
}
