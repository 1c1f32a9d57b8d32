use bitcoin::consensus::serialize;
use bitcoin::{Amount as Coins, OutPoint as Point, ScriptBuf, TxIn, TxOut, Txid, absolute, transaction};
use wire::event::{AssetListed, Credited, Debited, WithdrawalAllocated, WithdrawalSigned};
use wire::{AccountId, Amount, ChainInputs, ClientOrderId, Text, Timestamp, TransactionBytes};

use super::*;

const CHAIN: ChainId = ChainId::new(1);
const COIN: AssetId = AssetId::new(1);
const TOKEN: AssetId = AssetId::new(2);
const OWN: &[u8] = &[0, 20, 1];
const COLD: &[u8] = &[0, 20, 2];
const THERE: &[u8] = &[0, 20, 3];

/// A coin of two more decimals than the ledger's asset, and a token of as many.
fn books(own: Option<&[u8]>) -> Books {
    let mut books = Books::new(CHAIN, own.map(|own| Destination(own.to_vec())));
    for (asset, contract, chain_decimals) in [(COIN, "", 8), (TOKEN, "0xabc", 6)] {
        books.apply(&Event::AssetListed(AssetListed { asset, symbol: Text::EMPTY, ledger_decimals: 6 }));
        books.apply(&Event::ChainAssetListed(Box::new(ChainAssetListed {
            chain: CHAIN,
            asset,
            contract: Text::new(contract.as_bytes()).unwrap(),
            chain_decimals,
            deposit_min: 1,
            confirmations: 2,
            large_from: Amount::ZERO,
            large_confirmations: 0,
        })));
    }
    books
}

#[test]
fn assets_of_the_chain_have_the_ledgers_names_and_the_chains_decimals() {
    let mut books = books(None);
    let listed = |asset, symbol: &str| AssetListed {
        asset: AssetId::new(asset),
        symbol: Text::new(symbol.as_bytes()).unwrap(),
        ledger_decimals: 6,
    };
    for (asset, symbol) in [(1, "LTC"), (3, "USD")] {
        books.apply(&Event::AssetListed(listed(asset, symbol)));
    }
    let named = books.named();
    let ltc = Named { symbol: Text::new(b"LTC").unwrap(), decimals: 8 };
    assert_eq!((named.len(), named.get(&COIN), named[&TOKEN].decimals), (2, Some(&ltc), 6));
}

fn hash(number: u8) -> ChainHash {
    ChainHash([number; 32])
}

fn deposit(number: u8, index: u32, asset: AssetId, amount: u128, height: u64, stage: DepositStage) -> Event {
    Event::DepositChanged(Box::new(DepositChanged {
        account: AccountId::new(1),
        chain: CHAIN,
        tx: hash(number),
        output: 0,
        index,
        asset,
        amount,
        stage,
        block: ChainHash::default(),
        height,
        confirmations: 1,
        required: 2,
        credited: Amount::ZERO,
        dust: 0,
        is_reverted: false,
    }))
}

fn row(number: u64, asset: AssetId, units: i64, purpose: WithdrawalPurpose) -> WithdrawalChanged {
    WithdrawalChanged {
        withdrawal: WithdrawalId::new(number),
        account: AccountId::new(1),
        chain: CHAIN,
        asset,
        address: Text::new(b"there").unwrap(),
        name: ClientOrderId::EMPTY,
        amount: Amount::new(units).unwrap(),
        fee: Amount::ZERO,
        stage: WithdrawalStage::Held,
        cause: WithdrawalCause::None,
        requested_at: Timestamp::ZERO,
        ready_at: Timestamp::ZERO,
        changed_at: Timestamp::ZERO,
        approvals_missing: 0,
        attempts: 0,
        tx: ChainHash::default(),
        block: ChainHash::default(),
        height: 0,
        confirmations: 0,
        required: 2,
        network_fee: 0,
        house_held: Amount::ZERO,
        is_undone: false,
        is_reverted: false,
        purpose,
        key: 0,
        parent: WithdrawalId::default(),
        batch: WithdrawalId::default(),
    }
}

