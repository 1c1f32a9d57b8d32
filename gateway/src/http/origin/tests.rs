use super::*;

fn proxies(tell: Tell) -> Proxies {
    Proxies { networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], tell }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Who a connection from 10.0.0.1 is taken for, and what is left to be read.
async fn origin(sent: &[u8]) -> (io::Result<IpAddr>, Vec<u8>) {
    let mut left = sent;
    let found = proxies(Tell::ProxyProtocol).origin(&mut left, ip("10.0.0.1")).await;
    (found, left.to_vec())
}

fn binary(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([version_and_command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header.extend(b"GET /");
    header
}

#[tokio::test]
async fn a_line_tells_the_client_and_nothing_beyond_it_is_read() {
    for (line, told) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.2 4711 443\r\n", "192.0.2.7"),
        ("PROXY TCP6 2001:db8::7 fd00::2 4711 443\r\n", "2001:db8::7"),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.2 1 2\r\n", "192.0.2.7"),
        ("PROXY UNKNOWN\r\n", "10.0.0.1"),
        ("PROXY UNKNOWN 1 2 3 4\r\n", "10.0.0.1"),
    ] {
        let (found, left) = origin(format!("{line}GET /").as_bytes()).await;
        assert_eq!((found.unwrap(), &left[..]), (ip(told), &b"GET /"[..]), "{line}");
    }
}

#[tokio::test]
async fn a_binary_header_tells_the_client_and_nothing_beyond_it_is_read() {
    let (v4, v6) = ([192, 0, 2, 7, 10, 0, 0, 2, 1, 2, 1, 187], ip("2001:db8::7"));
    let IpAddr::V6(address) = v6 else { unreachable!() };
    let mut long = address.octets().to_vec();
    long.extend([0; 20]);
    // What proxies add to the addresses.
    let with_more = [&v4[..], &[4, 0, 1, 0]].concat();
    for (header, told) in [
        (binary(0x21, 0x11, &v4), ip("192.0.2.7")),
        (binary(0x21, 0x11, &with_more), ip("192.0.2.7")),
        (binary(0x21, 0x21, &long), v6),
        (binary(0x20, 0, &[]), ip("10.0.0.1")),
        (binary(0x21, 0x31, &[0; 216]), ip("10.0.0.1")),
    ] {
        let (found, left) = origin(&header).await;
        assert_eq!((found.unwrap(), &left[..]), (told, &b"GET /"[..]), "{header:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_tells_nothing_is_not_served() {
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(LINE_MAX));
    for sent in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"PROXY TCP4 nonsense 1 2 3\r\n",
        b"PROXY TCP9 192.0.2.7 10.0.0.2 1 2\r\n",
        b"PROXY",
        long.as_bytes(),
        &binary(0x11, 0x11, &[0; 12]),
        &binary(0x22, 0x11, &[0; 12]),
        &binary(0x21, 0x11, &[0; 3]),
        &binary(0x21, 0x11, &[0; 12])[..20],
        &binary(0x21, 0x11, &[0; REST_MAX + 1]),
    ] {
        assert!(origin(sent).await.0.is_err(), "{sent:?}");
    }
}

#[tokio::test]
async fn who_is_no_proxy_is_believed_nothing() {
    let mut sent = &b"PROXY TCP4 192.0.2.7 10.0.0.2 4711 443\r\n"[..];
    let outside = ip("198.51.100.1");
    assert_eq!(proxies(Tell::ProxyProtocol).origin(&mut sent, outside).await.unwrap(), outside);
    assert_eq!(sent.len(), 40, "it is the client's own nonsense");
    let headers = HeaderMap::from_iter([(FORWARDED_FOR.parse().unwrap(), "192.0.2.7".parse().unwrap())]);
    assert_eq!(proxies(Tell::ForwardedFor).sender(Peer { ip: outside }, &headers).ip, outside);
}

#[test]
fn the_last_address_that_is_no_proxys_sent_the_request() {
    for (values, told) in [
        (&["192.0.2.7"][..], "192.0.2.7"),
        // What a client claims comes before what the first proxy saw.
        (&["127.0.0.1, 192.0.2.7, 10.0.0.9"], "192.0.2.7"),
        (&["1.1.1.1", "192.0.2.7"], "192.0.2.7"),
        (&["192.0.2.7:4711"], "192.0.2.7"),
        (&["[2001:db8::7]:4711"], "2001:db8::7"),
        (&["192.0.2.7, nonsense"], "10.0.0.1"),
        (&["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        (&[], "10.0.0.1"),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let sender = proxies(Tell::ForwardedFor).sender(Peer { ip: ip("10.0.0.1") }, &headers);
        assert_eq!(sender.ip, ip(told), "{values:?}");
    }
}

#[test]
fn what_is_no_text_hides_nothing_that_a_proxy_has_added() {
    let cases: [(&[&[u8]], &str); 5] = [
        (&[b"\xff, 192.0.2.7"], "192.0.2.7"),
        (&[b"1.1.1.1", b"\xff, 192.0.2.7"], "192.0.2.7"),
        // What stands before it is anybody's claim.
        (&[b"1.1.1.1", b"\xff"], "10.0.0.1"),
        (&[b"1.1.1.1, \xff"], "10.0.0.1"),
        (&[b"1.1.1.1, \xff, 10.0.0.9"], "10.0.0.9"),
    ];
    for (values, told) in cases {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, hyper::header::HeaderValue::from_bytes(value).unwrap());
        }
        let sender = proxies(Tell::ForwardedFor).sender(Peer { ip: ip("10.0.0.1") }, &headers);
        assert_eq!(sender.ip, ip(told), "{values:?}");
    }
}
