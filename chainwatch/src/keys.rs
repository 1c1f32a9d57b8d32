//! Addresses from a public key that can derive but not sign: BIP 32, external chain `0/index` of an account's xpub. What
//! may spend is not in this process.

use alloy_primitives::{Address, keccak256};
use bitcoin::bech32::{Hrp, segwit};
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{CompressedPublicKey, ScriptBuf};
use wire::ChainAddress;

use crate::chain::Destination;

/// How a chain makes an address of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressScheme {
    /// BIP 84: pay to witness public key hash, with the chain's human-readable part (`bc`, `ltc`, `rltc`).
    Segwit {
        /// The part before the `1`.
        prefix: String,
    },
    /// The last 20 bytes of the key's keccak hash, printed with EIP-55's checksum.
    Evm,
}

/// The addresses of one chain.
#[derive(Debug, Clone)]
pub struct AddressKeys {
    xpub: Xpub,
    scheme: AddressScheme,
}

/// Why there are no addresses.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no extended public key.
    #[error("not an extended public key: {0}")]
    Xpub(bitcoin::bip32::Error),
    /// The prefix is none that BIP 173 allows.
    #[error("not a human-readable part of an address: {0}")]
    Prefix(String),
}

impl AddressKeys {
    /// From an account's extended public key (`m/84'/coin'/0'` or `m/44'/60'/0'`) in base58.
    pub fn new(xpub: &str, scheme: AddressScheme) -> Result<AddressKeys, KeyError> {
        let xpub = xpub.parse().map_err(KeyError::Xpub)?;
        if let AddressScheme::Segwit { prefix } = &scheme {
            Hrp::parse(prefix).map_err(|_| KeyError::Prefix(prefix.clone()))?;
        }
        Ok(AddressKeys { xpub, scheme })
    }

    /// The wallet's own address and what transfers to it name, internal chain `1/0`: change goes there, and on EVM chains it sends.
    pub fn wallet(&self) -> Option<(ChainAddress, Destination)> {
        self.at(1, 0)
    }

    /// The address of an index and what transfers to it name. `None` for the few indices that BIP 32 leaves out.
    pub fn derive(&self, index: u32) -> Option<(ChainAddress, Destination)> {
        self.at(0, index)
    }

    fn at(&self, branch: u32, index: u32) -> Option<(ChainAddress, Destination)> {
        let path = [ChildNumber::from_normal_idx(branch).ok()?, ChildNumber::from_normal_idx(index).ok()?];
        let child = self.xpub.derive_pub(&Secp256k1::verification_only(), &path).ok()?;
        let (text, destination) = match &self.scheme {
            AddressScheme::Segwit { prefix } => {
                let hash = CompressedPublicKey(child.public_key).wpubkey_hash();
                let text = segwit::encode_v0(Hrp::parse(prefix).ok()?, hash.as_ref()).ok()?;
                (text, ScriptBuf::new_p2wpkh(&hash).to_bytes())
            }
            AddressScheme::Evm => {
                let key = child.public_key.serialize_uncompressed();
                let address = Address::from_slice(&keccak256(&key[1..])[12..]);
                (address.to_checksum(None), address.to_vec())
            }
        };
        Some((ChainAddress::new(text.as_bytes()).ok()?, Destination(destination)))
    }
}

#[cfg(test)]
mod tests;
