use wire::command::{AllowAddress, Reply, RequestWithdrawal, RestrictWithdrawals, SetKillSwitch};
use wire::{Command, RejectReason, WithdrawalCause, WithdrawalRules, WithdrawalStage};

use super::super::world::{BASE, Layout, QUOTE, World, amount, small_limits};
use super::bed::*;
use crate::Limits;

fn allow(to: &str, is_allowed: bool) -> Command {
    let account = World::account("alice");
    Command::AllowAddress(Box::new(AllowAddress { account, chain: CHAIN, address: address(to), is_allowed }))
}

fn restrict(is_blocked: bool, is_allow_listed: bool) -> Command {
    let account = World::account("alice");
    Command::RestrictWithdrawals(RestrictWithdrawals { account, is_blocked, is_allow_listed })
}

#[test]
fn amount_and_fee_are_held_from_the_request_on_in_both_layouts() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = world_with(layout, rules());
        assert_eq!(accepted(&mut world, request("one", 100)), 1);
        assert_eq!((stages(&mut world), has(&world, "alice")), (vec![WithdrawalStage::Held], (899, 101)));
    }
}

#[test]
fn the_same_request_under_the_same_name_is_the_same_withdrawal_and_another_is_refused() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    assert_eq!(settled(&mut world, request("one", 100)), Reply::Accepted { id: 1 });
    let other = Reply::Rejected { reason: RejectReason::WithdrawalExists, id: 1 };
    assert_eq!(settled(&mut world, request("one", 101)), other);
    assert_eq!(settled(&mut world, request_to("one", 100, "elsewhere")), other);
    assert_eq!(has(&world, "alice"), (899, 101));
    assert_eq!(accepted(&mut world, request("two", 100)), 2);
    accepted(&mut world, cancel(1, "alice"));
    assert_eq!(settled(&mut world, request("one", 100)), Reply::Accepted { id: 1 }, "canceled, and still that one");
}

#[test]
fn a_name_is_free_again_thirty_days_after_the_end_and_not_a_moment_before() {
    let mut world = world();
    accepted(&mut world, request("one", 100));
    accepted(&mut world, cancel(1, "alice"));
    wait_ns(&mut world, 30 * 24 * HOUR_NS - 1);
    assert_eq!(accepted(&mut world, request("one", 100)), 1);
    wait_ns(&mut world, 1);
    assert_eq!(accepted(&mut world, request("one", 100)), 2);
}

#[test]
fn amounts_at_the_bounds_pass_and_one_beyond_does_not() {
    let mut world = world();
    for (units, is_allowed) in [(4, false), (5, true), (500, true), (501, false)] {
        let reply = settled(&mut world, request(&format!("of-{units}"), units));
        assert_eq!(matches!(reply, Reply::Accepted { .. }), is_allowed, "{units}");
    }
    assert_eq!(refused(&mut world, request("none", 0)), RejectReason::ZeroAmount);
    assert_eq!(has(&world, "alice"), (1_000 - 507, 507));
    assert_eq!(refused(&mut world, request("more", 493)), RejectReason::InsufficientBalance, "the fee comes on top");
    accepted(&mut world, request("all", 492));
    assert_eq!(has(&world, "alice"), (0, 1_000));
}

#[test]
fn what_an_account_asks_for_within_a_day_is_limited_by_log_time() {
    let mut world = world_with(Layout::Joint, WithdrawalRules { account_day_max: amount(200), ..rules() });
    accepted(&mut world, request("a", 150));
    assert_eq!(refused(&mut world, request("b", 51)), RejectReason::WithdrawalLimitReached);
    accepted(&mut world, request("c", 50));
    assert_eq!(refused(&mut world, request("d", 5)), RejectReason::WithdrawalLimitReached);
    accepted(&mut world, cancel(2, "alice"));
    accepted(&mut world, request("e", 50));
    wait_ns(&mut world, 24 * HOUR_NS - 1);
    assert_eq!(refused(&mut world, request("f", 5)), RejectReason::WithdrawalLimitReached);
    wait_ns(&mut world, 1);
    accepted(&mut world, request("g", 200));
}

#[test]
fn what_all_accounts_ask_for_within_a_day_is_limited_too() {
    let mut world = world_with(Layout::Joint, WithdrawalRules { day_max: amount(200), ..rules() });
    accepted(&mut world, request("a", 150));
    let of_bob = |units| {
        let Command::RequestWithdrawal(alices) = request("b", units) else { unreachable!() };
        Command::RequestWithdrawal(Box::new(RequestWithdrawal { account: World::account("bob"), ..*alices }))
    };
    assert_eq!(refused(&mut world, of_bob(51)), RejectReason::WithdrawalLimitReached);
    accepted(&mut world, of_bob(50));
}

#[test]
fn an_account_makes_two_hundred_requests_a_day_and_no_more() {
    let mut world = world();
    for number in 1..=200_u64 {
        let request = request(&format!("n{number}"), 5);
        assert_eq!(world.settle(request), Reply::Accepted { id: number });
        world.settle(cancel(number, "alice"));
    }
    assert_eq!(refused(&mut world, request("last", 5)), RejectReason::WithdrawalLimitReached);
    wait_ns(&mut world, 24 * HOUR_NS);
    accepted(&mut world, request("last", 5));
}

