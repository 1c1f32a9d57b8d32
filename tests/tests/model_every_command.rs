//! The engine against an independent model, over every kind of command: stop and trailing orders, icebergs, dates, order lists,
//! amends, replaces, mass cancels, leases and countdowns, kill switches, limits, fees, phases, schedules, auctions, bands, filters that
//! change, delisting, chains, deposits, withdrawals, moves. The same replies, the same events, the same balances, in every layout; the engine is written
//! down and read again on the way.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tests::model::flow::Flow;
use tests::model::layout::Layout;
use tests::model::pair::{FEES, Pair};
use tests::model::rules;
use wire::MarketRules;

/// Every kind of command, from a seed: steps that are mostly legal, so that orders meet. With every fourth seed there are chains
/// with deposits beside the markets, with every eighth they have withdrawals.
fn check_flow(layout: Layout, seed: u64, steps: usize) -> BTreeSet<String> {
    let rules = MarketRules { open_orders_max: 30, ..rules() };
    let mut pair = Pair::with(layout, rules);
    let flow = Flow::new(seed, FEES.len() as u32, rules, pair.now);
    let mut flow = match seed % 8 {
        1 => flow.with_withdrawals(),
        3 | 7 => flow.with_deposits(),
        _ => flow,
    };
    for step in 0..steps {
        let (pause, command) = flow.draw();
        let done = catch_unwind(AssertUnwindSafe(|| pair.step(pause, &command)));
        if let Err(panic) = done {
            eprintln!("seed {seed}, step {step} in {layout:?}: {command:?}");
            resume_unwind(panic);
        }
        if let Some(newest) = pair.newest {
            flow.learn(newest);
        }
        flow.learn_payments(&pair.payments);
        flow.learn_proposed(pair.proposed.as_ref());
        if step % 97 == 96 {
            pair.engine.restart();
        }
    }
    pair.seen
}

