use super::*;

/// The example of the public API documents ("SIGNED endpoint examples for POST /api/v3/order").
#[test]
fn hmac_signature_is_that_of_the_published_example() {
    let credentials = Credentials::hmac(
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    );
    let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000\
                   &timestamp=1499827319559";
    assert_eq!(credentials.sign(payload), "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71");
}

#[test]
fn ed25519_signature_verifies_and_its_base64_is_escaped_in_queries() {
    use ed25519_dalek::{Signature, Verifier};
    let key = SigningKey::from_bytes(&[7; 32]);
    let credentials = Credentials::ed25519("key", key.clone());
    let query = credentials.signed_query("symbol=BTCUSDT");
    let (payload, signature) = query.split_once("&signature=").unwrap();
    assert!(!signature.contains(['+', '/', '=']), "{signature}");
    let signature = signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
    key.verifying_key().verify(payload.as_bytes(), &signature).unwrap();
}

#[test]
fn secrets_are_not_printed() {
    assert!(!format!("{:?}", Credentials::hmac("public", "hidden")).contains("hidden"));
}
