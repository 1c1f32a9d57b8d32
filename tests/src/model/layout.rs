//! The engine in either layout, and the mail between its partitions.

use engine::{Limits, Output, Partition, PartitionConfig};
use wire::command::{AckMail, Reply, Tick};
use wire::{AssetId, Command, Event, Incarnation, LogPosition, MailSequence, PartitionId, Timestamp};

const LEDGER: PartitionId = PartitionId::new(1);
const INCARNATION: Incarnation = Incarnation::new(1);

/// Which cells share a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Ledger and markets in one partition.
    Joint,
    /// The first market with the ledger, the second apart.
    Mixed,
    /// Each in a partition of its own.
    Split,
}

impl Layout {
    /// Where the market of this index lives.
    pub fn partition(self, market: usize) -> PartitionId {
        match (self, market) {
            (Layout::Joint, _) | (Layout::Mixed, 0) => LEDGER,
            (Layout::Mixed, _) => PartitionId::new(2),
            (Layout::Split, market) => PartitionId::new(2 + market as u16),
        }
    }

    fn partitions(self) -> u16 {
        match self {
            Layout::Joint => 1,
            Layout::Mixed => 2,
            Layout::Split => 3,
        }
    }
}

/// What one command and all the mail after it led to.
pub struct Told {
    /// The command's place in the ledger's log.
    pub position: LogPosition,
    /// The command's own answer.
    pub reply: Reply,
    /// Each partition's in the order of its log; the ledger's partition first.
    pub events: Vec<Event>,
}

struct Log {
    id: PartitionId,
    partition: Partition,
    position: LogPosition,
}

fn config(id: PartitionId, limits: Limits) -> PartitionConfig {
    PartitionConfig { partition: id, ledger: LEDGER, incarnation: INCARNATION, limits }
}

/// The partitions of a layout.
pub struct Engine {
    logs: Vec<Log>,
    out: Output,
    limits: Limits,
    /// How many mails the next delivery carries; varied, so that batches are cut everywhere.
    batch: usize,
}

impl Engine {
    /// Empty partitions.
    pub fn new(layout: Layout, limits: Limits) -> Engine {
        let logs = (1..=layout.partitions()).map(PartitionId::new).map(|id| Log {
            id,
            partition: Partition::new(config(id, limits)),
            position: LogPosition::ZERO,
        });
        Engine { logs: logs.collect(), out: Output::default(), limits, batch: 0 }
    }

    /// Every partition is written down and read again, as on another replica.
    pub fn restart(&mut self) {
        for log in &mut self.logs {
            let mut bytes = Vec::new();
            log.partition.snapshot(&mut bytes);
            let restored =
                Partition::restore(config(log.id, self.limits), &bytes).expect("what was written can be read");
            assert_eq!(restored.digest(), log.partition.digest());
            log.partition = restored;
        }
    }

    /// The digests of all partitions.
    pub fn digests(&self) -> Vec<u128> {
        self.logs.iter().map(|log| log.partition.digest()).collect()
    }

    /// Whether the books balance, with no mail under way.
    pub fn is_conserved(&self) -> bool {
        self.logs[0].partition.audit().iter().all(|audit| audit.is_conserved() && audit.clearing == 0)
    }

    /// What the fee account has of an asset.
    pub fn fees(&self, asset: AssetId) -> i128 {
        self.logs[0].partition.audit().iter().find(|audit| audit.asset == asset).map_or(0, |audit| audit.fees)
    }

    /// When something is due in any partition.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.logs.iter().filter_map(|log| log.partition.next_deadline()).min()
    }

    /// Ticks from now until then whenever something is due, and then once more; what that led to, and then.
    pub fn pass_time(&mut self, now: Timestamp, then: Timestamp) -> (Vec<Event>, Timestamp) {
        let mut events = Vec::new();
        let mut now = now;
        while let Some(due) = self.next_deadline().filter(|due| now < then && *due <= then) {
            now = now.max(due);
            events.append(&mut self.apply(now, &Command::Tick(Tick)).events);
        }
        events.append(&mut self.apply(then, &Command::Tick(Tick)).events);
        (events, then)
    }

    /// Applies the command where the ledger lives, then carries mail until none is left.
    pub fn apply(&mut self, now: Timestamp, command: &Command) -> Told {
        let mut told = vec![Vec::new(); self.logs.len()];
        // Every log sees the time that the command sees, as if each leader had ticked.
        for log in 1..self.logs.len() {
            self.sequence(log, now, &Command::Tick(Tick), &mut told);
        }
        let reply = self.sequence(0, now, command, &mut told);
        let position = self.logs[0].position;
        loop {
            let mut has_carried = false;
            for log in 1..self.logs.len() {
                has_carried |= self.carry(0, log, now, &mut told);
                has_carried |= self.carry(log, 0, now, &mut told);
            }
            if !has_carried {
                break;
            }
        }
        Told { position, reply, events: told.concat() }
    }

    fn sequence(&mut self, log: usize, now: Timestamp, command: &Command, told: &mut [Vec<Event>]) -> Reply {
        let Log { partition, position, .. } = &mut self.logs[log];
        *position = position.next();
        partition.apply(*position, now, command, &mut self.out);
        told[log].extend_from_slice(&self.out.events);
        self.out.reply
    }

    /// Whether there was mail from one to the other. What was delivered arrives once more, as after a failover.
    fn carry(&mut self, from: usize, to: usize, now: Timestamp, told: &mut [Vec<Event>]) -> bool {
        let (sender, receiver) = (self.logs[from].id, self.logs[to].id);
        let after = self.logs[to].partition.received(sender).map_or(MailSequence::ZERO, |(_, seen)| seen);
        self.batch = self.batch % 5 + 1;
        if let Some(mail) = self.logs[from].partition.deliver_mail(receiver, after, self.batch) {
            let delivery = Command::DeliverMail(mail);
            assert_eq!(self.sequence(to, now, &delivery, told), Reply::Accepted { id: 0 });
            let before = told[to].len();
            self.sequence(to, now, &delivery, told);
            assert_eq!(told[to].len(), before, "mail that arrives again tells nothing");
            return true;
        }
        if let Some((incarnation, acknowledged)) = self.logs[from].partition.received(receiver) {
            let ack = AckMail { from: sender, incarnation, acknowledged };
            self.sequence(to, now, &Command::AckMail(ack), told);
        }
        false
    }
}
