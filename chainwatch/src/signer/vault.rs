//! The key file: a seed under a passphrase. Argon2id makes the key of XChaCha20-Poly1305, whose tag covers everything
//! before it.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `MSK1` |
//! | 4 | 12 | Argon2id: memory in KiB, passes, lanes; u32 little-endian each |
//! | 16 | 16 | salt |
//! | 32 | 24 | nonce |
//! | 56 | 48 | the seed's 32 bytes, encrypted, and the tag |

use argon2::{Algorithm, Argon2, Params, Version};
use bitcoin::NetworkKind;
use bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use bitcoin::secp256k1::Secp256k1;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use zeroize::Zeroizing;

const MAGIC: &[u8; 4] = b"MSK1";
const HEADER_LEN: usize = 56;
const FILE_LEN: usize = HEADER_LEN + 32 + 16;
/// OWASP's second recommendation: 19 MiB, two passes, one lane.
const PARAMS: [u32; 3] = [19_456, 2, 1];
/// A file that asks for more memory than this, in KiB, is not opened.
const MEMORY_MAX: u32 = 1 << 20;

/// Why a key file gives no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Not a key file, or one of another version.
    #[error("this is no key file")]
    NotOne,
    /// Another passphrase, or the file is damaged.
    #[error("the passphrase is another one, or the file is damaged")]
    NotOpened,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// Not a path of BIP 32.
    #[error("not a derivation path")]
    Path,
}

/// A seed, from which all keys come.
pub struct Vault(Zeroizing<[u8; 32]>);

impl Vault {
    /// A new one.
    pub fn generate() -> Result<Vault, VaultError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::rngs::OsRng.try_fill_bytes(&mut seed[..]).map_err(|_| VaultError::NoRandomness)?;
        Ok(Vault(seed))
    }

    /// From a seed that is known: tests need keys that they know.
    pub fn from_seed(seed: [u8; 32]) -> Vault {
        Vault(Zeroizing::new(seed))
    }

    /// The bytes of a key file.
    pub fn seal(&self, passphrase: &str) -> Result<Vec<u8>, VaultError> {
        let mut file = MAGIC.to_vec();
        PARAMS.iter().for_each(|param| file.extend_from_slice(&param.to_le_bytes()));
        let mut random = [0; 40];
        rand::rngs::OsRng.try_fill_bytes(&mut random).map_err(|_| VaultError::NoRandomness)?;
        file.extend_from_slice(&random);
        let payload = Payload { msg: &self.0[..], aad: &file };
        let sealed = cipher(&file, passphrase)?.encrypt(&nonce(&file), payload).map_err(|_| VaultError::NotOpened)?;
        file.extend_from_slice(&sealed);
        Ok(file)
    }

    /// Opens what [`Vault::seal`] made.
    pub fn open(file: &[u8], passphrase: &str) -> Result<Vault, VaultError> {
        if file.len() != FILE_LEN || !file.starts_with(MAGIC) {
            return Err(VaultError::NotOne);
        }
        let (header, sealed) = file.split_at(HEADER_LEN);
        let payload = Payload { msg: sealed, aad: header };
        let seed = cipher(header, passphrase)?.decrypt(&nonce(header), payload).map_err(|_| VaultError::NotOpened)?;
        let seed = Zeroizing::new(seed);
        let mut vault = Vault(Zeroizing::new([0; 32]));
        vault.0.copy_from_slice(&seed);
        Ok(vault)
    }

    /// The key of an account, `m/84'/2'/0'`.
    pub fn account(&self, path: &str) -> Result<Xpriv, VaultError> {
        let path: DerivationPath = path.parse().map_err(|_| VaultError::Path)?;
        let master = Xpriv::new_master(NetworkKind::Main, &self.0[..]).map_err(|_| VaultError::Path)?;
        master.derive_priv(&Secp256k1::new(), &path).map_err(|_| VaultError::Path)
    }

    /// What chainwatch needs to know of an account: addresses, and no key that signs.
    pub fn account_public(&self, path: &str) -> Result<Xpub, VaultError> {
        Ok(Xpub::from_priv(&Secp256k1::new(), &self.account(path)?))
    }
}

fn nonce(header: &[u8]) -> XNonce {
    let bytes: [u8; 24] = header[32..HEADER_LEN].try_into().expect("the header has its length");
    XNonce::from(bytes)
}

fn cipher(header: &[u8], passphrase: &str) -> Result<XChaCha20Poly1305, VaultError> {
    let param = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("the header has its length"));
    let (memory, passes, lanes) = (param(4), param(8), param(12));
    if memory > MEMORY_MAX || passes > 64 || lanes > 16 {
        return Err(VaultError::NotOne);
    }
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| VaultError::NotOne)?;
    let mut key = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon
        .hash_password_into(passphrase.as_bytes(), &header[16..32], &mut key[..])
        .map_err(|_| VaultError::NotOpened)?;
    Ok(XChaCha20Poly1305::new(&(*key).into()))
}
