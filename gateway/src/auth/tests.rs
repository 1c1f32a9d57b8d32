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

#[test]
fn the_window_is_five_seconds_back_and_one_ahead_unless_asked_for() {
    let at = |offset_us: i64, rest: &str| {
        let sent_us = NOW_US.checked_add_signed(offset_us).unwrap();
        check_window(&mut params(&format!("timestamp={}{rest}", sent_us / 1_000)), NOW_US)
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
    assert_eq!(check(&NOW_US.to_string()), Ok(()));
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
    let caller = signed_params(&gateway.exchange, &mut sent, NOW_US).unwrap();
    assert_eq!(caller.account, ALICE);
    assert_eq!(sent.iter().collect::<Vec<_>>(), [("symbol", "BTCUSDT")]);

    let in_session = |text: &str| in_session(&gateway.exchange, &caller, &mut params(text), NOW_US);
    assert_eq!(in_session(&format!("timestamp={timestamp}")), Ok(caller));
    assert_eq!(in_session(&format!("timestamp={timestamp}&apiKey={ALICE_KEY}")), Ok(caller));
    assert_eq!(in_session("timestamp=1"), Err(errors::TIMESTAMP_OUTSIDE_WINDOW));
    assert_eq!(in_session(&format!("timestamp={timestamp}&apiKey={BOB_KEY}")).unwrap_err().code, -1102);

    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    ledger.feed(&[wire::Event::ApiKeyRevoked(wire::event::ApiKeyRevoked { account: ALICE, key })]);
    assert_eq!(in_session(&format!("timestamp={timestamp}")), Err(errors::NOT_PERMITTED));
}
