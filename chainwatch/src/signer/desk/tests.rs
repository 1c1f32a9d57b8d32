use std::collections::BTreeSet;
use std::path::Path;

use wire::{ChainInput, ChainInputs, WithdrawalPurpose};

use super::super::bitcoin::{BitcoinScheme, own_script};
use super::super::evm::{EvmScheme, address_at, own_address};
use super::super::policy::AssetPolicy;
use super::super::protocol::{Question, decode_answer, decode_question, encode_answer, encode_question};
use super::super::{Signer, server};
use super::*;

mod batches;

const HOME: &str = "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kc8wrtk";
const FRIEND: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const TOKEN: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

fn text<const N: usize>(text: &str) -> wire::Text<N> {
    wire::Text::new(text.as_bytes()).unwrap()
}

fn vault() -> Vault {
    Vault::from_seed([7; 32])
}

fn coin_scheme() -> BitcoinScheme {
    BitcoinScheme {
        prefix: "rltc".into(),
        pubkey_prefix: 111,
        script_prefix: 58,
        xpub: vault().account_public("m/84'/2'/0'").unwrap(),
        dust: 5_460,
    }
}

fn evm_scheme() -> EvmScheme {
    EvmScheme { chain_id: 31_337, xpub: vault().account_public("m/44'/60'/0'").unwrap() }
}

/// The address that the test's coin is sent to, with this chain's own checksum.
fn home() -> String {
    use ::bitcoin::bech32::{Hrp, segwit};
    let (_, _, program) = segwit::decode("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").unwrap();
    segwit::encode_v0(Hrp::parse("rltc").unwrap(), &program).unwrap()
}

fn policies() -> Vec<ChainPolicy> {
    let asset = |contract: &str| AssetPolicy { contract: text(contract), amount_max: 1_000_000, day_max: 1_500_000 };
    vec![
        ChainPolicy {
            chain: text("LTC"),
            scheme: Scheme::Bitcoin(coin_scheme()),
            account: "m/84'/2'/0'".into(),
            network_fee_max: 10_000,
            network_fee_day_max: u128::MAX,
            cold: BTreeSet::new(),
            allow_list: BTreeSet::new(),
            assets: vec![asset("")],
        },
        ChainPolicy {
            chain: text("ETH"),
            scheme: Scheme::Evm(evm_scheme()),
            account: "m/44'/60'/0'".into(),
            network_fee_max: 21_000 * 100,
            network_fee_day_max: u128::MAX,
            cold: BTreeSet::new(),
            allow_list: BTreeSet::from([text(FRIEND)]),
            assets: vec![asset(""), asset(TOKEN)],
        },
    ]
}

fn desk(journal: &Path) -> Desk {
    Desk::open(&vault(), policies(), journal).unwrap()
}

fn inputs(outputs: &[u32]) -> ChainInputs {
    let input = |output: &u32| ChainInput { tx: ChainHash([3; 32]), output: *output, amount: 2_000_000, key: *output };
    ChainInputs::new(&outputs.iter().map(input).collect::<Vec<_>>()).unwrap()
}

fn coin(withdrawal: u64, amount: u128, outputs: &[u32], network_fee: u128) -> Payment {
    Payment {
        chain: text("LTC"),
        withdrawal: WithdrawalId::new(withdrawal),
        contract: ChainAddress::EMPTY,
        address: text(&home()),
        amount,
        outputs: Vec::new(),
        inputs: inputs(outputs),
        nonce: 0,
        network_fee,
        gas_limit: 0,
        tip_per_gas: 0,
        purpose: WithdrawalPurpose::Payment,
        key: 0,
    }
}

fn ether(withdrawal: u64, contract: &str, nonce: u64, fee_per_gas: u128) -> Payment {
    Payment {
        chain: text("ETH"),
        contract: text(contract),
        address: text(FRIEND),
        inputs: ChainInputs::EMPTY,
        nonce,
        network_fee: 21_000 * fee_per_gas,
        gas_limit: 21_000,
        tip_per_gas: 2,
        ..coin(withdrawal, 500_000, &[], 0)
    }
}

fn signed(answer: Answer) -> Signed {
    match answer {
        Answer::Signed(signed) => signed,
        other => panic!("{other:?}"),
    }
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_))
}

