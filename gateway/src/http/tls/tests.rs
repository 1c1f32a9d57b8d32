use std::net::SocketAddr;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::http::Door;
use crate::testing::gateway;

/// Writes a self-signed certificate for `name`, and returns it.
fn issue(files: &ClientTls, name: &str) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.into()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    certificate.der().clone()
}

async fn ping(address: SocketAddr, trusted: &CertificateDer<'static>, name: &'static str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name.try_into().unwrap(), stream).await?;
    stream.write_all(b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn clients_are_served_over_tls_and_a_new_certificate_holds_without_a_restart() {
    let dir = std::env::temp_dir().join(format!("gateway-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let files = ClientTls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    let first = issue(&files, "first.test");
    let certificate = Certificate::load(files.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gateway, _ledger) = gateway();
    let door = Door { tls: Some(certificate.acceptor().unwrap()), proxies: None };
    let server = tokio::spawn(crate::http::serve(gateway, listener, door, Duration::from_secs(1)));

    assert!(ping(address, &first, "first.test").await.unwrap().starts_with("HTTP/1.1 200"));
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A TLS alert, or a closed connection: never an answer.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    std::fs::write(&files.cert, "nonsense").unwrap();
    assert!(certificate.reload().is_err());
    assert!(ping(address, &first, "first.test").await.is_ok(), "what is of no use changes nothing");
    // The look that found nonsense does not count as the last one: a file's time may not move any more.
    let before = [None, None];
    let written = certificate.changed_at();
    assert_eq!(certificate.look(before, written), before);
    let second = issue(&files, "second.test");
    assert_eq!(certificate.look(before, written), written);
    assert!(ping(address, &second, "second.test").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(ping(address, &first, "first.test").await.is_err());
    server.abort();
    std::fs::remove_dir_all(&dir).unwrap();
}
