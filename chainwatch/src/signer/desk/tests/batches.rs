//! One transaction that pays several: each output within the policy, each withdrawal by one transaction, the same bytes again.

use ::bitcoin::Transaction;
use ::bitcoin::consensus::deserialize;
use wire::BatchMembers;

use super::super::super::bitcoin::{change_at, script_of, virtual_bytes};
use super::super::super::payment::Output;
use super::*;

/// Pays so much to each of these withdrawals, in the chain's units.
pub(super) fn batch(withdrawal: u64, members: &[(u64, u128)], outputs: &[u32], network_fee: u128) -> Payment {
    let output = |(member, amount): &(u64, u128)| Output {
        withdrawal: WithdrawalId::new(*member),
        address: text(&home()),
        amount: *amount,
    };
    Payment {
        address: ChainAddress::EMPTY,
        amount: members.iter().map(|(_, amount)| amount).sum(),
        outputs: members.iter().map(output).collect(),
        purpose: WithdrawalPurpose::Batch,
        ..coin(withdrawal, 0, outputs, network_fee)
    }
}

const TWO: [(u64, u128); 2] = [(1, 500_000), (2, 300_000)];

#[test]
fn a_batch_is_one_transaction_with_an_output_for_each_and_the_change_after_them() {
    let mut bench = Bench::new();
    let payment = batch(3, &TWO, &[1], 2_000);
    let first = signed(bench.sign(&payment));
    let tx: Transaction = deserialize(first.bytes.as_bytes()).unwrap();
    let home = script_of(&coin_scheme(), &home()).unwrap();
    let given: Vec<_> = tx.output[..2].iter().map(|it| (it.value.to_sat(), it.script_pubkey == home)).collect();
    assert_eq!((given, tx.output.len()), (vec![(500_000, true), (300_000, true)], 3));
    let change = 2_000_000 - 800_000 - 2_000;
    assert_eq!(change_at(&coin_scheme(), payment.given(), &first), Some((2, change)));
    assert!(payment.check(&Scheme::Bitcoin(coin_scheme()), &first));
    let swapped = batch(3, &[(1, 300_000), (2, 500_000)], &[1], 2_000);
    assert!(!swapped.check(&Scheme::Bitcoin(coin_scheme()), &first), "the same sum, to others");
    // After a restart as well, the same question has the same answer.
    bench.restart();
    assert_eq!(signed(bench.sign(&payment)), first);
}

#[test]
fn a_batch_is_replaced_by_the_same_outputs_for_more_and_by_nothing_else() {
    let mut bench = Bench::new();
    signed(bench.sign(&batch(3, &TWO, &[1], 2_000)));
    for other in [
        batch(3, &[(1, 500_000)], &[1], 3_000),
        batch(3, &[(1, 300_000), (2, 500_000)], &[1], 3_000),
        batch(3, &[(1, 500_000), (4, 300_000)], &[1], 3_000),
        batch(3, &TWO, &[2], 3_000),
    ] {
        assert!(matches!(bench.sign(&other), Answer::Later(_)), "{other:?}");
    }
    signed(bench.sign(&batch(3, &TWO, &[1, 2], 3_000)));
}

#[test]
fn a_withdrawal_is_paid_alone_or_with_others_and_by_one_batch() {
    let mut bench = Bench::new();
    signed(bench.sign(&batch(3, &TWO, &[1], 2_000)));
    bench.restart();
    // It may leave by the batch: nothing is said for ever.
    assert!(matches!(bench.sign(&coin(1, 500_000, &[2], 2_000)), Answer::Later(_)));
    assert!(is_refused(&bench.sign(&batch(5, &[(2, 300_000), (4, 100_000)], &[2], 2_000))));
    signed(bench.sign(&coin(4, 100_000, &[2], 2_000)));
    assert!(is_refused(&bench.sign(&batch(7, &[(4, 100_000), (6, 100_000)], &[3], 2_000))));
    // Refused alone, it goes in none.
    assert!(is_refused(&bench.sign(&coin(8, 1_000_001, &[3], 2_000))));
    assert!(is_refused(&bench.sign(&batch(9, &[(6, 100_000), (8, 100_000)], &[3], 2_000))));
    // Members of what was refused go alone.
    signed(bench.sign(&coin(6, 100_000, &[3], 2_000)));
}