struct Bench {
    directory: tempfile::TempDir,
    desk: Option<Desk>,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let desk = Some(desk(&directory.path().join("journal")));
        Bench { directory, desk }
    }

    fn sign_at(&mut self, payment: &Payment, now_s: u64) -> Answer {
        self.desk.as_mut().unwrap().sign(payment, now_s).unwrap()
    }

    fn sign(&mut self, payment: &Payment) -> Answer {
        self.sign_at(payment, 1_000)
    }

    fn restart(&mut self) {
        self.desk = None;
        self.desk = Some(desk(&self.directory.path().join("journal")));
    }
}

#[test]
fn an_address_with_another_chains_checksum_is_no_address() {
    assert_eq!(super::super::bitcoin::script_of(&coin_scheme(), HOME).is_some(), HOME == home());
    assert!(super::super::bitcoin::script_of(&coin_scheme(), "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").is_none());
    assert!(super::super::bitcoin::script_of(&coin_scheme(), &home()).is_some());
}

#[test]
fn an_address_whose_checksum_is_wrong_or_that_anybody_could_spend_is_not_signed_for() {
    use ::bitcoin::bech32::{Fe32, Hrp, segwit};
    let mut bench = Bench::new();
    let (address, slip) = (FRIEND, FRIEND.replacen('C', "c", 1));
    let to = |address: &str| Payment { address: text(address), ..ether(1, "", 0, 10) };
    assert!(is_refused(&bench.sign(&to(&slip))));
    let to = |address: &str| Payment { address: text(address), ..ether(2, "", 0, 10) };
    signed(bench.sign(&to(&address.to_lowercase())));
    let program =
        |version: Fe32, program: &[u8]| segwit::encode(Hrp::parse("rltc").unwrap(), version, program).unwrap();
    let script = |address: &str| super::super::bitcoin::script_of(&coin_scheme(), address);
    assert!(script(&program(Fe32::P, &[7; 32])).is_some(), "taproot");
    assert!(script(&program(Fe32::P, &[7; 20])).is_none(), "version 1 of another length");
    assert!(script(&program(Fe32::Z, &[7; 32])).is_none(), "version 2");
}

#[test]
fn a_payment_is_signed_once_and_the_same_question_has_the_same_bytes_after_a_restart_too() {
    let mut bench = Bench::new();
    for payment in [coin(1, 500_000, &[1, 2], 2_000), ether(2, "", 4, 50), ether(3, TOKEN, 5, 50)] {
        let first = signed(bench.sign(&payment));
        assert_eq!(signed(bench.sign(&payment)), first);
        bench.restart();
        assert_eq!(signed(bench.sign(&payment)), first);
        let scheme = policies().into_iter().find(|policy| policy.chain == payment.chain).unwrap().scheme;
        assert!(payment.check(&scheme, &first));
        assert!(!Payment { amount: payment.amount + 1, ..payment.clone() }.check(&scheme, &first));
        let mut bytes = first.bytes.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let forged = Signed { bytes: wire::TransactionBytes::new(bytes).unwrap(), ..first.clone() };
        assert!(!payment.check(&scheme, &forged) || matches!(scheme, Scheme::Bitcoin(_)));
    }
}

#[test]
fn change_goes_to_the_wallets_own_address_and_dust_is_refused() {
    let mut bench = Bench::new();
    let tx = signed(bench.sign(&coin(1, 500_000, &[1], 2_000)));
    let tx: ::bitcoin::Transaction = ::bitcoin::consensus::deserialize(tx.bytes.as_bytes()).unwrap();
    assert_eq!(tx.output[1].script_pubkey, own_script(&coin_scheme(), 0).unwrap());
    assert_eq!(tx.output[1].value.to_sat(), 1_498_000);
    let exact =
        |network_fee| Payment { amount: 1_000_000, inputs: one_input(1_009_000), ..coin(2, 0, &[2], network_fee) };
    assert!(is_refused(&bench.sign(&Payment { withdrawal: WithdrawalId::new(9), ..exact(5_000) })), "4,000 are dust");
    let tx = signed(bench.sign(&exact(9_000)));
    let tx: ::bitcoin::Transaction = ::bitcoin::consensus::deserialize(tx.bytes.as_bytes()).unwrap();
    assert_eq!(tx.output.len(), 1);
}

