//! Samples of what is said about withdrawals, and the bounds of their bytes.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{ACCOUNT, AT, amount, command_bytes, text};
use crate::codec::CodecError;
use crate::codec::v1::decode_command;
use crate::command::*;
use crate::event::*;
use crate::*;

const CHAIN: ChainId = ChainId::new(2);
const ASSET: AssetId = AssetId::new(3);
const TX: ChainHash = ChainHash([0xa1; 32]);
const BLOCK: ChainHash = ChainHash([0xb2; 32]);
const ID: WithdrawalId = WithdrawalId::new(12);
const TO: &str = "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9";

fn rules() -> WithdrawalRules {
    WithdrawalRules {
        is_enabled: true,
        amount_min: amount(100_000),
        amount_max: amount(90_000_000_000),
        fee: amount(10_000),
        account_day_max: amount(100_000_000_000),
        day_max: amount(1_000_000_000_000),
        review_from: amount(50_000_000_000),
        approvals: 1,
        address_delay_s: 86_400,
        confirmations: 6,
        network_fee_max: 2_000_000,
        house: ACCOUNT,
    }
}

fn bounds() -> HotWalletBounds {
    HotWalletBounds {
        low: amount(1_000_000_000),
        high: amount(90_000_000_000),
        target: amount(40_000_000_000),
        sweep_from: amount(5_000_000),
        cold: text(TO),
    }
}

fn inputs() -> ChainInputs {
    let input = |output| ChainInput { tx: TX, output, amount: 5_000_000_000, key: 9 };
    ChainInputs::new(&[input(0), input(1)]).unwrap()
}

fn bytes(len: usize) -> TransactionBytes {
    TransactionBytes::new(vec![0x5a; len]).unwrap()
}

fn sign(len: usize) -> Command {
    let (fence, attempt) = (4, 1);
    Command::SignWithdrawal(Box::new(SignWithdrawal {
        chain: CHAIN,
        fence,
        withdrawal: ID,
        attempt,
        tx: TX,
        bytes: bytes(len),
    }))
}

