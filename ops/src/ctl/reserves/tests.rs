//! What is written is what is checked, and what was changed is found out with words that help.

use wire::event::{AccountOpened, AssetListed, BalanceChanged};
use wire::{AccountName, Amount, AssetId, Event, FeeRate, Symbol};

use super::*;

fn files() -> (RootFile, AccountFile) {
    let owed = |account: &str, amount, salt| Liability { account: account.into(), amount, salt: [salt; 32] };
    let liabilities = [owed("alice", 950_000_000, 1), owed("bob", 50_000_000, 2), owed("carol", 0, 3)];
    let tree = Tree::new("LTC", &liabilities).unwrap();
    let account = AccountFile {
        version: VERSION,
        asset: "LTC".into(),
        position: 7,
        account: "alice".into(),
        amount: "950000000".into(),
        salt: hex::encode([1; 32]),
        path: tree.path(0).unwrap().iter().map(step).collect(),
    };
    let root = sum(tree.root());
    (RootFile { version: VERSION, asset: "LTC".into(), decimals: 8, position: 7, accounts: 3, root }, account)
}

#[test]
fn an_accounts_file_leads_to_its_root_after_it_was_written_and_read() {
    let (root, account) = files();
    let text = serde_json::to_string(&account).unwrap();
    assert_eq!(check(&root, &serde_json::from_str(&text).unwrap()).unwrap(), 950_000_000);
    assert_eq!(shown(number(&root.root.sum).unwrap(), root.decimals), "10");
}

#[test]
fn what_was_changed_or_does_not_belong_together_is_refused() {
    let (root, account) = files();
    let refused = |root: &RootFile, account: &AccountFile, wanted: &str| {
        let why = check(root, account).unwrap_err().to_string();
        assert!(why.contains(wanted), "{why}");
    };
    let lead = "does not lead to the published root";
    refused(&root, &AccountFile { amount: "950000001".into(), ..account.clone() }, lead);
    refused(&root, &AccountFile { account: "bob".into(), ..account.clone() }, lead);
    refused(&root, &AccountFile { amount: "-5".into(), ..account.clone() }, "no amount");
    refused(&root, &AccountFile { salt: "00".into(), ..account.clone() }, "not 32 bytes");
    refused(&root, &AccountFile { asset: "BTC".into(), ..account.clone() }, "the account's file of BTC");
    refused(&root, &AccountFile { position: 8, ..account.clone() }, "at 8");
    refused(&RootFile { version: 2, ..root.clone() }, &account, "versions 2 and 1");
    let mut lying = account.clone();
    lying.path[0].sum = "-50000000".into();
    refused(&root, &lying, "no amount");
    let total = RootFile { root: SumFile { sum: "1".into(), ..root.root.clone() }, ..root };
    refused(&total, &account, lead);
}

/// What a ledger knows where each of these accounts has one.
fn known(names: &[&str]) -> Inventory {
    let asset = AssetId::new(1);
    let symbol = Symbol::new(b"LTC").unwrap();
    let listed = AssetListed { asset, symbol, ledger_decimals: 8 };
    let mut events = vec![Event::AssetListed(listed)];
    for (number, name) in (1..).zip(names) {
        let (account, name) = (AccountId::new(number), AccountName::new(name.as_bytes()).unwrap());
        let (maker_fee, taker_fee) = (FeeRate::ZERO, FeeRate::ZERO);
        events.push(Event::AccountOpened(AccountOpened { account, name, maker_fee, taker_fee }));
        let (free, held) = (Amount::new(1).unwrap(), Amount::ZERO);
        events.push(Event::BalanceChanged(BalanceChanged { account, asset, free, held }));
    }
    Inventory::told(events)
}

#[test]
fn an_accounts_name_is_no_path() {
    let names = [
        "alice",
        "a/b",
        "..",
        ".",
        "../root",
        "../../zz-out",
        "-x",
        "/etc/x",
        "a\\b",
        ".hidden",
        "b.c-d_e",
        "Bob",
        "bob",
        "BOB",
        "100%",
        "a%2Fb",
        "*",
    ];
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/proof");
    prove(&known(&names), "LTC", &out).unwrap();
    let listed = |path: &Path| {
        let names = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(listed(dir.path()), ["deep".to_owned()].into());
    assert_eq!(listed(&out), ["accounts".to_owned(), "root.json".to_owned()].into());
    let files = listed(&out.join("accounts"));
    assert_eq!(files.len(), names.len());
    for plain in
        ["alice.json", "b.c-d_e.json", "a%2Fb.json", "a%252Fb.json", "%2E.%2Froot.json", "%2E.json", "%2Dx.json"]
    {
        assert!(files.contains(plain), "{plain}: {files:?}");
    }
    let folded: std::collections::BTreeSet<String> = files.iter().map(|name| name.to_ascii_lowercase()).collect();
    assert_eq!(folded.len(), names.len(), "none is another's where case does not count");
    let root = read::<RootFile>(&out.join("root.json")).unwrap();
    let mut proven = std::collections::BTreeSet::new();
    for file in &files {
        let account = read::<AccountFile>(&out.join("accounts").join(file)).unwrap();
        assert_eq!(check(&root, &account).unwrap(), 1);
        proven.insert(account.account);
    }
    assert_eq!(proven, names.map(str::to_owned).into());
}

#[test]
fn a_proof_is_there_as_a_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let names = |dir: &Path| {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let out = place.path().join("proof");
    // The last file cannot be written there: the accounts' files were, before.
    std::fs::create_dir_all(out.join("root.json")).unwrap();
    let refused = prove(&known(&["alice", "bob"]), "LTC", &out).unwrap_err().to_string();
    assert!(refused.contains("holds something already"), "{refused}");
    assert_eq!((names(&out), names(place.path())), (vec!["root.json".to_owned()], vec!["proof".to_owned()]));

    std::fs::remove_dir(out.join("root.json")).unwrap();
    prove(&known(&["alice", "bob"]), "LTC", &out).unwrap();
    assert_eq!(
        (names(&out), names(place.path())),
        (["accounts", "root.json"].map(String::from).to_vec(), vec!["proof".to_owned()])
    );
    let refused = prove(&known(&["alice", "bob"]), "LTC", &out).unwrap_err().to_string();
    assert!(refused.contains("holds something already"), "a proof stays as it is");
}
