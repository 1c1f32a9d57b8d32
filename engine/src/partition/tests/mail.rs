//! Mail between partitions: exactly once, in order, bounded, and never a panic.

use wire::command::{AckMail, CancelAll, CancelOrder, DeliverMail, NewOrder, Reply};
use wire::{
    ClientOrderId, Command, Event, Incarnation, LogPosition, Mail, MailSequence, MarketRules, OrderId, PartitionId,
    RejectReason, mail,
};

use super::world::{LEDGER, Layout, MARKET, World, reason, rules, small_limits};
use crate::{Limits, Output, Partition, PartitionConfig, SnapshotError};

fn order(world: &mut World, text: &str) -> NewOrder {
    world.parse_order(&text.split_whitespace().collect::<Vec<_>>())
}

fn batch(world: &World, from: usize, to: usize) -> DeliverMail {
    let to = PartitionId::new(to as u16 + 1);
    world.partitions[from].deliver_mail(to, MailSequence::ZERO, 4_096).expect("mail is waiting")
}

#[test]
fn mail_that_was_applied_is_skipped_and_a_gap_changes_nothing() {
    let mut world = World::new(Layout::Split);
    for text in ["alice sell 5 @ 100", "alice sell 5 @ 102"] {
        let order = order(&mut world, text);
        world.ask(Command::NewOrder(order));
    }
    let both = batch(&world, 0, 1);
    assert_eq!(both.mail.len(), 2, "the market's creation is acknowledged");
    let second = DeliverMail { first: both.first.next(), mail: both.mail[1..].to_vec(), ..both.clone() };

    let before = world.partitions[1].digest();
    assert_eq!(reason(world.apply(1, &Command::DeliverMail(second.clone()))), RejectReason::Malformed);
    assert_eq!(world.partitions[1].digest(), before);

    world.apply(1, &Command::DeliverMail(DeliverMail { mail: both.mail[..1].to_vec(), ..both.clone() }));
    world.apply(1, &Command::DeliverMail(both.clone()));
    let after = world.partitions[1].digest();
    world.apply(1, &Command::DeliverMail(second));
    world.apply(1, &Command::DeliverMail(both));
    assert_eq!(world.partitions[1].digest(), after);
    assert_eq!(world.partitions[1].received(LEDGER), Some((Incarnation::new(1), MailSequence::new(3))));
    world.carry_all();
    world.assert_settled();
    assert_eq!(world.play("bob buy 10 @ 102 fok").matches("fill").count(), 4);
}

#[test]
fn batches_that_no_node_would_send_are_refused() {
    let mut world = World::new(Layout::Split);
    let sell = order(&mut world, "alice sell 5 @ 100");
    world.ask(Command::NewOrder(sell));
    let good = batch(&world, 0, 1);
    let before = world.partitions[1].digest();
    let bad = [
        DeliverMail { first: MailSequence::ZERO, ..good.clone() },
        DeliverMail { first: MailSequence::new(u64::MAX), ..good.clone() },
        DeliverMail { mail: Vec::new(), ..good.clone() },
        DeliverMail { incarnation: Incarnation::new(0), ..good.clone() },
        DeliverMail { acknowledged: MailSequence::new(1), ..good.clone() },
        DeliverMail { from: PartitionId::new(2), ..good.clone() },
    ];
    for batch in bad {
        assert!(matches!(world.apply(1, &Command::DeliverMail(batch)), Reply::Rejected { .. }));
        assert_eq!(world.partitions[1].digest(), before);
    }
    for (incarnation, acknowledged) in [(1, 1_000), (2, 1), (0, 1)] {
        let ack = AckMail {
            from: PartitionId::new(2),
            incarnation: Incarnation::new(incarnation),
            acknowledged: MailSequence::new(acknowledged),
        };
        assert_eq!(reason(world.apply(0, &Command::AckMail(ack))), RejectReason::Malformed);
    }
    world.carry_all();
    world.assert_settled();
}

#[test]
fn mail_from_the_wrong_cell_or_about_unknown_things_changes_no_money() {
    let mut world = World::new(Layout::Split);
    world.play("alice sell 5 @ 100");
    let (market, order, request) = (MARKET, OrderId::new(1), LogPosition::ZERO);
    let fill = mail::OrderFilled {
        market,
        order,
        trade: wire::TradeId::new(9),
        price: super::world::price(100),
        qty: super::world::qty(5),
        leaves: wire::Qty::ZERO,
        is_maker: true,
        traded_at: world.now,
    };
    let leaves = wire::Qty::ZERO;
    let lies = vec![
        Mail::OrderFilled(fill),
        Mail::OrderFilled(mail::OrderFilled { order: OrderId::new(77), ..fill }),
        Mail::OrderEnded(mail::OrderEnded { market, order, leaves, cause: wire::CancelCause::Requested, request }),
        Mail::OrderRefused(mail::OrderRefused { market, order, reason: RejectReason::Busy }),
        Mail::OrderRested(mail::OrderRested { market, order, leaves }),
        Mail::PullRefused(mail::PullRefused { market, order, request }),
        Mail::OrdersPulled(mail::OrdersPulled { market, account: World::account("alice"), request, canceled: 3 }),
    ];
    let audit = world.partitions[0].audit();
    let other = PartitionId::new(3);
    let (incarnation, seen) = world.partitions[0].received(other).unwrap_or((Incarnation::new(1), MailSequence::ZERO));
    let lies =
        DeliverMail { from: other, incarnation, first: seen.next(), acknowledged: MailSequence::ZERO, mail: lies };
    world.private.clear();
    assert_eq!(world.apply(0, &Command::DeliverMail(lies)), Reply::Accepted { id: 0 });
    assert_eq!(world.private, []);
    assert_eq!(world.partitions[0].audit(), audit);
    assert_eq!(world.play("alice cancel 1"), "canceled 1 5 Requested");
}