#[test]
fn a_new_address_waits_for_its_delay_and_a_known_one_does_not() {
    let mut world = world_with(Layout::Joint, WithdrawalRules { address_delay_s: 3_600, ..rules() });
    accepted(&mut world, request("a", 10));
    wait_ns(&mut world, HOUR_NS - 1);
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_000)), RejectReason::WithdrawalNotReady);
    accepted(&mut world, request_to("b", 10, "other"));
    wait_ns(&mut world, 1);
    accepted(&mut world, request("c", 10));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    assert_eq!(refused(&mut world, allocate(2, 1, &[1], 2_000)), RejectReason::WithdrawalNotReady);
    accepted(&mut world, allocate(3, 1, &[1], 2_000));
}

#[test]
fn an_address_whose_first_withdrawal_is_canceled_while_it_waits_is_new_again() {
    let mut world = world_with(Layout::Joint, WithdrawalRules { address_delay_s: 3_600, ..rules() });
    accepted(&mut world, request("a", 10));
    wait_ns(&mut world, HOUR_NS - 1);
    accepted(&mut world, cancel(1, "alice"));
    wait_ns(&mut world, 1);
    accepted(&mut world, request("b", 10));
    assert_eq!(refused(&mut world, allocate(2, 1, &[0], 2_000)), RejectReason::WithdrawalNotReady);
}

#[test]
fn an_account_with_an_allow_list_sends_to_allowed_addresses_alone() {
    let mut world = world();
    accepted(&mut world, restrict(false, true));
    assert_eq!(refused(&mut world, request("a", 10)), RejectReason::AddressNotAllowed);
    by_two(&mut world, allow("home", true));
    accepted(&mut world, request("a", 10));
    assert_eq!(refused(&mut world, request_to("b", 10, "homeless")), RejectReason::AddressNotAllowed);
    accepted(&mut world, allow("home", false));
    assert_eq!(refused(&mut world, request("c", 10)), RejectReason::AddressNotAllowed);
    accepted(&mut world, restrict(true, true));
    assert_eq!(refused(&mut world, request("c", 10)), RejectReason::WithdrawalsBlocked);
    by_two(&mut world, restrict(false, false));
    accepted(&mut world, request("c", 10));
}

#[test]
fn a_large_withdrawal_waits_for_two_different_operators() {
    let reviewed = WithdrawalRules { review_from: amount(100), approvals: 2, ..rules() };
    let mut world = world_with(Layout::Joint, reviewed);
    accepted(&mut world, request("small", 99));
    accepted(&mut world, request("large", 100));
    assert_eq!(stages(&mut world), [WithdrawalStage::Held, WithdrawalStage::Review]);
    assert_eq!(refused(&mut world, allocate(2, 1, &[0], 2_000)), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, approve(2, "dana"));
    assert_eq!(refused(&mut world, approve(2, "dana")), RejectReason::AlreadyApproved);
    assert_eq!(refused(&mut world, approve(2, "")), RejectReason::AlreadyApproved);
    assert_eq!(refused(&mut world, allocate(2, 1, &[0], 2_000)), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, approve(2, "evan"));
    assert_eq!(stages(&mut world), [WithdrawalStage::Review, WithdrawalStage::Held]);
    assert_eq!(refused(&mut world, approve(2, "fran")), RejectReason::WithdrawalNotOpen);
    accepted(&mut world, allocate(2, 1, &[0], 2_000));
}

#[test]
fn whoever_asked_and_an_operator_take_it_back_until_it_has_inputs() {
    let mut world = world();
    accepted(&mut world, request("a", 10));
    accepted(&mut world, request("b", 10));
    accepted(&mut world, request("c", 10));
    assert_eq!(refused(&mut world, cancel(1, "bob")), RejectReason::UnknownWithdrawal);
    assert_eq!(refused(&mut world, cancel(9, "alice")), RejectReason::UnknownWithdrawal);
    told(&mut world);
    accepted(&mut world, cancel(1, "alice"));
    accepted(&mut world, cancel(2, "operator"));
    let ended: Vec<_> = told(&mut world).iter().map(|row| (row.stage, row.cause)).collect();
    let canceled = |cause| (WithdrawalStage::Canceled, cause);
    assert_eq!(ended, [canceled(WithdrawalCause::Client), canceled(WithdrawalCause::Operator)]);
    assert_eq!(has(&world, "alice"), (989, 11));
    accepted(&mut world, allocate(3, 1, &[0], 2_000));
    assert_eq!(refused(&mut world, cancel(3, "alice")), RejectReason::WithdrawalNotOpen);
    assert_eq!(refused(&mut world, cancel(1, "alice")), RejectReason::WithdrawalNotOpen);
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let mut world = world();
    let bad = [
        WithdrawalRules { amount_min: amount(0), ..rules() },
        WithdrawalRules { amount_max: amount(4), ..rules() },
        WithdrawalRules { fee: amount(i64::MAX), ..rules() },
        WithdrawalRules { review_from: amount(1), approvals: 0, ..rules() },
        WithdrawalRules { review_from: amount(1), approvals: 4, ..rules() },
        WithdrawalRules { address_delay_s: 30 * 86_400 + 1, ..rules() },
        WithdrawalRules { network_fee_max: 0, ..rules() },
        WithdrawalRules { network_fee_max: 10_u128.pow(36) + 1, ..rules() },
    ];
    for rules in bad {
        assert_eq!(refused(&mut world, set(rules)), RejectReason::BadWithdrawalRules, "{rules:?}");
    }
    let good = [
        WithdrawalRules { amount_max: amount(5), ..rules() },
        WithdrawalRules { review_from: amount(1), approvals: 3, ..rules() },
        WithdrawalRules { address_delay_s: 30 * 86_400, ..rules() },
        WithdrawalRules { network_fee_max: 10_u128.pow(36), ..rules() },
        WithdrawalRules { is_enabled: false, ..rules() },
    ];
    for rules in good {
        match settled(&mut world, set(rules)) {
            Reply::Accepted { .. } => {}
            Reply::Rejected { .. } => by_two(&mut world, set(rules)),
        }
    }
    assert_eq!(refused(&mut world, request("off", 10)), RejectReason::WithdrawalsDisabled);
}

