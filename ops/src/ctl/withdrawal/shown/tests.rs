use wire::event::{ChainFrozen, ChainListed, WithdrawalSigned};
use wire::{
    AccountId, Amount, AssetId, ChainAddress, ChainHash, ChainId, ClientOrderId, Event, TransactionBytes, WithdrawalId,
};

use super::*;
use crate::chainwatch::{ChainStatus, WithdrawalStatus};

const CHAIN: ChainId = ChainId::new(1);

fn row(id: u64, parent: u64, stage: WithdrawalStage) -> WithdrawalChanged {
    WithdrawalChanged {
        withdrawal: WithdrawalId::new(id),
        account: AccountId::new(1),
        chain: CHAIN,
        asset: AssetId::new(1),
        address: ChainAddress::EMPTY,
        name: ClientOrderId::EMPTY,
        amount: Amount::ZERO,
        fee: Amount::ZERO,
        stage,
        cause: WithdrawalCause::None,
        requested_at: Timestamp::ZERO,
        ready_at: Timestamp::ZERO,
        changed_at: Timestamp::ZERO,
        approvals_missing: 0,
        attempts: 1,
        tx: ChainHash::default(),
        block: ChainHash::default(),
        height: 0,
        confirmations: 0,
        required: 2,
        network_fee: 0,
        house_held: Amount::ZERO,
        is_undone: false,
        is_reverted: false,
        purpose: if parent == 0 { WithdrawalPurpose::Payment } else { WithdrawalPurpose::Child },
        key: 0,
        parent: WithdrawalId::new(parent),
        batch: WithdrawalId::default(),
    }
}

/// A transaction of one input and so many outputs, as it lies in blocks.
fn transaction(outputs: u8) -> TransactionBytes {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.extend_from_slice(&[7; 32]);
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0xfd, 0xff, 0xff, 0xff, outputs]);
    for _ in 0..outputs {
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0x51]);
    }
    bytes.extend_from_slice(&[0; 4]);
    TransactionBytes::new(bytes).unwrap()
}

fn known(addresses: AddressFormat, outputs: u8) -> Inventory {
    let mut known = Inventory::default();
    let symbol = wire::Symbol::new(b"LTC").unwrap();
    let signed = |bytes| WithdrawalSigned {
        chain: CHAIN,
        withdrawal: WithdrawalId::new(1),
        attempt: 1,
        tx: ChainHash::default(),
        bytes,
    };
    for event in [
        Event::ChainListed(ChainListed { chain: CHAIN, symbol, lease_ms: 1_000, addresses }),
        Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Thawed }),
        Event::WithdrawalChanged(Box::new(row(1, 0, WithdrawalStage::Allocated))),
        Event::WithdrawalSigned(Box::new(signed(transaction(outputs)))),
        Event::WithdrawalChanged(Box::new(row(1, 0, WithdrawalStage::Stuck))),
    ] {
        known.withdrawing.apply(&event);
    }
    known
}

#[test]
fn what_is_stuck_says_who_pays_more_or_that_nothing_comes_back_to_pay_with() {
    let bitcoin = AddressFormat::litecoin_regtest();
    let says = |known: &Inventory| waits_for(known, &known.withdrawing.rows[&1], &Heard::default(), Timestamp::ZERO);
    let mut helped = known(bitcoin, 2);
    assert!(says(&helped).contains("it, or a child of it, will pay more"), "{}", says(&helped));
    for (stage, is_over) in [(WithdrawalStage::Mempool, false), (WithdrawalStage::Failed, true)] {
        helped.withdrawing.apply(&Event::WithdrawalChanged(Box::new(row(4, 1, stage))));
        assert_eq!(says(&helped).contains("its child, 4, pays for both"), !is_over, "{}", says(&helped));
    }
    let alone = known(bitcoin, 1);
    assert!(says(&alone).contains("nothing comes back of it"), "{}", says(&alone));
    assert!(says(&known(AddressFormat::Evm, 1)).ends_with("it will pay more"));
}

#[test]
fn a_batch_says_whom_it_pays_and_a_member_with_whom_it_goes() {
    let mut known = known(AddressFormat::litecoin_regtest(), 2);
    let batch = WithdrawalChanged { purpose: WithdrawalPurpose::Batch, ..row(4, 0, WithdrawalStage::Held) };
    let member = |id, stage| WithdrawalChanged { batch: batch.withdrawal, ..row(id, 0, stage) };
    let mut tell = |row: WithdrawalChanged| known.withdrawing.apply(&Event::WithdrawalChanged(Box::new(row)));
    tell(batch);
    for id in [1, 2, 3] {
        tell(member(id, WithdrawalStage::Held));
    }
    // One leaves, and the others are in a stranger's way.
    tell(row(2, 0, WithdrawalStage::Canceled));
    tell(WithdrawalChanged { stage: WithdrawalStage::Conflicted, ..batch });
    for id in [1, 3] {
        tell(member(id, WithdrawalStage::Conflicted));
    }
    let shown = one(&known, 4, &Heard::default(), Timestamp::ZERO).unwrap();
    assert!(shown.contains("withdrawals 1 and 3, by one transaction"), "{shown}");
    let shown = one(&known, 3, &Heard::default(), Timestamp::ZERO).unwrap();
    assert!(shown.contains("others, in withdrawal 4"), "{shown}");
    assert!(shown.contains("mainstay ctl withdrawal fail 4"), "{shown}");
    let table = list(&known, true, None).unwrap();
    assert!(table.contains("(batch)") && table.contains("withdrawals 1 and 3"), "{table}");
}

