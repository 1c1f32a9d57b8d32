//! One partition's way into the database, as its writer, its readers and the metrics see it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};
use wire::{LogPosition, PartitionId, Timestamp};

/// What the writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not spoken with the database yet.
    Starting,
    /// Another gateway writes.
    Standby,
    /// It writes.
    Writing,
    /// The database does not answer, or the log cannot be read.
    Down,
    /// What is in the database is none of this log's past.
    Refused,
}

/// How far the log is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// Everything up to here.
    pub(crate) position: LogPosition,
    /// When the last of it happened.
    pub(crate) log_time: Timestamp,
}

/// One partition's.
pub(crate) struct Lane {
    pub(crate) partition: PartitionId,
    state: watch::Sender<State>,
    written: watch::Sender<Written>,
    /// The furthest position that a reader has waited for.
    target: AtomicU64,
    readers: AtomicUsize,
    is_wanted: Notify,
    /// Items of the stream that the writer has not taken.
    pub(crate) waiting: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) rows: AtomicU64,
}

impl Lane {
    pub(super) fn new(partition: PartitionId) -> Lane {
        Lane {
            partition,
            state: watch::Sender::new(State::Starting),
            written: watch::Sender::new(Written::default()),
            target: AtomicU64::new(0),
            readers: AtomicUsize::new(0),
            is_wanted: Notify::new(),
            waiting: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(crate) fn written(&self) -> Written {
        *self.written.borrow()
    }

    /// Whether it is another state than before.
    pub(super) fn enter(&self, state: State) -> bool {
        self.state.send_if_modified(|before| std::mem::replace(before, state) != state)
    }

    pub(super) fn set_written(&self, written: Written) {
        self.written.send_if_modified(|before| std::mem::replace(before, written) != written);
    }

    /// Whether a reader waits for more than is written.
    pub(super) fn is_awaited(&self, reached: LogPosition) -> bool {
        self.readers.load(Ordering::Acquire) > 0 && self.target.load(Ordering::Acquire) > reached.get()
    }

    /// Whether everything that readers wait for is there.
    pub(super) fn satisfies(&self, reached: LogPosition) -> bool {
        self.target.load(Ordering::Acquire) <= reached.get()
    }

    /// Returns when a reader begins to wait.
    pub(super) async fn wanted(&self) {
        self.is_wanted.notified().await;
    }

    /// Waits until everything up to `position` is in the database; `false` when that cannot be expected.
    pub(super) async fn wait_for(&self, position: LogPosition) -> bool {
        let (mut written, mut state) = (self.written.subscribe(), self.state.subscribe());
        if state.wait_for(|state| *state != State::Starting).await.is_err() {
            return false;
        }
        if written.borrow_and_update().position >= position {
            return !self.is_down();
        }
        let _reader = Waiting::new(self, position);
        loop {
            if self.is_down() {
                return false;
            }
            if written.borrow_and_update().position >= position {
                return true;
            }
            tokio::select! {
                changed = written.changed() => if changed.is_err() { return false },
                changed = state.changed() => if changed.is_err() { return false },
            }
        }
    }

    fn is_down(&self) -> bool {
        matches!(self.state(), State::Down | State::Refused)
    }
}

/// A reader that waits.
struct Waiting<'a>(&'a Lane);

impl Waiting<'_> {
    fn new(lane: &Lane, position: LogPosition) -> Waiting<'_> {
        lane.readers.fetch_add(1, Ordering::AcqRel);
        lane.target.fetch_max(position.get(), Ordering::AcqRel);
        lane.is_wanted.notify_one();
        Waiting(lane)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::AcqRel);
    }
}
