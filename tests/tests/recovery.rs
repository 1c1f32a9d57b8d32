//! Recovery at any time of a cluster's life: three partitions whose leaders' clocks differ trade, their logs are what a
//! backup would hold, and a new life begins at a cut. Whatever the time:
//!
//! - it is the state that the old life had there, and its events;
//! - nothing of it was sequenced later;
//! - every mail is received once: after what was under way has arrived, books balance and clearing is zero;
//! - what the old life still sends, or says to have received, is refused.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use engine::{Limits, Output, Partition};
use node::recovery::{Backup, Cut, Former, Kept, NewLife, RecoveryError, plan, replay_to};
use node::{EventBlock, EventSink, Machine};
use replicator::entry::{BatchWriter, Kind};
use replicator::log::Entry;
use replicator::{Replay, StateMachine as _};
use tests::model::flow::Flow;
use wire::codec::v1;
use wire::command::{AckMail, Credit, ListAsset, ListMarket, OpenAccount, Reply, Tick};
use wire::{
    AccountId, AccountName, Amount, AssetId, ClusterEpoch, Command, FeeRate, LogPosition, MailSequence, MarketStatus,
    NodeId, PartitionId, Symbol, Timestamp,
};

const EPOCH: ClusterEpoch = ClusterEpoch::new(4);
const LEDGER: PartitionId = PartitionId::new(1);
const PARTITIONS: [PartitionId; 3] = [LEDGER, PartitionId::new(2), PartitionId::new(3)];
const ACCOUNTS: u32 = 4;
const STEPS: usize = 400;
const BEGIN: u64 = 1_700_000_000_000_000_000;
/// Leaders' clocks are this far apart.
const SKEW_NS: [i64; 3] = [0, 300_000_000, -250_000_000];

/// `FULL=1` tries a hundred times as much.
fn seeds() -> std::ops::Range<u64> {
    0..if std::env::var("FULL").is_ok_and(|full| full == "1") { 2_000 } else { 20 }
}

fn former() -> Former {
    let limits = Limits {
        assets_max: 4,
        accounts_max: 8,
        markets_max: 2,
        api_keys_max: 1,
        open_orders_max: 512,
        remembered_orders_max: 4_096,
        resting_orders_max: 512,
        partitions: 3,
        ..Limits::default()
    };
    Former { limits, ..Former::new(EPOCH, LEDGER, PARTITIONS.to_vec()) }
}

/// Events of a partition, as they come.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<EventBlock>>>);

impl EventSink for Heard {
    fn append(&mut self, block: Arc<EventBlock>) {
        self.0.lock().unwrap().push((*block).clone());
    }

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {}
}

impl Heard {
    /// Up to a position: of each command with events its position and what it told.
    fn upto(&self, position: LogPosition) -> Vec<(LogPosition, Vec<u8>)> {
        let blocks = self.0.lock().unwrap();
        let batches = blocks.iter().flat_map(|block| block.batches());
        let upto = batches.filter(|batch| batch.position <= position);
        upto.map(|batch| (batch.position, batch.events.to_vec())).collect()
    }
}

/// What a partition leaves in a backup.
struct Left {
    entries: Vec<Entry>,
    heard: Heard,
    snapshots: Vec<(Kept, Vec<u8>)>,
}

/// One partition's log, replica and leader.
struct Log {
    left: Left,
    skew_ns: i64,
    replica: Replay<Machine>,
    term: u64,
    digests: BTreeMap<u64, u128>,
}

impl Log {
    fn new(former: &Former, partition: PartitionId, skew_ns: i64) -> Log {
        let heard = Heard::default();
        let replica = former.replay(partition, BTreeSet::new(), Some(Box::new(heard.clone())));
        let left = Left { entries: Vec::new(), heard, snapshots: Vec::new() };
        Log { left, skew_ns, replica, term: 1, digests: BTreeMap::new() }
    }

    fn append(&mut self, data: Vec<u8>) {
        let index = self.replica.place().index + 1;
        let entry = Entry { index, term: self.term, data: data.into(), ..Entry::default() };
        self.replica.apply(&entry).expect("it applies");
        self.replica.machine().take_events(self.replica.place().position);
        self.digests.insert(index, self.replica.machine().digest());
        self.left.entries.push(entry);
    }

