//! A chain, and what is deposited and withdrawn on it.

use wire::event::{AddressBound, ChainAssetListed, ChainFrozen, ChainListed, DepositChanged, WithdrawalChanged};
use wire::{
    AddressFormat, Amount, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event, Timestamp,
    WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::{ALICE, BTC, amount, client_id, symbol};

pub(crate) const CHAIN: ChainId = ChainId::new(1);
pub(crate) const ADDRESS: &str = "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77v";

pub(crate) fn address(text: &str) -> ChainAddress {
    ChainAddress::new(text.as_bytes()).unwrap()
}

pub(crate) fn bound() -> Event {
    Event::AddressBound(Box::new(AddressBound { account: ALICE, chain: CHAIN, index: 1, address: address(ADDRESS) }))
}

/// A chain of eight decimals on which BTC is deposited with three confirmations.
pub(crate) fn listed() -> Vec<Event> {
    let asset = ChainAssetListed {
        chain: CHAIN,
        asset: BTC,
        contract: ChainAddress::EMPTY,
        chain_decimals: 8,
        deposit_min: 10_000,
        confirmations: 3,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    vec![
        Event::ChainListed(ChainListed {
            chain: CHAIN,
            symbol: symbol("BTC"),
            lease_ms: 1_500,
            addresses: AddressFormat::litecoin_regtest(),
        }),
        Event::ChainAssetListed(Box::new(asset)),
        Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Thawed }),
    ]
}

pub(crate) fn deposit(tx: u16, stage: DepositStage, confirmations: u32) -> Event {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&tx.to_le_bytes());
    Event::DepositChanged(Box::new(DepositChanged {
        account: ALICE,
        chain: CHAIN,
        tx: ChainHash(hash),
        output: 1,
        index: 1,
        asset: BTC,
        amount: 150_000_000,
        stage,
        block: ChainHash([9; 32]),
        height: 7,
        confirmations,
        required: 3,
        credited: Amount::ZERO,
        dust: 0,
        is_reverted: false,
    }))
}

/// A chain, Alice's address on it, and a deposit of hers.
pub(crate) fn deposited() -> Vec<Event> {
    listed().into_iter().chain([bound(), deposit(1, DepositStage::Included, 1)]).collect()
}

/// One BTC on its way to [`ADDRESS`], asked for at `asked_us`.
pub(crate) fn withdrawal(id: u64, name: &str, stage: WithdrawalStage, asked_us: u64) -> WithdrawalChanged {
    let at = Timestamp::from_nanos(asked_us * 1_000);
    WithdrawalChanged {
        withdrawal: WithdrawalId::new(id),
        account: ALICE,
        chain: CHAIN,
        asset: BTC,
        address: address(ADDRESS),
        name: client_id(name),
        amount: amount(10_000_000_000),
        fee: amount(10_000_000),
        stage,
        cause: WithdrawalCause::None,
        requested_at: at,
        ready_at: at,
        changed_at: at,
        approvals_missing: 0,
        attempts: 0,
        tx: ChainHash::default(),
        block: ChainHash::default(),
        height: 0,
        confirmations: 0,
        required: 6,
        network_fee: 0,
        house_held: Amount::ZERO,
        is_undone: false,
        is_reverted: false,
        purpose: WithdrawalPurpose::Payment,
        key: 0,
        parent: WithdrawalId::default(),
        batch: WithdrawalId::default(),
    }
}

pub(crate) fn withdrawal_told(row: WithdrawalChanged) -> Event {
    Event::WithdrawalChanged(Box::new(row))
}
