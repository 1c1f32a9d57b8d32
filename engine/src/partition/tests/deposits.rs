//! Deposits: what a chain says becomes a balance once, and never an edit of one.

use wire::command::{
    BindAddress, ClaimChain, Credit, FreezeChain, ListChain, ListChainAsset, Reply, ReportDeposit, RequestAddress,
    ResolveDeposit,
};
use wire::event::DepositChanged;
use wire::{
    AddressFormat, Amount, AssetId, ChainAddress, ChainFreeze, ChainHash, ChainId, Command, DepositStage, Event,
    RejectReason,
};

use super::world::{BASE, Layout, QUOTE, World, amount, reason, symbol};
use crate::Limits;

mod sightings;

const CHAIN: ChainId = ChainId::new(1);
const SECOND_NS: u64 = 1_000_000_000;

/// One chain with a coin of three decimals more than the ledger's asset, alice's address 1 and bob's 2, a claim with
/// fence 1, and agreement.
fn world() -> World {
    world_with(super::world::small_limits())
}

fn world_with(limits: Limits) -> World {
    let mut world = World::with(Layout::Joint, limits, super::world::rules());
    assert_eq!(settled(&mut world, list("COIN")), Reply::Accepted { id: 1 });
    accepted(&mut world, asset_rules(BASE, "", 3));
    accepted(&mut world, claim(7));
    for (index, name) in [(1, "alice"), (2, "bob")] {
        let request = RequestAddress { account: World::account(name), chain: CHAIN };
        assert_eq!(settled(&mut world, Command::RequestAddress(request)), Reply::Accepted { id: index });
        accepted(&mut world, bind(1, index as u32, name));
    }
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    world.private.clear();
    world
}

/// Applies a command, and holds the state against its snapshot.
fn settled(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    world.restart_all();
    reply
}

fn accepted(world: &mut World, command: Command) {
    let reply = settled(world, command);
    assert!(matches!(reply, Reply::Accepted { .. }), "{reply:?}");
}

fn refused(world: &mut World, command: Command) -> RejectReason {
    reason(settled(world, command))
}

fn list(name: &str) -> Command {
    Command::ListChain(ListChain { symbol: symbol(name), lease_ms: 1_500, addresses: AddressFormat::Evm })
}

/// Two confirmations, final for ten units or more; at least a tenth of a unit.
fn asset_rules(asset: AssetId, contract: &str, chain_decimals: u8) -> Command {
    Command::ListChainAsset(Box::new(ListChainAsset {
        chain: CHAIN,
        asset,
        contract: address(contract),
        chain_decimals,
        deposit_min: 100,
        confirmations: 2,
        large_from: amount(10),
        large_confirmations: 0,
    }))
}

fn claim(instance: u64) -> Command {
    Command::ClaimChain(ClaimChain { chain: CHAIN, instance })
}

fn address(text: &str) -> ChainAddress {
    ChainAddress::new(text.as_bytes()).unwrap()
}

fn bind(fence: u64, index: u32, text: &str) -> Command {
    Command::BindAddress(Box::new(BindAddress { chain: CHAIN, fence, index, address: address(text) }))
}

fn freeze(fence: u64, reason: ChainFreeze) -> Command {
    Command::FreezeChain(FreezeChain { chain: CHAIN, fence, reason })
}

/// Transaction 5 gives alice `amount` of the coin's units.
fn report(amount: u128, confirmations: u32) -> ReportDeposit {
    ReportDeposit {
        chain: CHAIN,
        fence: 1,
        tx: ChainHash([5; 32]),
        output: 0,
        index: 1,
        asset: BASE,
        amount,
        is_included: true,
        block: ChainHash([8; 32]),
        height: 100,
        confirmations,
        is_final: false,
    }
}

fn say(report: ReportDeposit) -> Command {
    Command::ReportDeposit(Box::new(report))
}

fn orphaned(amount: u128) -> Command {
    say(ReportDeposit { is_included: false, ..report(amount, 0) })
}

/// What was told of deposits since the last call.
fn told(world: &mut World) -> Vec<DepositChanged> {
    let told = world.private.drain(..).filter_map(|event| match event {
        Event::DepositChanged(changed) => Some(*changed),
        _ => None,
    });
    told.collect()
}

fn stages(world: &mut World) -> Vec<DepositStage> {
    told(world).iter().map(|deposit| deposit.stage).collect()
}

