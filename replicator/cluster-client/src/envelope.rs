//! Seals secrets before they enter the log: nodes store and replicate what only gateways can open.
//!
//! Layout: key id byte 1, nonce of 24 bytes, XChaCha20-Poly1305 ciphertext with its tag of 16 bytes. The
//! associated data is the API key's public text, so that a sealed secret cannot be moved to another key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use wire::Secret;

/// The version byte in front of every envelope.
const KEY_ID: u8 = 1;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The longest secret that fits a [`Secret`] once sealed: 151 bytes.
pub const PLAIN_MAX: usize = Secret::CAPACITY - 1 - NONCE_LEN - TAG_LEN;

/// Why a secret could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The secret is longer than [`PLAIN_MAX`].
    #[error("a secret may be at most {PLAIN_MAX} bytes long")]
    TooLong,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// It was sealed with another key, for another API key, or is damaged.
    #[error("the envelope was sealed with another key, for another API key, or is damaged")]
    NotOurs,
}

/// Seals `plain` for the API key with the public text `api_key`.
pub fn seal(key: &[u8; 32], api_key: &str, plain: &[u8]) -> Result<Secret, EnvelopeError> {
    if plain.len() > PLAIN_MAX {
        return Err(EnvelopeError::TooLong);
    }
    let mut nonce = [0; NONCE_LEN];
    rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(|_| EnvelopeError::NoRandomness)?;
    let payload = Payload { msg: plain, aad: api_key.as_bytes() };
    let ciphertext = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| EnvelopeError::TooLong)?;
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + ciphertext.len());
    sealed.push(KEY_ID);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Secret::new(&sealed).map_err(|_| EnvelopeError::TooLong)
}

/// Opens what [`seal`] sealed with the same key for the same API key.
pub fn open(key: &[u8; 32], api_key: &str, sealed: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let (&key_id, rest) = sealed.split_first().ok_or(EnvelopeError::NotOurs)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(EnvelopeError::NotOurs)?;
    if key_id != KEY_ID {
        return Err(EnvelopeError::NotOurs);
    }
    let payload = Payload { msg: ciphertext, aad: api_key.as_bytes() };
    cipher(key).decrypt(&XNonce::from(*nonce), payload).map_err(|_| EnvelopeError::NotOurs)
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key).into())
}

#[cfg(test)]
mod tests;