    /// An entry of these commands, by its leader's clock.
    fn sequence(&mut self, now: u64, commands: &[Command]) {
        let mut batch = BatchWriter::new(1024);
        for command in commands {
            let mut payload = Vec::new();
            v1::encode_command(command, &mut payload);
            batch.push(Kind::Internal, &payload);
        }
        self.append(batch.finish(Timestamp::from_nanos(now.saturating_add_signed(self.skew_ns))));
    }

    fn snapshot(&mut self) {
        let place = self.replica.place();
        let kept = Kept { index: place.index, position: place.position, timestamp: place.timestamp };
        self.left.snapshots.push((kept, self.replica.snapshot()));
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24) % bound
    }
}

/// The old life: what it left is a backup.
struct Old {
    logs: Vec<Log>,
    now: u64,
}

impl Old {
    fn live(seed: u64) -> Old {
        let former = former();
        let logs = PARTITIONS.iter().zip(SKEW_NS).map(|(partition, skew)| Log::new(&former, *partition, skew));
        let mut old = Old { logs: logs.collect(), now: BEGIN };
        old.set_up();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let rules = tests::model::rules();
        let mut flow = Flow::new(seed, ACCOUNTS, rules, Timestamp::from_nanos(BEGIN));
        for _ in 0..STEPS {
            old.now += random.below(20_000_000);
            match random.below(20) {
                0..9 => {
                    let commands: Vec<Command> = (0..=random.below(3)).map(|_| flow.draw().1).collect();
                    old.logs[0].sequence(old.now, &commands);
                }
                9..17 => old.carry(&mut random),
                17 => old.logs[random.below(3) as usize].sequence(old.now, &[Command::Tick(Tick)]),
                18 => {
                    let log = &mut old.logs[random.below(3) as usize];
                    log.term += 1;
                    log.append(Vec::new());
                }
                _ if random.below(4) == 0 => old.logs[random.below(3) as usize].snapshot(),
                _ => {}
            }
        }
        old
    }

    fn set_up(&mut self) {
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        let mut commands = Vec::new();
        for name in ["A", "B", "C"] {
            commands.push(Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 6 }));
        }
        for (at, (base, quote)) in [(1, 2), (3, 1)].into_iter().enumerate() {
            commands.push(Command::ListMarket(Box::new(ListMarket {
                symbol: symbol(&format!("M{at}")),
                base: AssetId::new(base),
                quote: AssetId::new(quote),
                partition: PARTITIONS[1 + at],
                price_decimals: 2,
                qty_decimals: 3,
                rules: tests::model::rules(),
                status: MarketStatus::Trading,
            })));
        }
        for account in 1..=ACCOUNTS {
            let name = AccountName::new(format!("a{account}").as_bytes()).unwrap();
            let rate = |ppm| FeeRate::new(ppm).unwrap();
            commands.push(Command::OpenAccount(OpenAccount { name, maker_fee: rate(1_000), taker_fee: rate(2_000) }));
            for asset in 1..=3 {
                let (account, asset) = (AccountId::new(account), AssetId::new(asset));
                let amount = Amount::new(1_000_000_000_000).unwrap();
                commands.push(Command::Credit(Credit { account, asset, amount }));
            }
        }
        self.logs[0].sequence(self.now, &commands);
    }

    /// One delivery or acknowledgement between two partitions that talk.
    fn carry(&mut self, random: &mut Random) {
        let market = 1 + random.below(2) as usize;
        let (from, to) = if random.below(2) == 0 { (0, market) } else { (market, 0) };
        let command = match random.below(4) {
            0 => ack(&self.logs[from].replica, PARTITIONS[from], PARTITIONS[to]),
            _ => mail(&self.logs[from].replica, &self.logs[to].replica, from, to, 1 + random.below(6) as usize),
        };
        if let Some(command) = command {
            self.logs[to].sequence(self.now, &[command]);
        }
    }

    fn log(&self, partition: PartitionId) -> &Log {
        &self.logs[usize::from(partition.get()) - 1]
    }

    fn backup(&self) -> Vault<'_> {
        Vault { left: self.logs.iter().map(|log| &log.left).collect(), is_late: false }
    }
}