fn free(world: &World, name: &str) -> i64 {
    world.partitions[0].balance(World::account(name), BASE).0
}

#[test]
fn a_deposit_is_credited_with_its_last_confirmation_and_not_one_before() {
    let mut world = world();
    accepted(&mut world, say(report(3_000, 1)));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Included], 1_000));
    accepted(&mut world, say(report(3_000, 2)));
    let credited = told(&mut world);
    assert_eq!((credited[0].stage, credited[0].credited, credited[0].required), (DepositStage::Credited, amount(3), 2));
    assert_eq!(free(&world, "alice"), 1_003);
}

#[test]
fn a_large_deposit_waits_until_it_is_final() {
    let mut world = world();
    accepted(&mut world, say(report(10_000, 50)));
    assert_eq!(free(&world, "alice"), 1_000);
    accepted(&mut world, say(ReportDeposit { is_final: true, ..report(10_000, 51) }));
    assert_eq!(free(&world, "alice"), 1_010);
    let just_below = ReportDeposit { tx: ChainHash([6; 32]), ..report(9_999, 2) };
    accepted(&mut world, say(just_below));
    assert_eq!(free(&world, "alice"), 1_019);
}

#[test]
fn it_is_credited_once_whichever_block_has_it_and_however_often_it_is_said() {
    let mut world = world();
    for round in 0..3 {
        let block = ChainHash([round; 32]);
        accepted(&mut world, say(ReportDeposit { block, height: 100 + u64::from(round), ..report(3_000, 1) }));
        accepted(&mut world, say(ReportDeposit { block, height: 100 + u64::from(round), ..report(3_000, 2) }));
        accepted(&mut world, say(ReportDeposit { block, height: 100 + u64::from(round), ..report(3_000, 9) }));
    }
    assert_eq!(free(&world, "alice"), 1_003);
    let other_output = ReportDeposit { output: 1, ..report(3_000, 2) };
    accepted(&mut world, say(other_output));
    assert_eq!(free(&world, "alice"), 1_006);
}

#[test]
fn a_reorganisation_before_the_credit_takes_the_deposit_away_and_mining_it_again_brings_it_back() {
    let mut world = world();
    accepted(&mut world, say(report(3_000, 1)));
    accepted(&mut world, orphaned(3_000));
    assert_eq!(stages(&mut world), [DepositStage::Included, DepositStage::Orphaned]);
    accepted(&mut world, orphaned(3_000));
    assert!(told(&mut world).is_empty(), "saying it again says nothing");
    accepted(&mut world, say(ReportDeposit { block: ChainHash([9; 32]), height: 101, ..report(3_000, 2) }));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Credited], 1_003));
}

#[test]
fn a_reorganisation_after_the_credit_freezes_the_chain_and_edits_no_balance() {
    let mut world = world();
    accepted(&mut world, say(report(3_000, 2)));
    told(&mut world);
    accepted(&mut world, orphaned(3_000));
    let frozen = |event: &Event| matches!(event, Event::ChainFrozen(f) if f.reason == ChainFreeze::CreditReverted);
    assert!(world.private.iter().any(frozen));
    let reverted = told(&mut world);
    assert!(reverted[0].is_reverted && reverted[0].stage == DepositStage::Credited);
    assert_eq!(free(&world, "alice"), 1_003);

    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    let other = ReportDeposit { tx: ChainHash([6; 32]), index: 2, ..report(4_000, 5) };
    accepted(&mut world, say(other));
    assert_eq!(stages(&mut world), [DepositStage::Confirmed], "chainwatch cannot thaw this");
    accepted(&mut world, freeze(0, ChainFreeze::Thawed));
    accepted(&mut world, say(ReportDeposit { confirmations: 6, ..other }));
    assert_eq!((stages(&mut world), free(&world, "bob")), (vec![DepositStage::Credited], 1_004));
}

#[test]
fn a_frozen_chain_credits_nothing_until_it_thaws() {
    let mut world = world();
    accepted(&mut world, freeze(1, ChainFreeze::Dissent));
    accepted(&mut world, say(report(3_000, 2)));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Confirmed], 1_000));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, say(report(3_000, 2)));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Credited], 1_003));
}

