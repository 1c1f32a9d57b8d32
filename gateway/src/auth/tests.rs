use super::*;
use crate::testing::*;

const NOW_US: u64 = 1_700_000_000_000_000;

fn params(text: &str) -> Params {
    Params::from_urlencoded(text).unwrap()
}

/// The published examples of Binance's REST and WebSocket API documents.
#[test]
fn the_published_hmac_examples_verify() {
    let secret = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    let verifier = Verifier::Hmac(Zeroizing::new(secret.to_vec()));
    let payload = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
    let signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    assert!(verifier.verify(payload, signature));
    assert!(verifier.verify(payload, &signature.to_uppercase()));
    assert!(!verifier.verify(b"symbol=LTCBTC", signature));
    for malformed in ["", "c8", "not hexadecimal", &signature[1..], &format!("{signature}00")] {
        assert!(!verifier.verify(payload, malformed), "{malformed}");
    }
    let request = params(
        "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.01000000&price=52000.00&newOrderRespType=ACK&recvWindow=100&timestamp=1645423376532&apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A&signature=ignored",
    );
    let sorted = sorted_payload(&request);
    assert!(sorted.starts_with("apiKey=vmPU") && sorted.ends_with("&type=LIMIT"), "{sorted}");
    let signature = "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a";
    assert!(verifier.verify(sorted.as_bytes(), signature));
}

/// RFC 8032, section 7.1, test 2.
#[test]
fn the_published_ed25519_example_verifies() {
    let public = hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
    let signature = hex::decode(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    )
    .unwrap();
    let verifier = Verifier::Ed25519(VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap());
    let text = base64::engine::general_purpose::STANDARD.encode(signature);
    assert!(verifier.verify(&[0x72], &text));
    assert!(verifier.verify(&[0x72], &text.replace('+', " ")), "a plus that was read as a space");
    assert!(!verifier.verify(&[0x73], &text));
    for malformed in ["", "AAAA", "***", &hex::encode([0; 64])] {
        assert!(!verifier.verify(&[0x72], malformed), "{malformed}");
    }
}

/// A pair made with OpenSSL.
const RSA_MODULUS: &str = "\
     dcf0d1c1e36a4927a417983bfab507bc42fc00cb0526d374d04165c5f984079e84c9e730e1942c5eb4f1632259f831a2d07e\
     6d8f2d79c22ed0b0f3b8fe0c8c0cde95c89de3a5ca09d3066f104d55b6c3957eb3d21e31435842bc631806fa137a5be788c2\
     c3d4de7067f94da7adeb2707db5e2592681281695c0c174409a06ed7986e1a850fcec4a55060cc948af673feeb094643b68e\
     824682899a566c5b923a077b185be917bb41f413759b071d3bad301569d3bc2722e6b7e90d80c61cc9d76f18eac3e4257ed9\
     8e5d9c53c265453efdfc697e076e468c238032d38f2adbc112eb16ffecae60ea046135fdc8b338480bb5ab98b93424519ebf\
     b0a02a5afa3d";
const RSA_SIGNATURE: &str = "\
     rjNFv7brwxwDZdYL0nkUltJcaEDBOGdwPmsgJa8G8sAi3XAqFjwq8anT8UqGJxa93PddSCU3Kp/EzY72IL6ExLSqkhnKZlt0CIEXJASZFlAzh1hWGznXUyi54K/XiTxivwUHZgpDSv5Z15Vu+QiuKWxGDiQnxyopUeEg/UKnXJSPPGEjkXgalI/uJk7JFFWDU2uqEPAdss7LCVQgfsH1CJZAWIqjNQrPXprxziA/aJQ9GB9JTjhjsmPAyoyRsDtMOXLyYNgjS2yYC2cTw357qXUPINE0eBGbupUQTiQhP9n6xBh3XKBWx5PUeZ1+LBkHO0/lUBm1lWMuAK0SVzn6qQ==";