/// The ledger has it, and these bytes of it, which pay so much.
fn sign(books: &mut Books, row: &WithdrawalChanged, tx: ChainHash, network_fee: u128, bytes: Vec<u8>) {
    let WithdrawalChanged { withdrawal, .. } = *row;
    books.apply(&Event::WithdrawalChanged(Box::new(*row)));
    let (attempt, inputs) = (1, ChainInputs::EMPTY);
    let allocated = WithdrawalAllocated {
        chain: CHAIN,
        withdrawal,
        attempt,
        inputs,
        nonce: 0,
        network_fee,
        gas_limit: 0,
        tip_per_gas: 0,
    };
    books.apply(&Event::WithdrawalAllocated(Box::new(allocated)));
    let bytes = TransactionBytes::new(bytes).unwrap();
    books.apply(&Event::WithdrawalSigned(Box::new(WithdrawalSigned { chain: CHAIN, withdrawal, attempt, tx, bytes })));
}

fn due(expected: &Expected, asset: AssetId) -> (i128, i128) {
    let due = expected.due[&asset];
    (due.booked, due.in_flight)
}

fn expected_of(books: &Books, height: u64, mined: &BTreeMap<ChainHash, Mined>) -> Expected {
    books.expected(height, mined).expect("a block that is not too deep")
}

fn spend(inputs: &[u8], outputs: &[(&[u8], u64)]) -> (ChainHash, Vec<u8>) {
    let input = |number: &u8| TxIn {
        previous_output: Point { txid: Txid::from_byte_array([*number; 32]), vout: 0 },
        ..TxIn::default()
    };
    let output = |(script, value): &(&[u8], u64)| TxOut {
        value: Coins::from_sat(*value),
        script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
    };
    let tx = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    };
    (ChainHash(tx.compute_txid().to_byte_array()), serialize(&tx))
}

#[test]
fn what_counts_is_the_block_that_has_it_and_not_what_the_ledger_thinks_of_it() {
    use DepositStage::{Confirmed, Credited, Included, Orphaned, Quarantined};
    let mut books = books(Some(OWN));
    for (number, height, stage) in [
        (1, 10, Credited),
        (2, 11, Credited),
        (3, 10, Included),
        (4, 10, Confirmed),
        (5, 10, Orphaned),
        (6, 9, Quarantined),
    ] {
        books.apply(&deposit(number, 1, COIN, 1_000, height, stage));
    }
    // At 10 the second credit is not there yet, and two are that are not booked.
    let expected = expected_of(&books, 10, &BTreeMap::new());
    assert_eq!(due(&expected, COIN), (2_000, 1_000));
    let coins: Vec<u8> = expected.coins.keys().map(|(tx, _)| tx.0[0]).collect();
    assert_eq!(coins, [1, 3, 4]);
    assert_eq!(due(&expected_of(&books, 11, &BTreeMap::new()), COIN), (2_000, 2_000));
    assert_eq!(due(&expected_of(&books, 9, &BTreeMap::new()), COIN), (2_000, -2_000));
}

#[test]
fn a_payment_takes_its_inputs_when_its_block_is_final_and_its_change_is_ours() {
    let mut books = books(Some(OWN));
    books.apply(&deposit(1, 1, COIN, 100_000, 10, DepositStage::Credited));
    let payment = row(1, COIN, 300, WithdrawalPurpose::Payment);
    let (tx, bytes) = spend(&[1], &[(COLD, 30_000), (OWN, 69_000)]);
    sign(&mut books, &payment, tx, 1_000, bytes);
    let before = expected_of(&books, 12, &BTreeMap::new());
    assert_eq!((due(&before, COIN), before.coins.len()), ((100_000, 0), 1), "signed is not gone");
    // The followed chain has it, and nobody has told the ledger.
    let mined = BTreeMap::from([(tx, Mined { height: 12, network_fee: 1_000, is_undone: false })]);
    let followed = expected_of(&books, 12, &mined);
    assert_eq!(due(&followed, COIN), (100_000, -31_000));
    assert_eq!(followed.coins, BTreeMap::from([((tx, 1), 69_000)]));
    assert_eq!(due(&expected_of(&books, 11, &mined), COIN), (100_000, 0));
    // The ledger has booked it before its block is final, and the chain has forgotten nothing of it.
    let settled = WithdrawalChanged { stage: WithdrawalStage::Settled, tx, height: 12, network_fee: 1_000, ..payment };
    books.apply(&Event::WithdrawalChanged(Box::new(settled)));
    assert_eq!(due(&expected_of(&books, 11, &BTreeMap::new()), COIN), (69_000, 31_000));
    assert_eq!(due(&expected_of(&books, 12, &BTreeMap::new()), COIN), (69_000, 0));
    // The chain takes it back: its inputs are there again, and the books do not change.
    books.apply(&Event::WithdrawalChanged(Box::new(WithdrawalChanged { is_reverted: true, ..settled })));
    let reverted = expected_of(&books, 12, &BTreeMap::new());
    assert_eq!((due(&reverted, COIN), reverted.coins.len()), ((69_000, 31_000), 1));
}