#[test]
fn what_is_less_than_a_ledger_unit_is_dust_and_part_of_the_next_credit() {
    let mut world = world();
    let deposits = [(1_400, 1, 400), (1_400, 1, 800), (1_400, 2, 200), (800, 1, 0)];
    for (number, (units, credited, dust)) in deposits.into_iter().enumerate() {
        accepted(&mut world, say(ReportDeposit { tx: ChainHash([number as u8; 32]), ..report(units, 2) }));
        let deposit = told(&mut world)[0];
        assert_eq!((deposit.credited, deposit.dust), (amount(credited), dust), "deposit {number}");
    }
    assert_eq!(free(&world, "alice"), 1_005);
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([9; 32]), index: 2, ..report(900, 2) }));
    let deposit = told(&mut world)[0];
    assert_eq!((deposit.stage, deposit.credited, deposit.dust), (DepositStage::Credited, Amount::ZERO, 900));
}

#[test]
fn less_than_the_smallest_deposit_is_rejected_whenever_it_is_reported_and_takes_no_place() {
    let mut world = world();
    accepted(&mut world, say(report(99, 1)));
    accepted(&mut world, say(report(99, 50)));
    assert_eq!((stages(&mut world), free(&world, "alice")), (vec![DepositStage::Rejected; 2], 1_000));
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([6; 32]), ..report(100, 2) }));
    assert_eq!(stages(&mut world), [DepositStage::Credited]);
}

#[test]
fn what_changes_between_two_reports_is_quarantined_until_an_operator_decides() {
    for (is_credited, stage, then) in [(true, DepositStage::Credited, 1_003), (false, DepositStage::Refused, 1_000)] {
        let mut world = world();
        accepted(&mut world, say(report(3_000, 1)));
        accepted(&mut world, say(report(3_000_000, 2)));
        accepted(&mut world, say(report(3_000, 9)));
        assert_eq!(free(&world, "alice"), 1_000);
        told(&mut world);
        let resolve = |output| {
            Command::ResolveDeposit(ResolveDeposit { chain: CHAIN, tx: ChainHash([5; 32]), output, is_credited })
        };
        assert_eq!(refused(&mut world, resolve(4)), RejectReason::UnknownDeposit);
        accepted(&mut world, resolve(0));
        assert_eq!((stages(&mut world), free(&world, "alice")), (vec![stage], then));
        assert_eq!(refused(&mut world, resolve(0)), RejectReason::DepositNotOpen);
        accepted(&mut world, say(report(3_000, 10)));
        assert_eq!(free(&world, "alice"), then);
    }
}

#[test]
fn more_than_a_balance_holds_is_quarantined() {
    let mut world = world();
    let most = (i64::MAX as u128 / 2) * 1_000;
    accepted(&mut world, say(ReportDeposit { is_final: true, ..report(most, 2) }));
    assert_eq!(stages(&mut world), [DepositStage::Quarantined]);
    accepted(&mut world, say(ReportDeposit { tx: ChainHash([6; 32]), is_final: true, ..report(u128::MAX, 2) }));
    assert_eq!(stages(&mut world), [DepositStage::Quarantined]);
    assert_eq!(free(&world, "alice"), 1_000);
}

#[test]
fn an_operators_credit_and_a_deposit_add_up() {
    let mut world = world();
    accepted(&mut world, Command::Credit(Credit { account: World::account("alice"), asset: BASE, amount: amount(5) }));
    accepted(&mut world, say(report(3_000, 2)));
    assert_eq!(free(&world, "alice"), 1_008);
    assert!(world.partitions[0].audit().iter().all(crate::AssetAudit::is_conserved));
}

#[test]
fn one_instance_proposes_and_another_takes_over_when_the_lease_has_run_out() {
    let mut world = world();
    assert_eq!(settled(&mut world, claim(7)), Reply::Accepted { id: 1 });
    world.now = world.now.plus_nanos(SECOND_NS);
    assert_eq!(settled(&mut world, claim(8)), Reply::Rejected { reason: RejectReason::ChainTaken, id: 1 });
    world.now = world.now.plus_nanos(SECOND_NS / 2 - 1);
    assert_eq!(refused(&mut world, claim(8)), RejectReason::ChainTaken);
    world.now = world.now.plus_nanos(1);
    assert_eq!(settled(&mut world, claim(8)), Reply::Accepted { id: 2 });
    let old = settled(&mut world, say(report(3_000, 2)));
    assert_eq!(old, Reply::Rejected { reason: RejectReason::StaleFence, id: 2 });
    assert_eq!(refused(&mut world, freeze(1, ChainFreeze::Thawed)), RejectReason::StaleFence);
    assert_eq!(refused(&mut world, bind(1, 1, "elsewhere")), RejectReason::StaleFence);
    accepted(&mut world, say(ReportDeposit { fence: 2, ..report(3_000, 2) }));
    assert_eq!(stages(&mut world), [DepositStage::Confirmed], "the new one has to find agreement for itself");
    accepted(&mut world, freeze(2, ChainFreeze::Thawed));
    accepted(&mut world, say(ReportDeposit { fence: 2, ..report(3_000, 3) }));
    assert_eq!(free(&world, "alice"), 1_003);
}