#[test]
fn an_rsa_signature_verifies_with_its_modulus_alone() {
    let modulus = hex::decode(RSA_MODULUS).unwrap();
    let payload = b"symbol=BTCUSDT&timestamp=1668481559918";
    let verifier = Verifier::Rsa(RsaKey::new(&modulus).unwrap());
    assert!(verifier.verify(payload, RSA_SIGNATURE));
    assert!(verifier.verify(payload, &RSA_SIGNATURE.replace('+', " ")), "a plus that was read as a space");
    assert!(!verifier.verify(b"symbol=BTCUSDT&timestamp=1668481559919", RSA_SIGNATURE));
    for malformed in ["", "AAAA", "***", &RSA_SIGNATURE[4..], &RSA_SIGNATURE.to_lowercase()] {
        assert!(!verifier.verify(payload, malformed), "{malformed}");
    }
    assert!(RsaKey::new(&modulus[..255]).is_none() && RsaKey::new(&[0; 256]).is_none() && RsaKey::new(&[]).is_none());
}

#[test]
fn an_rsa_key_is_usable_when_its_last_part_has_come_and_only_from_its_networks() {
    let (gateway, ledger) = gateway();
    let material = [&256u16.to_be_bytes()[..], &hex::decode(RSA_MODULUS).unwrap()].concat();
    let key = ApiKeyText::new(&[b'r'; 64]).unwrap();
    let part = |bytes: &[u8]| wire::Secret::new(bytes).unwrap();
    ledger.feed(&[wire::Event::ApiKeyAdded(Box::new(wire::event::ApiKeyAdded {
        account: ALICE,
        key,
        kind: wire::command::ApiKeyKind::Rsa,
        permissions: Permissions::READ,
        secret: part(&material[..192]),
        id: Default::default(),
    }))]);
    let known = || by_key(&gateway.exchange, PEER, key.as_str()).map(|(caller, _)| caller.account);
    assert_eq!(known(), Err(errors::NOT_PERMITTED));
    ledger.feed(&[wire::Event::ApiKeyExtended(Box::new(wire::event::ApiKeyExtended {
        account: ALICE,
        key,
        part: 1,
        material: part(&material[192..]),
    }))]);
    assert_eq!(known(), Ok(ALICE));
    let restrict = |networks: &[&str]| {
        let networks: Vec<_> = networks.iter().map(|text| text.parse().unwrap()).collect();
        let networks = wire::Networks::new(&networks).unwrap();
        wire::Event::ApiKeyRestricted(Box::new(wire::event::ApiKeyRestricted { account: ALICE, key, networks }))
    };
    ledger.feed(&[restrict(&["192.0.2.0/24"])]);
    assert_eq!(known(), Err(errors::NOT_PERMITTED));
    ledger.feed(&[restrict(&["192.0.2.0/24", "127.0.0.0/8"])]);
    assert_eq!(known(), Ok(ALICE));
    ledger.feed(&[restrict(&[])]);
    assert_eq!(known(), Ok(ALICE));
}

#[test]
fn the_first_parts_of_a_long_rsa_modulus_are_no_key() {
    let modulus = [0xc1; 512];
    let material = [&512u16.to_be_bytes()[..], &modulus].concat();
    for parts in [2 + 256, 2 + 384, 2 + 511] {
        assert!(RsaKey::from_material(&material[..parts]).is_none(), "{parts}");
    }
    assert!(RsaKey::from_material(&material).is_some());
    assert!(RsaKey::from_material(&[&material[..], &[1]].concat()).is_none());
    assert!(RsaKey::from_material(&[]).is_none() && RsaKey::from_material(&[1]).is_none());
}

