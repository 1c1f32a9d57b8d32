//! Who waits for what became of an order or of a cancel.
//!
//! A reply and the events that follow it come by different connections, so an outcome may be known before
//! anybody waits for it: an order's is then read from the order, a cancel's from a bounded memory of the
//! latest ones.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use wire::{AccountId, ListId, LogPosition, MarketId, OrderId, RejectReason};

use super::fills::Fill;
use super::orders::Order;
use super::prevented::PreventedMatch;
use crate::by_id::MapById;

/// How many outcomes of cancels are remembered: far more than can be waited for at a time.
const REQUESTS_REMEMBERED: usize = 65_536;

/// How many orders mass cancels under way may have canceled: more than may be open at a time. One of a client session has no
/// `AllCanceled` that ends it, so the oldest gives way.
const COLLECTED_MAX: usize = 1 << 20;

/// How many may wait for one order: who sent it, and those who sent the same again, however often.
const WAITERS_MAX: usize = 16;

/// What became of an order: itself at that moment, and its fills up to then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderOutcome {
    /// The order, resting or ended.
    pub order: Order,
    /// Its fills so far.
    pub fills: Vec<Fill>,
    /// The trades that it would have taken part in as a taker, with its own account or group.
    pub prevented: Vec<PreventedMatch>,
}

/// What became of a cancel or a mass cancel, named by its log position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// These orders were canceled: one, or of a mass cancel all there were.
    Canceled(Vec<(MarketId, OrderId)>),
    /// This order's quantity was lowered.
    Amended(MarketId, OrderId),
    /// It came too late.
    Refused(RejectReason),
}

#[derive(Default)]
pub(super) struct Outcomes {
    waiting: Mutex<Waiting>,
    /// Mass cancels under way, and what they have canceled so far.
    collecting: BTreeMap<LogPosition, Vec<(MarketId, OrderId)>>,
    /// Of all of them.
    collected: usize,
    remembered: MapById<LogPosition, RequestOutcome>,
    in_order: VecDeque<LogPosition>,
    /// Of replaces, the latest ones: why no new order came in.
    replacements: VecDeque<(LogPosition, RefusedReplacement)>,
}

/// Why a replace has brought no new order in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedReplacement {
    /// Why.
    pub reason: RejectReason,
    /// What the reason speaks of, as in a reply.
    pub id: u64,
}

/// What someone who waits for an order is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That its market has taken it: an answer of the type `ACK` tells no more.
    Admission,
    /// What became of it.
    Outcome,
}

/// What a market has said of an order before the ledger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Nothing.
    None,
    /// That it has taken it.
    Taken,
    /// Its first outcome.
    Decided,
}

#[derive(Default)]
struct Waiting {
    orders: MapById<OrderId, Vec<Waiter>>,
    /// Orders that the ledger has sent and told no outcome of, and of which their markets alone may tell something.
    on_their_way: MapById<OrderId, OnItsWay>,
    /// The number of the latest waiter for an order.
    last: u64,
    requests: MapById<LogPosition, oneshot::Sender<RequestOutcome>>,
    lists: MapById<ListId, oneshot::Sender<()>>,
}

/// An order of which its market may tell something before the ledger does.
struct OnItsWay {
    account: AccountId,
    word: Word,
}

/// One who waits for an order.
struct Waiter {
    token: u64,
    wanted: Wanted,
    sender: oneshot::Sender<OrderOutcome>,
}

impl Waiter {
    fn is_content_with(&self, word: Word) -> bool {
        word >= if self.wanted == Wanted::Admission { Word::Taken } else { Word::Decided }
    }
}

/// The outcome of an order, to come.
pub struct OrderWait {
    /// With which the wait is given up.
    pub token: u64,
    /// Where it comes.
    pub receiver: oneshot::Receiver<OrderOutcome>,
}

impl OrderWait {
    /// The outcome has come already.
    pub(super) fn over(outcome: OrderOutcome) -> OrderWait {
        let (sender, receiver) = oneshot::channel();
        // The receiver is ours: it is there.
        let _ = sender.send(outcome);
        OrderWait { token: 0, receiver }
    }
}

