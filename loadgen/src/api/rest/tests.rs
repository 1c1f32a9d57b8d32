use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers each connection's requests with `answers`, one a connection.
async fn server(answers: Vec<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 65_536];
            let _ = socket.read(&mut request).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

fn answer(status: &str, body: &str) -> &'static str {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").leak()
}

#[tokio::test]
async fn a_busy_exchange_is_asked_again() {
    let busy = answer("503 Service Unavailable", r#"{"code":-1008,"msg":"Server is busy"}"#);
    let base = server(vec![busy, answer("200 OK", "[1,2]")]).await;
    let rest = Rest::new(vec![base]);
    assert_eq!(rest.get::<Vec<u8>>("/x", "", Duration::from_secs(5)).await, Ok(vec![1, 2]));
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_is_not_repeated() {
    let base = server(vec![answer("400 Bad Request", r#"{"code":-1121,"msg":"Invalid symbol."}"#)]).await;
    let rest = Rest::new(vec![base]);
    let error = rest.get::<Vec<u8>>("/x", "", Duration::from_secs(5)).await.unwrap_err();
    let message = "Invalid symbol.".into();
    assert_eq!(error, ApiError::Refused { status: 400, code: -1121, message, retry_after: None });
}

#[tokio::test]
async fn an_unreachable_exchange_is_named() {
    let rest = Rest::new(vec!["http://127.0.0.1:1".into()]);
    let error = rest.get::<Vec<u8>>("/x", "", Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error, ApiError::Unreachable { url, .. } if url == "http://127.0.0.1:1"), "{error}");
}

/// Whoever connects is answered with what number the connection has, so often; then it is closed.
async fn counting(answers_each: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 1.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            for _ in 0..answers_each {
                let mut request = vec![0; 65_536];
                let length = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
                assert!(request.starts_with("get /under/x?y=1 http/1.1\r\n"), "{request}");
                assert!(request.contains(&format!("\r\nhost: {address}\r\n")), "{request}");
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    format!("http://{address}/under")
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another_until_the_other_end_closes_it() {
    let rest = Rest::new(vec![counting(2).await]);
    for connection in 1..=3 {
        // No second attempt: what the other end has closed is not asked over.
        for _ in 0..2 {
            assert_eq!(rest.get::<u8>("/x", "y=1", Duration::ZERO).await, Ok(connection));
        }
        let mut line = rest.idle().values_mut().find_map(Vec::pop).unwrap();
        while line.is_open().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rest.idle().values_mut().next().unwrap().push(line);
    }
}

#[tokio::test]
async fn a_question_waits_as_long_as_the_exchange_asks_and_not_beyond_its_patience() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nx-mbx-used-weight-1m: 600000\r\n";
    let body = r#"{"code":-1003,"msg":"Too much request weight used."}"#;
    let limit: &'static str = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).leak();
    let rest = Rest::new(vec![server(vec![limit, answer("200 OK", "[1]")]).await]);
    let began = Instant::now();
    assert_eq!(rest.get::<Vec<u8>>("/x", "", Duration::from_secs(5)).await, Ok(vec![1]));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(rest.used_weight(), 600_000);
    let rest = Rest::new(vec![server(vec![limit]).await]);
    let began = Instant::now();
    let error = rest.get::<Vec<u8>>("/x", "", Duration::from_millis(500)).await.unwrap_err();
    assert!(error.is_limit() && began.elapsed() < Duration::from_millis(500), "{error}");
}
