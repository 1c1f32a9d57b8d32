//! Transactions of EVM chains: EIP-1559, the wallet's account sends. Signatures are RFC 6979's, so the same payment has the
//! same bytes.

use alloy_consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use bitcoin::bip32::{ChildNumber, Xpriv, Xpub};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1};
use wire::{ChainHash, TransactionBytes};

use super::Signed;
use super::payment::{Impossible, Payment};

/// `keccak256("transfer(address,uint256)")`, its first four bytes.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

/// Which chain, and the account whose key sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvmScheme {
    /// EIP-155.
    pub chain_id: u64,
    /// The extended public key of the account; the wallet's own address is its `1/0`.
    pub xpub: Xpub,
}

/// The path of a key below its account: that of a deposit address, or 0 for the wallet's own.
fn path(key: u32) -> Option<[ChildNumber; 2]> {
    let (branch, index) = if key == 0 { (1, 0) } else { (0, key) };
    Some([ChildNumber::from_normal_idx(branch).ok()?, ChildNumber::from_normal_idx(index).ok()?])
}

fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// The wallet's own address.
pub fn own_address(scheme: &EvmScheme) -> Option<Address> {
    address_at(scheme, 0)
}

/// The address of a key of ours: that of a deposit address, or 0 for the wallet's own.
pub fn address_at(scheme: &EvmScheme, key: u32) -> Option<Address> {
    let child = scheme.xpub.derive_pub(&Secp256k1::verification_only(), &path(key)?).ok()?;
    Some(address_of(&child.public_key))
}

fn address(text: &str) -> Option<Address> {
    text.strip_prefix("0x").filter(|digits| digits.len() == 40)?.parse().ok()
}

/// Whom a text names. One of mixed case carries EIP-55's checksum; a slip in it names nobody.
pub(super) fn recipient(text: &str) -> Option<Address> {
    let to = address(text).filter(|to| !to.is_zero())?;
    let has = |wanted: fn(&u8) -> bool| text.as_bytes()[2..].iter().any(wanted);
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    (!is_mixed || to.to_checksum(None) == text).then_some(to)
}

/// The transaction of a payment.
pub fn unsigned(scheme: &EvmScheme, payment: &Payment) -> Result<TxEip1559, Impossible> {
    if !payment.inputs.as_slice().is_empty() || payment.gas_limit == 0 {
        return Err(Impossible::Spends);
    }
    let to = recipient(payment.address.as_str()).ok_or(Impossible::Address)?;
    let max_fee_per_gas = payment.network_fee / u128::from(payment.gas_limit);
    if max_fee_per_gas * u128::from(payment.gas_limit) != payment.network_fee || max_fee_per_gas < payment.tip_per_gas {
        return Err(Impossible::Fee);
    }
    let (to, value, input) = if payment.contract.is_empty() {
        (to, U256::from(payment.amount), Bytes::new())
    } else {
        let contract = address(payment.contract.as_str()).ok_or(Impossible::Contract)?;
        let amount = U256::from(payment.amount).to_be_bytes::<32>();
        let call = [&TRANSFER[..], to.into_word().as_slice(), &amount].concat();
        (contract, U256::ZERO, Bytes::from(call))
    };
    Ok(TxEip1559 {
        chain_id: scheme.chain_id,
        nonce: payment.nonce,
        gas_limit: payment.gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas: payment.tip_per_gas,
        to: TxKind::Call(to),
        value,
        access_list: Default::default(),
        input,
    })
}

/// Signs a payment with the key below an account's.
pub fn sign(scheme: &EvmScheme, account: &Xpriv, payment: &Payment) -> Result<Signed, Impossible> {
    let secp = Secp256k1::new();
    let tx = unsigned(scheme, payment)?;
    let path = path(payment.sender()).ok_or(Impossible::Spends)?;
    let key = account.derive_priv(&secp, &path).map_err(|_| Impossible::Spends)?.private_key;
    let message = Message::from_digest(tx.signature_hash().0);
    let (recovery, bytes) = secp.sign_ecdsa_recoverable(&message, &key).serialize_compact();
    let signature = Signature::from_bytes_and_parity(&bytes, recovery.to_i32() & 1 == 1);
    let envelope = TxEnvelope::from(tx.into_signed(signature));
    let bytes = TransactionBytes::new(envelope.encoded_2718()).ok_or(Impossible::Spends)?;
    Ok(Signed { tx: ChainHash(envelope.tx_hash().0), bytes })
}

/// Whether a signed transaction is this payment and nothing else, sent by its own account.
pub fn check(scheme: &EvmScheme, payment: &Payment, signed: &Signed) -> bool {
    let mut bytes = signed.bytes.as_bytes();
    let Ok(TxEnvelope::Eip1559(tx)) = TxEnvelope::decode_2718(&mut bytes) else { return false };
    let is_whole = bytes.is_empty() && tx.hash().0 == signed.tx.0;
    let is_wanted = unsigned(scheme, payment).is_ok_and(|wanted| wanted == *tx.tx());
    is_whole && is_wanted && is_sent_by(scheme, payment.sender(), &tx) && tx.tx().is_dynamic_fee()
}

fn is_sent_by(scheme: &EvmScheme, sender: u32, tx: &alloy_consensus::Signed<TxEip1559>) -> bool {
    use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
    let signature = tx.signature();
    let Ok(recovery) = RecoveryId::from_i32(i32::from(signature.v())) else { return false };
    let compact = [signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>()].concat();
    let Ok(signature) = RecoverableSignature::from_compact(&compact, recovery) else { return false };
    let message = Message::from_digest(tx.signature_hash().0);
    let key = Secp256k1::verification_only().recover_ecdsa(&message, &signature);
    key.is_ok_and(|key| address_at(scheme, sender) == Some(address_of(&key)))
}