#[test]
fn sweeps_and_the_way_to_the_cold_address_cost_their_fee_and_nothing_else() {
    let mut books = books(Some(OWN));
    for number in [1, 2] {
        books.apply(&deposit(number, 1, COIN, 50_000, 10, DepositStage::Credited));
    }
    let sweep = row(1, COIN, 1_000, WithdrawalPurpose::Sweep);
    let (swept, bytes) = spend(&[1, 2], &[(OWN, 99_500)]);
    sign(&mut books, &sweep, swept, 500, bytes);
    let ended = WithdrawalChanged { stage: WithdrawalStage::Settled, tx: swept, height: 11, network_fee: 500, ..sweep };
    books.apply(&Event::WithdrawalChanged(Box::new(ended)));
    let expected = expected_of(&books, 11, &BTreeMap::new());
    assert_eq!((due(&expected, COIN), expected.coins), ((99_500, 0), BTreeMap::from([((swept, 0), 99_500)])));

    let cold = row(2, COIN, 400, WithdrawalPurpose::Cold);
    let mut tx: Transaction = deserialize(&spend(&[1], &[(COLD, 40_000), (OWN, 59_000)]).1).unwrap();
    tx.input[0].previous_output = Point { txid: Txid::from_byte_array(swept.0), vout: 0 };
    let moved = ChainHash(tx.compute_txid().to_byte_array());
    sign(&mut books, &cold, moved, 500, serialize(&tx));
    let mined = BTreeMap::from([(moved, Mined { height: 12, network_fee: 500, is_undone: false })]);
    let expected = expected_of(&books, 12, &mined);
    assert_eq!(due(&expected, COIN), (99_500, -500), "at the cold address it is ours");
    assert_eq!(expected.coins, BTreeMap::from([((moved, 0), 40_000), ((moved, 1), 59_000)]));
}

#[test]
fn a_child_takes_its_parents_change_and_costs_its_fee_in_the_block_that_has_it() {
    let mut books = books(Some(OWN));
    books.apply(&deposit(1, 1, COIN, 50_000, 10, DepositStage::Credited));
    let payment = row(1, COIN, 200, WithdrawalPurpose::Payment);
    let (paid, bytes) = spend(&[1], &[(THERE, 20_000), (OWN, 29_000)]);
    sign(&mut books, &payment, paid, 1_000, bytes);
    let child = WithdrawalChanged { parent: payment.withdrawal, ..row(2, COIN, 290, WithdrawalPurpose::Child) };
    let mut tx: Transaction = deserialize(&spend(&[1], &[(OWN, 26_000)]).1).unwrap();
    tx.input[0].previous_output = Point { txid: Txid::from_byte_array(paid.0), vout: 1 };
    let helped = ChainHash(tx.compute_txid().to_byte_array());
    sign(&mut books, &child, helped, 3_000, serialize(&tx));
    let mined = |of: &[(ChainHash, u128)]| {
        let at = |(tx, network_fee): &(ChainHash, u128)| {
            (*tx, Mined { height: 12, network_fee: *network_fee, is_undone: false })
        };
        of.iter().map(at).collect::<BTreeMap<_, _>>()
    };
    // The parent alone, then both.
    let expected = expected_of(&books, 12, &mined(&[(paid, 1_000)]));
    assert_eq!((due(&expected, COIN), expected.coins), ((50_000, -21_000), BTreeMap::from([((paid, 1), 29_000)])));
    let expected = expected_of(&books, 12, &mined(&[(paid, 1_000), (helped, 3_000)]));
    assert_eq!((due(&expected, COIN), expected.coins), ((50_000, -24_000), BTreeMap::from([((helped, 0), 26_000)])));
    // Booked, whichever first.
    let settled = |row: WithdrawalChanged, tx, network_fee| {
        let ended = WithdrawalChanged { stage: WithdrawalStage::Settled, tx, height: 12, network_fee, ..row };
        Event::WithdrawalChanged(Box::new(ended))
    };
    books.apply(&settled(child, helped, 3_000));
    let expected = expected_of(&books, 12, &mined(&[(paid, 1_000)]));
    assert_eq!(due(&expected, COIN), (47_000, -21_000));
    books.apply(&settled(payment, paid, 1_000));
    let expected = expected_of(&books, 12, &BTreeMap::new());
    assert_eq!((due(&expected, COIN), expected.coins), ((26_000, 0), BTreeMap::from([((helped, 0), 26_000)])));
    // An orphan is nowhere, though it was seen in a block before.
    let (stage, cause) = (WithdrawalStage::Failed, WithdrawalCause::Orphaned);
    let orphan = WithdrawalChanged { stage, cause, tx: helped, height: 12, ..child };
    books.apply(&Event::WithdrawalChanged(Box::new(orphan)));
    let expected = expected_of(&books, 12, &BTreeMap::new());
    assert_eq!((due(&expected, COIN), expected.coins), ((29_000, 0), BTreeMap::from([((paid, 1), 29_000)])));
}

