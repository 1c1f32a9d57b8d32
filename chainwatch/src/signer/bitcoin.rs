//! Transactions of Bitcoin-like chains: witness public key hashes are spent (BIP 143), change goes back to the wallet's own
//! address, every input may be replaced (BIP 125). Signatures are RFC 6979's, so the same payment has the same bytes.

use bitcoin::bech32::segwit;
use bitcoin::bip32::{ChildNumber, Xpriv, Xpub};
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::ecdsa::Signature;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, CompressedPublicKey, EcdsaSighashType, OutPoint, PubkeyHash, ScriptBuf, ScriptHash, Sequence, Transaction,
    TxIn, TxOut, Txid, Witness, WitnessProgram, WitnessVersion, absolute, base58, transaction,
};
use wire::{BatchMembers, ChainAddress, ChainHash, ChainInput, TransactionBytes, WithdrawalPurpose};

use super::Signed;
use super::payment::{Impossible, Payment};

/// What a chain calls its addresses, and the account whose keys spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitcoinScheme {
    /// The part of a segwit address before the `1`.
    pub prefix: String,
    /// The first byte of a base58 address that pays to a public key's hash.
    pub pubkey_prefix: u8,
    /// The first byte of a base58 address that pays to a script's hash.
    pub script_prefix: u8,
    /// The account's extended public key: deposit addresses are `0/index`, the wallet's own is `1/0`.
    pub xpub: Xpub,
    /// No output is smaller.
    pub dust: u64,
}

/// The path of a key below its account.
fn path(key: u32) -> Option<[ChildNumber; 2]> {
    let (branch, index) = if key == 0 { (1, 0) } else { (0, key) };
    Some([ChildNumber::from_normal_idx(branch).ok()?, ChildNumber::from_normal_idx(index).ok()?])
}

/// The script that pays to a key of ours: that of a deposit address, or 0 for the wallet's own.
pub fn own_script(scheme: &BitcoinScheme, key: u32) -> Option<ScriptBuf> {
    let child = scheme.xpub.derive_pub(&Secp256k1::verification_only(), &path(key)?).ok()?;
    Some(ScriptBuf::new_p2wpkh(&CompressedPublicKey(child.public_key).wpubkey_hash()))
}

/// The script that pays to an address of this chain.
pub fn script_of(scheme: &BitcoinScheme, address: &str) -> Option<ScriptBuf> {
    if let Ok((prefix, version, program)) = segwit::decode(address) {
        let version = WitnessVersion::try_from(version.to_u8()).ok()?;
        // What other versions and lengths mean is not decided yet: anybody may spend what is sent there.
        let is_known = version == WitnessVersion::V0 || (version == WitnessVersion::V1 && program.len() == 32);
        let is_ours = is_known && prefix.to_lowercase() == scheme.prefix.to_lowercase();
        let program = WitnessProgram::new(version, &program).ok()?;
        return is_ours.then(|| ScriptBuf::new_witness_program(&program));
    }
    let bytes = base58::decode_check(address).ok()?;
    let (&prefix, hash) = bytes.split_first()?;
    if prefix == scheme.pubkey_prefix {
        Some(ScriptBuf::new_p2pkh(&PubkeyHash::from_slice(hash).ok()?))
    } else if prefix == scheme.script_prefix {
        Some(ScriptBuf::new_p2sh(&ScriptHash::from_slice(hash).ok()?))
    } else {
        None
    }
}

/// The transaction of a payment, without witnesses.
pub fn unsigned(scheme: &BitcoinScheme, payment: &Payment) -> Result<Transaction, Impossible> {
    let inputs = payment.inputs.as_slice();
    if inputs.is_empty() || (payment.nonce, payment.gas_limit, payment.tip_per_gas) != (0, 0, 0) {
        return Err(Impossible::Spends);
    }
    if !payment.contract.is_empty() {
        return Err(Impossible::Contract);
    }
    let to = outputs(scheme, payment)?;
    let funds: u128 = inputs.iter().map(|input| u128::from(input.amount)).sum();
    let given = payment.amount.checked_add(payment.network_fee).ok_or(Impossible::Amount)?;
    let change = funds.checked_sub(given).and_then(|change| u64::try_from(change).ok()).ok_or(Impossible::Amount)?;
    if payment.purpose.comes_back() {
        // Nothing is given: what the inputs hold comes back as change, which is the only output.
        let to = script_of(scheme, payment.address.as_str()).ok_or(Impossible::Address)?;
        let own = own_script(scheme, 0).filter(|own| *own == to).ok_or(Impossible::Address)?;
        if payment.amount != 0 || change < scheme.dust {
            return Err(if payment.amount != 0 { Impossible::Amount } else { Impossible::Dust });
        }
        return Ok(transaction(inputs, vec![TxOut { value: Amount::from_sat(change), script_pubkey: own }]));
    }
    let mut output = to;
    if (change > 0 && change < scheme.dust) || output.iter().any(|output| output.value.to_sat() < scheme.dust) {
        return Err(Impossible::Dust);
    }
    if change > 0 {
        let own = own_script(scheme, 0).ok_or(Impossible::Address)?;
        output.push(TxOut { value: Amount::from_sat(change), script_pubkey: own });
    }
    Ok(transaction(inputs, output))
}

