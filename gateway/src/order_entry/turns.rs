//! Amends of one order come one after the other, as they were sent: the ledger takes the next one when the one before it has
//! had its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};
use wire::{AccountId, MarketId, OrderId};

type Named = (AccountId, MarketId, OrderId);

/// Who amends what.
#[derive(Debug, Default)]
pub struct Turns {
    queues: Mutex<HashMap<Named, Arc<Queue<()>>>>,
}

/// The right to amend an order, until it is dropped.
pub struct Turn<'a> {
    turns: &'a Turns,
    named: Named,
    // Released before the queue is looked at.
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until everybody who came before has ended or given up.
    pub async fn take(&self, named: Named) -> Turn<'_> {
        let queue = Arc::clone(self.queues().entry(named).or_default());
        let mut turn = Turn { turns: self, named, held: None };
        turn.held = Some(queue.lock_owned().await);
        turn
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Named, Arc<Queue<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.held = None;
        let mut queues = self.turns.queues();
        // Whoever waits has the queue as well, and takes it under the same lock.
        if queues.get(&self.named).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.named);
        }
    }
}

#[cfg(test)]
mod tests;