fn one_input(amount: u64) -> ChainInputs {
    ChainInputs::new(&[ChainInput { tx: ChainHash([4; 32]), output: 0, amount, key: 0 }]).unwrap()
}

#[test]
fn another_transaction_of_a_withdrawal_is_not_signed_unless_it_replaces_the_one_before() {
    let mut bench = Bench::new();
    signed(bench.sign(&coin(1, 500_000, &[1, 2], 2_000)));
    for conflicting in [
        coin(1, 500_000, &[3], 3_000),
        coin(1, 500_000, &[1], 3_000),
        coin(1, 500_000, &[2, 1], 3_000),
        coin(1, 500_001, &[1, 2], 3_000),
        coin(1, 500_000, &[1, 2], 1_999),
        coin(1, 500_000, &[1, 2], 10_001),
    ] {
        let answer = bench.sign(&conflicting);
        assert!(
            matches!(answer, Answer::Later(_)),
            "a refusal would give the money back: {answer:?} to {conflicting:?}"
        );
        bench.restart();
    }
    signed(bench.sign(&coin(1, 500_000, &[1, 2], 10_000)));
    signed(bench.sign(&coin(1, 500_000, &[1, 2], 2_000)));
    signed(bench.sign(&ether(2, "", 4, 50)));
    assert!(matches!(bench.sign(&ether(2, "", 5, 60)), Answer::Later(_)));
    assert!(matches!(bench.sign(&ether(2, TOKEN, 4, 60)), Answer::Later(_)));
    signed(bench.sign(&ether(2, "", 4, 60)));
}

#[test]
fn an_input_or_a_nonce_is_signed_for_one_withdrawal_alone() {
    let mut bench = Bench::new();
    signed(bench.sign(&coin(1, 500_000, &[1], 2_000)));
    bench.restart();
    assert!(is_refused(&bench.sign(&coin(2, 500_000, &[2, 1], 2_000))));
    signed(bench.sign(&ether(3, "", 4, 50)));
    assert!(is_refused(&bench.sign(&ether(4, "", 4, 60))));
}

#[test]
fn what_is_refused_for_ever_stays_refused() {
    let mut bench = Bench::new();
    for (payment, good) in [
        (coin(1, 1_000_001, &[1], 2_000), coin(1, 1_000_000, &[1], 2_000)),
        (coin(2, 500_000, &[2], 10_001), coin(2, 500_000, &[2], 10_000)),
        (Payment { address: text("nowhere"), ..coin(3, 500_000, &[3], 2_000) }, coin(3, 500_000, &[3], 2_000)),
        (Payment { address: text(TOKEN), ..ether(4, "", 1, 50) }, ether(4, "", 1, 50)),
        (Payment { contract: text("0x01"), ..ether(5, "", 1, 50) }, ether(5, "", 1, 50)),
    ] {
        assert!(is_refused(&bench.sign(&payment)), "{payment:?}");
        bench.restart();
        assert!(is_refused(&bench.sign(&good)), "its money may have gone back: {good:?}");
    }
}

#[test]
fn a_day_has_its_limit_by_the_signers_own_file_and_the_next_day_goes_on() {
    let mut bench = Bench::new();
    signed(bench.sign_at(&coin(1, 1_000_000, &[1], 2_000), 1_000));
    signed(bench.sign_at(&coin(2, 500_000, &[2], 2_000), 2_000));
    bench.restart();
    let next = coin(3, 500_000, &[3], 2_000);
    assert!(matches!(bench.sign_at(&next, 1_000 + DAY_S - 1), Answer::Later(_)));
    signed(bench.sign_at(&coin(1, 1_000_000, &[1], 3_000), 3_000));
    signed(bench.sign_at(&next, 1_000 + DAY_S));
}

#[test]
fn what_no_day_has_room_for_is_refused_and_does_not_wait_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let mut policies = policies();
    policies[0].assets[0].day_max = 900_000;
    let mut desk = Desk::open(&vault(), policies, &directory.path().join("journal")).unwrap();
    assert!(is_refused(&desk.sign(&coin(1, 900_001, &[1], 2_000), 1_000).unwrap()));
    signed(desk.sign(&coin(2, 900_000, &[1], 2_000), 1_000).unwrap());
}

