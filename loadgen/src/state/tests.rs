use super::*;

fn state() -> State {
    State {
        rest: "http://127.0.0.1:8080".into(),
        ws: "ws://127.0.0.1:8080".into(),
        ws_api: "ws://127.0.0.1:8080/ws-api/v3".into(),
        accounts: ["alice", "bot-maker-1"]
            .map(|name| Account {
                name: name.into(),
                api_key: "k".repeat(64),
                secret: "s".repeat(64),
                ed25519_api_key: Some("e".repeat(64)),
                ed25519_private_key: Some("-----BEGIN PRIVATE KEY-----".into()),
                pem_file: Some("alice.pem".into()),
                balances: BTreeMap::from([("BTC".into(), "1000".into())]),
            })
            .into(),
        nodes: vec![Node { id: 1, pid: 10, http: "http://127.0.0.1:9001".into(), data_dir: "node-1".into() }],
        gateways: vec![],
        chainwatches: vec![],
        signers: vec![],
        cluster: Some(Cluster {
            epoch: 1,
            ledger: 1,
            partitions: vec![1, 2, 3, 4],
            nodes: vec![ClusterNode { id: 1, addr: ([127, 0, 0, 1], 7001).into() }],
            operator: Operator {
                name: "operator-demo".into(),
                ca: "ca.pem".into(),
                cert: "operator.pem".into(),
                key: "operator.key".into(),
            },
            envelope_key_file: "envelope.key".into(),
        }),
    }
}

#[test]
fn a_saved_state_reads_back_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    state().save(&path).unwrap();
    state().save(&path).unwrap();
    assert_eq!(State::load(&path).unwrap(), state());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn accounts_of_bots_are_kept_apart() {
    let state = state();
    assert_eq!(state.trading_accounts().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["alice"]);
    assert_eq!(state.bot_accounts().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["bot-maker-1"]);
}

#[test]
fn fields_of_a_later_release_are_ignored_and_optional_ones_may_be_missing() {
    let text = r#"{"rest":"http://a","ws":"ws://a","ws_api":"ws://a/ws-api/v3","later":true,
        "accounts":[{"name":"alice","api_key":"k","secret":"s"}]}"#;
    let state: State = serde_json::from_str(text).unwrap();
    assert!(state.cluster.is_none() && state.nodes.is_empty());
}

#[test]
fn an_unreadable_state_file_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let missing = State::load(&path).unwrap_err().to_string();
    assert!(missing.contains("state.json") && missing.contains("mainstay demo --state"), "{missing}");
    std::fs::write(&path, "{\"rest\": 5}").unwrap();
    let broken = State::load(&path).unwrap_err().to_string();
    assert!(broken.contains("not a state file") && broken.contains("line 1"), "{broken}");
}
