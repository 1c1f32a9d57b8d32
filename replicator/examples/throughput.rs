//! Three replicas on three threads and three directories of one disk, with channels for a network: how long a
//! command takes, and how many a second there are. A sanity check, not a benchmark.
//!
//! `cargo run --release -p replicator --example throughput [DIRECTORY]`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, Sender, unbounded};
use replicator::log::disk::{Disk, DiskConfig, SyncBy};
use replicator::{Applied, Input, Output, Replica, ReplicaConfig, RestoreError, StateMachine};
use wire::link::{OpenSession, Request};
use wire::{ClusterEpoch, NodeId, PartitionId, Sequence, SessionId, Timestamp};

const PARTITION: PartitionId = PartitionId::new(1);
const COMMAND: [u8; 64] = [1; 64];

/// Counts.
#[derive(Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn apply(&mut self, _input: Input<'_>, out: &mut Applied) {
        self.0 += 1;
        out.reply.extend_from_slice(&self.0.to_le_bytes());
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn tick(&self, _out: &mut Vec<u8>) {}

    fn snapshot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let bytes = bytes.try_into().map_err(|_| RestoreError { reason: "eight bytes".to_owned() })?;
        self.0 = u64::from_le_bytes(bytes);
        Ok(())
    }

    fn digest(&self) -> u128 {
        u128::from(self.0)
    }
}

type Mail = (NodeId, Vec<u8>);

fn main() {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for sync_by in [SyncBy::LogThread, SyncBy::CallerIfWithin(Duration::MAX)] {
        println!("synced by: {sync_by:?}");
        for window in [1, 64, 4_000] {
            let name = format!("mainstay-throughput-{}-{sync_by:?}-{window}", std::process::id());
            let directory = directory.join(name);
            run(&directory, sync_by, window);
            std::fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

fn run(directory: &Path, sync_by: SyncBy, window: u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let (boxes, mails): (Vec<Sender<Mail>>, Vec<Receiver<Mail>>) = (0..3).map(|_| unbounded()).unzip();
    let threads: Vec<_> = (1..=3)
        .map(|id| {
            let (boxes, mail, stop) = (boxes.clone(), mails[id - 1].clone(), stop.clone());
            let directory = directory.join(id.to_string());
            std::thread::spawn(move || node(NodeId::new(id as u64), directory, sync_by, window, &boxes, &mail, &stop))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(5));
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("no replica stops");
    }
}

fn node(
    id: NodeId,
    directory: PathBuf,
    sync_by: SyncBy,
    window: u64,
    boxes: &[Sender<Mail>],
    mail: &Receiver<Mail>,
    stop: &AtomicBool,
) {
    let epoch = ClusterEpoch::new(1);
    let this = std::thread::current();
    let disk = Disk::open(DiskConfig::new(directory, epoch, id)).expect("the directory is new");
    let config = ReplicaConfig::new(PARTITION, id, (1..=3).map(NodeId::new).collect(), epoch, id.get());
    let mut group = disk.group(sync_by);
    let log = group.log(&disk, PARTITION, move || this.unpark());
    let mut replica = Replica::open(config, Counter::default(), log, now()).expect("an empty log opens");
    let mut client = Client::default();
    while !stop.load(Ordering::Relaxed) {
        let mut work = 0;
        while let Ok((from, payload)) = mail.try_recv() {
            replica.on_message(from, &payload);
            work += 1;
        }
        work += client.act(&mut replica, window);
        work += replica.duty_cycle(now());
        while let Some(output) = replica.poll_output() {
            match output {
                Output::Send { to, payload } => {
                    let _ = boxes[to.get() as usize - 1].send((id, payload));
                }
                Output::Failed { error } => panic!("{error}"),
                other => client.hear(&other),
            }
        }
        work += group.flush();
        if work == 0 {
            std::thread::park_timeout(Duration::from_micros(20));
        }
    }
    client.report(window);
}

/// Lives beside the leader.
#[derive(Default)]
struct Client {
    session: Option<SessionId>,
    sent: Vec<Instant>,
    latencies: Vec<Duration>,
}

impl Client {
    fn act<M: StateMachine, L: replicator::LogStore>(&mut self, replica: &mut Replica<M, L>, window: u64) -> usize {
        let Some(session) = self.session else {
            if self.sent.is_empty() && replica.status().settled {
                let open = OpenSession { partition: PARTITION, nonce: 1 };
                replica.open_session(open).expect("it leads");
                self.sent.push(Instant::now());
            }
            return 0;
        };
        let mut work = 0;
        while self.sent.len() as u64 - (self.latencies.len() as u64) < window {
            let request = Request {
                partition: PARTITION,
                session,
                sequence: Sequence::new(self.sent.len() as u64 + 1),
                acknowledged_below: Sequence::new(self.latencies.len() as u64 + 1),
            };
            if replica.offer(request, &COMMAND).is_err() {
                break;
            }
            self.sent.push(Instant::now());
            work += 1;
        }
        work
    }

    fn hear(&mut self, output: &Output) {
        match output {
            Output::SessionOpened { session, .. } => {
                self.session = Some(*session);
                self.sent.clear();
            }
            Output::Reply { sequence, .. } => self.latencies.push(self.sent[sequence.get() as usize - 1].elapsed()),
            _ => {}
        }
    }

    fn report(mut self, window: u64) {
        let Some(first) = self.sent.first().filter(|_| self.session.is_some()) else { return };
        let seconds = first.elapsed().as_secs_f64();
        let count = self.latencies.len();
        self.latencies.sort_unstable();
        let at = |part: f64| self.latencies.get((count as f64 * part) as usize).map_or(0, Duration::as_micros);
        println!("{window:>5} outstanding: {:>8.0}/s, p50 {} us, p99 {} us", count as f64 / seconds, at(0.5), at(0.99));
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    Timestamp::from_nanos(since.as_nanos() as u64)
}
