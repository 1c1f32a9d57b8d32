//! Watches what is left on the disk, so that a node gives up what needs it before a write fails.
//!
//! Below twice the reserve space is low, below the reserve the disk counts as full; once there is half a reserve more than
//! that it is not any longer. What is written between two looks must fit the reserve.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};
use nix::sys::statvfs::statvfs;
use replicator::Space;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the watch has seen last, for everybody. Clones are the same.
#[derive(Debug, Clone)]
pub struct SpaceSeen {
    free: Arc<AtomicU64>,
    space: Arc<AtomicU64>,
}

/// See the module.
#[derive(Debug)]
pub struct SpaceWatch {
    path: PathBuf,
    reserve: u64,
    seen: SpaceSeen,
}

impl SpaceSeen {
    fn new() -> SpaceSeen {
        SpaceSeen { free: Arc::new(AtomicU64::new(u64::MAX)), space: Arc::default() }
    }

    /// What there is.
    pub fn space(&self) -> Space {
        match self.space.load(Ordering::Relaxed) {
            0 => Space::Enough,
            1 => Space::Low,
            _ => Space::Full,
        }
    }

    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    fn see(&self, free: u64, reserve: u64) {
        let space = judge(self.space(), free, reserve);
        self.free.store(free, Ordering::Relaxed);
        self.space.store(space as u64, Ordering::Relaxed);
    }
}

/// What so many free bytes are, after it was `before`.
fn judge(before: Space, free: u64, reserve: u64) -> Space {
    let now = |margin: u64| match () {
        () if free < reserve + margin => Space::Full,
        () if free < 2 * reserve + margin => Space::Low,
        () => Space::Enough,
    };
    // It gets better only by a margin, or it would come and go with every write.
    now(0).max(now(reserve / 2).min(before))
}

impl SpaceWatch {
    /// Of the disk that `path` is on; looks once. A reserve of nothing: there is always enough.
    pub fn new(path: PathBuf, reserve: u64) -> SpaceWatch {
        let watch = SpaceWatch { path, reserve, seen: SpaceSeen::new() };
        watch.look();
        watch
    }

    /// What it sees.
    pub fn seen(&self) -> SpaceSeen {
        self.seen.clone()
    }

    /// Looks until nobody can tell it to stop any more.
    pub fn run(self, stop: &Receiver<()>) {
        while matches!(stop.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
            self.look();
        }
    }

    fn look(&self) {
        // A disk that does not say is one whose writes will fail, and they say why.
        if let Ok(said) = statvfs(&self.path) {
            let free = said.blocks_available().saturating_mul(said.fragment_size());
            self.seen.see(free, self.reserve);
        }
    }
}

#[cfg(test)]
mod tests;