impl Outcomes {
    /// Waits for an order of which the ledger has told no outcome, `known` if it has been seen. `None` when too many do.
    pub(super) fn await_order(&self, order: OrderId, known: Option<&Order>, wanted: Wanted) -> Option<OrderWait> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let word = waiting.on_their_way.get(&order).map_or(Word::None, |way| way.word);
        match (known, word) {
            (Some(known), Word::Decided) => return Some(OrderWait::over(OrderOutcome::decided(known))),
            (Some(known), Word::Taken) if wanted == Wanted::Admission => {
                return Some(OrderWait::over(OrderOutcome::taken(known)));
            }
            _ => {}
        }
        let token = waiting.last + 1;
        let waiters = waiting.orders.entry(order).or_default();
        if waiters.len() >= WAITERS_MAX {
            return None;
        }
        waiters.push(Waiter { token, wanted, sender });
        waiting.last = token;
        Some(OrderWait { token, receiver })
    }

    /// The ledger has sent an order to its market, which may tell of it first.
    pub(super) fn send_off(&mut self, order: OrderId, account: AccountId) {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        waiting.on_their_way.insert(order, OnItsWay { account, word: Word::None });
    }

    /// An order's market has spoken of it: `outcome` says what that makes of one that is this account's, if anything. Whoever
    /// waits for no more is told, now or when they come before the ledger's word.
    pub(super) fn hear(&self, order: OrderId, outcome: impl FnOnce(AccountId) -> Option<(Word, OrderOutcome)>) {
        let (outcome, content) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let Waiting { orders, on_their_way, .. } = &mut *waiting;
            let Some(way) = on_their_way.get_mut(&order).filter(|way| way.word < Word::Decided) else { return };
            let Some((word, outcome)) = outcome(way.account).filter(|(word, _)| *word > way.word) else { return };
            way.word = word;
            let Some(waiters) = orders.get_mut(&order) else { return };
            let content: Vec<Waiter> = waiters.extract_if(.., |waiter| waiter.is_content_with(word)).collect();
            if waiters.is_empty() {
                orders.remove(&order);
            }
            (outcome, content)
        };
        for waiter in content {
            // A client that gave up asks for the order's status instead.
            let _ = waiter.sender.send(outcome.clone());
        }
    }

    /// Whether an order's market is known to have taken it, and the ledger has not told what became of it. That of one that is
    /// decided takes and brings nothing.
    pub(super) fn is_taken(&self, order: OrderId) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.on_their_way.get(&order).is_some_and(|way| way.word == Word::Taken)
    }

    /// The outcome of a cancel, now or later.
    pub(super) fn await_request(&self, request: LogPosition) -> oneshot::Receiver<RequestOutcome> {
        let (sender, receiver) = oneshot::channel();
        if let Some(outcome) = self.remembered.get(&request) {
            // The receiver is ours: it is there.
            let _ = sender.send(outcome.clone());
        } else {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.requests.insert(request, sender);
        }
        receiver
    }

    /// Waits for a list whose outcome is not known yet.
    pub(super) fn await_list(&self, list: ListId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).lists.insert(list, sender);
        receiver
    }

    pub(super) fn give_up_list(&self, list: ListId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).lists.remove(&list);
    }

    pub(super) fn settle_list(&mut self, list: ListId) {
        if let Some(waiter) = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner).lists.remove(&list) {
            // A client that gave up reads the list's state instead.
            let _ = waiter.send(());
        }
    }

    /// Forgets who no longer waits, and nobody else who waits for the same order.
    pub(super) fn give_up_order(&self, order: OrderId, token: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiters) = waiting.orders.get_mut(&order) else { return };
        waiters.retain(|waiter| waiter.token != token);
        if waiters.is_empty() {
            waiting.orders.remove(&order);
        }
    }

    pub(super) fn give_up_request(&self, request: LogPosition) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).requests.remove(&request);
    }

    /// Those who wait for an order whose outcome the ledger tells; they do so no longer.
    pub(super) fn order_waiters(&mut self, order: OrderId) -> impl Iterator<Item = oneshot::Sender<OrderOutcome>> {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        waiting.on_their_way.remove(&order);
        waiting.orders.remove(&order).into_iter().flatten().map(|waiter| waiter.sender)
    }

    pub(super) fn refuse_replacement(&mut self, request: LogPosition, refused: RefusedReplacement) {
        if self.replacements.len() == REQUESTS_REMEMBERED {
            self.replacements.pop_front();
        }
        self.replacements.push_back((request, refused));
    }

    /// Told before the outcome of its cancel.
    pub(super) fn refused_replacement(&self, request: LogPosition) -> Option<RefusedReplacement> {
        let at = self.replacements.binary_search_by_key(&request, |(request, _)| *request).ok()?;
        Some(self.replacements[at].1)
    }

    pub(super) fn collect(&mut self, request: LogPosition, market: MarketId, order: OrderId) {
        self.collecting.entry(request).or_default().push((market, order));
        self.collected += 1;
        while self.collected > COLLECTED_MAX {
            let Some((_, oldest)) = self.collecting.pop_first() else { return };
            self.collected -= oldest.len();
        }
    }

    pub(super) fn all_canceled(&mut self, request: LogPosition) {
        let orders = self.collecting.remove(&request).unwrap_or_default();
        self.collected -= orders.len();
        self.settle_request(request, RequestOutcome::Canceled(orders));
    }

    pub(super) fn settle_request(&mut self, request: LogPosition, outcome: RequestOutcome) {
        let waiting = self.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = waiting.requests.remove(&request) {
            // A client that gave up reads the order's state instead.
            let _ = waiter.send(outcome);
            return;
        }
        // Of several orders that one request changes the one that was named comes first: whoever waits is told of that one,
        // before it happens or after.
        if let Entry::Vacant(vacant) = self.remembered.entry(request) {
            vacant.insert(outcome);
            self.in_order.push_back(request);
        }
        while self.in_order.len() > REQUESTS_REMEMBERED {
            let Some(oldest) = self.in_order.pop_front() else { return };
            self.remembered.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: MarketId = MarketId::new(1);

    /// A mass cancel of a client session tells each order's end, and no end of its own.
    #[test]
    fn what_mass_cancels_collect_is_bounded_although_some_never_end() {
        let mut outcomes = Outcomes::default();
        let (cancels, each) = (COLLECTED_MAX as u64 / 100 + 10, 100);
        for request in 1..=cancels {
            for order in 1..=each {
                outcomes.collect(LogPosition::new(request), MARKET, OrderId::new(order));
            }
        }
        let kept: usize = outcomes.collecting.values().map(Vec::len).sum();
        assert!(kept <= COLLECTED_MAX && kept == outcomes.collected, "{kept}");
        let mut last = outcomes.await_request(LogPosition::new(cancels));
        outcomes.all_canceled(LogPosition::new(cancels));
        let canceled = (1..=each).map(|order| (MARKET, OrderId::new(order))).collect();
        assert_eq!(last.try_recv(), Ok(RequestOutcome::Canceled(canceled)), "the newest is whole");
        assert_eq!(outcomes.collected, kept - 100);
    }
}
