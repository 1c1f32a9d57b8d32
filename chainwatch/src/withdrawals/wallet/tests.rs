use bitcoin::absolute::LockTime;
use bitcoin::consensus::serialize;
use bitcoin::transaction::Version;
use bitcoin::{OutPoint as Outpoint, ScriptBuf, Sequence, TxIn, TxOut, Witness};
use wire::TransactionBytes;

use super::super::view::tests::{CHAIN, row};
use super::*;
use crate::signer::vault::Vault;

#[test]
fn change_of_what_the_chain_has_taken_back_is_nobodys_until_it_is_mined_again() {
    let xpub = Vault::from_seed([7; 32]).account_public("m/84'/2'/0'").unwrap();
    let (prefix, pubkey_prefix, script_prefix, dust) = ("rltc".to_string(), 111, 58, 5_460);
    let scheme = BitcoinScheme { prefix, pubkey_prefix, script_prefix, xpub, dust };
    let input = TxIn {
        previous_output: Outpoint::null(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: bitcoin::Amount::from_sat(50_000), script_pubkey: own_script(&scheme, 0).unwrap() };
    let payment =
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] };
    let tx = ChainHash(payment.compute_txid().to_byte_array());
    let mut wallet = Wallet::new(CHAIN, &scheme);
    let of = |wallet: &Wallet| wallet.coins().map(|coin| (coin.tx, coin.amount)).collect::<Vec<_>>();

    let row = row(1, WithdrawalPurpose::Payment, 0);
    let bytes = TransactionBytes::new(serialize(&payment)).unwrap();
    let (withdrawal, attempt) = (row.withdrawal, 1);
    wallet.apply(&Event::WithdrawalSigned(Box::new(WithdrawalSigned { chain: CHAIN, withdrawal, attempt, tx, bytes })));
    let settled = WithdrawalChanged { stage: WithdrawalStage::Settled, tx, height: 7, ..row };
    let told = |row: WithdrawalChanged| Event::WithdrawalChanged(Box::new(row));
    wallet.apply(&told(settled));
    assert_eq!(of(&wallet), [(tx, 50_000)]);
    for _ in 0..2 {
        wallet.apply(&told(WithdrawalChanged { is_reverted: true, ..settled }));
        assert_eq!(of(&wallet), []);
    }
    for _ in 0..2 {
        wallet.apply(&told(WithdrawalChanged { height: 9, ..settled }));
        assert_eq!(of(&wallet), [(tx, 50_000)]);
    }
}