#[test]
fn a_batch_without_change_says_that_nothing_comes_back() {
    // Two outputs and two members: nothing is left. With one member the other output is the change.
    for (members, is_helped) in [(1, true), (2, false)] {
        let mut known = known(AddressFormat::litecoin_regtest(), 1);
        let stage = WithdrawalStage::Allocated;
        let batch = WithdrawalChanged { purpose: WithdrawalPurpose::Batch, ..row(9, 0, stage) };
        let mut tell = |event| known.withdrawing.apply(&event);
        tell(Event::WithdrawalChanged(Box::new(batch)));
        for id in 5..5 + members {
            let member = WithdrawalChanged { batch: batch.withdrawal, ..row(id, 0, stage) };
            tell(Event::WithdrawalChanged(Box::new(member)));
        }
        let (chain, withdrawal, bytes) = (CHAIN, batch.withdrawal, transaction(2));
        tell(Event::WithdrawalSigned(Box::new(WithdrawalSigned {
            chain,
            withdrawal,
            attempt: 1,
            tx: ChainHash::default(),
            bytes,
        })));
        let stuck = WithdrawalChanged { stage: WithdrawalStage::Stuck, ..batch };
        assert_eq!(
            waits_for(&known, &stuck, &Heard::default(), Timestamp::ZERO).contains("or a child of it"),
            is_helped,
            "{members}"
        );
    }
}

/// Whoever is at work on the chain, and says this of withdrawals.
fn at_work(frozen: Option<&str>, waiting: &[(u64, &str)]) -> Heard {
    let withdrawals = WithdrawalStatus {
        open: 1,
        for_operators: Vec::new(),
        waiting: waiting.iter().map(|(id, why)| (*id, why.to_string())).collect(),
        unknown_spendings: Vec::new(),
        hot: Vec::new(),
    };
    Heard::of(vec![ChainStatus {
        chain: "LTC".into(),
        id: Some(CHAIN.get()),
        role: "active".into(),
        fence: Some(1),
        head: None,
        finalized: None,
        frozen: frozen.map(str::to_owned),
        followed: None,
        withdrawals: Some(withdrawals),
        reserves: Vec::new(),
        assets: Vec::new(),
        nodes: Vec::new(),
    }])
}

#[test]
fn what_waits_says_what_chainwatch_says_of_it_or_of_its_batch() {
    let known = known(AddressFormat::litecoin_regtest(), 2);
    let in_batch = |stage, batch| WithdrawalChanged { batch: WithdrawalId::new(batch), ..row(1, 0, stage) };
    let (held, allocated, pooled) = (WithdrawalStage::Held, WithdrawalStage::Allocated, WithdrawalStage::Mempool);
    for (stage, batch, heard, wanted) in [
        (held, 0, Heard::default(), "--http"),
        (held, 0, Heard::of(Vec::new()), "none that answers is at work"),
        (held, 0, at_work(None, &[]), "comes to it in its turn"),
        (held, 0, at_work(None, &[(2, "nobody_says")]), "comes to it in its turn"),
        (held, 0, at_work(None, &[(1, "fee_above_cap")]), "a higher fee than its rules allow"),
        (held, 7, at_work(None, &[(7, "hot_wallet_too_low")]), "the hot wallet does not have enough"),
        (held, 0, at_work(Some("dissent"), &[]), "its chain is frozen: dissent"),
        (held, 0, at_work(None, &[(1, "the ledger refuses it: the account may withdraw nothing")]), "withdraw nothing"),
        (
            allocated,
            0,
            at_work(None, &[(1, "the signer does not answer")]),
            "waits for the signer: the signer does not",
        ),
        (allocated, 0, at_work(None, &[]), "is mainstay signer up?"),
        (pooled, 0, at_work(None, &[(1, "the ledger does not answer")]), "under way; the ledger does not answer"),
        (pooled, 0, at_work(None, &[]), "under way"),
    ] {
        let said = waits_for(&known, &in_batch(stage, batch), &heard, Timestamp::ZERO);
        assert!(said.contains(wanted), "{stage:?}: {said}");
    }
}

#[test]
fn only_a_time_that_is_still_to_come_is_waited_for() {
    let known = known(AddressFormat::litecoin_regtest(), 2);
    let ready_at = Timestamp::from_nanos(5_000_000_000);
    let held = WithdrawalChanged { ready_at, ..row(1, 0, WithdrawalStage::Held) };
    let said =
        |seconds: u64| waits_for(&known, &held, &at_work(None, &[]), Timestamp::from_nanos(seconds * 1_000_000_000));
    assert!(said(4).contains("1970-01-01 00:00:05"), "{}", said(4));
    assert!(!said(5).contains("1970"), "{}", said(5));
}