/// One of each kind.
pub(super) fn loosenings() -> impl Iterator<Item = Loosening> {
    let (chain, asset, account) = (CHAIN, ASSET, ACCOUNT);
    let (address, is_allowed) = (text(TO), true);
    let (brought, since) = (-20_900, 2_600_001);
    [
        Loosening::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain, asset, rules: rules() })),
        Loosening::RestrictWithdrawals(RestrictWithdrawals { account, is_blocked: false, is_allow_listed: false }),
        Loosening::AllowAddress(Box::new(AllowAddress { account, chain, address, is_allowed })),
        Loosening::DeclareReserves(Box::new(DeclareReserves { chain, asset, brought, since })),
        Loosening::ThawReserves(ThawReserves { chain, asset }),
    ]
    .into_iter()
}

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain: CHAIN, asset: ASSET, rules: rules() })),
        Command::RestrictWithdrawals(RestrictWithdrawals {
            account: ACCOUNT,
            is_blocked: false,
            is_allow_listed: true,
        }),
        Command::AllowAddress(Box::new(AllowAddress {
            account: ACCOUNT,
            chain: CHAIN,
            address: text(TO),
            is_allowed: true,
        })),
        Command::RequestWithdrawal(Box::new(RequestWithdrawal {
            account: ACCOUNT,
            chain: CHAIN,
            asset: ASSET,
            address: text(TO),
            amount: amount(15_000_000_000),
            name: text("rent-11"),
        })),
        Command::ApproveWithdrawal(ApproveWithdrawal { withdrawal: ID, approver: text("operator-dana") }),
        Command::CancelWithdrawal(CancelWithdrawal { withdrawal: ID, account: ACCOUNT }),
        Command::AllocateWithdrawal(Box::new(AllocateWithdrawal {
            chain: CHAIN,
            fence: 4,
            withdrawal: ID,
            attempt: 1,
            inputs: inputs(),
            nonce: 0,
            network_fee: 20_900,
            gas_limit: 0,
            tip_per_gas: 0,
        })),
        sign(3),
        Command::RefuseWithdrawal(RefuseWithdrawal { chain: CHAIN, fence: 4, withdrawal: ID, attempt: 1 }),
        Command::ReportWithdrawal(Box::new(ReportWithdrawal {
            chain: CHAIN,
            fence: 4,
            withdrawal: ID,
            tx: TX,
            sighting: Sighting::Included,
            block: BLOCK,
            height: 2_600_000,
            confirmations: 3,
            is_final: false,
            network_fee: 20_900,
        })),
        Command::FailWithdrawal(FailWithdrawal { withdrawal: ID }),
        Command::SetHotWallet(Box::new(SetHotWallet { chain: CHAIN, asset: ASSET, bounds: bounds() })),
        Command::MoveFunds(Box::new(MoveFunds {
            chain: CHAIN,
            fence: 4,
            turn: 9,
            asset: ASSET,
            purpose: WithdrawalPurpose::Child,
            key: 17,
            parent: ID,
            address: text(TO),
            amount: amount(7_000_000_000),
        })),
        Command::GatherWithdrawals(Box::new(GatherWithdrawals {
            chain: CHAIN,
            fence: 4,
            turn: 10,
            asset: ASSET,
            members: BatchMembers::new(&[ID, WithdrawalId::new(ID.get() + 2)]).unwrap(),
        })),
        Command::ReleaseWithdrawal(ReleaseWithdrawal { chain: CHAIN, fence: 4, withdrawal: ID }),
        Command::ReportReserves(Box::new(ReportReserves {
            chain: CHAIN,
            fence: 4,
            asset: ASSET,
            position: LogPosition::new(77_000),
            block: BLOCK,
            height: 2_600_000,
            held: 4_999_979_100,
            due: 5_000_000_000,
        })),
        Command::DeclareReserves(Box::new(DeclareReserves {
            chain: CHAIN,
            asset: ASSET,
            brought: -20_900,
            since: 2_600_001,
        })),
        Command::ThawReserves(ThawReserves { chain: CHAIN, asset: ASSET }),
        Command::DropLoosening(DropLoosening { id: LooseningId::new(6), operator: text("operator-evan") }),
    ]
    .into_iter()
    .chain(loosenings().map(|loosening| {
        Command::ProposeLoosening(Box::new(ProposeLoosening { proposer: text("operator-dana"), loosening }))
    }))
    .chain(loosenings().take(1).map(|loosening| {
        let (id, approver) = (LooseningId::new(5), text("operator-evan"));
        Command::ApproveLoosening(Box::new(ApproveLoosening { id, approver, loosening }))
    }))
    .collect()
}