/// The next mail that the receiver has not seen.
fn mail(sender: &Replay<Machine>, receiver: &Replay<Machine>, from: usize, to: usize, max: usize) -> Option<Command> {
    let seen = receiver.machine().cells().received(PARTITIONS[from]).map_or(MailSequence::ZERO, |(_, seen)| seen);
    sender.machine().cells().deliver_mail(PARTITIONS[to], seen, max).map(Command::DeliverMail)
}

/// What `own` has received of `sender`.
fn ack(receiver: &Replay<Machine>, own: PartitionId, sender: PartitionId) -> Option<Command> {
    let (incarnation, acknowledged) = receiver.machine().cells().received(sender)?;
    Some(Command::AckMail(AckMail { from: own, incarnation, acknowledged }))
}

/// A backup in memory.
struct Vault<'a> {
    left: Vec<&'a Left>,
    /// The cluster began to ship late: the ledger's log begins behind its last snapshot.
    is_late: bool,
}

impl Vault<'_> {
    fn of(&self, partition: PartitionId) -> &Left {
        self.left[usize::from(partition.get()) - 1]
    }
}

impl Backup for Vault<'_> {
    fn snapshots(&self, partition: PartitionId) -> Vec<Kept> {
        let snapshots = &self.of(partition).snapshots;
        let first = if self.is_late { snapshots.len().saturating_sub(1) } else { 0 };
        snapshots[first..].iter().map(|(kept, _)| *kept).collect()
    }

    fn snapshot(&self, partition: PartitionId, index: u64) -> Result<Vec<u8>, String> {
        let found = self.of(partition).snapshots.iter().find(|(kept, _)| kept.index == index);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| "no such snapshot".to_owned())
    }

    fn entries(&self, partition: PartitionId, from: u64) -> Result<Option<Vec<Entry>>, String> {
        let begin = self.snapshots(partition).first().map_or(0, |kept| kept.index);
        if self.is_late && partition == LEDGER && from <= begin {
            return Ok(None);
        }
        let entries = &self.of(partition).entries[from as usize - 1..];
        Ok((!entries.is_empty()).then(|| entries.iter().take(7).cloned().collect()))
    }

    fn events(&self, partition: PartitionId, from: LogPosition) -> Result<Option<EventBlock>, String> {
        let blocks = self.of(partition).heard.0.lock().unwrap();
        Ok(blocks.iter().find(|block| block.after() < from && from <= block.upto()).cloned())
    }
}

/// The life that begins with a cut.
struct New {
    replicas: Vec<Replay<Machine>>,
    now: u64,
}

impl New {
    fn begin(old: &Old, cuts: &BTreeMap<PartitionId, Cut>) -> New {
        let life = NewLife { epoch: ClusterEpoch::new(EPOCH.get() + 1), founders: vec![NodeId::new(1)] };
        let former_life = former();
        let next = Former { epoch: life.epoch, ..former() };
        let replicas = cuts.iter().map(|(partition, cut)| {
            let heard = Heard::default();
            let recovered =
                replay_to(&former_life, &old.backup(), *partition, cut, Box::new(heard.clone())).expect("it is whole");
            let position = recovered.place().position;
            assert_eq!(
                heard.upto(position),
                old.log(*partition).left.heard.upto(position),
                "the events are the old ones"
            );
            let mut replica = next.replay(*partition, BTreeSet::new(), None);
            if let Some(snapshot) = life.begin(*partition, recovered, std::env::temp_dir()).beginning.snapshot {
                replica.restore(&snapshot).expect("the new life takes it");
            }
            replica
        });
        New { replicas: replicas.collect(), now: old.now + 10_000_000_000 }
    }

    fn sequence(&mut self, at: usize, command: &Command) {
        let mut payload = Vec::new();
        v1::encode_command(command, &mut payload);
        let mut batch = BatchWriter::new(1024);
        batch.push(Kind::Internal, &payload);
        let place = self.replicas[at].place();
        let data = batch.finish(Timestamp::from_nanos(self.now)).into();
        let entry = Entry { index: place.index + 1, term: place.term + 1, data, ..Entry::default() };
        self.replicas[at].apply(&entry).expect("it applies");
    }

