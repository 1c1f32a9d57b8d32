//! One chain whose coin has three decimals more than the ledger's asset, alice with money, carol as the house.

use wire::command::{
    AllocateWithdrawal, ApproveLoosening, ApproveWithdrawal, CancelWithdrawal, ClaimChain, FreezeChain, ListChain,
    ListChainAsset, Loosening, ProposeLoosening, RefuseWithdrawal, Reply, ReportWithdrawal, RequestWithdrawal,
    SetWithdrawalRules, SignWithdrawal,
};
use wire::event::WithdrawalChanged;
use wire::{
    AccountId, AccountName, AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, ChainInput,
    ChainInputs, ClientOrderId, Command, Event, LooseningId, RejectReason, Sighting, TransactionBytes, WithdrawalId,
    WithdrawalRules, WithdrawalStage,
};

use super::super::world::{BASE, Layout, World, amount, reason, symbol};

pub(super) const CHAIN: ChainId = ChainId::new(1);
pub(super) const HOUR_NS: u64 = 3_600 * 1_000_000_000;
pub(super) const UNIT: u128 = 1_000;

/// From 5 to 500, one for the house, two confirmations, at most seven of the ledger's units to the chain.
pub(super) fn rules() -> WithdrawalRules {
    WithdrawalRules {
        is_enabled: true,
        amount_min: amount(5),
        amount_max: amount(500),
        fee: amount(1),
        account_day_max: Amount::ZERO,
        day_max: Amount::ZERO,
        review_from: Amount::ZERO,
        approvals: 0,
        address_delay_s: 0,
        confirmations: 2,
        network_fee_max: 7 * UNIT,
        house: World::account("carol"),
    }
}

pub(super) fn world() -> World {
    world_with(Layout::Joint, rules())
}

pub(super) fn world_with(layout: Layout, rules: WithdrawalRules) -> World {
    world_of(World::new(layout), rules, AddressFormat::Evm)
}

pub(super) fn world_of(mut world: World, rules: WithdrawalRules, addresses: AddressFormat) -> World {
    accepted(&mut world, Command::ListChain(ListChain { symbol: symbol("COIN"), lease_ms: 1_500, addresses }));
    accepted(&mut world, list(BASE, "", 3));
    accepted(&mut world, Command::ClaimChain(ClaimChain { chain: CHAIN, instance: 7 }));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, set(rules));
    world.private.clear();
    world
}

pub(super) fn list(asset: AssetId, contract: &str, chain_decimals: u8) -> Command {
    Command::ListChainAsset(Box::new(ListChainAsset {
        chain: CHAIN,
        asset,
        contract: address(contract),
        chain_decimals,
        deposit_min: 1,
        confirmations: 2,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    }))
}

/// Applies a command, and holds the state against its snapshot.
pub(super) fn settled(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    world.restart_all();
    reply
}

pub(super) fn accepted(world: &mut World, command: Command) -> u64 {
    match settled(world, command) {
        Reply::Accepted { id } => id,
        reply => panic!("{reply:?}"),
    }
}

/// As a proposal says it.
pub(super) fn loosening(command: Command) -> Loosening {
    match command {
        Command::SetWithdrawalRules(set) => Loosening::SetWithdrawalRules(set),
        Command::RestrictWithdrawals(restrict) => Loosening::RestrictWithdrawals(restrict),
        Command::AllowAddress(allow) => Loosening::AllowAddress(allow),
        Command::DeclareReserves(declare) => Loosening::DeclareReserves(declare),
        Command::ThawReserves(thaw) => Loosening::ThawReserves(thaw),
        other => panic!("{other:?} loosens nothing"),
    }
}

pub(super) fn propose(who: &str, command: Command) -> Command {
    let proposer = AccountName::new(who.as_bytes()).unwrap();
    Command::ProposeLoosening(Box::new(ProposeLoosening { proposer, loosening: loosening(command) }))
}

pub(super) fn let_be(who: &str, number: u64, command: Command) -> Command {
    let (id, approver) = (LooseningId::new(number), AccountName::new(who.as_bytes()).unwrap());
    Command::ApproveLoosening(Box::new(ApproveLoosening { id, approver, loosening: loosening(command) }))
}

/// What one operator may not do: dana proposes it, evan approves it.
pub(super) fn by_two(world: &mut World, command: Command) {
    assert_eq!(refused(world, command.clone()), RejectReason::NeedsSecondOperator, "{command:?}");
    let number = accepted(world, propose("dana", command.clone()));
    accepted(world, let_be("evan", number, command));
}

pub(super) fn refused(world: &mut World, command: Command) -> RejectReason {
    reason(settled(world, command))
}

pub(super) fn set(rules: WithdrawalRules) -> Command {
    Command::SetWithdrawalRules(Box::new(SetWithdrawalRules { chain: CHAIN, asset: BASE, rules }))
}

pub(super) fn freeze(fence: u64, reason: ChainFreeze) -> Command {
    Command::FreezeChain(FreezeChain { chain: CHAIN, fence, reason })
}

pub(super) fn address(text: &str) -> ChainAddress {
    ChainAddress::new(text.as_bytes()).unwrap()
}