#[test]
fn an_address_belongs_to_one_account_and_never_changes() {
    let mut world = world();
    let request = Command::RequestAddress(RequestAddress { account: World::account("alice"), chain: CHAIN });
    assert_eq!(settled(&mut world, request), Reply::Accepted { id: 1 });
    accepted(&mut world, bind(1, 1, "alice"));
    assert_eq!(refused(&mut world, bind(1, 1, "another")), RejectReason::AddressTaken);
    assert_eq!(refused(&mut world, bind(1, 3, "third")), RejectReason::UnknownAddress);
    let request = Command::RequestAddress(RequestAddress { account: World::account("carol"), chain: CHAIN });
    assert_eq!(settled(&mut world, request), Reply::Accepted { id: 3 });
    assert_eq!(refused(&mut world, bind(1, 3, "alice")), RejectReason::AddressTaken);
    let unbound = ReportDeposit { index: 3, ..report(3_000, 2) };
    assert_eq!(refused(&mut world, say(unbound)), RejectReason::UnknownAddress);
    accepted(&mut world, bind(1, 3, "carol"));
    accepted(&mut world, say(unbound));
}

#[test]
fn what_is_not_listed_is_not_credited() {
    let mut world = world();
    assert_eq!(
        refused(&mut world, say(ReportDeposit { asset: QUOTE, ..report(1, 2) })),
        RejectReason::UnknownChainAsset
    );
    let elsewhere = ReportDeposit { chain: ChainId::new(2), ..report(1, 2) };
    assert_eq!(refused(&mut world, say(elsewhere)), RejectReason::UnknownChain);
    assert_eq!(refused(&mut world, orphaned(3_000)), RejectReason::UnknownDeposit);
    assert_eq!(refused(&mut world, list("COIN")), RejectReason::ChainExists);
    assert_eq!(refused(&mut world, asset_rules(BASE, "0xother", 3)), RejectReason::ChainAssetExists);
    assert_eq!(refused(&mut world, asset_rules(QUOTE, "", 3)), RejectReason::ChainAssetExists);
    assert_eq!(refused(&mut world, asset_rules(QUOTE, "0xtoken", 31)), RejectReason::BadChainRules);
    accepted(&mut world, asset_rules(QUOTE, "0xtoken", 30));
    let list = wire::command::ListAsset { symbol: symbol("USDC"), ledger_decimals: 6 };
    accepted(&mut world, Command::ListAsset(list));
    let in_capitals = asset_rules(AssetId::new(3), "0xTOKEN", 30);
    assert_eq!(refused(&mut world, in_capitals), RejectReason::ChainAssetExists, "it is the same contract");
}

#[test]
fn a_full_table_refuses_new_deposits_and_goes_on_with_known_ones() {
    let limits = Limits { deposits_max: 1, deposit_addresses_max: 1, chains_max: 1, ..super::world::small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::world::rules());
    accepted(&mut world, list("COIN"));
    assert_eq!(refused(&mut world, list("OTHER")), RejectReason::TableFull);
    accepted(&mut world, asset_rules(BASE, "", 3));
    accepted(&mut world, claim(7));
    for (name, fits) in [("alice", true), ("bob", false)] {
        let request = Command::RequestAddress(RequestAddress { account: World::account(name), chain: CHAIN });
        assert_eq!(matches!(settled(&mut world, request), Reply::Accepted { .. }), fits);
    }
    accepted(&mut world, bind(1, 1, "alice"));
    accepted(&mut world, freeze(1, ChainFreeze::Thawed));
    accepted(&mut world, say(report(3_000, 1)));
    let another = ReportDeposit { output: 1, ..report(3_000, 1) };
    assert_eq!(refused(&mut world, say(another)), RejectReason::TableFull);
    accepted(&mut world, say(report(3_000, 2)));
    assert_eq!(free(&world, "alice"), 1_003);
}