/// So many seeds of 300 commands each: a few times 10^5 commands of every kind. `MODEL_SEEDS` walks further.
fn seeds() -> u64 {
    std::env::var("MODEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400)
}

#[test]
fn joint_cells_and_the_model_tell_the_same_of_every_command() {
    (0..seeds()).for_each(|seed| drop(check_flow(Layout::Joint, seed, 300)));
}

#[test]
fn market_apart_beside_one_with_the_ledger_and_the_model_tell_the_same_of_every_command() {
    (0..seeds()).for_each(|seed| drop(check_flow(Layout::Mixed, 1_000_000 + seed, 300)));
}

#[test]
fn cells_apart_and_the_model_tell_the_same_of_every_command() {
    (0..seeds()).for_each(|seed| drop(check_flow(Layout::Split, 2_000_000 + seed, 300)));
}

/// Coverage of the random steps by outcome: what they never reach is not compared.
#[test]
fn steps_of_every_kind_visit_every_outcome() {
    let seen: BTreeSet<String> = (0..320).flat_map(|seed| check_flow(Layout::Joint, 3_000_000 + seed, 300)).collect();
    let wanted = [
        "AccountAssigned",
        "AccountLimitsChanged",
        "AddressBound",
        "AllCanceled",
        "ApiKeyAdded",
        "ApiKeyExtended",
        "ApiKeyRestricted",
        "ApiKeyRevoked",
        "AuctionCompleted",
        "AuctionIndicated",
        "CancelRejected",
        "CapacityRaised",
        "ChainAdvanced",
        "ChainAssetListed",
        "ChainClaimed",
        "ChainFrozen",
        "ChainListed",
        "CountdownChanged",
        "FeeScheduleChanged",
        "FeeTierChanged",
        "FeesChanged",
        "KillSwitchChanged",
        "LeaseChanged",
        "ListEnded",
        "ListRejected",
        "ListStarted",
        "MarketProtectionChanged",
        "MarketRulesChanged",
        "MarketScheduleChanged",
        "MatchPrevented",
        "OrderAmended",
        "OrderArmed",
        "OrderLimitsChanged",
        "OrderPegged",
        "OrderTerms",
        "OrderTracking",
        "OrderTriggered",
        "PhaseChanged",
        "ReplacementRefused",
        "deposit Confirmed",
        "deposit Credited",
        "deposit Included",
        "deposit Orphaned",
        "deposit Quarantined",
        "deposit Refused",
        "deposit Rejected",
        "deposit Replaced",
        "deposit Seen",
        "deposit reverted",
        "ended BudgetSpent",
        "ended Countdown",
        "ended Disconnected",
        "ended Expired",
        "ended FillLimit",
        "ended KillSwitch",
        "ended MarketClosed",
        "ended MassCancel",
        "ended NotPlaced",
        "ended OtherLeg",
        "ended PriceBand",
        "ended QtyMin",
        "ended Requested",
        "ended RulesChanged",
        "ended SelfTrade",
        "ended TimeInForce",
        "ended WorkingEnded",
        "refused AccountKilled",
        "refused AccountNotionalTooLarge",
        "refused AccountOpenOrders",
        "refused AccountQtyTooLarge",
        "refused AddressTaken",
        "refused AmendNotAllowed",
        "refused AmendNotLower",
        "refused ApiKeyExists",
        "refused ApiKeyKilled",
        "refused BadChainRules",
        "refused BadExpiry",
        "refused BadIcebergQty",
        "refused BadKeyMaterial",
        "refused BadOrderList",
        "refused BadPeg",
        "refused BadQtyMin",
        "refused BalanceTooLarge",
        "refused CancelRestricted",
        "refused ChainAssetExists",
        "refused ChainExists",
        "refused ChainTaken",
        "refused DepositNotOpen",
        "refused LeaseTaken",
        "refused NotInAuction",
        "refused PegsNotAllowed",
        "refused PositionTooLarge",
        "refused PostOnlyPhase",
        "refused StaleFence",
        "refused TooManyAmends",
        "refused TooManyOrderLists",
        "refused TooManyStopOrders",
        "refused UnknownAddress",
        "refused UnknownApiKey",
        "refused UnknownChain",
        "refused UnknownChainAsset",
        "refused UnknownDeposit",
        "refused UnknownLease",
        "refused UnknownOrderList",
        "refused by a seal",
        "rejected BadListPrices",
        "rejected NoPegPrice",
        "rejected PercentPrice",
        "rejected StopWouldTrigger",
        "rejected WouldTake",
    ];
    check_seen(&seen, &wanted);
}

fn check_seen(seen: &BTreeSet<String>, wanted: &[&str]) {
    let missing: Vec<&&str> = wanted.iter().filter(|wanted| !seen.contains(**wanted)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?} of {seen:?}");
}

/// The same of withdrawals and moves, which come up with every eighth seed.
#[test]
fn withdrawals_visit_every_outcome() {
    let seeds = (0..320).map(|at| 4_000_001 + 8 * at);
    let seen: BTreeSet<String> = seeds.flat_map(|seed| check_flow(Layout::Joint, seed, 300)).collect();
    let wanted = [
        "AddressAllowed",
        "Batch Allocated",
        "Batch Broadcast",
        "Batch Bumped",
        "Batch Canceled",
        "Batch Conflicted",
        "Batch Held",
        "Batch Mempool",
        "Batch Settled",
        "Batch Signed",
        "Batch Stuck",
        "Child Canceled",
        "Child Settled",
        "Cold Settled",
        "Gas Settled",
        "HotWalletChanged",
        "LooseningProposed",
        "Sweep Settled",
        "WithdrawalAllocated",
        "WithdrawalApproved",
        "WithdrawalRulesChanged",
        "WithdrawalSigned",
        "WithdrawalsRestricted",
        "failed Operator",
        "failed Orphaned",
        "failed SignerRefused",
        "failed Undone",
        "loosening Approved",
        "loosening Dropped",
        "loosening Overtaken",
        "refused AddressNotAllowed",
        "refused AddressOfExchange",
        "refused AlreadyApproved",
        "refused BadWithdrawalAmount",
        "refused BadWithdrawalRules",
        "refused ChainIsFrozen",
        "refused HouseBalanceTooLow",
        "refused InputTaken",
        "refused LooseningExists",
        "refused LooseningMismatch",
        "refused MoveOutOfTurn",
        "refused NeedsSecondOperator",
        "refused NetworkFeeTooHigh",
        "refused NotAReplacement",
        "refused NothingLoosened",
        "refused SameOperator",
        "refused TableFull",
        "refused UnknownLoosening",
        "refused UnknownWithdrawal",
        "refused WithdrawalExists",
        "refused WithdrawalInBatch",
        "refused WithdrawalLimitReached",
        "refused WithdrawalMismatch",
        "refused WithdrawalNotOpen",
        "refused WithdrawalNotReady",
        "refused WithdrawalTooLarge",
        "refused WithdrawalTooSmall",
        "refused WithdrawalsBlocked",
        "refused WithdrawalsDisabled",
        "withdrawal Broadcast",
        "withdrawal Bumped",
        "withdrawal Canceled",
        "withdrawal Confirmed",
        "withdrawal Conflicted",
        "withdrawal Mempool",
        "withdrawal Mined",
        "withdrawal Review",
        "withdrawal Settled",
        "withdrawal Stuck",
        "withdrawal reverted",
    ];
    check_seen(&seen, &wanted);
}