pub(super) fn id(number: u64) -> WithdrawalId {
    WithdrawalId::new(number)
}

/// Alice asks for `units` to the address `to`, under a name.
pub(super) fn request_to(name: &str, units: i64, to: &str) -> Command {
    Command::RequestWithdrawal(Box::new(RequestWithdrawal {
        account: World::account("alice"),
        chain: CHAIN,
        asset: BASE,
        address: address(to),
        amount: amount(units),
        name: ClientOrderId::new(name.as_bytes()).unwrap(),
    }))
}

pub(super) fn request(name: &str, units: i64) -> Command {
    request_to(name, units, "home")
}

pub(super) fn approve(number: u64, name: &str) -> Command {
    let approver = AccountName::new(name.as_bytes()).unwrap();
    Command::ApproveWithdrawal(ApproveWithdrawal { withdrawal: id(number), approver })
}

pub(super) fn cancel(number: u64, who: &str) -> Command {
    let account = if who == "operator" { AccountId::default() } else { World::account(who) };
    Command::CancelWithdrawal(CancelWithdrawal { withdrawal: id(number), account })
}

pub(super) fn inputs(outputs: &[u32], each: u64) -> ChainInputs {
    let input = |output: &u32| ChainInput { tx: ChainHash([9; 32]), output: *output, amount: each, key: 1 };
    ChainInputs::new(&outputs.iter().map(input).collect::<Vec<_>>()).unwrap()
}

/// The withdrawal's transaction `attempt` spends these outputs of 600,000 each and pays `fee`.
pub(super) fn allocation(number: u64, attempt: u8, outputs: &[u32], network_fee: u128) -> AllocateWithdrawal {
    AllocateWithdrawal {
        chain: CHAIN,
        fence: 1,
        withdrawal: id(number),
        attempt,
        inputs: inputs(outputs, 600_000),
        nonce: 0,
        network_fee,
        gas_limit: 0,
        tip_per_gas: 0,
    }
}

pub(super) fn allocate(number: u64, attempt: u8, outputs: &[u32], network_fee: u128) -> Command {
    say(allocation(number, attempt, outputs, network_fee))
}

pub(super) fn say(allocation: AllocateWithdrawal) -> Command {
    Command::AllocateWithdrawal(Box::new(allocation))
}

pub(super) fn tx(number: u64, attempt: u8) -> ChainHash {
    let mut hash = [attempt; 32];
    hash[0] = number as u8;
    ChainHash(hash)
}

pub(super) fn sign(number: u64, attempt: u8) -> Command {
    Command::SignWithdrawal(Box::new(SignWithdrawal {
        chain: CHAIN,
        fence: 1,
        withdrawal: id(number),
        attempt,
        tx: tx(number, attempt),
        bytes: TransactionBytes::new(vec![attempt; 100]).unwrap(),
    }))
}

pub(super) fn refuse(number: u64, attempt: u8) -> Command {
    Command::RefuseWithdrawal(RefuseWithdrawal { chain: CHAIN, fence: 1, withdrawal: id(number), attempt })
}

pub(super) fn sighting(number: u64, attempt: u8, sighting: Sighting, confirmations: u32) -> ReportWithdrawal {
    ReportWithdrawal {
        chain: CHAIN,
        fence: 1,
        withdrawal: id(number),
        tx: tx(number, attempt),
        sighting,
        block: ChainHash([8; 32]),
        height: 100,
        confirmations,
        is_final: false,
        network_fee: 1_500,
    }
}

pub(super) fn report(report: ReportWithdrawal) -> Command {
    Command::ReportWithdrawal(Box::new(report))
}

pub(super) fn see(number: u64, attempt: u8, what: Sighting) -> Command {
    report(sighting(number, attempt, what, 0))
}

pub(super) fn mined(number: u64, attempt: u8, confirmations: u32) -> Command {
    report(sighting(number, attempt, Sighting::Included, confirmations))
}

/// A withdrawal of 100 whose first transaction, of 2,000 to the chain, is in the log.
pub(super) fn signed(world: &mut World) {
    accepted(world, request("one", 100));
    accepted(world, allocate(1, 1, &[0], 2_000));
    accepted(world, sign(1, 1));
    world.private.clear();
}

/// What was told of withdrawals since the last call.
pub(super) fn told(world: &mut World) -> Vec<WithdrawalChanged> {
    let told = world.private.drain(..).filter_map(|event| match event {
        Event::WithdrawalChanged(changed) => Some(*changed),
        _ => None,
    });
    told.collect()
}

pub(super) fn stages(world: &mut World) -> Vec<WithdrawalStage> {
    told(world).iter().map(|row| row.stage).collect()
}

/// Free and held of the base asset.
pub(super) fn has(world: &World, name: &str) -> (i64, i64) {
    world.partitions[0].balance(World::account(name), BASE)
}

pub(super) fn gone(world: &World) -> i128 {
    world.partitions[0].audit()[0].withdrawals
}

pub(super) fn wait_ns(world: &mut World, nanos: u64) {
    world.now = world.now.plus_nanos(nanos);
}
