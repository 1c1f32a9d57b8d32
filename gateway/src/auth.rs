//! Who sends a request: API keys, signatures and the time window.
//!
//! REST signs the percent-encoded payload as it was sent: the query string followed by the body, without the
//! `signature` parameter. The WebSocket API signs its parameters sorted by name. HMAC-SHA256 signatures are
//! hexadecimal, Ed25519 and RSA signatures base64.

use std::sync::Arc;

use base64::Engine;
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use sha2::Sha256;
use wire::command::Permissions;
use wire::{AccountId, ApiKeyId, ApiKeyText, ClientSessionId};
use zeroize::Zeroizing;

use crate::accounts::Right;
use crate::errors::{self, ApiError};
use crate::exchange::Exchange;
use crate::gateway::Peer;
use crate::params::Params;

/// The request may be this much older than the gateway's clock when nothing is said.
pub const RECV_WINDOW_DEFAULT_MS: u64 = 5_000;
/// The longest window a client can ask for.
pub const RECV_WINDOW_MAX_MS: u64 = 60_000;
/// The request may be this much ahead of the gateway's clock.
const AHEAD_MAX_US: u64 = 1_000_000;

/// Whom a verified request or session acts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Whose data and funds.
    pub account: AccountId,
    /// By which key.
    pub key: ApiKeyText,
    /// Its short name, with which orders name it.
    pub id: ApiKeyId,
    /// What the key may do.
    pub permissions: Permissions,
    /// Whether the key may be used from stated networks alone.
    pub is_bound: bool,
    /// When it was asked, in microseconds by the client's own clock; 0 of what is not signed.
    pub asked_us: u64,
    /// The client session that orders name, whose end cancels them; 0 for none.
    pub session: ClientSessionId,
}

/// What signatures of one API key are checked with.
#[derive(Clone)]
pub enum Verifier {
    /// HMAC-SHA256 with this secret.
    Hmac(Zeroizing<Vec<u8>>),
    /// Ed25519 with this public key.
    Ed25519(VerifyingKey),
    /// RSASSA-PKCS1-v1_5 with SHA-256 and this public key.
    Rsa(RsaKey),
}

/// An RSA public key: a modulus, with the public exponent 65,537.
#[derive(Clone)]
pub struct RsaKey {
    modulus: Arc<[u8]>,
}

impl RsaKey {
    const EXPONENT: [u8; 3] = [1, 0, 1];

    /// Of a modulus without leading zeros, of 2,048, 3,072 or 4,096 bits.
    pub fn new(modulus: &[u8]) -> Option<RsaKey> {
        let is_whole = [256, 384, 512].contains(&modulus.len()) && modulus[0] >= 0x80;
        is_whole.then(|| RsaKey { modulus: modulus.into() })
    }

    /// Of an API key's material: the length of the modulus in bytes (two bytes, the higher first), then the modulus.
    /// `None` unless it is whole: the first part of a long modulus would be a shorter one, which is no key of anybody.
    pub fn from_material(material: &[u8]) -> Option<RsaKey> {
        let (length, modulus) = material.split_first_chunk::<2>()?;
        (modulus.len() == usize::from(u16::from_be_bytes(*length))).then(|| RsaKey::new(modulus))?
    }

    fn verify(&self, payload: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus[..], e: &RsaKey::EXPONENT[..] };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, payload, signature).is_ok()
    }
}

impl Verifier {
    /// Whether `signature`, as it was sent, signs `payload`.
    pub fn verify(&self, payload: &[u8], signature: &str) -> bool {
        match self {
            Verifier::Hmac(secret) => {
                let Ok(tag) = hex::decode(signature) else { return false };
                let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes any key");
                mac.update(payload);
                mac.verify_slice(&tag).is_ok()
            }
            Verifier::Ed25519(key) => {
                let signature = from_base64(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
                signature.is_some_and(|signature| key.verify_strict(payload, &signature).is_ok())
            }
            Verifier::Rsa(key) => from_base64(signature).is_some_and(|signature| key.verify(payload, &signature)),
        }
    }
}

fn from_base64(signature: &str) -> Option<Vec<u8>> {
    // A plus that was not percent-encoded has become a space.
    base64::engine::general_purpose::STANDARD.decode(signature.replace(' ', "+")).ok()
}

/// Finds the caller of a key alone (`USER_STREAM` operations): no signature. Keys may be bound to addresses.
pub fn by_key(exchange: &Exchange, peer: Peer, key: &str) -> Result<(Caller, Verifier), ApiError> {
    let text = key_text(key)?;
    exchange.accounts().key(&text, peer.ip).ok_or(errors::NOT_PERMITTED)
}

/// Checks a signed REST request. `payload` is query string and body as sent, without the signature; `params`
/// loses `signature`, `timestamp` and `recvWindow`.
pub fn signed_payload(
    exchange: &Exchange,
    peer: Peer,
    key: Option<&str>,
    payload: &[u8],
    params: &mut Params,
    now_us: u64,
) -> Result<Caller, ApiError> {
    let (caller, verifier) = by_key(exchange, peer, key.ok_or(errors::BAD_API_KEY)?)?;
    let signature = params.required("signature")?;
    let asked_us = check_window(params, now_us)?;
    if !verifier.verify(payload, &signature) {
        return Err(errors::BAD_SIGNATURE);
    }
    Ok(Caller { asked_us, ..caller })
}

/// Checks a signed request of the WebSocket API (also `session.logon` and
/// `userDataStream.subscribe.signature`): `apiKey`, `signature`, `timestamp` and `recvWindow` are taken from
/// its parameters.
pub fn signed_params(exchange: &Exchange, peer: Peer, params: &mut Params, now_us: u64) -> Result<Caller, ApiError> {
    let payload = sorted_payload(params);
    let key = params.required("apiKey")?;
    let (caller, verifier) = by_key(exchange, peer, &key)?;
    let signature = params.required("signature")?;
    let asked_us = check_window(params, now_us)?;
    if !verifier.verify(payload.as_bytes(), &signature) {
        return Err(errors::BAD_SIGNATURE);
    }
    Ok(Caller { asked_us, ..caller })
}

/// Who has logged on, for as long as the key may be used from where that was.
#[derive(Debug, Clone)]
pub struct LoggedOn {
    /// By what was signed.
    pub caller: Caller,
    /// Lost for good when the key may not be used any more.
    pub right: Right,
}

impl LoggedOn {
    /// Who has signed a log-on from `peer`.
    pub fn new(exchange: &Exchange, peer: Peer, caller: Caller) -> Result<LoggedOn, ApiError> {
        let right = exchange.accounts().log_on(&caller, peer.ip).ok_or(errors::NOT_PERMITTED)?;
        Ok(LoggedOn { caller, right })
    }

