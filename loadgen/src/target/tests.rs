use super::*;

#[test]
fn a_rest_address_alone_is_enough() {
    let args = TargetArgs { rest: Some("http://127.0.0.1:9000/".into()), ..Default::default() };
    let target = args.resolve().unwrap();
    assert_eq!(target.gateways[0].ws, "ws://127.0.0.1:9000");
    assert_eq!(target.gateways[0].ws_api, "ws://127.0.0.1:9000/ws-api/v3");
}

#[test]
fn nothing_to_talk_to_is_said_with_what_to_pass() {
    let error = TargetArgs::default().resolve().unwrap_err().to_string();
    assert!(error.contains("--state FILE") && error.contains("--rest"), "{error}");
    let args = TargetArgs { rest: Some("127.0.0.1:9000".into()), ..Default::default() };
    assert!(args.resolve().unwrap_err().to_string().contains("http://"));
}

#[test]
fn accounts_of_the_command_line_replace_those_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let text = r#"{"rest":"http://a:1","ws":"ws://a:1","ws_api":"ws://a:1/ws-api/v3",
        "accounts":[{"name":"alice","api_key":"k","secret":"s"},{"name":"bot-1","api_key":"k","secret":"s"}],
        "gateways":[{"pid":1,"rest":"http://a:1","ws":"ws://a:1","ws_api":"ws://a:1"},
                    {"pid":2,"rest":"http://a:2","ws":"ws://a:2","ws_api":"ws://a:2"}]}"#;
    std::fs::write(&path, text).unwrap();
    let mut args = TargetArgs { state: Some(path), ..Default::default() };
    let target = args.resolve().unwrap();
    assert_eq!(target.gateways.len(), 2, "the first gateway is listed once");
    assert_eq!((target.accounts.len(), target.bots.len()), (1, 1));
    let key = "aZ09".repeat(16);
    args.account = vec![parse_account(&format!("carol:{key}:with:colon")).unwrap()];
    let target = args.resolve().unwrap();
    assert_eq!(target.accounts[0].secret, "with:colon");
    assert!(target.bots.is_empty());
    assert!(parse_account(&format!("carol:{key}")).is_err());
    for text in ["carol:key:secret".to_owned(), format!("carol:{key}0:secret"), format!("carol:{}-:secret", &key[1..])]
    {
        assert!(parse_account(&text).unwrap_err().contains("64 letters and digits"), "{text}");
    }
    assert!(parse_account(&format!(":{key}:secret")).unwrap_err().contains("NAME:API_KEY:SECRET"));
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    operator: OperatorArgs,
}

fn operator(flags: &str) -> Result<OperatorArgs, clap::Error> {
    use clap::Parser as _;
    Flags::try_parse_from(["loadgen"].into_iter().chain(flags.split_whitespace())).map(|flags| flags.operator)
}

#[test]
fn nodes_and_an_operators_files_take_the_place_of_a_state_file() {
    let flags = "--node 1=127.0.0.1:7101 --node 2=localhost:7102 --ca pki/ca.pem --cert pki/operator-demo.pem --key k";
    let cluster = operator(flags).unwrap().cluster(None).unwrap();
    assert_eq!((cluster.epoch, cluster.ledger, cluster.partitions), (1, 1, vec![]));
    assert_eq!(
        cluster.nodes.iter().map(|node| (node.id, node.addr.port())).collect::<Vec<_>>(),
        [(1, 7101), (2, 7102)]
    );
    assert_eq!(cluster.operator.name, "operator-demo");
    let cluster = operator(&format!("{flags} --operator ops-2 --epoch 4 --ledger 3")).unwrap().cluster(None).unwrap();
    assert_eq!((cluster.operator.name.as_str(), cluster.epoch, cluster.ledger), ("ops-2", 4, 3));
    assert!(operator("").unwrap().cluster(None).is_none());
}

#[test]
fn half_of_the_operators_flags_are_refused_with_what_is_missing() {
    let said = |flags: &str| operator(flags).unwrap_err().to_string();
    assert!(said("--node 1=127.0.0.1:7101").contains("--cert <FILE>"));
    assert!(said("--ca a --cert b --key c").contains("--node"));
    let files = "--ca a --cert b --key c";
    assert!(said(&format!("--node 127.0.0.1:7101 {files}")).contains("ID=HOST:PORT"));
    assert!(said(&format!("--node 1=127.0.0.1 {files}")).contains("HOST:PORT"));
}