#[test]
fn the_window_is_five_seconds_back_and_one_ahead_unless_asked_for() {
    let at = |offset_us: i64, rest: &str| {
        let sent_us = NOW_US.checked_add_signed(offset_us).unwrap();
        check_window(&mut params(&format!("timestamp={}{rest}", sent_us / 1_000)), NOW_US).map(|_| ())
    };
    assert_eq!(at(0, ""), Ok(()));
    assert_eq!(at(-5_000_000, ""), Ok(()));
    assert_eq!(at(-5_001_000, ""), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(at(999_000, ""), Ok(()));
    assert_eq!(at(1_000_000, ""), Err(errors::TIMESTAMP_AHEAD));
    assert_eq!(at(-60_000_000, "&recvWindow=60000"), Ok(()));
    assert_eq!(at(-2_000, "&recvWindow=1.5"), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(at(-1_000, "&recvWindow=1.5"), Ok(()));
    assert_eq!(at(0, "&recvWindow=60000.001"), Err(errors::RECV_WINDOW_TOO_LARGE));
    assert_eq!(at(0, "&recvWindow=-1").unwrap_err().code, -1100);
    assert_eq!(at(0, "&recvWindow=").unwrap_err().code, -1105);
}

#[test]
fn timestamps_may_be_in_microseconds() {
    let check = |text: &str| check_window(&mut params(&format!("timestamp={text}")), NOW_US);
    assert_eq!(check(&NOW_US.to_string()), Ok(NOW_US));
    assert_eq!(check(&(NOW_US - 5_000_001).to_string()), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(check("18446744073709551615"), Err(errors::TIMESTAMP_AHEAD));
    assert_eq!(check("99999999999999999999").unwrap_err().code, -1108);
    assert_eq!(check("0"), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(check("-1").unwrap_err().code, -1100);
}

#[test]
fn websocket_requests_are_signed_over_sorted_parameters_or_not_at_all_within_a_session() {
    let (gateway, ledger) = gateway();
    let timestamp = NOW_US / 1_000;
    let payload = format!("apiKey={ALICE_KEY}&symbol=BTCUSDT&timestamp={timestamp}");
    let signature = sign(ALICE_SECRET, &payload);
    let mut sent = params(&format!("timestamp={timestamp}&symbol=BTCUSDT&signature={signature}&apiKey={ALICE_KEY}"));
    let caller = signed_params(&gateway.exchange, PEER, &mut sent, NOW_US).unwrap();
    assert_eq!(caller.account, ALICE);
    assert_eq!(sent.iter().collect::<Vec<_>>(), [("symbol", "BTCUSDT")]);

    let session = LoggedOn::new(&gateway.exchange, PEER, caller).unwrap();
    let in_session = |text: &str| in_session(&gateway.exchange, PEER, &session, &mut params(text), NOW_US);
    assert_eq!(in_session(&format!("timestamp={timestamp}")), Ok(caller));
    assert_eq!(in_session(&format!("timestamp={timestamp}&apiKey={ALICE_KEY}")), Ok(caller));
    assert_eq!(in_session("timestamp=1"), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(in_session(&format!("timestamp={timestamp}&apiKey={BOB_KEY}")).unwrap_err().code, -1102);

    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    ledger.feed(&[wire::Event::ApiKeyRevoked(wire::event::ApiKeyRevoked { account: ALICE, key })]);
    assert_eq!(in_session(&format!("timestamp={timestamp}")), Err(errors::NOT_PERMITTED));
}

#[test]
fn a_session_whose_key_could_not_be_used_for_a_while_has_ended_and_others_have_not() {
    let (gateway, ledger) = gateway();
    let exchange = &gateway.exchange;
    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    let restrict = |networks: &[&str]| {
        let networks: Vec<_> = networks.iter().map(|text| text.parse().unwrap()).collect();
        let networks = wire::Networks::new(&networks).unwrap();
        let restricted = wire::event::ApiKeyRestricted { account: ALICE, key, networks };
        ledger.feed(&[wire::Event::ApiKeyRestricted(Box::new(restricted))]);
    };
    let (alice, _) = exchange.accounts().key(&key, PEER.ip).unwrap();
    let elsewhere = Peer { ip: "192.0.2.7".parse().unwrap() };
    let log_on = |peer| LoggedOn::new(exchange, peer, alice);
    let (here, there) = (log_on(PEER).unwrap(), log_on(elsewhere).unwrap());
    restrict(&["192.0.2.0/24"]);
    assert_eq!(here.caller(exchange, PEER), Err(errors::NOT_PERMITTED));
    assert_eq!(log_on(PEER).err(), Some(errors::NOT_PERMITTED));
    assert!(there.caller(exchange, elsewhere).unwrap().is_bound, "what the key may do now");
    // Nobody has looked meanwhile.
    restrict(&[]);
    let again = log_on(PEER).unwrap();
    assert_eq!(here.caller(exchange, PEER), Err(errors::NOT_PERMITTED), "for good");
    assert!(again.caller(exchange, PEER).is_ok() && there.caller(exchange, elsewhere).is_ok());
}