#[test]
fn a_journal_that_was_cut_short_goes_on_and_one_that_is_damaged_is_refused() {
    let mut bench = Bench::new();
    let path = bench.directory.path().join("journal");
    signed(bench.sign(&coin(1, 500_000, &[1], 2_000)));
    let whole = std::fs::metadata(&path).unwrap().len();
    signed(bench.sign(&coin(2, 500_000, &[2], 2_000)));
    bench.desk = None;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    bench.restart();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    assert!(is_refused(&bench.sign(&coin(3, 500_000, &[1], 2_000))), "the first record is still there");
    bench.desk = None;
    let mut damaged = bytes;
    damaged[20] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(Desk::open(&vault(), policies(), &path), Err(DeskError::Journal(_))));
}

#[test]
fn two_signers_do_not_share_a_journal_and_a_wrong_xpub_is_found_out() {
    let bench = Bench::new();
    let path = bench.directory.path().join("journal");
    assert!(matches!(Desk::open(&vault(), policies(), &path), Err(DeskError::Journal(_))));
    let other = Vault::from_seed([8; 32]);
    assert!(matches!(Desk::open(&other, policies(), &bench.directory.path().join("b")), Err(DeskError::Xpub(_))));
}

fn as_move(purpose: WithdrawalPurpose, key: u32, address: &str, payment: Payment) -> Payment {
    Payment { purpose, key, address: text(address), ..payment }
}

/// The wallet's own address.
fn own() -> String {
    address_of(&own_script(&coin_scheme(), 0).unwrap())
}

fn address_of(script: &::bitcoin::Script) -> String {
    use ::bitcoin::bech32::{Hrp, segwit};
    segwit::encode_v0(Hrp::parse("rltc").unwrap(), &script.as_bytes()[2..]).unwrap()
}

/// An address whose key is elsewhere.
fn cold() -> String {
    address_of(&::bitcoin::ScriptBuf::new_p2wpkh(&::bitcoin::hashes::Hash::from_byte_array([9; 20])))
}

#[test]
fn a_child_spends_the_change_of_what_was_signed_here_and_pays_with_it_no_more_than_one_may() {
    let mut bench = Bench::new();
    let parent = signed(bench.sign(&coin(1, 500_000, &[1], 2_000)));
    let change = ChainInput { tx: parent.tx, output: 1, amount: 1_498_000, key: 0 };
    let spending = |withdrawal, inputs: &[ChainInput], network_fee| Payment {
        inputs: ChainInputs::new(inputs).unwrap(),
        ..as_move(WithdrawalPurpose::Child, 0, &own(), coin(withdrawal, 0, &[], network_fee))
    };
    for (number, refused) in [
        // What is paid to somebody is not ours; nor is what was signed elsewhere, or nowhere.
        spending(0, &[ChainInput { output: 0, amount: 500_000, ..change }], 3_000),
        spending(0, &[ChainInput { amount: 1_498_001, ..change }], 3_000),
        spending(0, &[ChainInput { key: 1, ..change }], 3_000),
        spending(0, &[ChainInput { tx: ChainHash([9; 32]), ..change }], 3_000),
        spending(0, &[change, inputs(&[7]).as_slice()[0]], 3_000),
        Payment { address: text(&home()), ..spending(0, &[change], 3_000) },
        Payment { amount: 10_000, ..spending(0, &[change], 3_000) },
        spending(0, &[change], 8_001),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = Payment { withdrawal: WithdrawalId::new(20 + number as u64), ..refused };
        assert_eq!(bench.desk.as_ref().unwrap().consult(&asked, 1_000), Answer::Willing, "it waits for no day");
        assert!(is_refused(&bench.sign(&asked)), "{asked:?}");
        bench.restart();
    }
    let payment = spending(2, &[change], 3_000);
    let child = signed(bench.sign(&payment));
    bench.restart();
    assert_eq!(signed(bench.sign(&payment)), child, "the same bytes");
    let tx: ::bitcoin::Transaction = ::bitcoin::consensus::deserialize(child.bytes.as_bytes()).unwrap();
    let outputs: Vec<_> = tx.output.iter().map(|it| (it.value.to_sat(), it.script_pubkey.clone())).collect();
    assert_eq!(outputs, [(1_495_000, own_script(&coin_scheme(), 0).unwrap())]);
    assert!(matches!(bench.sign(&spending(3, &[change], 4_000)), Answer::Refused(_)), "it has a child");
    signed(bench.sign(&spending(2, &[change], 8_000)));
    // Its own child, of its first transaction: 2,000 and 3,000 are paid of 10,000.
    let change = ChainInput { tx: child.tx, output: 0, amount: 1_495_000, key: 0 };
    assert!(is_refused(&bench.sign(&spending(4, &[change], 5_001))));
    signed(bench.sign(&spending(5, &[change], 5_000)));
}