#[test]
fn a_batch_takes_what_its_members_get_once_and_its_fee() {
    let mut books = books(Some(OWN));
    books.apply(&deposit(1, 1, COIN, 100_000, 10, DepositStage::Credited));
    let members = [(1, 300), (2, 200)].map(|(number, units)| row(number, COIN, units, WithdrawalPurpose::Payment));
    let told = |row: WithdrawalChanged| Event::WithdrawalChanged(Box::new(row));
    for row in &members {
        books.apply(&told(*row));
    }
    let batch = row(3, COIN, 500, WithdrawalPurpose::Batch);
    books.apply(&told(batch));
    let together = |row: &WithdrawalChanged| WithdrawalChanged { batch: batch.withdrawal, ..*row };
    for row in &members {
        books.apply(&told(together(row)));
    }
    let (tx, bytes) = spend(&[1], &[(THERE, 30_000), (THERE, 20_000), (OWN, 49_000)]);
    sign(&mut books, &batch, tx, 1_000, bytes);
    let mined = BTreeMap::from([(tx, Mined { height: 12, network_fee: 1_000, is_undone: false })]);
    let expected = expected_of(&books, 12, &mined);
    assert_eq!((due(&expected, COIN), expected.coins), ((100_000, -51_000), BTreeMap::from([((tx, 2), 49_000)])));
    let (stage, height) = (WithdrawalStage::Settled, 12);
    books.apply(&told(WithdrawalChanged { stage, tx, height, network_fee: 1_000, ..batch }));
    for member in &members {
        books.apply(&told(WithdrawalChanged { stage, tx, height, ..together(member) }));
    }
    assert_eq!(due(&expected_of(&books, 12, &BTreeMap::new()), COIN), (49_000, 0));
    // The chain takes it back, and it is told of all of them.
    books.apply(&told(WithdrawalChanged { stage, tx, height, network_fee: 1_000, is_reverted: true, ..batch }));
    for member in &members {
        books.apply(&told(WithdrawalChanged { stage, tx, height, is_reverted: true, ..together(member) }));
    }
    assert_eq!(due(&expected_of(&books, 12, &BTreeMap::new()), COIN), (49_000, 51_000));
}

