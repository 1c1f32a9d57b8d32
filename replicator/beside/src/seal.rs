//! Messages sealed for one bypass, or for the readers of one cast: ChaCha20-Poly1305 (RFC 8439) under a key that links told.
//!
//! ```text
//! u64 bypass or cast | u64 number | sealed body | 16 bytes tag
//! ```
//!
//! The number is the nonce: it only grows, and a key is used by one sender, for the life of one link or one cast. What is
//! authenticated beside the body says for whom it is: epoch, sender, receiver (0 for all who joined a cast), bypass or cast,
//! number. Of this cipher a key may seal as many frames as there are numbers; AES-GCM would ask for new keys every 2^24.

use std::ops::Range;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use wire::link::BypassKey;
use wire::{ClusterEpoch, NodeId};

/// Bytes before the sealed body.
const HEAD_LEN: usize = 16;

/// By how much a sealed frame is longer than its body.
pub const OVERHEAD: usize = HEAD_LEN + 16;

/// Between whom.
#[derive(Debug, Clone, Copy)]
pub struct Between {
    /// Of the cluster.
    pub epoch: ClusterEpoch,
    /// Who seals.
    pub from: NodeId,
    /// Who opens; 0 for all who joined a cast.
    pub to: NodeId,
    /// Which bypass, or which cast.
    pub bypass: u64,
}

/// The sending end of one key.
#[derive(Debug)]
pub struct Sealer {
    key: LessSafeKey,
    between: Between,
    last: u64,
}

/// The other end.
#[derive(Debug)]
pub struct Opener {
    key: LessSafeKey,
    between: Between,
    last: u64,
}

impl Sealer {
    /// Has sealed nothing yet. Of one key there is one.
    pub fn new(key: &BypassKey, between: Between) -> Sealer {
        Sealer { key: key_of(key), between, last: 0 }
    }

    /// Puts the sealed frame into `sealed`, instead of what was in it. Numbers grow from call to call: sealed twice with one
    /// number, two bodies would give each other away.
    pub fn seal(&mut self, number: u64, body: &[u8], sealed: &mut Vec<u8>) {
        assert!(number > self.last, "a number seals once");
        self.last = number;
        sealed.clear();
        sealed.extend_from_slice(&self.between.bypass.to_le_bytes());
        sealed.extend_from_slice(&number.to_le_bytes());
        sealed.extend_from_slice(body);
        let aad = self.between.authenticated(number);
        let tag = self.key.seal_in_place_separate_tag(nonce(number), Aad::from(aad), &mut sealed[HEAD_LEN..]);
        let tag = tag.expect("a frame is shorter than the cipher's 256 GiB");
        sealed.extend_from_slice(tag.as_ref());
    }
}

impl Opener {
    /// Has opened nothing yet.
    pub fn new(key: &BypassKey, between: Between) -> Opener {
        Opener { key: key_of(key), between, last: 0 }
    }

    /// Appends the body of a sealed frame; its number and where the body is. `None` when it was not sealed for here, was
    /// changed on its way, or comes again.
    pub fn open(&mut self, sealed: &[u8], bodies: &mut Vec<u8>) -> Option<(u64, Range<usize>)> {
        let number = u64::from_le_bytes(*sealed.get(8..)?.first_chunk()?);
        if number <= self.last {
            return None;
        }
        let start = bodies.len();
        bodies.extend_from_slice(&sealed[HEAD_LEN..]);
        let aad = self.between.authenticated(number);
        let opened = self.key.open_in_place(nonce(number), Aad::from(aad), &mut bodies[start..]);
        let end = opened.ok().map(|body| start + body.len());
        bodies.truncate(end.unwrap_or(start));
        let end = end?;
        self.last = number;
        Some((number, start..end))
    }
}

/// Which bypass or cast a frame says that it is for.
pub fn bypass_of(sealed: &[u8]) -> Option<u64> {
    sealed.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

impl Between {
    fn authenticated(&self, number: u64) -> [u8; 40] {
        let mut bytes = [0; 40];
        let words = [self.epoch.get(), self.from.get(), self.to.get(), self.bypass, number];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn key_of(key: &BypassKey) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.bytes()).expect("the key has the cipher's length");
    LessSafeKey::new(key)
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(from: u64, to: u64, epoch: u64) -> Between {
        Between { epoch: ClusterEpoch::new(epoch), from: NodeId::new(from), to: NodeId::new(to), bypass: 77 }
    }

    fn ends() -> (Sealer, Opener) {
        let key = BypassKey::new([9; 32]);
        (Sealer::new(&key, between(1, 2, 3)), Opener::new(&key, between(1, 2, 3)))
    }

    fn sealed(sealer: &mut Sealer, number: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        sealer.seal(number, body, &mut bytes);
        assert_eq!(bytes.len(), body.len() + OVERHEAD);
        bytes
    }

    #[test]
    fn what_was_sealed_opens_once_and_in_order() {
        let (mut sealer, mut opener) = ends();
        let frames: Vec<Vec<u8>> = (1..=3).map(|number| sealed(&mut sealer, number, b"append")).collect();
        assert!(!frames[0].windows(6).any(|window| window == b"append"), "nobody reads it on its way");
        let mut bodies = vec![1, 2];
        assert_eq!(opener.open(&frames[0], &mut bodies), Some((1, 2..8)));
        assert_eq!(opener.open(&frames[0], &mut bodies), None, "it comes again");
        assert_eq!(opener.open(&frames[2], &mut bodies), Some((3, 8..14)));
        assert_eq!(opener.open(&frames[1], &mut bodies), None, "it is late");
        assert_eq!(bodies, b"\x01\x02appendappend");
    }

    #[test]
    fn what_was_changed_or_is_for_others_does_not_open() {
        let (mut sealer, mut opener) = ends();
        let good = sealed(&mut sealer, 5, b"append");
        let mut bodies = Vec::new();
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            // Which bypass it is decides whose opener is asked; what is behind that is the opener's to check.
            if at >= 64 {
                assert_eq!(opener.open(&bad, &mut bodies), None, "bit {at}");
            }
        }
        for len in 0..good.len() {
            assert_eq!(opener.open(&good[..len], &mut bodies), None);
        }
        let key = BypassKey::new([9; 32]);
        for other in [between(3, 2, 3), between(1, 3, 3), between(1, 2, 4), Between { bypass: 78, ..between(1, 2, 3) }]
        {
            assert_eq!(Opener::new(&key, other).open(&good, &mut bodies), None, "{other:?}");
        }
        let mut stranger = Opener::new(&BypassKey::new([8; 32]), between(1, 2, 3));
        assert_eq!(stranger.open(&good, &mut bodies), None);
        assert!(bodies.is_empty(), "nothing of what did not open is left");
        assert_eq!(opener.open(&good, &mut bodies), Some((5, 0..6)), "what did not open has moved nothing");
    }

    #[test]
    fn probe_has_no_body() {
        let (mut sealer, mut opener) = ends();
        let probe = sealed(&mut sealer, 1, b"");
        assert_eq!(opener.open(&probe, &mut Vec::new()), Some((1, 0..0)));
    }

    #[test]
    #[should_panic(expected = "a number seals once")]
    fn number_never_seals_twice() {
        let (mut sealer, _) = ends();
        sealed(&mut sealer, 1, b"one");
        sealed(&mut sealer, 1, b"two");
    }
}
