//! Couriers: who carries what waits for clients to their sockets, so that an event for ten thousand clients does not wake
//! ten thousand tasks.
//!
//! An [`Outbox`] that something was put in is called for once, however much follows. The couriers of a gateway share one
//! list of those: the first of them is a task of the runtime, and where many wait, threads of their own help it for as
//! long as there is work. Each visit writes what the client takes at once; one that does not take it is left to its own
//! task ([`super::outbox`]), so that no courier ever waits for anybody.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::outbox::Outbox;

/// Visits between two looks at the list: so long the task among the couriers keeps others of its thread waiting, some
/// hundred microseconds.
const ROUND: usize = 16;
/// One more courier comes when more than this wait for each.
const CROWD: usize = 64;

/// The couriers of a gateway.
pub struct Couriers {
    runtime: Handle,
    most: usize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// At most once each.
    waiting: VecDeque<Arc<Outbox>>,
    at_work: usize,
}

impl Couriers {
    /// In the present runtime, as many as the machine has cores.
    pub fn of_this_runtime() -> Arc<Couriers> {
        let most = available_parallelism().map_or(1, usize::from);
        Arc::new(Couriers { runtime: Handle::current(), most, list: Mutex::default() })
    }

    /// Something waits in `outbox`, which is called for by nobody yet.
    pub(super) fn call(self: &Arc<Self>, outbox: Arc<Outbox>) {
        let mut list = self.lock();
        list.waiting.push_back(outbox);
        if list.at_work < self.most && list.waiting.len() > list.at_work * CROWD {
            self.employ(list);
        }
    }

    /// How many outboxes wait for a visit.
    pub(super) fn calls(&self) -> usize {
        self.lock().waiting.len()
    }

    fn employ(self: &Arc<Self>, mut list: MutexGuard<'_, List>) {
        list.at_work += 1;
        let is_first = list.at_work == 1;
        drop(list);
        let work = Work { couriers: Arc::clone(self), has_ended: false };
        if is_first {
            self.runtime.spawn(work.beside_others());
        } else {
            self.runtime.spawn_blocking(move || work.alone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One courier's employment. It ends when nobody waits, or with the courier.
struct Work {
    couriers: Arc<Couriers>,
    has_ended: bool,
}

impl Work {
    async fn beside_others(mut self) {
        let (mut round, mut batch) = (Vec::new(), Vec::new());
        while self.go_round(&mut round, &mut batch) {
            tokio::task::yield_now().await;
        }
    }

    fn alone(mut self) {
        let (mut round, mut batch) = (Vec::new(), Vec::new());
        while self.go_round(&mut round, &mut batch) {}
    }

    /// Visits those that have waited longest; `false` when nobody waits.
    fn go_round(&mut self, round: &mut Vec<Arc<Outbox>>, batch: &mut Vec<Bytes>) -> bool {
        {
            let mut list = self.couriers.lock();
            if list.waiting.is_empty() {
                // Under the lock: who calls after this finds one less at work.
                list.at_work -= 1;
                self.has_ended = true;
                return false;
            }
            let count = list.waiting.len().min(ROUND);
            round.extend(list.waiting.drain(..count));
        }
        // Who has more is visited again after the others.
        round.retain(|outbox| visit(outbox, batch));
        if !round.is_empty() {
            self.couriers.lock().waiting.extend(round.drain(..));
        }
        true
    }
}

/// One visit; `true` when the courier is to come again. Should it panic, that client alone is given up: the others of the
/// round have been called for already, and nobody would come for them again.
fn visit(outbox: &Outbox, batch: &mut Vec<Bytes>) -> bool {
    catch_unwind(AssertUnwindSafe(|| outbox.carry(batch))).unwrap_or_else(|_| {
        tracing::error!("a courier has failed at a client, which is closed: this is a bug");
        batch.clear();
        outbox.abandon();
        false
    })
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.has_ended {
            self.couriers.lock().at_work -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