    /// Carries everything that is under way, and what that causes.
    fn settle(&mut self) {
        loop {
            let mut has_carried = false;
            for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
                while let Some(command) = mail(&self.replicas[from], &self.replicas[to], from, to, 64) {
                    self.sequence(to, &command);
                    has_carried = true;
                }
                if let Some(command) = ack(&self.replicas[to], PARTITIONS[to], PARTITIONS[from]) {
                    self.sequence(from, &command);
                }
            }
            if !has_carried {
                return;
            }
        }
    }

    fn cells(&self, at: usize) -> &Partition {
        self.replicas[at].machine().cells()
    }

    fn check_books(&self, is_quiet: bool) {
        for audit in self.cells(0).audit() {
            assert!(audit.is_conserved(), "{audit:?}");
            assert!(!is_quiet || audit.clearing == 0, "{audit:?}");
        }
    }

    /// Every mail was received once and is known to be.
    fn check_mail(&self) {
        for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
            let outbox = self.cells(from).outboxes().find(|outbox| outbox.to() == PARTITIONS[to]);
            let Some(outbox) = outbox else { continue };
            let seen = self.cells(to).received(PARTITIONS[from]).map_or(MailSequence::ZERO, |(_, seen)| seen);
            assert_eq!((outbox.last(), outbox.trimmed()), (seen, seen));
        }
    }
}

/// Nothing that a replica of the old life says is accepted by the new one.
fn old_mail_is_refused(old: &Old, new: &New) {
    for (from, to) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
        let sender = &old.logs[from].replica;
        let first = sender.machine().cells().outboxes().find(|outbox| outbox.to() == PARTITIONS[to]);
        let kept = first.and_then(|outbox| sender.machine().cells().deliver_mail(outbox.to(), MailSequence::ZERO, 64));
        let said = [kept.map(Command::DeliverMail), ack(sender, PARTITIONS[from], PARTITIONS[to])];
        for command in said.into_iter().flatten() {
            let mut bytes = Vec::new();
            new.cells(to).snapshot(&mut bytes);
            let config = new.replicas[to].machine().config();
            let mut cells = Partition::restore(config, &bytes).expect("it restores");
            let (mut out, before) = (Output::default(), cells.received(PARTITIONS[from]));
            cells.apply(LogPosition::new(1 << 40), Timestamp::from_nanos(old.now), &command, &mut out);
            assert!(matches!(out.reply, Reply::Rejected { .. }), "{command:?}");
            assert_eq!(cells.received(PARTITIONS[from]), before);
        }
    }
}

#[test]
fn a_new_life_begins_at_any_time_with_all_of_the_old_one_and_nothing_twice() {
    let mut cut_earlier = 0;
    for seed in seeds() {
        let old = Old::live(seed);
        let mut random = Random(seed + 77);
        for round in 0..6 {
            let at = if round == 0 { u64::MAX } else { BEGIN + 1_000_000_000 + random.below(old.now - BEGIN) };
            let cuts = match plan(&former(), &old.backup(), Timestamp::from_nanos(at)) {
                Ok(cuts) => cuts,
                Err(error) => panic!("seed {seed}: {error}"),
            };
            for (partition, cut) in &cuts {
                assert!(cut.place.timestamp.nanos() <= at, "nothing later is in it");
                let digest = old.log(*partition).digests.get(&cut.place.index);
                assert!(digest.is_none_or(|digest| *digest == cut.digest), "it is the state that was there");
                cut_earlier += u32::from(cut.place.index < cut.wanted);
            }
            let mut new = New::begin(&old, &cuts);
            new.check_books(false);
            old_mail_is_refused(&old, &new);
            new.settle();
            new.check_books(true);
            new.check_mail();
        }
    }
    assert!(cut_earlier > 0, "clocks differ, so a cut by time alone is not always consistent");
}

#[test]
fn a_time_before_the_oldest_snapshot_of_a_log_that_was_not_kept_whole_is_refused() {
    let mut old = Old::live(1);
    old.logs[0].snapshot();
    let late = Vault { is_late: true, ..old.backup() };
    let error = plan(&former(), &late, Timestamp::from_nanos(BEGIN)).unwrap_err();
    assert!(matches!(error, RecoveryError::TooEarly { partition: LEDGER, .. }), "{error}");
}