#[test]
fn orders_for_a_market_that_is_not_there_are_refused_and_released() {
    let mut world = World::new(Layout::Split);
    let sell = order(&mut world, "alice sell 5 @ 100");
    world.ask(Command::NewOrder(sell));
    let limits = Limits { markets_max: 0, ..small_limits() };
    let config =
        PartitionConfig { partition: PartitionId::new(2), ledger: LEDGER, incarnation: Incarnation::new(1), limits };
    let mut empty = Partition::new(config);
    let mut out = Output::default();
    let orphans = DeliverMail { first: MailSequence::new(1), ..batch(&world, 0, 1) };
    empty.apply(LogPosition::new(1), world.now, &Command::DeliverMail(orphans), &mut out);
    let answer = empty.deliver_mail(LEDGER, MailSequence::ZERO, 10).expect("an answer");
    assert!(matches!(answer.mail[..], [Mail::OrderRefused(mail::OrderRefused { reason, .. })]
        if reason == RejectReason::UnknownMarket));
}

#[test]
fn a_market_that_cannot_be_reached_takes_cancels_but_no_more_orders() {
    let mut world = World::with(Layout::Split, Limits { unanswered_max: 4, ..small_limits() }, rules());
    for _ in 0..4 {
        let sell = order(&mut world, "alice sell 5 @ 100");
        assert!(matches!(world.ask(Command::NewOrder(sell)), Reply::Accepted { .. }));
    }
    let held = world.partitions[0].balance(World::account("alice"), super::world::BASE);
    let fifth = order(&mut world, "alice sell 5 @ 100");
    assert_eq!(reason(world.ask(Command::NewOrder(fifth))), RejectReason::MarketUnavailable);
    assert_eq!(world.partitions[0].balance(World::account("alice"), super::world::BASE), held);

    let (account, client_order_id) = (World::account("alice"), ClientOrderId::EMPTY);
    let cancel = |order: u64| {
        Command::CancelOrder(CancelOrder {
            account,
            market: MARKET,
            order: OrderId::new(order),
            client_order_id,
            restriction: wire::CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        })
    };
    for id in 1..=4 {
        assert_eq!(world.ask(cancel(id)), Reply::Accepted { id });
    }
    let all = Command::CancelAll(CancelAll { account, market: MARKET });
    assert_eq!(reason(world.ask(cancel(1))), RejectReason::Busy);
    assert_eq!(reason(world.ask(all)), RejectReason::Busy);
    assert!(matches!(world.ask(cancel(9)), Reply::Rejected { reason: RejectReason::UnknownOrder, .. }));

    world.private.clear();
    world.carry_all();
    world.assert_settled();
    assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
    assert_eq!(world.play("alice sell 5 @ 100"), "accepted 5, rests 5 5");
}

#[test]
fn a_market_that_is_not_heard_refuses_to_match_but_answers_everything() {
    let many = MarketRules { open_orders_max: 64, ..rules() };
    let mut world = World::with(Layout::Split, Limits { owed_replies_max: 30, ..small_limits() }, many);
    for _ in 0..40 {
        let sell = order(&mut world, "alice sell 1 @ 100");
        world.ask(Command::NewOrder(sell));
        world.carry(0, 1, 100);
    }
    let waiting = world.partitions[1].outboxes().next().expect("an outbox").len();
    assert_eq!(waiting, 40, "each order has its answer");
    world.private.clear();
    world.carry_all();
    let is_refused = |event: &&Event| matches!(event, Event::OrderRejected(e) if e.reason == RejectReason::Busy);
    assert_eq!(world.private.iter().filter(is_refused).count(), 40 - (30 - 20 + 1), "twenty mails must fit");
    world.assert_settled();
    world.play("alice cancel all");
    assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
}

