//! Who writes to a client: its own task, or a courier.
//!
//! One that takes what it is told is written to by couriers, and its task sleeps. As soon as it does not take all of
//! something, the floor is its task's, which waits for it, until nothing is left to say. Nobody else writes meanwhile, so
//! that events come whole and in order.

use std::io::{self, IoSlice};
use std::mem::take;
use std::sync::{Arc, MutexGuard};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::{Outbox, State, Waiting};
use crate::streams::couriers::Couriers;

/// Messages written at a time.
const BATCH: usize = 64;

/// A client's socket, as couriers see it.
pub trait Wire: Send + Sync {
    /// Writes as much as is taken at once; [`io::ErrorKind::WouldBlock`] when that is nothing.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Wire for TcpStream {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [slice] => TcpStream::try_write(self, slice),
            // By `sendmsg`: `writev` goes the way of files, which costs a tenth of all that a visit does.
            slices => self.try_io(Interest::WRITABLE, || SockRef::from(self).send_vectored(slices)),
        }
    }
}

/// Whose the floor is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Floor {
    /// The client's own task's.
    #[default]
    Task,
    /// Nobody's: a courier is to be called.
    Nobody,
    /// A courier's: it has been called.
    Courier,
    /// A courier's, and the task waits for it.
    Wanted,
}

/// How couriers reach a client.
pub(super) struct Carriage {
    wire: Arc<dyn Wire>,
    couriers: Arc<Couriers>,
}

impl Outbox {
    /// Whose client is written to by couriers whenever its task [rests](Outbox::rest).
    pub fn carried(self, wire: Arc<dyn Wire>, couriers: Arc<Couriers>) -> Outbox {
        Outbox { carriage: Some(Carriage { wire, couriers }), ..self }
    }

    /// Sees to it that somebody comes for what waits.
    pub(super) fn stir(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        match (state.floor, &self.carriage) {
            (Floor::Nobody, Some(carriage)) if !state.is_overrun => {
                state.floor = Floor::Courier;
                drop(state);
                carriage.couriers.call(Arc::clone(self));
            }
            (Floor::Courier | Floor::Wanted, _) => {}
            _ => self.stirred.notify_one(),
        }
    }

    /// The task has written everything it took: if nothing has come since, the floor is free.
    pub fn rest(&self) {
        let mut state = self.lock();
        if self.carriage.is_some() && state.floor == Floor::Task && state.is_silent() {
            state.floor = Floor::Nobody;
        }
    }

    /// What the task is to write before anything else: the rest of what a courier began.
    pub fn begun(&self) -> Vec<Bytes> {
        let mut state = self.lock();
        if state.floor == Floor::Task { take(&mut state.begun) } else { Vec::new() }
    }

    /// Takes the floor for the task, until it rests.
    pub async fn reclaim(&self) {
        loop {
            {
                let mut state = self.lock();
                match state.floor {
                    Floor::Task | Floor::Nobody => {
                        state.floor = Floor::Task;
                        return;
                    }
                    Floor::Courier | Floor::Wanted => state.floor = Floor::Wanted,
                }
            }
            self.stirred.notified().await;
        }
    }

    /// A courier's visit: writes what waits, if the client takes it at once. `true` when the courier is to come again.
    pub(in crate::streams) fn carry(&self, batch: &mut Vec<Bytes>) -> bool {
        batch.clear();
        let Some(carriage) = &self.carriage else { return false };
        let is_given_up = {
            let mut state = self.lock();
            state.floor == Floor::Wanted || !state.load(batch)
        };
        // Nothing is held while it writes: whoever has something to tell does not wait for it.
        let is_taken = !is_given_up && is_taken(carriage.wire.as_ref(), batch);
        let mut state = self.lock();
        if is_taken && state.floor == Floor::Courier {
            if state.is_silent() {
                state.floor = Floor::Nobody;
            }
            return state.floor == Floor::Courier;
        }
        state.begun.append(batch);
        state.floor = Floor::Task;
        self.stirred.notify_one();
        false
    }
}

impl Outbox {
    /// Nobody knows how much of what was being written has been: the client's task is to close it.
    pub(in crate::streams) fn abandon(&self) {
        let mut state = self.lock();
        self.give_up(&mut state);
        state.begun.clear();
        state.floor = Floor::Task;
        self.stirred.notify_one();
    }
}

impl State {
    /// Nothing is to be said, and nothing to be done.
    fn is_silent(&self) -> bool {
        self.queue.is_empty() && self.held.is_empty() && self.begun.is_empty() && !self.is_overrun
    }

    /// Takes the next messages; `false` where only the task knows what to do.
    fn load(&mut self, batch: &mut Vec<Bytes>) -> bool {
        let is_for_task = match self.queue.front() {
            Some(waiting) => matches!(waiting, Waiting::Snapshot(_)),
            None => !self.held.is_empty(),
        };
        if is_for_task || self.is_overrun {
            return false;
        }
        while batch.len() < BATCH
            && let Some(waiting) = self.queue.pop_front_if(|waiting| !matches!(waiting, Waiting::Snapshot(_)))
        {
            batch.extend(self.told(waiting).map(super::Frame::into_bytes));
        }
        if self.queue.is_empty() && self.held.is_empty() {
            self.conflated = None;
        }
        true
    }
}

/// Whether all was taken; what was not stays in `batch`.
fn is_taken(wire: &dyn Wire, batch: &mut Vec<Bytes>) -> bool {
    let mut slices = [IoSlice::new(&[]); BATCH];
    slices.iter_mut().zip(batch.iter()).for_each(|(slice, bytes)| *slice = IoSlice::new(bytes));
    let mut written = match batch.len() {
        0 => 0,
        // That a connection broke, its task finds out by itself.
        count => wire.try_write(&slices[..count]).unwrap_or(0),
    };
    batch.retain_mut(|bytes| {
        let share = written.min(bytes.len());
        written -= share;
        bytes.advance(share);
        !bytes.is_empty()
    });
    batch.is_empty()
}

#[cfg(test)]
mod tests;
