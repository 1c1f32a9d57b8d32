//! User events: every account's in one sequence, who listens to which, over bounded queues, and the latest ones again for
//! who comes back.
//!
//! An account's events are numbered from 1 in log order. They follow from the log alone, so the numbers are the same on every
//! gateway, and whoever has seen one can go on after it elsewhere. An event is written when the first subscriber wants it:
//! until then what it is made of is kept.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use wire::{AccountId, ApiKeyText};

use super::drafts::Draft;
use super::pieces::Pieces;
use crate::auth::Caller;
use crate::by_id::MapById;
use crate::reference::Reference;

/// So many events are written while nobody may tell anything.
const WRITTEN_AT_ONCE: u64 = 64;

/// One user event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    /// Its number among its account's.
    pub sequence: u64,
    /// One JSON object (`executionReport`, `outboundAccountPosition`, `balanceUpdate`), written once for all subscribers.
    pub text: Arc<str>,
}

/// The user events of one account, in log order.
pub struct UserEvents {
    /// What came before the subscription, and was asked for.
    missed: VecDeque<UserEvent>,
    receiver: mpsc::Receiver<UserEvent>,
    right: Right,
}

/// The right to be told: when the key may no longer be used, what still waits is not told either.
#[derive(Debug, Clone, Default)]
pub struct Right {
    is_lost: Arc<AtomicBool>,
}

impl Right {
    /// Whether it has not been lost.
    pub fn holds(&self) -> bool {
        !self.is_lost.load(Ordering::Acquire)
    }

    /// It is lost.
    pub(crate) fn end(&self) {
        self.is_lost.store(true, Ordering::Release);
    }
}

impl UserEvents {
    /// Of a subscriber that has no right to any.
    pub(super) fn ended() -> UserEvents {
        UserEvents { missed: VecDeque::new(), receiver: mpsc::channel(1).1, right: Right::default() }
    }

    /// The next event. `None` when this subscriber fell so far behind that it was cut off, or has no right to any more:
    /// the client must be told, and read its state anew.
    pub async fn recv(&mut self) -> Option<UserEvent> {
        let event = self.next().await?;
        self.right.holds().then_some(event)
    }

    /// The right by which they are told.
    pub fn right(&self) -> &Right {
        &self.right
    }

    async fn next(&mut self) -> Option<UserEvent> {
        match self.missed.pop_front() {
            Some(event) => Some(event),
            None => self.receiver.recv().await,
        }
    }
}

/// The events of every account. A queue that is full ends its subscription, so that no subscriber delays another or grows
/// without bound.
pub(super) struct Subscribers {
    bounds: Bounds,
    state: Mutex<State>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Events that may wait for one subscriber.
    pub(super) queued_max: usize,
    /// Events kept of one account.
    pub(super) kept_of_account_max: usize,
    /// Events kept of all accounts.
    pub(super) kept_max: usize,
}

#[derive(Default)]
struct State {
    by_account: MapById<AccountId, Stream>,
    /// The events of all accounts by account and number, oldest first; those that their account has lost as well.
    order: VecDeque<(AccountId, u64)>,
}

/// One account's.
#[derive(Default)]
struct Stream {
    /// The number of the last event.
    last: u64,
    /// The reference data that events are written with, each from the number of an event on: it changes rarely.
    references: VecDeque<(u64, Arc<Reference>)>,
    /// The last events, up to `last`.
    /// In short pieces: streams are as many as accounts, and most are quiet.
    kept: Pieces<Draft, 8>,
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    sender: mpsc::Sender<UserEvent>,
    by: Listener,
    right: Right,
}

/// By which right somebody listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    key: ApiKeyText,
    ip: IpAddr,
    is_by_listen_key: bool,
}

impl Listener {
    pub(super) fn new(caller: &Caller, ip: IpAddr, is_by_listen_key: bool) -> Listener {
        Listener { key: caller.key, ip, is_by_listen_key }
    }
}

impl Stream {
    /// The number of the oldest event that is kept, or of the next one.
    fn first(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }

