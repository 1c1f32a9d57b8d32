//! A second copy of the state that follows the log a little behind and takes the snapshots, so that the first never
//! stops for one.
//!
//! It is fed the same committed entries from the same snapshot on, so it is the same state at the same index: what it
//! writes is what the first would have written there. It answers nobody and publishes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use raft::eraftpb::Entry;

use super::quarantine::Spot;
use super::state::{Cursor, Nobody, State};
use crate::{OpenError, ReplicaConfig, SnapshotTaker, StateMachine};

/// Pieces of the log on their way to the twin's thread.
const ORDERS_MAX: usize = 16;

/// See the module.
pub(super) struct Twin<M> {
    place: Place<M>,
    /// The last entry that was handed over.
    fed: u64,
    /// Orders that wait for room on the way to its thread: nobody waits for the twin.
    backlog: VecDeque<Order>,
    /// The snapshot that it begins with, until it is told to begin.
    beginning: Option<Arc<Vec<u8>>>,
}

enum Place<M> {
    Here {
        follower: Box<Follower<M>>,
        written: Option<Result<Written, OpenError>>,
    },
    There {
        orders: Option<Sender<Order>>,
        written: Receiver<Result<Written, OpenError>>,
        thread: Option<JoinHandle<()>>,
    },
}

type Written = (Cursor, Vec<u8>);

enum Order {
    Restart(Arc<Vec<u8>>),
    Follow(Vec<Entry>),
    Skip(Spot),
    Write,
}

struct Follower<M> {
    config: ReplicaConfig,
    state: State<M>,
}

impl<M: StateMachine> Follower<M> {
    fn obey(&mut self, order: Order) -> Result<Option<Written>, OpenError> {
        match order {
            Order::Restart(bytes) => self.state.restore(&self.config, &bytes)?,
            Order::Follow(entries) => {
                for entry in &entries {
                    let unreadable = |error| OpenError::Config(format!("log entry {}: {error}", entry.index));
                    self.state.apply(entry, &mut Nobody).map_err(unreadable)?;
                }
            }
            Order::Skip(spot) => drop(self.state.skip.insert(spot)),
            Order::Write => return Ok(Some((self.state.cursor.clone(), self.state.snapshot(&self.config)))),
        }
        Ok(None)
    }
}

impl<M: StateMachine> Twin<M> {
    /// The twin of a new machine, where the configuration wants one and the machine has one. It will restore the same
    /// snapshot when it is told to begin: side by side, the two would take twice as long on the cores and the memory that
    /// they share, and it is the first that everybody waits for.
    pub fn of(machine: &M, config: &ReplicaConfig, snapshot: Option<&Arc<Vec<u8>>>) -> Option<Twin<M>> {
        if config.snapshots.taken_by == SnapshotTaker::Machine {
            return None;
        }
        let state = State::new(config, machine.twin()?);
        let follower = Box::new(Follower { config: config.clone(), state });
        let place = match config.snapshots.taken_by {
            SnapshotTaker::TwinThread => start(follower).ok()?,
            _ => Place::Here { follower, written: None },
        };
        let fed = snapshot.map_or(0, |bytes| index_of(bytes));
        Some(Twin { place, fed, backlog: VecDeque::new(), beginning: snapshot.cloned() })
    }

    /// Restores what it begins with, if it has not; before it is handed anything.
    pub fn begin(&mut self) {
        if let Some(bytes) = self.beginning.take() {
            self.order(Order::Restart(bytes));
        }
    }

    /// The last entry that was handed over.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Starts over from a snapshot.
    pub fn restart(&mut self, bytes: &[u8]) {
        self.fed = index_of(bytes);
        self.beginning = None;
        if let Place::Here { written, .. } = &mut self.place {
            *written = None;
        }
        // What has not reached it is of a state that it leaves; but it must know what is put aside.
        self.backlog.retain(|order| matches!(order, Order::Skip(_)));
        self.order(Order::Restart(Arc::new(bytes.to_vec())));
    }

    /// Whether [`Twin::follow`] and [`Twin::write`] would not wait.
    pub fn has_room(&self) -> bool {
        match &self.place {
            Place::Here { .. } => true,
            Place::There { orders, .. } => {
                self.backlog.is_empty() && orders.as_ref().is_some_and(|orders| !orders.is_full())
            }
        }
    }

    /// Hands over the entries after the last ones.
    pub fn follow(&mut self, entries: Vec<Entry>) {
        self.fed = entries.last().map_or(self.fed, |entry| entry.index);
        self.order(Order::Follow(entries));
    }

    /// This part of a command, which was not handed over yet, is to be put aside.
    pub fn skip(&mut self, spot: Spot) {
        self.order(Order::Skip(spot));
    }

    /// Asks for a snapshot at the last entry that was handed over, where there is room to ask.
    pub fn write(&mut self) {
        self.order(Order::Write);
    }

    /// What was written, when it is; perhaps still one from before a restart.
    pub fn poll(&mut self) -> Result<Option<Written>, OpenError> {
        self.send();
        match &mut self.place {
            Place::Here { written, .. } => written.take().transpose(),
            Place::There { written, .. } => match written.try_recv() {
                Ok(written) => written.map(Some),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => {
                    Err(OpenError::Config("the thread of the twin has ended".to_owned()))
                }
            },
        }
    }

    fn order(&mut self, order: Order) {
        match &mut self.place {
            Place::Here { follower, written } => {
                if let Some(done) = follower.obey(order).transpose() {
                    *written = Some(done);
                }
            }
            Place::There { .. } => {
                self.backlog.push_back(order);
                self.send();
            }
        }
    }

    /// Sends what there is room for. When the twin's thread has ended, the next poll says so.
    fn send(&mut self) {
        let Place::There { orders: Some(orders), thread, .. } = &self.place else { return };
        while let Some(order) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(order)) = orders.try_send(order) {
                self.backlog.push_front(order);
                return;
            }
            if let Some(thread) = thread {
                thread.thread().unpark();
            }
        }
    }
}

/// Of a snapshot that is whole.
fn index_of(snapshot: &[u8]) -> u64 {
    crate::snapshot::header(snapshot).map_or(0, |header| header.index)
}

fn start<M: StateMachine>(mut follower: Box<Follower<M>>) -> std::io::Result<Place<M>> {
    let (orders, queue) = bounded::<Order>(ORDERS_MAX);
    // Each answers an order, so this never fills while the replica polls.
    let (done, written) = bounded(4 * ORDERS_MAX);
    let name = format!("twin-{}", follower.config.partition);
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        loop {
            let order = match queue.try_recv() {
                Ok(order) => order,
                // Whoever sends unparks this thread. A channel that waits would spin first, and take the core from those
                // whom it waits for.
                Err(TryRecvError::Empty) => {
                    std::thread::park();
                    continue;
                }
                Err(TryRecvError::Disconnected) => return,
            };
            match follower.obey(order) {
                Ok(None) => {}
                Ok(Some(snapshot)) => {
                    if done.send(Ok(snapshot)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = done.send(Err(error));
                    return;
                }
            }
        }
    })?;
    Ok(Place::There { orders: Some(orders), written, thread: Some(thread) })
}

impl<M> Drop for Twin<M> {
    fn drop(&mut self) {
        if let Place::There { orders, thread, .. } = &mut self.place {
            *orders = None;
            if let Some(thread) = thread.take() {
                thread.thread().unpark();
                let _ = thread.join();
            }
        }
    }
}