#[test]
fn a_sweep_goes_to_the_wallet_alone_and_gives_itself_everything_but_the_fee() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = desk(&directory.path().join("journal"));
    let (scheme, own) = (coin_scheme(), own());
    let sweep =
        |withdrawal, address: &str| as_move(WithdrawalPurpose::Sweep, 0, address, coin(withdrawal, 0, &[1, 2], 900));
    assert!(matches!(desk.sign(&sweep(1, &home()), 1_000).unwrap(), Answer::Refused(_)), "a stranger's address");
    let payment = sweep(2, &own);
    let answer = signed(desk.sign(&payment, 1_000).unwrap());
    assert!(payment.check(&Scheme::Bitcoin(scheme.clone()), &answer));
    let tx: ::bitcoin::Transaction = ::bitcoin::consensus::deserialize(answer.bytes.as_bytes()).unwrap();
    let outputs: Vec<_> = tx.output.iter().map(|it| (it.value.to_sat(), it.script_pubkey.clone())).collect();
    assert_eq!(outputs, [(4_000_000 - 900, own_script(&scheme, 0).unwrap())]);
    let more = Payment { amount: 10_000, ..sweep(3, &own) };
    assert!(matches!(desk.sign(&more, 1_000).unwrap(), Answer::Refused(_)), "it gives nothing away");
}

#[test]
fn on_chains_with_accounts_the_deposit_address_sends_its_sweep_and_gets_no_more_gas_than_a_fee() {
    let directory = tempfile::tempdir().unwrap();
    let mut desk = desk(&directory.path().join("journal"));
    let scheme = evm_scheme();
    let (own, third) = (address_at(&scheme, 0).unwrap().to_string(), address_at(&scheme, 3).unwrap().to_string());
    let payment = as_move(WithdrawalPurpose::Sweep, 3, &own, Payment { amount: 9_000_000, ..ether(1, TOKEN, 0, 50) });
    let answer = signed(desk.sign(&payment, 1_000).unwrap());
    assert!(payment.check(&Scheme::Evm(scheme.clone()), &answer));
    let as_own = Payment { purpose: WithdrawalPurpose::Payment, key: 0, ..payment };
    assert!(!as_own.check(&Scheme::Evm(scheme.clone()), &answer), "the wallet's own account has not sent it");
    // Each account counts for itself.
    let other = as_move(WithdrawalPurpose::Sweep, 4, &own, Payment { amount: 9_000_000, ..ether(2, TOKEN, 0, 50) });
    signed(desk.sign(&other, 1_000).unwrap());

    let unknown = "0x00000000000000000000000000000000000000aa";
    let called = as_move(WithdrawalPurpose::Sweep, 5, &own, Payment { amount: 1, ..ether(8, unknown, 0, 50) });
    assert!(matches!(desk.sign(&called, 1_000).unwrap(), Answer::Refused(_)), "a contract that the file does not have");

    let fee = 21_000 * 100;
    let gas = |withdrawal, key, address: &str, amount| {
        as_move(WithdrawalPurpose::Gas, key, address, Payment { amount, ..ether(withdrawal, "", withdrawal, 50) })
    };
    signed(desk.sign(&gas(3, 3, &third, fee), 1_000).unwrap());
    for (number, refused) in
        [gas(4, 3, &third, fee + 1), gas(5, 4, &third, fee), gas(6, 0, &own, fee), gas(7, 3, FRIEND, fee)]
            .into_iter()
            .enumerate()
    {
        assert!(matches!(desk.sign(&refused, 1_000).unwrap(), Answer::Refused(_)), "case {number}");
    }
}