    /// For whom it acts now.
    pub fn caller(&self, exchange: &Exchange, peer: Peer) -> Result<Caller, ApiError> {
        let known = exchange.accounts().key(&self.caller.key, peer.ip).filter(|_| self.right.holds());
        known.map(|(caller, _)| caller).ok_or(errors::NOT_PERMITTED)
    }
}

/// Checks a request of a session that has logged on: the session must last still and the time fit; a
/// signature is neither needed nor looked at.
pub fn in_session(
    exchange: &Exchange,
    peer: Peer,
    session: &LoggedOn,
    params: &mut Params,
    now_us: u64,
) -> Result<Caller, ApiError> {
    if params.get("apiKey").is_some_and(|key| key != session.caller.key.as_str()) || params.get("signature").is_some() {
        return signed_params(exchange, peer, params, now_us);
    }
    params.take("apiKey")?;
    let asked_us = check_window(params, now_us)?;
    Ok(Caller { asked_us, ..session.caller(exchange, peer)? })
}

/// What the WebSocket API signs: the parameters but for `signature`, sorted by name.
pub fn sorted_payload(params: &Params) -> String {
    let mut items: Vec<_> = params.iter().filter(|(name, _)| *name != "signature").collect();
    items.sort_unstable();
    let mut payload = String::with_capacity(items.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (name, value) in items {
        if !payload.is_empty() {
            payload.push('&');
        }
        payload.push_str(name);
        payload.push('=');
        payload.push_str(value);
    }
    payload
}

/// Takes `timestamp` and `recvWindow` (milliseconds, with up to three decimals) and holds them against the
/// clock. Timestamps of 16 digits are microseconds. Returns the timestamp in microseconds.
pub fn check_window(params: &mut Params, now_us: u64) -> Result<u64, ApiError> {
    let window_us = match params.take("recvWindow")? {
        None => RECV_WINDOW_DEFAULT_MS * 1_000,
        Some(text) => match wire::decimal::parse(&text, 3) {
            Ok(us) => us.unsigned_abs(),
            Err(_) => return Err(ApiError::illegal_characters("recvWindow", crate::params::RECV_WINDOW_RANGE)),
        },
    };
    if window_us > RECV_WINDOW_MAX_MS * 1_000 {
        return Err(errors::RECV_WINDOW_TOO_LARGE);
    }
    let text = params.required("timestamp")?;
    if text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ApiError::illegal_characters("timestamp", crate::params::INTEGER_RANGE));
    }
    let Ok(sent) = text.parse::<u64>() else { return Err(ApiError::overflowed("timestamp")) };
    let sent_us = if sent >= crate::params::MICROSECONDS_FROM { sent } else { sent * 1_000 };
    if sent_us >= now_us.saturating_add(AHEAD_MAX_US) {
        return Err(errors::TIMESTAMP_AHEAD);
    }
    if now_us.saturating_sub(sent_us) > window_us {
        return Err(errors::TIMESTAMP_OUTSIDE_WINDOW);
    }
    Ok(sent_us)
}

/// Characters of an API key, each a letter or a digit: so operators' tools make them, and so they are at Binance.
const KEY_LENGTH: usize = 64;

fn key_text(key: &str) -> Result<ApiKeyText, ApiError> {
    if key.len() != KEY_LENGTH || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(errors::BAD_API_KEY);
    }
    ApiKeyText::new(key.as_bytes()).map_err(|_| errors::BAD_API_KEY)
}

#[cfg(test)]
mod tests;
