use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::Height;
use crate::rpc::Endpoint;

const HASH: BlockHash = BlockHash([0xab; 32]);

fn receipts(of: &[[u8; 32]]) -> Value {
    of.iter().map(|hash| json!({"blockHash": text(*hash)})).collect()
}

#[test]
fn receipts_found_by_height_are_those_of_the_block_or_no_answer() {
    let block = json!({"transactions": [{}, {}]});
    assert!(are_of(&receipts(&[HASH.0, HASH.0]), HASH, &block));
    assert!(are_of(&receipts(&[]), HASH, &json!({"transactions": []})));
    let loud = json!([{"blockHash": format!("0x{}", "AB".repeat(32))}]);
    assert!(are_of(&loud, HASH, &json!({"transactions": [{}]})));
    for other in [receipts(&[HASH.0, [1; 32]]), receipts(&[HASH.0]), receipts(&[]), json!([{}, {}]), Value::Null] {
        assert!(!are_of(&other, HASH, &block), "{other}");
    }
}

/// A node that answers with these bodies, one after another, and says what it was asked.
async fn node(answers: Vec<Value>) -> (RpcClient, tokio::task::JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 65_536];
            let mut read = 0;
            while !bytes[..read].ends_with(b"}") && !bytes[..read].ends_with(b"]") {
                read += stream.read(&mut bytes[read..]).await.unwrap();
            }
            let request = String::from_utf8(bytes[..read].to_vec()).unwrap();
            asked.push(serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap());
            let answer = answer.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
        }
        asked
    });
    (RpcClient::new(&Endpoint { url, login: None }), serving)
}

#[tokio::test]
async fn a_node_that_knows_receipts_by_height_alone_is_asked_so_and_is_no_liar_after_a_reorganisation() {
    let head = Head { height: Height(300), hash: HASH };
    let block = json!([
        {"id": 0, "result": {"hash": text(HASH.0), "transactions": [{}]}},
        {"id": 1, "result": null},
    ]);
    let other = json!({"id": 0, "result": receipts(&[[1; 32]])});
    let (client, serving) = node(vec![block, other]).await;
    let told = super::block(&client, &EvmRules { chain_id: 1 }, head).await.unwrap_err();
    assert_eq!(told, absent("receipts"));
    let asked = serving.await.unwrap();
    assert_eq!(asked[1]["params"], json!(["0x12c"]));
}

fn unknown_method() -> Value {
    json!({"code": -32_601, "message": "Method not found"})
}

#[tokio::test]
async fn the_fee_is_twice_the_base_and_the_tip_that_a_node_names() {
    let told = json!([{"id": 0, "result": {"baseFeePerGas": "0x64"}}, {"id": 1, "result": "0x7"}]);
    let (client, serving) = node(vec![told]).await;
    assert_eq!(fee(&client).await, Ok((207, 7)));
    assert_eq!(serving.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_without_a_word_for_tips_is_asked_what_was_tipped() {
    let block = json!({"baseFeePerGas": "0x64"});
    let refused = json!([{"id": 0, "result": block}, {"id": 1, "error": unknown_method()}]);
    for (rewards, tip) in [
        (json!([["0x0"], ["0x9"], ["0x3"], ["0x5"]]), 5),
        (json!([["0x0"], ["0x0"]]), TIP_LEAST),
        (json!([]), TIP_LEAST),
        (Value::Null, TIP_LEAST),
    ] {
        let history = json!({"id": 0, "result": {"baseFeePerGas": ["0x1", "0x50"], "reward": rewards}});
        let (client, serving) = node(vec![refused.clone(), history]).await;
        assert_eq!(fee(&client).await, Ok((160 + tip, tip)), "{rewards}");
        let asked = serving.await.unwrap();
        assert_eq!(
            (&asked[1]["method"], &asked[1]["params"]),
            (&json!("eth_feeHistory"), &json!(["0x14", "latest", [50]]))
        );
    }
    let odd = json!({"id": 0, "result": {"baseFeePerGas": ["0x1"], "reward": [["much"]]}});
    let (client, _) = node(vec![refused.clone(), odd]).await;
    assert_eq!(fee(&client).await, Err(MALFORMED));
}

#[tokio::test]
async fn a_node_that_knows_no_history_either_is_asked_what_it_would_pay_in_all() {
    let block = json!({"baseFeePerGas": "0x64"});
    let refused = json!([{"id": 0, "result": block}, {"id": 1, "error": unknown_method()}]);
    let unknown = json!({"id": 0, "error": unknown_method()});
    let least = TIP_LEAST;
    for (price, told) in
        [("0x3d0964", (4_000_200, 4_000_000)), ("0x6b", (200 + least, least)), ("0x60", (200 + least, least))]
    {
        let price = json!([{"id": 0, "result": block}, {"id": 1, "result": price}]);
        let (client, _) = node(vec![refused.clone(), unknown.clone(), price]).await;
        assert_eq!(fee(&client).await, Ok(told));
    }
    let (client, _) = node(vec![refused.clone(), unknown.clone(), refused.clone()]).await;
    assert!(matches!(fee(&client).await, Err(Told::Refused { .. })), "what is not known is not guessed");
}