#[test]
fn the_excess_goes_to_listed_cold_addresses_alone_and_counts_for_no_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut policies = policies();
    policies[0].cold.insert(text(&cold()));
    let mut desk = Desk::open(&vault(), policies, &directory.path().join("journal")).unwrap();
    let excess = |withdrawal, address: &str, outputs: &[u32]| {
        as_move(WithdrawalPurpose::Cold, 0, address, coin(withdrawal, 3_500_000, outputs, 2_000))
    };
    assert!(matches!(desk.sign(&excess(1, &home(), &[1, 2]), 1_000).unwrap(), Answer::Refused(_)));
    signed(desk.sign(&excess(2, &cold(), &[3, 4]), 1_000).unwrap());
    signed(desk.sign(&coin(3, 1_000_000, &[5], 2_000), 1_000).unwrap());
}

#[test]
fn nothing_is_paid_to_the_wallets_own_address_or_a_cold_one_alone_or_in_a_batch() {
    let directory = tempfile::tempdir().unwrap();
    let mut policies = policies();
    policies[0].cold.insert(text(&cold()));
    let mut desk = Desk::open(&vault(), policies, &directory.path().join("journal")).unwrap();
    let paid_to = |withdrawal, to: &str| Payment { address: text(to), ..coin(withdrawal, 500_000, &[1], 2_000) };
    let refused = Answer::Refused("the address is the exchange's own".into());
    for (withdrawal, to) in [(1, own()), (2, cold().to_uppercase())] {
        assert_eq!(desk.sign(&paid_to(withdrawal, &to), 1_000).unwrap(), refused, "{to}");
        let mut batch = batches::batch(withdrawal + 10, &[(20, 300_000), (21, 300_000)], &[1], 2_000);
        batch.outputs[1].address = text(&to);
        assert_eq!(desk.sign(&batch, 1_000).unwrap(), refused, "{to}, in a batch");
    }
    // Ours as well, and somebody's: it comes back as a deposit.
    let of_a_client = address_of(&own_script(&coin_scheme(), 1).unwrap());
    signed(desk.sign(&paid_to(3, &of_a_client), 1_000).unwrap());
    let ether_to_us =
        Payment { address: text(&own_address(&evm_scheme()).unwrap().to_string()), ..ether(4, "", 4, 50) };
    assert_eq!(desk.sign(&ether_to_us, 1_000).unwrap(), refused);
}

#[test]
fn what_is_paid_to_the_chain_within_a_day_has_a_limit_of_its_own_replacements_and_moves_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut policies = policies();
    policies[0].network_fee_day_max = 10_000;
    let path = directory.path().join("journal");
    let mut desk = Desk::open(&vault(), policies.clone(), &path).unwrap();
    signed(desk.sign(&coin(1, 100_000, &[1], 4_000), 1_000).unwrap());
    signed(desk.sign(&coin(1, 100_000, &[1], 6_000), 1_001).unwrap());
    signed(desk.sign(&coin(2, 100_000, &[2], 4_000), 1_002).unwrap());
    assert!(matches!(desk.sign(&coin(3, 100_000, &[3], 1), 1_003).unwrap(), Answer::Later(_)), "6,000 and 4,000");
    assert!(matches!(desk.sign(&coin(2, 100_000, &[2], 4_001), 1_003).unwrap(), Answer::Later(_)));
    drop(desk);
    let mut desk = Desk::open(&vault(), policies, &path).unwrap();
    assert!(matches!(desk.sign(&coin(3, 100_000, &[3], 1), 1_004).unwrap(), Answer::Later(_)), "it remembers");
    let tomorrow = 1_000 + 24 * 3_600;
    signed(desk.sign(&coin(3, 100_000, &[3], 4_000), tomorrow).unwrap());
    assert!(
        matches!(desk.sign(&coin(4, 100_000, &[4], 1), tomorrow).unwrap(), Answer::Later(_)),
        "only the first is out"
    );
}

