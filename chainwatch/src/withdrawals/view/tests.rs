use wire::{AccountId, ChainInput, ChainInputs, ClientOrderId, TransactionBytes};

use super::*;
use wire::event::WithdrawalSigned;

pub(in crate::withdrawals) const CHAIN: ChainId = ChainId::new(1);
const DAY_NS: u64 = 24 * 3_600 * 1_000_000_000;

fn tx(number: u64) -> ChainHash {
    let mut hash = [1; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    ChainHash(hash)
}

pub(in crate::withdrawals) fn row(number: u64, purpose: WithdrawalPurpose, key: u32) -> WithdrawalChanged {
    WithdrawalChanged {
        withdrawal: WithdrawalId::new(number),
        account: AccountId::new(1),
        chain: CHAIN,
        asset: AssetId::new(1),
        address: ChainAddress::EMPTY,
        name: ClientOrderId::EMPTY,
        amount: Amount::ZERO,
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
        parent: WithdrawalId::default(),
        batch: WithdrawalId::default(),
        purpose,
        key,
    }
}

/// It has inputs or a nonce, and a transaction.
fn signed(view: &mut View, row: &WithdrawalChanged, inputs: ChainInputs, nonce: u64) {
    let withdrawal = row.withdrawal;
    view.apply(&Event::WithdrawalChanged(Box::new(*row)));
    view.apply(&Event::WithdrawalAllocated(Box::new(WithdrawalAllocated {
        chain: CHAIN,
        withdrawal,
        attempt: 1,
        inputs,
        nonce,
        network_fee: 1,
        gas_limit: 1,
        tip_per_gas: 0,
    })));
    let (attempt, tx, bytes) = (1, tx(withdrawal.get()), TransactionBytes::new(vec![1]).unwrap());
    view.apply(&Event::WithdrawalSigned(Box::new(WithdrawalSigned { chain: CHAIN, withdrawal, attempt, tx, bytes })));
}

fn ended(row: &WithdrawalChanged, stage: WithdrawalStage, cause: WithdrawalCause, height: u64) -> Event {
    let (tx, changed_at) = (tx(row.withdrawal.get()), Timestamp::from_nanos(height));
    Event::WithdrawalChanged(Box::new(WithdrawalChanged { stage, cause, height, tx, changed_at, ..*row }))
}

#[test]
fn a_view_does_not_grow_with_what_is_settled_and_gives_no_nonce_away_twice() {
    let mut view = View::new(CHAIN);
    let mut rows = 0;
    for number in 1..=20_000_u64 {
        // From two accounts in turn, each with nonces of its own.
        let (sender, nonce) = ((number % 2) as u32, number / 2);
        let purpose = if sender == 0 { WithdrawalPurpose::Payment } else { WithdrawalPurpose::Sweep };
        let row = row(number, purpose, sender);
        signed(&mut view, &row, ChainInputs::EMPTY, nonce);
        view.apply(&ended(&row, WithdrawalStage::Settled, WithdrawalCause::None, number));
        view.forget_below(Height(number.saturating_sub(100)), Timestamp::from_nanos(number));
        rows = rows.max(view.rows());
        if number % 500 == 0 {
            assert!((0..=nonce).all(|used| !view.is_free(Spend::Nonce(sender, used), None)));
            assert!(view.is_free(Spend::Nonce(sender, nonce + 1), None));
            assert!(view.is_free(Spend::Nonce(7, 0), None), "of another account nothing is used");
        }
    }
    assert!(rows < 320, "{rows}");
}

#[test]
fn what_an_operator_has_failed_is_remembered_as_long_as_by_the_ledger() {
    let mut view = View::new(CHAIN);
    let coin = ChainInput { tx: tx(900), output: 0, amount: 5, key: 0 };
    let row = row(1, WithdrawalPurpose::Payment, 0);
    signed(&mut view, &row, ChainInputs::new(&[coin]).unwrap(), 0);
    view.apply(&ended(&row, WithdrawalStage::Failed, WithdrawalCause::Operator, 0));
    view.forget_below(Height(1_000), Timestamp::from_nanos(30 * DAY_NS - 1));
    assert!(view.get(row.withdrawal).is_some() && !view.is_free(Spend::Output(coin.tx, 0), None));
    assert!(!view.is_settled(tx(1)), "nobody spends what it may yet make");
    view.forget_below(Height(1_000), Timestamp::from_nanos(30 * DAY_NS));
    assert!(view.get(row.withdrawal).is_none() && view.rows() == 0);
}

#[test]
fn what_is_not_over_is_never_forgotten() {
    let mut view = View::new(CHAIN);
    let row = row(1, WithdrawalPurpose::Payment, 0);
    signed(&mut view, &row, ChainInputs::EMPTY, 3);
    let stage = WithdrawalStage::Mined;
    view.apply(&Event::WithdrawalChanged(Box::new(WithdrawalChanged { stage, height: 5, ..row })));
    view.forget_below(Height(u64::MAX), Timestamp::from_nanos(u64::MAX));
    assert!(view.get(row.withdrawal).is_some());
}

#[test]
fn a_batch_has_its_outputs_when_all_its_members_are_known_as_the_ledger_has_them() {
    let mut view = View::new(CHAIN);
    let (asset, contract) = (AssetId::new(1), ChainAddress::EMPTY);
    let symbol = Symbol::new(b"LTC").unwrap();
    view.apply(&Event::AssetListed(wire::event::AssetListed { asset, symbol, ledger_decimals: 6 }));
    view.apply(&Event::ChainAssetListed(Box::new(ChainAssetListed {
        chain: CHAIN,
        asset,
        contract,
        chain_decimals: 8,
        deposit_min: 1,
        confirmations: 2,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    })));
    let of = |number: u64, units: i64| WithdrawalChanged {
        amount: Amount::new(units).unwrap(),
        ..row(number, WithdrawalPurpose::Payment, 0)
    };
    let mut tell = |row: WithdrawalChanged| {
        view.apply(&Event::WithdrawalChanged(Box::new(row)));
        let batch = view.get(WithdrawalId::new(4)).map(|known| known.row);
        batch
            .and_then(|batch| view.outputs(&batch))
            .map(|outputs| outputs.iter().map(|output| (output.withdrawal.get(), output.amount)).collect::<Vec<_>>())
    };
    let members = [of(1, 3), of(2, 5), of(3, 7)];
    members.into_iter().for_each(|row| assert_eq!(tell(row), None));
    let batch = WithdrawalChanged { purpose: WithdrawalPurpose::Batch, ..of(4, 15) };
    let together = |row: WithdrawalChanged| WithdrawalChanged { batch: batch.withdrawal, ..row };
    assert_eq!(tell(batch), None, "its members are told after it");
    assert_eq!(tell(together(members[0])), None);
    assert_eq!(tell(together(members[1])), None);
    assert_eq!(tell(together(members[2])), Some(vec![(1, 300), (2, 500), (3, 700)]));
    // One leaves: that is told first, and then of how much the batch is.
    let left = WithdrawalChanged { stage: WithdrawalStage::Canceled, ..members[1] };
    assert_eq!(tell(left), None);
    assert_eq!(tell(WithdrawalChanged { amount: Amount::new(10).unwrap(), ..batch }), Some(vec![(1, 300), (3, 700)]));
    // Of a batch that is over no member is kept.
    let stage = WithdrawalStage::Settled;
    tell(WithdrawalChanged { stage, amount: Amount::new(10).unwrap(), ..batch });
    for at in [0, 2] {
        tell(WithdrawalChanged { stage, ..together(members[at]) });
    }
    assert_eq!(view.rows(), 0);
}
