use super::*;

fn bots(names: &[&str]) -> Vec<Account> {
    let account = |name: &&str| Account {
        name: name.to_string(),
        api_key: String::new(),
        secret: String::new(),
        ed25519_api_key: None,
        ed25519_private_key: None,
        pem_file: None,
        balances: Default::default(),
    };
    names.iter().map(account).collect()
}

fn pairs(names: &[&str]) -> Vec<String> {
    let bots = bots(names);
    let pair = |index| {
        let (maker, taker) = cast(&bots, index);
        format!("{} {}", maker.name, taker.name)
    };
    (0..3).map(pair).collect()
}

#[test]
fn nobody_takes_from_himself() {
    assert_eq!(pairs(&["m1", "m2", "taker"]), ["m1 taker", "m2 taker", "m1 taker"]);
    assert_eq!(pairs(&["a", "b"]), ["a b", "b a", "a b"]);
    assert_eq!(pairs(&["taker-1", "taker-2"]), ["taker-1 taker-2", "taker-2 taker-1", "taker-1 taker-2"]);
}
