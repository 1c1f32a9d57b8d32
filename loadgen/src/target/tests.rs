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
    args.account = vec![parse_account("carol:key:with:colon").unwrap()];
    let target = args.resolve().unwrap();
    assert_eq!(target.accounts[0].secret, "with:colon");
    assert!(target.bots.is_empty());
    assert!(parse_account("carol:key").is_err());
}
