use super::*;

const FILE: &str = r#"
name = "chainwatch-1"
epoch = 1
http = "127.0.0.1:7301"
ledger = 1
data_dir = "chainwatch-1"

[tls]
ca = "ca.pem"
cert = "chainwatch-1.pem"
key = "chainwatch-1.key"

[[nodes]]
node = 1
addr = "127.0.0.1:7101"

[[chains]]
symbol = "LTC"
rules = "litecoin-regtest"
confirmations = 6
address_prefix = "rltc"
xpub = "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V"
trusted = { height = 0, hash = "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9" }

[[chains.nodes]]
name = "ltc-1"
url = "http://127.0.0.1:19443/"
login = "mainstay:regtest"
"#;

/// What is said of the file with `this` replaced by `that`.
fn said(this: &str, that: &str) -> String {
    assert!(FILE.contains(this));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chainwatch.toml");
    std::fs::write(&path, FILE.replace(this, that)).unwrap();
    match ChainwatchFile::load(&path).and_then(|file| file.chains()) {
        Ok(chains) => format!("{} nodes, {} to undo", chains[0].endpoints.len(), chains[0].undo_blocks),
        Err(report) => format!("{report:?}"),
    }
}

#[test]
fn a_chain_is_as_its_file_says() {
    assert_eq!(said("LTC", "LTC"), "1 nodes, 64 to undo");
    assert_eq!(said("confirmations = 6", "confirmations = 100"), "1 nodes, 201 to undo");
}

#[test]
fn what_is_wrong_with_a_chain_is_told_with_its_name() {
    for (this, that, told) in [
        ("confirmations = 6", "", "does not say what is final"),
        ("address_prefix = \"rltc\"", "", "what addresses begin with"),
        ("litecoin-regtest", "dogecoin", "unknown variant"),
        ("litecoin-regtest", "evm", "has no chain_id"),
        ("xpub6Cat", "xpub6Cax", "extended public key"),
        ("530827f38f93", "zz", "is no block hash"),
        ("http://127.0.0.1:19443/", "https://127.0.0.1:19443/", "end TLS at a proxy"),
        ("mainstay:regtest", "mainstay", "is not user:password"),
        ("confirmations = 6", "confirmations = 6\nundo_blocks = 12", "more than twice"),
        ("mainstay:regtest\"", "mainstay:regtest\"\nrate = 9", "may get too little"),
        ("mainstay:regtest\"", "mainstay:regtest\"\nburst = 0", "may get too little"),
    ] {
        let said = said(this, that);
        assert!(said.contains(told), "{said}");
        assert!(said.contains("LTC") || said.contains("unknown variant"), "{said}");
    }
}

#[test]
fn a_transaction_pays_one_to_thirty_two_withdrawals_and_nobody_waits_longer_than_a_minute() {
    let said_of = |more: &str| {
        let withdrawals = format!("confirmations = 6\nwithdrawals = {{ signer = \"s\"{more} }}");
        said("confirmations = 6", &withdrawals)
    };
    for good in ["", ", batch_max = 1", ", batch_max = 32", ", batch_wait_ms = 60000"] {
        assert_eq!(said_of(good), "1 nodes, 64 to undo", "{good}");
    }
    for bad in [", batch_max = 0", ", batch_max = 33"] {
        assert!(said_of(bad).contains("batch_max must be from 1 to 32"), "{}", said_of(bad));
    }
    assert!(said_of(", batch_wait_ms = 60001").contains("batch_wait_ms must be no more than 60000"));
}