#[test]
fn accounts_have_what_came_and_went_one_by_one() {
    let mut books = books(None);
    books.apply(&deposit(1, 4, TOKEN, 700, 10, DepositStage::Credited));
    let gas = WithdrawalChanged { key: 4, ..row(1, COIN, 3, WithdrawalPurpose::Gas) };
    let sweep = WithdrawalChanged { key: 4, ..row(2, TOKEN, 700, WithdrawalPurpose::Sweep) };
    let undone = row(3, TOKEN, 50, WithdrawalPurpose::Payment);
    let paid = row(4, TOKEN, 60, WithdrawalPurpose::Payment);
    let cold = row(5, TOKEN, 40, WithdrawalPurpose::Cold);
    let mut mined = BTreeMap::new();
    for (row, network_fee, is_undone) in
        [(gas, 21, false), (sweep, 90, false), (undone, 80, true), (paid, 70, false), (cold, 60, false)]
    {
        let tx = hash(100 + row.withdrawal.get() as u8);
        sign(&mut books, &row, tx, 1_000, vec![1]);
        mined.insert(tx, Mined { height: 20, network_fee, is_undone });
    }
    let expected = expected_of(&books, 20, &mined);
    let at = |place, asset| expected.places[&place].get(&asset).copied().unwrap_or(0);
    assert_eq!((at(Place::Key(4), COIN), at(Place::Key(4), TOKEN)), (300 - 90, 0));
    assert_eq!((at(Place::Key(0), COIN), at(Place::Key(0), TOKEN)), (-300 - 21 - 80 - 70 - 60, 700 - 60 - 40));
    assert_eq!(at(Place::Cold(paid.address), TOKEN), 40);
    assert_eq!((due(&expected, COIN), due(&expected, TOKEN)), ((0, -321), (700, -60)));
    // What the chain has undone is booked as its fee alone.
    let tx = hash(103);
    let (stage, cause) = (WithdrawalStage::Failed, WithdrawalCause::Undone);
    let ended = WithdrawalChanged { stage, cause, tx, height: 20, network_fee: 80, is_undone: true, ..undone };
    books.apply(&Event::WithdrawalChanged(Box::new(ended)));
    assert_eq!(due(&expected_of(&books, 20, &mined), COIN), (-80, -241));
}

#[test]
fn what_operators_declare_is_due_and_what_they_credit_is_owed_alone() {
    let mut books = books(None);
    let (account, asset) = (AccountId::new(1), COIN);
    books.apply(&Event::Credited(Credited { account, asset, amount: Amount::new(9).unwrap() }));
    books.apply(&Event::Debited(Debited { account, asset, amount: Amount::new(2).unwrap() }));
    assert_eq!((books.owed(COIN), due(&expected_of(&books, 1, &BTreeMap::new()), COIN)), (700, (0, 0)));
    let declared = ReservesChanged {
        chain: CHAIN,
        asset,
        standing: ReservesStanding::Whole,
        position: wire::LogPosition::ZERO,
        block: ChainHash::default(),
        height: 0,
        held: 0,
        due: 0,
        brought: 5,
        since: 3,
    };
    books.apply(&Event::ReservesChanged(Box::new(declared)));
    assert_eq!(expected_of(&books, 2, &BTreeMap::new()).due[&COIN].brought, 0, "it is not there yet");
    let expected = expected_of(&books, 3, &BTreeMap::new());
    assert_eq!((expected.due[&COIN].brought, expected.places[&Place::Key(0)][&COIN]), (5, 5));
}

#[test]
fn one_that_an_operator_has_failed_is_gone_when_the_chain_has_it_all_the_same() {
    let mut books = books(Some(OWN));
    books.apply(&deposit(1, 1, COIN, 100_000, 10, DepositStage::Credited));
    let payment = row(1, COIN, 300, WithdrawalPurpose::Payment);
    let (tx, bytes) = spend(&[1], &[(COLD, 30_000), (OWN, 69_000)]);
    sign(&mut books, &payment, tx, 1_000, bytes);
    let (stage, cause) = (WithdrawalStage::Failed, WithdrawalCause::Operator);
    let failed = WithdrawalChanged { stage, cause, ..payment };
    books.apply(&Event::WithdrawalChanged(Box::new(failed)));
    assert_eq!(due(&expected_of(&books, 12, &BTreeMap::new()), COIN), (100_000, 0));
    let there = WithdrawalChanged { is_reverted: true, tx, height: 12, ..failed };
    books.apply(&Event::WithdrawalChanged(Box::new(there)));
    let expected = expected_of(&books, 12, &BTreeMap::new());
    assert_eq!((due(&expected, COIN), expected.coins.len()), ((100_000, -31_000), 1));
}

/// Both hear the same; one folds what is deep.
struct Pair {
    folding: Books,
    keeping: Books,
}

impl Pair {
    fn new(own: Option<&[u8]>, depth: u64) -> Pair {
        let (mut folding, mut keeping) = (books(own), books(own));
        (folding.depth, keeping.depth) = (depth, u64::MAX);
        Pair { folding, keeping }
    }