#[test]
fn a_key_file_opens_with_its_passphrase_alone() {
    let file = vault().seal("correct horse").unwrap();
    let opened = Vault::open(&file, "correct horse").unwrap();
    assert_eq!(opened.account_public("m/84'/2'/0'").unwrap(), coin_scheme().xpub);
    assert_eq!(Vault::open(&file, "wrong horse").err(), Some(VaultError::NotOpened));
    for at in [5, 17, 40, 60, 100] {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert!(Vault::open(&damaged, "correct horse").is_err(), "byte {at}");
    }
    assert_eq!(Vault::open(&file[..50], "correct horse").err(), Some(VaultError::NotOne));
}

#[test]
fn the_senders_address_is_the_accounts_second_branch() {
    let sender = own_address(&evm_scheme()).unwrap();
    let tx = evm::sign(&evm_scheme(), &vault().account("m/44'/60'/0'").unwrap(), &ether(1, "", 0, 50)).unwrap();
    assert!(ether(1, "", 0, 50).check(&Scheme::Evm(evm_scheme()), &tx));
    let elsewhere = EvmScheme { xpub: vault().account_public("m/44'/60'/1'").unwrap(), ..evm_scheme() };
    assert!(!ether(1, "", 0, 50).check(&Scheme::Evm(elsewhere), &tx), "sent by {sender}");
}

#[test]
fn questions_and_answers_read_back_as_they_were_and_are_refused_when_cut() {
    let payment = coin(1, 500_000, &[1, 2], 2_000);
    for question in [Question::Sign, Question::Consult] {
        let bytes = encode_question(question, &payment);
        assert_eq!(decode_question(&bytes), Ok((question, payment.clone())));
        assert!((0..bytes.len()).all(|end| decode_question(&bytes[..end]).is_err()));
    }
    let signed = Signed { tx: ChainHash([5; 32]), bytes: wire::TransactionBytes::new(vec![1, 2, 3]).unwrap() };
    for answer in
        [Answer::Signed(signed), Answer::Refused("no".into()), Answer::Later("später".into()), Answer::Willing]
    {
        let bytes = encode_answer(&answer);
        assert_eq!(decode_answer(&bytes), Ok(answer));
        assert!((0..bytes.len()).all(|end| decode_answer(&bytes[..end]).is_err()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_behind_a_socket_answers_its_owner_alone_and_again_after_it_was_restarted() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (socket, journal) = (directory.path().join("signer"), directory.path().join("journal"));
    let mut signer = server::SocketSigner::new(socket.clone());
    let payment = coin(1, 500_000, &[1], 2_000);
    assert_eq!(signer.sign(&payment).await, None, "nobody is there");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let desk = desk(&journal);
        let path = socket.clone();
        let server = tokio::spawn(async move { server::serve(desk, &path).await });
        let answer = async {
            loop {
                if let Some(answer) = signer.sign(&payment).await {
                    break answer;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        answers.push(tokio::time::timeout(std::time::Duration::from_secs(10), answer).await.unwrap());
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        signer = server::SocketSigner::new(socket.clone());
        server.abort();
        let _ = server.await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(answers[0], answers[1]);
    assert!(matches!(answers[0], Answer::Signed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_whose_journal_fails_ends_though_all_seats_are_taken_and_others_wait_for_one() {
    use tokio::net::UnixStream;
    for _ in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("signer");
        let mut desk = desk(&directory.path().join("journal"));
        desk.journal.fail_from_now_on();
        let path = socket.clone();
        let server = tokio::spawn(async move { server::serve(desk, &path).await });
        let mut idle = Vec::new();
        while idle.len() < 15 {
            match UnixStream::connect(&socket).await {
                Ok(stream) => idle.push(stream),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
        let mut asking = UnixStream::connect(&socket).await.unwrap();
        for _ in 0..5 {
            idle.push(UnixStream::connect(&socket).await.unwrap());
        }
        super::super::protocol::send(&mut asking, &encode_question(Question::Sign, &coin(1, 500_000, &[1], 2_000)))
            .await
            .unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), server).await;
        assert!(ended.expect("it ends").unwrap().is_err());
    }
}