#[test]
fn mail_and_snapshots_of_another_life_of_the_log_are_refused() {
    let mut world = World::new(Layout::Split);
    let sell = order(&mut world, "alice sell 5 @ 100");
    world.ask(Command::NewOrder(sell));
    let mut bytes = Vec::new();
    world.partitions[0].snapshot(&mut bytes);
    let config = |incarnation| PartitionConfig {
        partition: LEDGER,
        ledger: LEDGER,
        incarnation: Incarnation::new(incarnation),
        limits: small_limits(),
    };
    for other in [0, 2] {
        assert!(matches!(Partition::restore(config(other), &bytes), Err(SnapshotError::Body(_))));
    }
    world.partitions[0] = Partition::restore(config(1), &bytes).expect("it restores");
    let first = batch(&world, 0, 1);
    assert_eq!(world.apply(1, &Command::DeliverMail(first.clone())), Reply::Accepted { id: 0 });
    let received = world.partitions[1].received(LEDGER);
    for other in [0, 2] {
        let other = DeliverMail { incarnation: Incarnation::new(other), ..first.clone() };
        let reply = world.apply(1, &Command::DeliverMail(other));
        assert!(matches!(reply, Reply::Rejected { reason: RejectReason::Malformed, .. }));
    }
    assert_eq!(world.partitions[1].received(LEDGER), received);
    world.carry_all();
    world.assert_settled();
    assert_eq!(world.play("alice cancel 1"), "canceled 1 5 Requested");
}

#[test]
fn a_new_life_goes_on_with_its_mail_and_refuses_all_that_the_old_one_says() {
    let mut world = World::new(Layout::Split);
    world.play("bob sell 3 @ 104");
    let sell = order(&mut world, "alice sell 5 @ 100");
    world.ask(Command::NewOrder(sell));
    let old_mail = batch(&world, 0, 1);
    let (market, other_market) = (PartitionId::new(2), PartitionId::new(3));
    let old_ack = |from, to: &Partition| {
        let acknowledged = to.outboxes().find(|outbox| outbox.to() == from).map_or(MailSequence::ZERO, |it| it.last());
        AckMail { from, incarnation: Incarnation::new(1), acknowledged }
    };
    for partition in &mut world.partitions {
        let ack = old_ack(if partition.audit().is_empty() { LEDGER } else { market }, partition);
        partition.begin_life(Incarnation::new(7));
        let before = partition.digest();
        let mut out = Output::default();
        partition.apply(LogPosition::new(1_000), world.now, &Command::AckMail(ack), &mut out);
        assert_eq!(reason(out.reply), RejectReason::Malformed);
        assert_eq!(partition.digest(), before);
    }
    assert_eq!(reason(world.apply(1, &Command::DeliverMail(old_mail.clone()))), RejectReason::Malformed);
    // Nor from a partition that was never heard.
    let stranger = DeliverMail { from: other_market, first: MailSequence::new(1), ..old_mail };
    let mut fresh = Partition::new(PartitionConfig {
        partition: PartitionId::new(2),
        ledger: LEDGER,
        incarnation: Incarnation::new(7),
        limits: small_limits(),
    });
    let mut out = Output::default();
    fresh.apply(LogPosition::new(1), world.now, &Command::DeliverMail(stranger), &mut out);
    assert_eq!(reason(out.reply), RejectReason::Malformed);
    assert_eq!(fresh.received(other_market), None);

    world.carry_all();
    world.assert_settled();
    assert_eq!(world.partitions[1].received(LEDGER).map(|(life, _)| life), Some(Incarnation::new(7)));
    let mut bytes = Vec::new();
    world.partitions[1].snapshot(&mut bytes);
    let config =
        PartitionConfig { partition: market, ledger: LEDGER, incarnation: Incarnation::new(7), limits: small_limits() };
    assert_eq!(Partition::restore(config, &bytes).expect("it restores").digest(), world.partitions[1].digest());
    assert_eq!(world.play("alice cancel 2"), "canceled 2 5 Requested");
}

#[test]
fn damaged_and_foreign_snapshots_are_refused() {
    let mut world = World::new(Layout::Joint);
    world.play("alice sell 5 @ 100");
    let mut bytes = Vec::new();
    world.partitions[0].snapshot(&mut bytes);
    let config =
        PartitionConfig { partition: LEDGER, ledger: LEDGER, incarnation: Incarnation::new(1), limits: small_limits() };
    assert!(Partition::restore(config, &bytes).is_ok());
    for len in 0..bytes.len() {
        assert!(Partition::restore(config, &bytes[..len]).is_err());
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Partition::restore(config, &damaged).is_err());
    }
    let other = PartitionConfig { partition: PartitionId::new(2), ledger: PartitionId::new(2), ..config };
    assert_eq!(Partition::restore(other, &bytes).err(), Some(SnapshotError::OtherPartition));
    let smaller = PartitionConfig { limits: Limits { assets_max: 2, ..small_limits() }, ..config };
    assert!(matches!(Partition::restore(smaller, &bytes), Err(SnapshotError::Body(_))));
    // What the log may change is in the snapshot, whatever the build begins with.
    let other = PartitionConfig { limits: Limits { accounts_max: 2, ..small_limits() }, ..config };
    assert_eq!(Partition::restore(other, &bytes).expect("it restores").digest(), world.partitions[0].digest());
}