    fn hear(&mut self, event: &Event) {
        self.folding.apply(event);
        self.keeping.apply(event);
    }

    fn sign(&mut self, row: &WithdrawalChanged, tx: ChainHash, network_fee: u128, bytes: &[u8]) {
        sign(&mut self.folding, row, tx, network_fee, bytes.to_vec());
        sign(&mut self.keeping, row, tx, network_fee, bytes.to_vec());
    }

    /// To the last unit, whatever is asked for that is not too deep. How many rows the one that folds has.
    fn check(&self, height: u64) -> usize {
        let expected = |books| {
            let mut expected = expected_of(books, height, &BTreeMap::new());
            expected.places.values_mut().for_each(|assets| assets.retain(|_, units| *units != 0));
            expected.places.retain(|_, assets| !assets.is_empty());
            expected
        };
        let (folding, keeping) = (expected(&self.folding), expected(&self.keeping));
        assert_eq!((folding.due, folding.coins, folding.places), (keeping.due, keeping.coins, keeping.places));
        self.folding.deposits.len() + self.folding.leaving.len()
    }
}

/// Deposits come, payments, sweeps and the way to the cold address go, one after another for ten thousand blocks.
#[test]
fn books_of_outputs_do_not_grow_with_what_is_settled_and_stay_exact() {
    let mut pair = Pair::new(Some(OWN), 200);
    let (mut coins, mut rows, mut number) = (Vec::new(), 0, 0_u64);
    let own_script = ScriptBuf::from_bytes(OWN.to_vec());
    for height in 1..=10_000_u64 {
        let mut tx = [7; 32];
        tx[..8].copy_from_slice(&height.to_le_bytes());
        let Event::DepositChanged(mut deposit) = deposit(1, 1, COIN, 50_000, height, DepositStage::Credited) else {
            unreachable!("a deposit")
        };
        deposit.tx = ChainHash(tx);
        // Some are put aside, and some are reported twice.
        if height % 50 == 0 {
            let stage = DepositStage::Quarantined;
            pair.hear(&Event::DepositChanged(Box::new(DepositChanged { stage, ..*deposit })));
            continue;
        }
        let stage = DepositStage::Included;
        pair.hear(&Event::DepositChanged(Box::new(DepositChanged { stage, ..*deposit })));
        pair.hear(&Event::DepositChanged(deposit));
        coins.push((Txid::from_byte_array(tx), 0, 50_000));
        if coins.len() < 3 {
            continue;
        }
        number += 1;
        let purposes = [WithdrawalPurpose::Payment, WithdrawalPurpose::Sweep, WithdrawalPurpose::Cold];
        let purpose = purposes[number as usize % 3];
        let spent: Vec<_> = coins.drain(..2 + number as usize % 2).collect();
        let total: u64 = spent.iter().map(|(_, _, value)| value).sum();
        let out = if purpose == WithdrawalPurpose::Sweep { 0 } else { 30_000 };
        let change = total - out - 500;
        let mut outputs = vec![TxOut { value: Coins::from_sat(change), script_pubkey: own_script.clone() }];
        if out > 0 {
            let script_pubkey = ScriptBuf::from_bytes(COLD.to_vec());
            outputs.push(TxOut { value: Coins::from_sat(out), script_pubkey });
        }
        let input = |(txid, vout, _): &(Txid, u32, u64)| TxIn {
            previous_output: Point { txid: *txid, vout: *vout },
            ..TxIn::default()
        };
        let made = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: spent.iter().map(input).collect(),
            output: outputs,
        };
        let txid = made.compute_txid();
        let row = row(number, COIN, 300, purpose);
        let tx = ChainHash(txid.to_byte_array());
        pair.sign(&row, tx, 500, &serialize(&made));
        let stage = WithdrawalStage::Settled;
        let settled = WithdrawalChanged { stage, tx, height, network_fee: 500, ..row };
        pair.hear(&Event::WithdrawalChanged(Box::new(settled)));
        coins.push((txid, 0, change));
        if height % 97 == 0 {
            rows = pair.check(height).max(rows);
            pair.check(height.saturating_sub(150).max(pair.folding.folded.to));
        }
    }
    assert!(pair.keeping.deposits.len() + pair.keeping.leaving.len() > 14_000 && rows < 450, "{rows}");
    assert!(pair.folding.expected(9_000, &BTreeMap::new()).is_none(), "nobody knows that any more");
}

