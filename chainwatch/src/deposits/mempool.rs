//! Transfers to our addresses that are in no block: looked for beside the beat, which they may not delay.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::ChainHash;

use super::proposer::Key;
use crate::TxId;
use crate::chain::{ChainAsset, Destination, Transfer};
use crate::watch::{Absence, Watch};

/// The shortest and the longest pause between two looks.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// Between these, looking takes one part of so many of the time, and of what a node can answer.
const PARTS: u32 = 20;

/// Our addresses, as their chain compares them, and whose each is. Clones are the same table.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<RwLock<HashMap<Destination, u32>>>);

impl Addresses {
    pub(super) fn insert(&self, destination: Destination, index: u32) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(destination, index);
    }

    /// Whose it is.
    pub(super) fn index(&self, destination: &Destination) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(destination).copied()
    }

    fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// A transfer to one of our addresses that most nodes would mine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coming {
    /// Whose address.
    pub(super) index: u32,
    pub(super) asset: ChainAsset,
    /// In the chain's units.
    pub(super) amount: u128,
}

/// What the last look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// How many looks there were; 0 before the first.
    pub(super) number: u64,
    pub(super) coming: BTreeMap<Key, Coming>,
    /// Whatever most nodes would mine, whether it was read yet or not.
    pub(super) names: Arc<HashSet<TxId>>,
    /// What most nodes say is not there.
    pub(super) absent: Arc<Absence>,
}

impl Default for Look {
    fn default() -> Look {
        let absent = Arc::new(Absence::These(HashSet::new()));
        Look { number: 0, coming: BTreeMap::new(), names: Arc::default(), absent }
    }
}

/// What the ledger has as seen. Clones are the same.
type Watched = Arc<Mutex<BTreeSet<TxId>>>;

/// Looks for ever, until it is dropped.
pub(super) struct Mempool {
    looks: watch::Receiver<Look>,
    watched: Watched,
    task: JoinHandle<()>,
}

impl Mempool {
    /// Needs a tokio runtime.
    pub(super) fn start(watch: Watch, addresses: Addresses) -> Mempool {
        let (sender, looks) = watch::channel(Look::default());
        let watched = Watched::default();
        let task = tokio::spawn(run(watch, addresses, Arc::clone(&watched), sender));
        Mempool { looks, watched, task }
    }

    /// What the last look has found. The next asks for these as well: the ledger has them as seen.
    pub(super) fn look(&self, seen: impl Iterator<Item = TxId>) -> Look {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = seen.collect();
        self.looks.borrow().clone()
    }
}

impl Drop for Mempool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(watch: Watch, addresses: Addresses, watched: Watched, looks: watch::Sender<Look>) {
    let mut asked_last = TxId([0; 32]);
    let (mut known, mut before) = (HashSet::new(), Arc::<HashSet<TxId>>::default());
    let mut ours: HashMap<TxId, Vec<(Key, Coming)>> = HashMap::new();
    loop {
        let began = Instant::now();
        // All of them in turn, should they be too many for one look.
        let mut turn: Vec<TxId> = watched.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let next = turn.partition_point(|tx| *tx <= asked_last);
        turn.rotate_left(next);
        let asked = turn.iter().copied().inspect(|tx| asked_last = *tx);
        let pooled = if addresses.is_empty() { None } else { watch.pooled(&known, &before, asked).await };
        if let Some(pooled) = pooled {
            known.retain(|tx| pooled.names.contains(tx));
            ours.retain(|tx, _| pooled.names.contains(tx));
            for tx in pooled.new {
                known.insert(tx.id);
                let coming: Vec<_> = tx.transfers.iter().filter_map(|transfer| coming(&addresses, transfer)).collect();
                if !coming.is_empty() {
                    ours.insert(tx.id, coming);
                }
            }
            let (names, absent) = (Arc::new(pooled.names), Arc::new(pooled.absent));
            looks.send_modify(|look| {
                look.number += 1;
                look.coming = ours.values().flatten().copied().collect();
                look.names = Arc::clone(&names);
                look.absent = Arc::clone(&absent);
            });
            before = names;
        }
        tokio::time::sleep((began.elapsed() * (PARTS - 1)).clamp(LOOK_EVERY.0, LOOK_EVERY.1)).await;
    }
}

fn coming(addresses: &Addresses, transfer: &Transfer) -> Option<(Key, Coming)> {
    let Transfer { id, to, asset, amount } = transfer;
    let index = addresses.index(to)?;
    Some(((ChainHash(id.tx.0), id.output), Coming { index, asset: *asset, amount: *amount }))
}
