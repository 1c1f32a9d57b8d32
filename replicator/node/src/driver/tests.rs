use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Limits, PartitionConfig};
use replicator::ReplicaConfig;
use replicator::log::memory::{MemoryDisk, MemoryLog};
use wire::codec::v1;
use wire::command::DeliverMail;
use wire::mail::PullOrders;
use wire::{
    AccountId, CancelCause, ClusterEpoch, Command, Incarnation, LogPosition, Mail, MailSequence, MarketId, Sides,
};

use super::*;
use crate::block::EventBlock;
use crate::host::HostConfig;
use crate::machine::{EventSink, Machine};
use crate::mail::MailTiming;
use crate::metrics::Metrics;
use crate::rings::{Doorbell, DoorbellWait, PartitionRings, partition_rings};
use crate::space::SpaceWatch;

const LEDGER: PartitionId = PartitionId::new(1);
const MARKET: PartitionId = PartitionId::new(2);
const NODE: NodeId = NodeId::new(1);
const LIFE: Incarnation = Incarnation::new(1);
const MS: u64 = 1_000_000;

struct Nowhere;

impl EventSink for Nowhere {
    fn append(&mut self, _: Arc<EventBlock>) {}

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {}
}

/// The leader of the market's partition, alone in its group, beside a replica of the ledger's.
struct Pair {
    driver: PartitionDriver<MemoryLog>,
    port: PartitionPort,
    ledger: PartitionRings,
    ledger_sleeps: DoorbellWait,
}

/// Of a leader that queues so many commands.
fn pair(commands_max: usize) -> Pair {
    let clock = Clock::start();
    let mut replica = ReplicaConfig::new(MARKET, NODE, vec![NODE], ClusterEpoch::new(1), 1);
    replica.sequencer.commands_max = commands_max;
    let config = HostConfig {
        partitions: vec![LEDGER, MARKET],
        ledger: LEDGER,
        mail: MailTiming { resend_ns: 50 * MS, ack_delay_ns: 20 * MS, ack_count: 64 },
        preferred_leader: None,
        leader_stable_ns: 2_000 * MS,
    };
    let limits = Limits { accounts_max: 4, ..Limits::default() };
    let cells = PartitionConfig { partition: MARKET, ledger: LEDGER, incarnation: LIFE, limits };
    let machine = Machine::new(cells, Box::new(Nowhere));
    let host = PartitionHost::open(replica, config, machine, MemoryDisk::immediate().log(), clock.now()).unwrap();
    let (port, rings) = partition_rings(16, Doorbell::new().0);
    let (bell, ledger_sleeps) = Doorbell::new();
    let (ledger_port, ledger) = partition_rings(16, bell);
    let neighbours = [(LEDGER, ledger_port)].into();
    let (metrics, space) = (Metrics::new().partition(MARKET), SpaceWatch::new(PathBuf::from("/"), 0).seen());
    let mut driver = PartitionDriver::new(host, NODE, rings, neighbours, clock, metrics, space);
    for _ in 0..1_000 {
        driver.duty_cycle(&mut |_| {}).unwrap();
        let status = driver.host.status();
        if status.settled && status.queued == 0 {
            return Pair { driver, port, ledger, ledger_sleeps };
        }
    }
    panic!("it does not lead");
}

impl Pair {
    /// Three batches of the ledger's mail come from another node in one cycle. What its replica here hears of them.
    fn told_of_three(&mut self) -> Vec<u64> {
        for first in [1, 3, 5] {
            let pull = PullOrders {
                market: MarketId::new(1),
                account: AccountId::new(1),
                sides: Sides::Both,
                request: LogPosition::new(first),
                cause: CancelCause::MassCancel,
            };
            let (first, mail) = (MailSequence::new(first), vec![Mail::PullOrders(pull); 2]);
            let (from, acknowledged) = (LEDGER, MailSequence::ZERO);
            let mut payload = Vec::new();
            let batch = DeliverMail { from, incarnation: LIFE, first, acknowledged, mail };
            v1::encode_command(&Command::DeliverMail(batch), &mut payload);
            self.port.peer(HostInput::Mail(payload)).unwrap();
        }
        self.driver.duty_cycle(&mut |_| {}).unwrap();
        let told = self.ledger.peers.try_iter();
        told.map(|input| match input {
            HostInput::MailCame { to: MARKET, incarnation: LIFE, upto } => upto.get(),
            other => panic!("{other:?}"),
        })
        .collect()
    }
}

/// A doorbell for each batch woke a thread that had nothing to do, thousands of times a second in an overload.
#[test]
fn a_standby_hears_once_how_far_its_mail_has_come_and_is_not_woken() {
    let is_woken = || {
        let mut pair = pair(16);
        pair.ledger_sleeps.wait(Duration::ZERO);
        let begun = Instant::now();
        assert_eq!(pair.told_of_three(), [6]);
        pair.ledger_sleeps.wait(Duration::from_millis(50));
        begun.elapsed() < Duration::from_millis(50)
    };
    // A wait may end early by itself, but not each time.
    assert!((0..3).any(|_| !is_woken()), "it was woken");
}

#[test]
fn a_standby_hears_of_no_mail_that_its_leader_had_no_room_for() {
    assert_eq!(pair(2).told_of_three(), [4]);
}
