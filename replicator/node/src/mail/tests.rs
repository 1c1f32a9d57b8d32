use engine::{Limits, Output, PartitionConfig};
use wire::command::{ListAsset, ListMarket};
use wire::{Amount, AssetId, LogPosition, MarketRules, MarketStatus, Price, Qty, SpecialRules, Symbol};

use super::*;

const MS: u64 = 1_000_000;
const LEDGER: PartitionId = PartitionId::new(1);
const STUCK: PartitionId = PartitionId::new(2);
const SOUND: PartitionId = PartitionId::new(3);
const LEADER: NodeId = NodeId::new(1);
/// Leads both markets' partitions, and has a standby of the ledger's.
const BESIDE: NodeId = NodeId::new(2);
const INCARNATION: Incarnation = Incarnation::new(1);

/// The ledger's leader, and its standby beside the leader of two other partitions. Both have applied the same log.
struct Pair {
    now: Timestamp,
    cells: Partition,
    position: LogPosition,
    markets: u8,
    leader: MailShipper,
    standby: MailShipper,
    listeners: Vec<NodeId>,
}

impl Pair {
    fn new() -> Pair {
        let timing = MailTiming { resend_ns: 50 * MS, ack_delay_ns: 20 * MS, ack_count: 64 };
        let shipper = |node| {
            let mut shipper = MailShipper::new(node, LEDGER, INCARNATION, [LEDGER, STUCK, SOUND], timing);
            [STUCK, SOUND].into_iter().for_each(|partition| shipper.leader_is(partition, Some(BESIDE)));
            shipper
        };
        let limits = Limits { accounts_max: 4, ..Limits::default() };
        let config = PartitionConfig { partition: LEDGER, ledger: LEDGER, incarnation: INCARNATION, limits };
        let mut pair = Pair {
            now: Timestamp::from_nanos(1_000 * MS),
            cells: Partition::new(config),
            position: LogPosition::ZERO,
            markets: 0,
            leader: shipper(LEADER),
            standby: shipper(BESIDE),
            listeners: Vec::new(),
        };
        for (symbol, ledger_decimals) in [(b"BTC", 10), (b"USD", 8)] {
            let symbol = Symbol::new(symbol).unwrap();
            pair.apply(&Command::ListAsset(ListAsset { symbol, ledger_decimals }));
        }
        pair
    }

    fn apply(&mut self, command: &Command) {
        self.position = self.position.next();
        self.cells.apply(self.position, self.now, command, &mut Output::default());
    }

    /// A market is listed in each of the two partitions: a mail to each.
    fn mail_to_both(&mut self) {
        for partition in [STUCK, SOUND] {
            let before = self.last(partition);
            self.markets += 1;
            let (price, qty) = (|units| Price::new(units).unwrap(), |units| Qty::new(units).unwrap());
            let rules = MarketRules {
                tick: price(1),
                price_min: price(1),
                price_max: price(100_000_000),
                lot: qty(1),
                qty_min: qty(1),
                qty_max: qty(900_000_000),
                market_qty_max: qty(900_000_000),
                notional_min: Amount::new(0).unwrap(),
                notional_max: Amount::new(i64::MAX).unwrap(),
                protection_ppm: 50_000,
                open_orders_max: 1_000,
                special: SpecialRules::default(),
            };
            self.apply(&Command::ListMarket(Box::new(ListMarket {
                symbol: Symbol::new(&[b'M', b'A' + self.markets]).unwrap(),
                base: AssetId::new(1),
                quote: AssetId::new(2),
                partition,
                price_decimals: 2,
                qty_decimals: 5,
                rules,
                status: MarketStatus::Trading,
            })));
            assert_eq!(self.last(partition).get(), before.get() + 1);
        }
    }

    fn last(&self, to: PartitionId) -> MailSequence {
        self.cells.outboxes().find(|outbox| outbox.to() == to).map_or(MailSequence::ZERO, |outbox| outbox.last())
    }

    /// All mail for this partition is applied there.
    fn acknowledge(&mut self, from: PartitionId) {
        let acknowledged = self.last(from);
        self.apply(&Command::AckMail(AckMail { from, incarnation: INCARNATION, acknowledged }));
    }

    /// What the leader sends, to which partition and from which mail on; who it is for hears of it.
    fn sent(&mut self) -> Vec<(PartitionId, u64)> {
        self.listeners = self.leader.new_listeners(&self.cells).unwrap_or(std::mem::take(&mut self.listeners));
        let mut out = VecDeque::new();
        self.leader.poll(self.now, &self.cells, &self.listeners, &mut out);
        let batches = out.iter().map(delivered);
        batches
            .map(|(to, batch)| {
                self.standby.came(to, batch.incarnation, last_of(&batch));
                (to, batch.first.get())
            })
            .collect()
    }

    fn picked_up(&mut self) -> Vec<(PartitionId, u64)> {
        let mut out = VecDeque::new();
        self.standby.pick_up(self.now, &self.cells, &mut out);
        out.iter().map(delivered).map(|(to, batch)| (to, batch.first.get())).collect()
    }

    fn passes(&mut self, ms: u64) {
        self.now = self.now.plus_nanos(ms * MS);
    }
}