/// What a payment gives, in order: what comes back is none of it.
fn outputs(scheme: &BitcoinScheme, payment: &Payment) -> Result<Vec<TxOut>, Impossible> {
    let output = |address: &ChainAddress, amount: u128| {
        let script_pubkey = script_of(scheme, address.as_str()).ok_or(Impossible::Address)?;
        let value = Amount::from_sat(u64::try_from(amount).map_err(|_| Impossible::Amount)?);
        Ok(TxOut { value, script_pubkey })
    };
    if payment.purpose != WithdrawalPurpose::Batch {
        let is_one = payment.outputs.is_empty();
        return if !is_one {
            Err(Impossible::Outputs)
        } else if payment.purpose.comes_back() {
            Ok(Vec::new())
        } else {
            Ok(vec![output(&payment.address, payment.amount)?])
        };
    }
    let is_in_order = payment.outputs.windows(2).all(|two| two[0].withdrawal < two[1].withdrawal);
    let sum = payment.outputs.iter().try_fold(0_u128, |sum, output| sum.checked_add(output.amount));
    let is_whole = sum == Some(payment.amount) && payment.address.is_empty();
    if !(1..=BatchMembers::MAX).contains(&payment.outputs.len()) || !is_in_order || !is_whole {
        return Err(Impossible::Outputs);
    }
    payment.outputs.iter().map(|it| output(&it.address, it.amount)).collect()
}

fn transaction(inputs: &[ChainInput], output: Vec<TxOut>) -> Transaction {
    let input = inputs.iter().map(|input| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array(input.tx.0), vout: input.output },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    });
    let input = input.collect();
    Transaction { version: transaction::Version::TWO, lock_time: absolute::LockTime::ZERO, input, output }
}

/// Signs a payment with the keys below an account's.
pub fn sign(scheme: &BitcoinScheme, account: &Xpriv, payment: &Payment) -> Result<Signed, Impossible> {
    let secp = Secp256k1::new();
    let mut cache = SighashCache::new(unsigned(scheme, payment)?);
    for (at, input) in payment.inputs.as_slice().iter().enumerate() {
        let path = path(input.key).ok_or(Impossible::Spends)?;
        let key = account.derive_priv(&secp, &path).map_err(|_| Impossible::Spends)?.private_key;
        let public = key.public_key(&secp);
        let script = ScriptBuf::new_p2wpkh(&CompressedPublicKey(public).wpubkey_hash());
        let kind = EcdsaSighashType::All;
        let hash = cache.p2wpkh_signature_hash(at, &script, Amount::from_sat(input.amount), kind);
        let message = Message::from_digest(hash.map_err(|_| Impossible::Spends)?.to_byte_array());
        let signature = Signature { signature: secp.sign_ecdsa(&message, &key), sighash_type: kind };
        *cache.witness_mut(at).ok_or(Impossible::Spends)? = Witness::p2wpkh(&signature, &public);
    }
    let tx = cache.into_transaction();
    let bytes = TransactionBytes::new(serialize(&tx)).ok_or(Impossible::Spends)?;
    Ok(Signed { tx: ChainHash(tx.compute_txid().to_byte_array()), bytes })
}

/// Whether a signed transaction is this payment and nothing else.
pub fn check(scheme: &BitcoinScheme, payment: &Payment, signed: &Signed) -> bool {
    let Ok(mut tx) = deserialize::<Transaction>(signed.bytes.as_bytes()) else { return false };
    let is_named = tx.compute_txid().to_byte_array() == signed.tx.0;
    let is_witnessed = tx.input.iter().all(|input| input.witness.len() == 2);
    tx.input.iter_mut().for_each(|input| input.witness = Witness::new());
    is_named && is_witnessed && unsigned(scheme, payment).is_ok_and(|wanted| wanted == tx)
}

/// Which output of a signed payment that gives so many is its change, and what that holds. `None` when nothing comes back.
pub fn change_at(scheme: &BitcoinScheme, given: usize, signed: &Signed) -> Option<(u32, u64)> {
    let tx: Transaction = deserialize(signed.bytes.as_bytes()).ok()?;
    // After what is given, if anything is.
    let change =
        tx.output.get(given).filter(|change| own_script(scheme, 0).is_some_and(|own| change.script_pubkey == own))?;
    Some((u32::try_from(given).ok()?, change.value.to_sat()))
}

/// Whether something of a signed payment that gives so many outputs comes back to the wallet, so that a child could spend it.
pub fn has_change(given: usize, bytes: &TransactionBytes) -> bool {
    let tx = deserialize::<Transaction>(bytes.as_bytes());
    tx.is_ok_and(|tx| tx.output.len() > given)
}

/// Virtual bytes of a transaction that spends so many witness public key hashes: 68 for each, and outputs as long as the
/// longest that there is.
pub const fn virtual_bytes(inputs: usize, outputs: usize) -> u64 {
    11 + 68 * inputs as u64 + 43 * outputs as u64
}
