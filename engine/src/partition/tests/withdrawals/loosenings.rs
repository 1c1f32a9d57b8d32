//! What guards withdrawals is loosened by two operators and tightened by one.

use wire::command::{DeclareReserves, DropLoosening, ReportReserves, ThawReserves};
use wire::event::{LooseningEnded, LooseningProposed};
use wire::{
    AccountName, AssetId, ChainHash, Command, Event, LogPosition, LooseningEnd, LooseningId, RejectReason,
    WithdrawalRules,
};

use super::super::world::{BASE, Layout, QUOTE, World, amount};
use super::bed::*;

const DAY_NS: u64 = 24 * HOUR_NS;

fn name(name: &str) -> AccountName {
    AccountName::new(name.as_bytes()).unwrap()
}

/// Up to 600 where the bed's rules end at 500.
fn looser() -> Command {
    set(WithdrawalRules { amount_max: amount(600), ..rules() })
}

fn drop_it(who: &str, number: u64) -> Command {
    Command::DropLoosening(DropLoosening { id: LooseningId::new(number), operator: name(who) })
}

fn thaw() -> Command {
    Command::ThawReserves(ThawReserves { chain: CHAIN, asset: BASE })
}

fn compare(held: u128) -> Command {
    let (position, block) = (LogPosition::new(u64::MAX), ChainHash([7; 32]));
    let report = ReportReserves { chain: CHAIN, fence: 1, asset: BASE, position, block, height: 90, held, due: 10 };
    Command::ReportReserves(Box::new(report))
}

fn ends(world: &mut World) -> Vec<(u64, LooseningEnd, AccountName)> {
    let told = std::mem::take(&mut world.private).into_iter().filter_map(|event| match event {
        Event::LooseningEnded(LooseningEnded { id, end, operator }) => Some((id.get(), end, operator)),
        _ => None,
    });
    told.collect()
}

#[test]
fn looser_rules_are_so_when_another_operator_has_approved_the_very_same() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = world_with(layout, rules());
        assert_eq!(refused(&mut world, looser()), RejectReason::NeedsSecondOperator);
        assert_eq!(accepted(&mut world, propose("dana", looser())), 1);
        let Some(Event::LooseningProposed(told)) = world.private.pop() else { panic!("it is told") };
        let LooseningProposed { id, proposer, expires_at, loosening: said } = *told;
        assert_eq!((id.get(), proposer, said), (1, name("dana"), loosening(looser())));
        assert_eq!(expires_at, world.now.plus_nanos(DAY_NS));
        assert_eq!(refused(&mut world, request("a", 501)), RejectReason::WithdrawalTooLarge, "it waits");
        assert_eq!(refused(&mut world, let_be("dana", 1, looser())), RejectReason::SameOperator);
        assert_eq!(refused(&mut world, let_be("", 1, looser())), RejectReason::SameOperator);
        let another = set(WithdrawalRules { amount_max: amount(601), ..rules() });
        assert_eq!(refused(&mut world, let_be("evan", 1, another)), RejectReason::LooseningMismatch);
        assert_eq!(refused(&mut world, let_be("evan", 2, looser())), RejectReason::UnknownLoosening);
        accepted(&mut world, let_be("evan", 1, looser()));
        assert_eq!(ends(&mut world), [(1, LooseningEnd::Approved, name("evan"))]);
        accepted(&mut world, request("a", 501));
        assert_eq!(refused(&mut world, let_be("evan", 1, looser())), RejectReason::UnknownLoosening);
        assert_eq!(refused(&mut world, propose("dana", looser())), RejectReason::NothingLoosened);
    }
}

#[test]
fn one_operator_tightens_at_once_and_a_proposal_of_the_same_is_overtaken() {
    let mut world = world();
    accepted(&mut world, propose("dana", looser()));
    accepted(&mut world, set(rules()));
    assert_eq!(ends(&mut world), [], "nothing has changed");
    let off = set(WithdrawalRules { is_enabled: false, ..rules() });
    accepted(&mut world, off);
    assert_eq!(ends(&mut world), [(1, LooseningEnd::Overtaken, AccountName::EMPTY)]);
    // Approving it would have opened what was closed in between.
    assert_eq!(refused(&mut world, let_be("evan", 1, looser())), RejectReason::UnknownLoosening);
    assert_eq!(refused(&mut world, request("a", 10)), RejectReason::WithdrawalsDisabled);
    assert_eq!(refused(&mut world, set(rules())), RejectReason::NeedsSecondOperator, "not even back to what it was");
}

