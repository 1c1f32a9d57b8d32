//! Amends of one order come one after the other, as they were sent: the ledger takes the next one when the one before it has
//! had its outcome. So do those that give an order the same name, and whoever names an order by it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// Who amends what.
#[derive(Debug)]
pub struct Turns<N> {
    queues: Mutex<HashMap<N, Arc<Queue<()>>>>,
}

/// The right to amend an order, or to give a name, until it is dropped.
pub struct Turn<'a, N: Eq + Hash> {
    turns: &'a Turns<N>,
    named: N,
    // Released before the queue is looked at.
    held: Option<OwnedMutexGuard<()>>,
}

impl<N> Default for Turns<N> {
    fn default() -> Turns<N> {
        Turns { queues: Mutex::default() }
    }
}

impl<N: Copy + Eq + Hash> Turns<N> {
    /// Whether somebody has the turn now.
    pub fn is_taken(&self, named: N) -> bool {
        self.queues().contains_key(&named)
    }

    /// Waits until everybody who came before has ended or given up.
    pub async fn take(&self, named: N) -> Turn<'_, N> {
        let queue = Arc::clone(self.queues().entry(named).or_default());
        let mut turn = Turn { turns: self, named, held: None };
        turn.held = Some(queue.lock_owned().await);
        turn
    }
}

impl<N> Turns<N> {
    fn queues(&self) -> MutexGuard<'_, HashMap<N, Arc<Queue<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Eq + Hash> Drop for Turn<'_, N> {
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