#[test]
fn every_output_is_within_the_policy_and_all_of_them_within_the_day() {
    let refused = |payment: Payment| is_refused(&Bench::new().sign(&payment));
    let most = |members: &[(u64, u128)]| batch(3, members, &[1], 2_000);
    signed(Bench::new().sign(&most(&[(1, 1_000_000), (2, 500_000)])));
    assert!(refused(most(&[(1, 1_000_001), (2, 400_000)])), "one is too much");
    assert!(refused(most(&[(1, 1_000_000), (2, 500_001)])), "together they are more than a day's");
    assert!(refused(most(&[(1, 500_000), (2, 0)])));
    assert!(refused(most(&[(1, 500_000), (2, 5_459)])), "dust");
    assert!(refused(most(&[(2, 500_000), (1, 300_000)])), "out of order");
    assert!(refused(most(&[(1, 500_000), (1, 300_000)])), "one twice");
    assert!(refused(most(&[])));
    assert!(refused(Payment { amount: 800_001, ..most(&TWO) }), "more than its outputs are");
    assert!(refused(Payment { address: text(&home()), ..most(&TWO) }));
    assert!(refused(Payment { purpose: WithdrawalPurpose::Payment, address: text(&home()), ..most(&TWO) }));
    assert!(refused(batch(3, &TWO, &[1], 10_001)), "the fee is below the cap of one transaction");
    let elsewhere = Output { withdrawal: WithdrawalId::new(2), address: text(FRIEND), amount: 300_000 };
    let mut to_nowhere = most(&TWO);
    to_nowhere.outputs[1] = elsewhere;
    assert!(refused(to_nowhere), "no address of this chain");
    // A part of the day is gone.
    let mut bench = Bench::new();
    signed(bench.sign(&coin(9, 800_000, &[2], 2_000)));
    let waits = bench.desk.as_ref().unwrap().consult(&most(&TWO), NOW_S);
    assert!(matches!(waits, Answer::Later(_)), "{waits:?}");
    assert!(matches!(bench.sign(&most(&TWO)), Answer::Later(_)));
}

#[test]
fn an_allow_list_holds_for_every_output_and_nothing_is_gathered_where_nonces_are() {
    let mut policies = policies();
    policies[0].allow_list = BTreeSet::from([text(HOME_OF_OTHERS)]);
    let directory = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&vault(), policies, &directory.path().join("journal")).unwrap();
    assert!(is_refused(&desk.sign(&batch(3, &TWO, &[1], 2_000), NOW_S).unwrap()));
    let of_accounts = Payment { outputs: batch(3, &TWO, &[], 0).outputs, ..ether(3, "", 0, 50) };
    let of_accounts = Payment { purpose: WithdrawalPurpose::Batch, amount: 800_000, ..of_accounts };
    assert!(is_refused(&desk.sign(&of_accounts, NOW_S).unwrap()));
}

const HOME_OF_OTHERS: &str = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8";
const NOW_S: u64 = 1_000;

#[test]
fn the_most_that_one_transaction_takes_fits_in_the_log_and_in_a_question() {
    let members: Vec<(u64, u128)> = (1..=BatchMembers::MAX as u64).map(|number| (number, 40_000)).collect();
    let spent: Vec<u32> = (1..=ChainInputs::MAX as u32).collect();
    // The longest output that there is pays to a taproot key.
    let program = [1_u8; 32];
    let long = ::bitcoin::bech32::segwit::encode_v1(::bitcoin::bech32::Hrp::parse("rltc").unwrap(), &program).unwrap();
    let mut payment = batch(99, &members, &spent, 10_000);
    payment.outputs.iter_mut().for_each(|output| output.address = text(&long));
    let mut bench = Bench::new();
    let tx: Transaction = deserialize(signed(bench.sign(&payment)).bytes.as_bytes()).unwrap();
    assert_eq!((tx.input.len(), tx.output.len()), (16, 33));
    assert!(tx.vsize() as u64 <= virtual_bytes(16, 33), "{} virtual bytes", tx.vsize());
    let bytes = encode_question(Question::Sign, &payment);
    assert_eq!(decode_question(&bytes), Ok((Question::Sign, payment.clone())));
    assert!(bytes.len() < 8_192, "{} bytes", bytes.len());
    // One more is none that can be read, nor one that is signed.
    payment.outputs.push(Output { withdrawal: WithdrawalId::new(98), address: text(&long), amount: 40_000 });
    payment.amount += 40_000;
    assert!(decode_question(&encode_question(Question::Sign, &payment)).is_err());
    assert!(is_refused(&Bench::new().sign(&payment)));
}