fn delivered(mail: &MailOut) -> (PartitionId, DeliverMail) {
    match v1::decode_command(&mail.payload) {
        Ok(Command::DeliverMail(batch)) => (mail.partition, batch),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mail_to_a_partition_that_is_stuck_is_sent_again_and_no_other() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    assert_eq!(pair.sent(), [], "it is left to the standby beside the receivers");
    assert_eq!(pair.picked_up(), [(STUCK, 1), (SOUND, 1)]);
    pair.acknowledge(SOUND);
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up()), (vec![], vec![(STUCK, 2), (SOUND, 2)]));
    pair.passes(40);
    pair.acknowledge(SOUND);
    assert_eq!(pair.sent(), []);
    pair.passes(11);
    assert_eq!(pair.sent(), [(STUCK, 1)]);
    for nth in 3..6 {
        pair.passes(5);
        pair.mail_to_both();
        assert_eq!(pair.sent(), [(STUCK, nth)], "one is the leader's now");
        assert_eq!(pair.picked_up(), [(SOUND, nth)], "the other is the standby's still, and each is passed on once");
        pair.acknowledge(SOUND);
    }
    assert_eq!(pair.leader.counters().resent, 2);
}

#[test]
fn mail_is_left_to_the_standby_again_and_goes_on_where_the_leader_ended() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up().len()), (vec![], 2));
    pair.acknowledge(SOUND);
    pair.passes(51);
    assert_eq!((pair.sent(), pair.picked_up()), (vec![(STUCK, 1)], vec![]));
    pair.acknowledge(STUCK);
    pair.passes(1_990);
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up()), (vec![(STUCK, 2)], vec![(SOUND, 2)]));
    pair.acknowledge(SOUND);
    pair.passes(11);
    pair.mail_to_both();
    assert_eq!(pair.sent(), [], "both are left to the standby from here on");
    assert_eq!(pair.picked_up(), [(SOUND, 3)], "who cannot know that yet");
    pair.passes(15);
    assert_eq!((pair.sent(), pair.picked_up()), (vec![], vec![(STUCK, 3)]), "before the leader takes it for lost");
}

#[test]
fn mail_that_is_left_to_the_standby_again_is_acknowledged_before_its_leader_takes_it_for_lost() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up().len()), (vec![], 2));
    pair.acknowledge(SOUND);
    pair.passes(51);
    assert_eq!((pair.sent(), pair.picked_up()), (vec![(STUCK, 1)], vec![]));
    pair.acknowledge(STUCK);
    pair.passes(1_999);
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up()), (vec![(STUCK, 2)], vec![(SOUND, 2)]));
    [STUCK, SOUND].into_iter().for_each(|partition| pair.acknowledge(partition));
    pair.passes(1);
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up()), (vec![], vec![(SOUND, 3)]), "both are left to the standby");
    pair.acknowledge(SOUND);
    pair.passes(14);
    assert_eq!((pair.sent(), pair.picked_up()), (vec![], vec![(STUCK, 3)]));
    // It is written there, its acknowledgement waits as long as it may, and is written here.
    pair.passes(6 + 20 + 6);
    assert_eq!(pair.sent(), []);
    pair.acknowledge(STUCK);
    pair.passes(1_000);
    pair.mail_to_both();
    assert_eq!((pair.sent(), pair.picked_up()), (vec![], vec![(STUCK, 4), (SOUND, 4)]));
}

#[test]
fn a_standby_believes_nobody_that_more_has_come_than_can_be_under_way() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    pair.standby.came(STUCK, INCARNATION, MailSequence::new(u64::MAX));
    pair.standby.came(SOUND, INCARNATION, MailSequence::new(1 + AHEAD_MAX + 1));
    assert_eq!(pair.picked_up(), [(STUCK, 1), (SOUND, 1)]);
    // It may be behind its leader.
    pair.standby.came(SOUND, INCARNATION, MailSequence::new(3));
    pair.mail_to_both();
    assert_eq!(pair.picked_up(), [(STUCK, 2)]);
    pair.passes(50);
    pair.mail_to_both();
    assert_eq!(pair.picked_up(), [(STUCK, 3)], "this one has come");
    pair.mail_to_both();
    assert_eq!(pair.picked_up(), [(STUCK, 4), (SOUND, 4)]);
}

#[test]
fn what_has_come_from_afar_is_told_once_for_each_sender() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    pair.mail_to_both();
    let two = pair.cells.deliver_mail(STUCK, MailSequence::ZERO, 2).unwrap();
    let batch = |from, incarnation, first| {
        let (incarnation, first) = (Incarnation::new(incarnation), MailSequence::new(first));
        DeliverMail { from, incarnation, first, ..two.clone() }
    };
    for (from, life, first) in [(STUCK, 1, 1), (SOUND, 1, 7), (STUCK, 1, 5), (STUCK, 1, 3), (SOUND, 2, 1)] {
        pair.leader.note_delivered(&batch(from, life, first));
    }
    let told: Vec<_> = std::iter::from_fn(|| pair.leader.delivered()).collect();
    let upto = |from, life, upto| (from, Incarnation::new(life), MailSequence::new(upto));
    assert_eq!(told, [upto(STUCK, 1, 6), upto(SOUND, 2, 2)]);
}

#[test]
fn mail_of_a_former_life_or_to_a_leader_elsewhere_keeps_a_standby_from_nothing() {
    let mut pair = Pair::new();
    pair.mail_to_both();
    pair.standby.came(STUCK, Incarnation::new(2), MailSequence::new(9));
    pair.standby.leader_is(SOUND, Some(LEADER));
    pair.standby.came(SOUND, INCARNATION, MailSequence::new(9));
    pair.standby.leader_is(SOUND, Some(BESIDE));
    assert_eq!(pair.picked_up(), [(STUCK, 1), (SOUND, 1)]);
}