    /// An event that is kept.
    fn event(&mut self, sequence: u64) -> UserEvent {
        let upto = self.references.partition_point(|(from, _)| *from <= sequence);
        let at = (sequence - self.first()) as usize;
        let draft = self.kept.get_mut(at).expect("it is kept");
        UserEvent { sequence, text: draft.text(&self.references[upto - 1].1) }
    }

    /// Forgets the oldest event, and what only it was written with.
    fn forget(&mut self) {
        self.kept.drop_first();
        while self.references.get(1).is_some_and(|(from, _)| *from <= self.first()) {
            self.references.pop_front();
        }
    }
}

impl Subscribers {
    pub(super) fn new(bounds: Bounds) -> Subscribers {
        Subscribers { bounds, state: Mutex::default() }
    }

    /// The account's events from now on, or all that follow the one of the number `after`; `None` when not all of those
    /// are kept, or that one has not been yet.
    pub(super) fn subscribe(&self, account: AccountId, by: Listener, after: Option<u64>) -> Option<UserEvents> {
        let (sender, receiver) = mpsc::channel(self.bounds.queued_max);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = state.by_account.entry(account).or_default();
        let after = after.unwrap_or(stream.last);
        let first = stream.first();
        if after < first - 1 || after > stream.last {
            return None;
        }
        let missed = (after + 1..=stream.last).map(|sequence| stream.event(sequence)).collect();
        stream.subscriptions.retain(|known| !known.sender.is_closed());
        let right = Right::default();
        stream.subscriptions.push(Subscription { sender, by, right: right.clone() });
        Some(UserEvents { missed, receiver, right })
    }

    /// Writes what follows the event of the number `after`, if all of that is kept, but not much at once: up to which number it
    /// is written now, `None` when nothing is left to write.
    pub(super) fn write_some(&self, account: AccountId, after: u64) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = state.by_account.get_mut(&account)?;
        let from = after.checked_add(1).filter(|from| *from >= stream.first())?;
        let upto = stream.last.min(from.saturating_add(WRITTEN_AT_ONCE - 1));
        (from..=upto).for_each(|sequence| drop(stream.event(sequence)));
        (upto < stream.last && from <= upto).then_some(upto)
    }

    /// Whether all of the account's events after the one of this number are kept.
    pub(super) fn keeps(&self, account: AccountId, after: u64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_account.get(&account).is_none_or(|stream| after.saturating_add(1) >= stream.first())
    }

    /// The number of the account's last event.
    pub(super) fn last(&self, account: AccountId) -> u64 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_account.get(&account).map_or(0, |stream| stream.last)
    }

    /// Cuts off who subscribed by a listen key.
    pub(super) fn end_listen_keys(&self, account: AccountId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = state.by_account.get_mut(&account) {
            stream.subscriptions.retain(|known| !known.by.is_by_listen_key);
        }
    }

    /// Cuts off who listens to the account by this key, from where it is no longer allowed.
    pub(super) fn end_key(&mut self, account: AccountId, key: &ApiKeyText, allows: impl Fn(IpAddr) -> bool) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = state.by_account.get_mut(&account) {
            stream.subscriptions.retain(|known| {
                let is_ended = known.by.key == *key && !allows(known.by.ip);
                if is_ended {
                    known.right.end();
                }
                !is_ended
            });
        }
    }

    /// The account's next event, to be written with `reference` when somebody wants it.
    pub(super) fn publish(&mut self, account: AccountId, reference: &Arc<Reference>, draft: Draft) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let stream = state.by_account.entry(account).or_default();
        stream.last += 1;
        if stream.references.back().is_none_or(|(_, known)| !Arc::ptr_eq(known, reference)) {
            stream.references.push_back((stream.last, Arc::clone(reference)));
        }
        stream.kept.push(draft);
        if !stream.subscriptions.is_empty() {
            let event = stream.event(stream.last);
            stream.subscriptions.retain(|known| known.sender.try_send(event.clone()).is_ok());
        }
        state.order.push_back((account, stream.last));
        if stream.kept.len() > self.bounds.kept_of_account_max {
            stream.forget();
        }
        while state.order.len() > self.bounds.kept_max {
            let Some((account, sequence)) = state.order.pop_front() else { return };
            if let Some(stream) = state.by_account.get_mut(&account).filter(|stream| stream.first() == sequence) {
                stream.forget();
            }
        }
    }
}