pub(super) fn events() -> Vec<Event> {
    vec![
        Event::WithdrawalRulesChanged(Box::new(WithdrawalRulesChanged { chain: CHAIN, asset: ASSET, rules: rules() })),
        Event::WithdrawalsRestricted(WithdrawalsRestricted {
            account: ACCOUNT,
            is_blocked: true,
            is_allow_listed: false,
        }),
        Event::AddressAllowed(Box::new(AddressAllowed {
            account: ACCOUNT,
            chain: CHAIN,
            address: text(TO),
            since: AT,
            is_allowed: true,
        })),
        Event::WithdrawalApproved(WithdrawalApproved { withdrawal: ID, approver: text("operator-dana") }),
        Event::WithdrawalAllocated(Box::new(WithdrawalAllocated {
            chain: CHAIN,
            withdrawal: ID,
            attempt: 1,
            inputs: inputs(),
            nonce: 0,
            network_fee: 20_900,
            gas_limit: 0,
            tip_per_gas: 0,
        })),
        Event::WithdrawalSigned(Box::new(WithdrawalSigned {
            chain: CHAIN,
            withdrawal: ID,
            attempt: 1,
            tx: TX,
            bytes: bytes(3),
        })),
        Event::WithdrawalChanged(Box::new(WithdrawalChanged {
            withdrawal: ID,
            account: ACCOUNT,
            chain: CHAIN,
            asset: ASSET,
            address: text(TO),
            name: text("rent-11"),
            amount: amount(15_000_000_000),
            fee: amount(10_000),
            stage: WithdrawalStage::Mined,
            cause: WithdrawalCause::None,
            requested_at: AT,
            ready_at: AT,
            changed_at: AT,
            approvals_missing: 0,
            attempts: 1,
            tx: TX,
            block: BLOCK,
            height: 2_600_000,
            confirmations: 3,
            required: 6,
            network_fee: 20_900,
            house_held: amount(2_090_000),
            is_undone: false,
            is_reverted: false,
            purpose: WithdrawalPurpose::Gas,
            key: 17,
            parent: ID,
            batch: WithdrawalId::new(ID.get() + 4),
        })),
        Event::HotWalletChanged(Box::new(HotWalletChanged { chain: CHAIN, asset: ASSET, bounds: bounds() })),
        Event::ReservesChanged(Box::new(ReservesChanged {
            chain: CHAIN,
            asset: ASSET,
            standing: ReservesStanding::Short,
            position: LogPosition::new(77_000),
            block: BLOCK,
            height: 2_600_000,
            held: 4_999_979_100,
            due: 5_000_000_000,
            brought: -20_900,
            since: 2_600_001,
        })),
        Event::LooseningProposed(Box::new(LooseningProposed {
            id: LooseningId::new(5),
            proposer: text("operator-dana"),
            expires_at: AT,
            loosening: Loosening::ThawReserves(ThawReserves { chain: CHAIN, asset: ASSET }),
        })),
        Event::LooseningEnded(LooseningEnded {
            id: LooseningId::new(5),
            end: LooseningEnd::Approved,
            operator: text("operator-evan"),
        }),
    ]
}

#[test]
fn a_signed_transaction_is_of_one_byte_to_its_bound() {
    for len in [1, TransactionBytes::MAX] {
        assert_eq!(decode_command(&command_bytes(&sign(len))), Ok(sign(len)));
    }
    assert_eq!(TransactionBytes::new(vec![]), None);
    assert_eq!(TransactionBytes::new(vec![0; TransactionBytes::MAX + 1]), None);
    let mut long = command_bytes(&sign(TransactionBytes::MAX));
    let at = long.len() - TransactionBytes::MAX - 2;
    long[at..at + 2].copy_from_slice(&(TransactionBytes::MAX as u16 + 1).to_le_bytes());
    long.push(0);
    assert_eq!(decode_command(&long), Err(CodecError::OutOfRange));
}

#[test]
fn an_input_is_spent_once_and_there_are_at_most_sixteen() {
    let input = |output| ChainInput { output, ..ChainInput::default() };
    let many: Vec<ChainInput> = (0..=ChainInputs::MAX as u32).map(input).collect();
    assert!(ChainInputs::new(&many[..ChainInputs::MAX]).is_some());
    assert_eq!(ChainInputs::new(&many), None);
    assert_eq!(ChainInputs::new(&[input(1), input(2), ChainInput { amount: 5, ..input(1) }]), None);
}

#[test]
fn members_of_a_batch_are_read_as_they_are_written_and_in_no_other_order() {
    let members = BatchMembers::new(&[ID, WithdrawalId::new(ID.get() + 2)]).unwrap();
    let (chain, asset) = (CHAIN, ASSET);
    let gather = GatherWithdrawals { chain, fence: 4, turn: 10, asset, members };
    let bytes = command_bytes(&Command::GatherWithdrawals(Box::new(gather)));
    // The count, and the ids after it.
    let at = bytes.len() - BatchMembers::MAX * 8 - 1;
    for (from, what) in [(at, 1), (at, 3), (at, 33), (at + 1, 15), (at + 9, 12), (at + 17, 1)] {
        let mut wrong = bytes.clone();
        wrong[from] = what;
        assert_eq!(decode_command(&wrong), Err(CodecError::OutOfRange), "{what} at {}", from - at);
    }
}
