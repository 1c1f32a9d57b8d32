//! Which Bitcoin-like chain the live tests are of. The tests are the same: what differs between the chains is here.

use std::path::PathBuf;
use std::sync::LazyLock;

use chainwatch::chain::bitcoin::BitcoinRules;
use wire::AddressFormat;

use super::process::find_program;

/// Names the coin: `litecoin`, which is usual, or `bitcoin`.
const VARIABLE: &str = "CHAINS_COIN";

/// The regression test chain of one coin, and the node that keeps it.
#[derive(Debug)]
pub struct Coin {
    /// What the exchange calls it.
    pub symbol: &'static str,
    /// What a configuration of chainwatch calls the rules of its regression test chain.
    pub rules_word: &'static str,
    /// Those rules.
    pub rules: BitcoinRules,
    /// What its addresses look like.
    pub addresses: AddressFormat,
    /// The human-readable part of its witness addresses.
    pub prefix: &'static str,
    /// The version bytes of public keys' and scripts' hashes.
    pub versions: [u8; 2],
    /// The least that an output of its transactions holds, in its smallest unit.
    pub dust: u64,
    /// Block 0, in the chain's byte order reversed as it is printed.
    pub genesis: &'static str,
    /// The node's name among programs.
    pub daemon: &'static str,
    /// What this node is told and the others are not.
    pub(super) args: &'static [&'static str],
}

/// The coin of this run.
pub fn coin() -> &'static Coin {
    static COIN: LazyLock<Coin> = LazyLock::new(|| match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("litecoin") => litecoin(),
        Ok("bitcoin") => bitcoin(),
        Ok(other) => panic!("{VARIABLE} is litecoin or bitcoin, not {other}"),
    });
    &COIN
}

fn litecoin() -> Coin {
    Coin {
        symbol: "LTC",
        rules_word: "litecoin-regtest",
        rules: BitcoinRules::litecoin_regtest(),
        addresses: AddressFormat::litecoin_regtest(),
        prefix: "rltc",
        versions: [111, 58],
        dust: 5_460,
        genesis: "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
        daemon: "litecoind",
        // These nodes take no replacements unless they are told to.
        args: &["-mempoolreplacement=1"],
    }
}

fn bitcoin() -> Coin {
    Coin {
        symbol: "BTC",
        rules_word: "bitcoin-regtest",
        rules: BitcoinRules::bitcoin_regtest(),
        addresses: AddressFormat::bitcoin_regtest(),
        prefix: "bcrt",
        versions: [111, 196],
        dust: 546,
        genesis: "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        daemon: "bitcoind",
        // Every write of a wallet waits for the disk otherwise, and a new one is five seconds of writes.
        args: &["-unsafesqlitesync"],
    }
}

impl Coin {
    /// Where `tests/run` puts it, then the PATH.
    pub(super) fn program(&self) -> PathBuf {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tests-bitcoin/bin");
        find_program(&[PathBuf::from(own).join(self.daemon)], self.daemon)
    }
}
