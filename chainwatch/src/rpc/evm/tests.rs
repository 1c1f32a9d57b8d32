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