#[test]
fn what_is_not_known_or_may_not_be_is_refused() {
    let mut world = world();
    let Command::RequestWithdrawal(good) = request("a", 10) else { unreachable!() };
    let ask = |request: RequestWithdrawal| Command::RequestWithdrawal(Box::new(request));
    let asset = RequestWithdrawal { asset: QUOTE, ..*good };
    assert_eq!(refused(&mut world, ask(asset)), RejectReason::UnknownChainAsset);
    let chain = RequestWithdrawal { chain: wire::ChainId::new(2), ..*good };
    assert_eq!(refused(&mut world, ask(chain)), RejectReason::UnknownChain);
    let account = RequestWithdrawal { account: wire::AccountId::new(9), ..*good };
    assert_eq!(refused(&mut world, ask(account)), RejectReason::UnknownAccount);
    assert_eq!(refused(&mut world, request("", 10)), RejectReason::BadClientOrderId);
    assert_eq!(refused(&mut world, request_to("a", 10, "")), RejectReason::AddressNotAllowed);
    let kill = |is_engaged| {
        Command::SetKillSwitch(SetKillSwitch {
            account: World::account("alice"),
            key: wire::ApiKeyText::EMPTY,
            is_engaged,
        })
    };
    accepted(&mut world, kill(true));
    assert_eq!(refused(&mut world, request("a", 10)), RejectReason::AccountKilled);
    accepted(&mut world, kill(false));
    accepted(&mut world, request("a", 10));
}

#[test]
fn a_full_table_refuses_requests_and_goes_on_with_known_ones() {
    let limits = Limits { withdrawals_max: 1, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::super::world::rules());
    for command in [
        Command::ListChain(wire::command::ListChain {
            symbol: super::super::world::symbol("COIN"),
            lease_ms: 1_500,
            addresses: wire::AddressFormat::Evm,
        }),
        list(BASE, "", 3),
        set(rules()),
    ] {
        accepted(&mut world, command);
    }
    accepted(&mut world, request("a", 10));
    assert_eq!(refused(&mut world, request("b", 10)), RejectReason::TableFull);
    accepted(&mut world, request("a", 10));
    accepted(&mut world, cancel(1, "alice"));
    assert_eq!(refused(&mut world, request("b", 10)), RejectReason::TableFull, "its name is remembered");
    wait_ns(&mut world, 30 * 24 * HOUR_NS);
    accepted(&mut world, request("b", 10));
}

#[test]
fn what_an_operator_has_stopped_while_it_waited_gets_no_inputs() {
    let account = World::account("alice");
    let kill = |is_engaged| Command::SetKillSwitch(SetKillSwitch { account, key: wire::ApiKeyText::EMPTY, is_engaged });
    let mut world = world_with(Layout::Joint, WithdrawalRules { address_delay_s: 3_600, ..rules() });
    accepted(&mut world, request("a", 10));
    wait_ns(&mut world, HOUR_NS);
    let cases = [
        (restrict(true, false), restrict(false, false), RejectReason::WithdrawalsBlocked),
        (restrict(false, true), allow("home", true), RejectReason::AddressNotAllowed),
        (allow("home", false), allow("home", true), RejectReason::AddressNotAllowed),
    ];
    accepted(&mut world, kill(true));
    assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_000)), RejectReason::AccountKilled);
    accepted(&mut world, kill(false));
    for (stop, go_on, why) in cases {
        accepted(&mut world, stop);
        assert_eq!(refused(&mut world, allocate(1, 1, &[0], 2_000)), why);
        by_two(&mut world, go_on);
    }
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
    accepted(&mut world, sign(1, 1));
    accepted(&mut world, see(1, 1, wire::Sighting::Overdue));
    accepted(&mut world, restrict(true, true));
    accepted(&mut world, allocate(1, 2, &[0], 3_000));
}