#[test]
fn books_of_accounts_do_not_grow_with_what_is_settled_and_stay_exact() {
    let mut pair = Pair::new(None, 200);
    let mut rows = 0;
    for height in 1..=10_000_u64 {
        let (index, mut tx) = (height as u32 % 30 + 1, [7; 32]);
        tx[..8].copy_from_slice(&height.to_le_bytes());
        let asset = if height % 3 == 0 { TOKEN } else { COIN };
        let event = deposit(1, index, asset, 700_000 + u128::from(height % 100), height, DepositStage::Credited);
        let Event::DepositChanged(mut deposit) = event else { unreachable!("a deposit") };
        deposit.tx = ChainHash(tx);
        pair.hear(&Event::DepositChanged(deposit));
        let purposes =
            [WithdrawalPurpose::Payment, WithdrawalPurpose::Sweep, WithdrawalPurpose::Cold, WithdrawalPurpose::Gas];
        let purpose = purposes[height as usize % 4];
        let key = if matches!(purpose, WithdrawalPurpose::Sweep | WithdrawalPurpose::Gas) { index } else { 0 };
        let asset = if purpose == WithdrawalPurpose::Gas { COIN } else { asset };
        let row = WithdrawalChanged { key, ..row(height, asset, 40 + (height % 7) as i64, purpose) };
        tx[31] = 9;
        pair.sign(&row, ChainHash(tx), 1_000, &[1]);
        let is_undone = height % 11 == 0;
        let (stage, cause) = if is_undone {
            (WithdrawalStage::Failed, WithdrawalCause::Undone)
        } else {
            (WithdrawalStage::Settled, WithdrawalCause::None)
        };
        let ended = WithdrawalChanged { stage, cause, tx: ChainHash(tx), height, network_fee: 21, is_undone, ..row };
        pair.hear(&Event::WithdrawalChanged(Box::new(ended)));
        if height % 97 == 0 {
            rows = pair.check(height).max(rows);
        }
    }
    assert!(pair.keeping.deposits.len() + pair.keeping.leaving.len() == 20_000 && rows < 500, "{rows}");
}

/// A chain that takes back what lay so deep is exact again where accounts are; where outputs are, what is due is.
#[test]
fn what_is_taken_back_from_below_is_out_of_the_sum_again() {
    for own in [None, Some(OWN)] {
        let mut pair = Pair::new(own, 10);
        let Event::DepositChanged(credited) = deposit(1, 4, COIN, 100_000, 10, DepositStage::Credited) else {
            unreachable!("a deposit")
        };
        let later = deposit(2, 4, COIN, 70_000, 11, DepositStage::Credited);
        pair.hear(&Event::DepositChanged(credited.clone()));
        pair.hear(&later);
        let payment = row(1, COIN, 300, WithdrawalPurpose::Payment);
        let (tx, bytes) = spend(&[1], &[(COLD, 30_000), (OWN, 69_000)]);
        pair.sign(&payment, tx, 1_000, &bytes);
        let stage = WithdrawalStage::Settled;
        let settled = WithdrawalChanged { stage, tx, height: 12, network_fee: 1_000, ..payment };
        pair.hear(&Event::WithdrawalChanged(Box::new(settled)));
        pair.hear(&deposit(3, 4, COIN, 5, 100, DepositStage::Credited));
        assert_eq!(pair.check(100), 1, "but for the last all of it is a sum");

        for is_reverted in [true, false, true] {
            let told = WithdrawalChanged { is_reverted, ..settled };
            pair.hear(&Event::WithdrawalChanged(Box::new(told)));
            let told = DepositChanged { is_reverted, ..*credited };
            pair.hear(&Event::DepositChanged(Box::new(told)));
            if own.is_none() {
                pair.check(100);
            } else {
                let of = |books| expected_of(books, 100, &BTreeMap::new());
                let (folding, keeping) = (of(&pair.folding), of(&pair.keeping));
                // What is due is exact; outputs that are looked for and are not there count for nothing.
                assert_eq!(due(&folding, COIN), due(&keeping, COIN));
            }
        }
    }
}
