use super::*;

const KEY: [u8; 32] = [7; 32];

#[test]
fn what_was_sealed_opens_with_the_same_key_for_the_same_api_key() {
    let sealed = seal(&KEY, "alice-key", b"a shared secret").unwrap();
    assert_eq!(open(&KEY, "alice-key", sealed.as_bytes()).unwrap(), b"a shared secret");
}

#[test]
fn an_envelope_of_another_key_another_api_key_or_with_one_flipped_bit_does_not_open() {
    let sealed = seal(&KEY, "alice-key", b"a shared secret").unwrap();
    assert_eq!(open(&[8; 32], "alice-key", sealed.as_bytes()), Err(EnvelopeError::NotOurs));
    assert_eq!(open(&KEY, "bob-key", sealed.as_bytes()), Err(EnvelopeError::NotOurs));
    for at in 0..sealed.as_bytes().len() {
        let mut damaged = sealed.as_bytes().to_vec();
        damaged[at] ^= 1;
        assert_eq!(open(&KEY, "alice-key", &damaged), Err(EnvelopeError::NotOurs), "byte {at}");
        assert_eq!(open(&KEY, "alice-key", &damaged[..at]), Err(EnvelopeError::NotOurs), "cut at {at}");
    }
}

#[test]
fn two_envelopes_of_one_secret_differ() {
    assert_ne!(seal(&KEY, "k", b"s").unwrap(), seal(&KEY, "k", b"s").unwrap());
}

#[test]
fn the_longest_secret_fits_and_a_longer_one_is_refused() {
    assert_eq!(seal(&KEY, "k", &[1; PLAIN_MAX]).unwrap().as_bytes().len(), Secret::CAPACITY);
    assert_eq!(seal(&KEY, "k", &[1; PLAIN_MAX + 1]), Err(EnvelopeError::TooLong));
}
