//! Signatures: HMAC-SHA256 as hex, Ed25519 as base64, over the text that is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::timestamp_ms;
use crate::state::Account;

#[cfg(test)]
mod tests;

/// An API key and what signs for it.
#[derive(Clone)]
pub struct Credentials {
    api_key: String,
    signer: Signer,
}

#[derive(Clone)]
enum Signer {
    Hmac(Box<Hmac<Sha256>>),
    Ed25519(Box<SigningKey>),
}

/// The private key of an account in the state file is not one.
#[derive(Debug, thiserror::Error)]
#[error("the Ed25519 key of account {account} is not PKCS #8 PEM text: {reason}")]
pub struct KeyError {
    account: String,
    reason: String,
}

impl Credentials {
    /// Signs with the shared secret.
    pub fn hmac(api_key: &str, secret: &str) -> Credentials {
        let mac = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        Credentials { api_key: api_key.to_owned(), signer: Signer::Hmac(Box::new(mac)) }
    }

    /// Signs with the private key.
    pub fn ed25519(api_key: &str, key: SigningKey) -> Credentials {
        Credentials { api_key: api_key.to_owned(), signer: Signer::Ed25519(Box::new(key)) }
    }

    /// The account's Ed25519 key where it has one, else its shared secret.
    pub fn of(account: &Account) -> Result<Credentials, KeyError> {
        match (&account.ed25519_api_key, &account.ed25519_private_key) {
            (Some(api_key), Some(pem)) => SigningKey::from_pkcs8_pem(pem)
                .map(|key| Credentials::ed25519(api_key, key))
                .map_err(|error| KeyError { account: account.name.clone(), reason: error.to_string() }),
            _ => Ok(Credentials::hmac(&account.api_key, &account.secret)),
        }
    }

    /// The key's public text.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The signature of `payload`.
    pub fn sign(&self, payload: &str) -> String {
        match &self.signer {
            Signer::Hmac(mac) => {
                let mut mac = mac.as_ref().clone();
                mac.update(payload.as_bytes());
                hex::encode(mac.finalize().into_bytes())
            }
            Signer::Ed25519(key) => STANDARD.encode(key.sign(payload.as_bytes()).to_bytes()),
        }
    }

    /// `query` with timestamp and signature, as REST takes it.
    pub fn signed_query(&self, query: &str) -> String {
        let separator = if query.is_empty() { "" } else { "&" };
        let query = format!("{query}{separator}recvWindow=60000&timestamp={}", timestamp_ms());
        let signature = self.sign(&query).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("{query}&signature={signature}")
    }

    /// The parameters of the WebSocket API's `session.logon`, signed sorted by name.
    pub fn logon_params(&self) -> String {
        let (api_key, timestamp) = (&self.api_key, timestamp_ms());
        let signature = self.sign(&format!("apiKey={api_key}&recvWindow=60000&timestamp={timestamp}"));
        format!(r#"{{"apiKey":"{api_key}","recvWindow":60000,"timestamp":{timestamp},"signature":"{signature}"}}"#)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("api_key", &self.api_key).finish_non_exhaustive()
    }
}