#[test]
fn an_approved_proposal_overtakes_the_others_of_the_same_alone() {
    let mut world = world();
    accepted(&mut world, list(QUOTE, "0xabc", 3));
    let other = set(WithdrawalRules { amount_max: amount(700), ..rules() });
    let Command::SetWithdrawalRules(of_base) = looser() else { unreachable!("rules") };
    let of_quote =
        Command::SetWithdrawalRules(Box::new(wire::command::SetWithdrawalRules { asset: QUOTE, ..*of_base }));
    accepted(&mut world, of_quote.clone());
    let Command::SetWithdrawalRules(mut looser_quote) = of_quote else { unreachable!("rules") };
    looser_quote.rules.amount_max = amount(900);
    accepted(&mut world, propose("dana", looser()));
    accepted(&mut world, propose("dana", other));
    accepted(&mut world, propose("evan", Command::SetWithdrawalRules(looser_quote)));
    ends(&mut world);
    accepted(&mut world, let_be("evan", 1, looser()));
    let (overtaken, nobody) = (LooseningEnd::Overtaken, AccountName::EMPTY);
    assert_eq!(ends(&mut world), [(2, overtaken, nobody), (1, LooseningEnd::Approved, name("evan"))]);
    accepted(&mut world, drop_it("fran", 3));
}

#[test]
fn a_proposal_runs_out_after_a_day_of_log_time_and_not_a_moment_before() {
    for (waited, wanted) in [(DAY_NS - 1, None), (DAY_NS, Some(RejectReason::UnknownLoosening))] {
        let mut world = world();
        accepted(&mut world, propose("dana", looser()));
        wait_ns(&mut world, waited);
        match wanted {
            None => drop(accepted(&mut world, let_be("evan", 1, looser()))),
            Some(reason) => {
                assert_eq!(refused(&mut world, let_be("evan", 1, looser())), reason);
                assert_eq!(accepted(&mut world, propose("dana", looser())), 2, "a number is given out once");
            }
        }
    }
}

#[test]
fn any_operator_drops_a_proposal() {
    let mut world = world();
    for (number, who) in [(1, "dana"), (2, "evan")] {
        accepted(&mut world, propose("dana", looser()));
        accepted(&mut world, drop_it(who, number));
        assert_eq!(ends(&mut world), [(number, LooseningEnd::Dropped, name(who))]);
        assert_eq!(refused(&mut world, drop_it(who, number)), RejectReason::UnknownLoosening);
        assert_eq!(refused(&mut world, let_be("evan", number, looser())), RejectReason::UnknownLoosening);
    }
}

#[test]
fn thirty_two_wait_and_no_more_and_the_same_waits_once() {
    let mut world = world();
    let up_to = |units| set(WithdrawalRules { amount_max: amount(units), ..rules() });
    for number in 1..=32 {
        assert_eq!(accepted(&mut world, propose("dana", up_to(500 + number as i64))), number);
    }
    assert_eq!(refused(&mut world, propose("dana", up_to(533))), RejectReason::TooManyLoosenings);
    let exists = wire::command::Reply::Rejected { reason: RejectReason::LooseningExists, id: 7 };
    assert_eq!(settled(&mut world, propose("evan", up_to(507))), exists);
    accepted(&mut world, drop_it("evan", 7));
    assert_eq!(accepted(&mut world, propose("dana", up_to(533))), 33);
}

#[test]
fn what_could_not_be_done_is_neither_proposed_nor_approved() {
    let mut world = world();
    let bad = set(WithdrawalRules { amount_min: amount(0), ..rules() });
    assert_eq!(refused(&mut world, propose("dana", bad)), RejectReason::BadWithdrawalRules);
    assert_eq!(refused(&mut world, propose("dana", thaw())), RejectReason::ReservesNotFound);
    assert_eq!(refused(&mut world, propose("", looser())), RejectReason::SameOperator);
    let tighter = set(WithdrawalRules { amount_max: amount(400), ..rules() });
    assert_eq!(refused(&mut world, propose("dana", tighter)), RejectReason::NothingLoosened);
}

#[test]
fn a_thaw_of_one_halt_does_not_thaw_the_next() {
    let mut world = world();
    accepted(&mut world, compare(9));
    accepted(&mut world, compare(10));
    accepted(&mut world, propose("dana", thaw()));
    accepted(&mut world, compare(9));
    assert_eq!(ends(&mut world), [(1, LooseningEnd::Overtaken, AccountName::EMPTY)]);
    accepted(&mut world, compare(10));
    assert_eq!(refused(&mut world, let_be("evan", 1, thaw())), RejectReason::UnknownLoosening);
    by_two(&mut world, thaw());
    accepted(&mut world, request("a", 10));
    accepted(&mut world, allocate(1, 1, &[0], 2_000));
}

#[test]
fn the_first_rules_are_one_operators_only_while_the_chain_has_no_money_of_anybody() {
    let with = |asset: AssetId| {
        Command::SetWithdrawalRules(Box::new(wire::command::SetWithdrawalRules { chain: CHAIN, asset, rules: rules() }))
    };
    let mut fresh = world();
    accepted(&mut fresh, list(QUOTE, "0xabc", 3));
    accepted(&mut fresh, with(QUOTE));
    let mut used = world();
    accepted(&mut used, list(QUOTE, "0xabc", 3));
    let brought = DeclareReserves { chain: CHAIN, asset: QUOTE, brought: 5, since: 8 };
    accepted(&mut used, Command::DeclareReserves(Box::new(brought)));
    by_two(&mut used, with(QUOTE));
}
