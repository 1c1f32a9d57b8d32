//! Private reads that see everything acknowledged before them, by whichever gateway: ask the ledger's leader
//! up to which position that is, and wait until the projections are there.
//!
//! One question to the leader answers everybody who waited when it was asked; whoever comes while it is under
//! way joins the next one, for the answer under way may be older than their call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use wire::{LogPosition, PartitionId};

use crate::cluster::Ledger;
use crate::errors::{self, ApiError};
use crate::surroundings::Surroundings;

type Answered = Result<LogPosition, ApiError>;

/// Coalesces questions to the ledger's leader.
#[derive(Default)]
pub(crate) struct Reads {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_asking: bool,
    waiting: Vec<oneshot::Sender<Answered>>,
}

impl Reads {
    /// The position that a read must have seen, asked for after this call.
    pub(crate) async fn position(
        self: &Arc<Self>,
        ledger: &Arc<dyn Ledger>,
        partition: PartitionId,
        timeout: Duration,
        surroundings: &dyn Surroundings,
    ) -> Answered {
        let (sender, receiver) = oneshot::channel();
        let starts = {
            let mut state = self.lock();
            state.waiting.push(sender);
            !std::mem::replace(&mut state.is_asking, true)
        };
        if starts {
            surroundings.spawn(ask(Arc::clone(self), Arc::clone(ledger), partition, timeout).boxed());
        }
        receiver.await.unwrap_or(Err(errors::DISCONNECTED))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks as long as somebody waits.
async fn ask(reads: Arc<Reads>, ledger: Arc<dyn Ledger>, partition: PartitionId, timeout: Duration) {
    loop {
        let waiting = {
            let mut state = reads.lock();
            if state.waiting.is_empty() {
                state.is_asking = false;
                return;
            }
            std::mem::take(&mut state.waiting)
        };
        let answer = ledger.read_index(partition, timeout).await.map_err(errors::of_read);
        #[cfg(feature = "planted")]
        let waiting = match wire::planted::is(wire::planted::Bug::ReadJoinsQuestion) {
            true => waiting.into_iter().chain(std::mem::take(&mut reads.lock().waiting)).collect(),
            false => waiting,
        };
        for waiter in waiting {
            // Clients that hung up do not wait.
            let _ = waiter.send(answer.clone());
        }
    }
}
