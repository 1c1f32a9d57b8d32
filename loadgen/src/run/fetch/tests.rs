use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Serves `myTrades` of these trade ids.
async fn exchange(ids: Vec<u64>) -> Rest {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let length = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let from = request.split("fromId=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
            let body = page(&ids, from.unwrap_or(0)).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    Rest::new(vec![base])
}

fn page(ids: &[u64], from: u64) -> Value {
    let trades = ids.iter().filter(|id| **id >= from).take(PAGE).map(|id| {
        json!({"id": id, "orderId": 1, "price": "1", "qty": "1", "quoteQty": "1", "commission": "0",
               "commissionAsset": "BTC", "isBuyer": id % 2 == 0})
    });
    trades.collect()
}

#[tokio::test]
async fn records_are_read_page_by_page_without_losing_or_repeating_any() {
    let ids: Vec<u64> = (5..2_605).collect();
    let rest = exchange(ids.clone()).await;
    let credentials = Credentials::hmac("key", "secret");
    let reader = Reader { rest: &rest, credentials: &credentials, patience: Duration::from_secs(5) };
    let trades = reader.trades("BTCUSDT", 0).await.unwrap();
    assert!(trades.iter().map(|trade| trade.id).eq(ids), "{} trades", trades.len());
    assert_eq!(reader.trades("BTCUSDT", 2_000).await.unwrap().len(), 605);
}
