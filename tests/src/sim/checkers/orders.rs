//! What gateways tell their users of orders is what was committed: an order that is told has been in the state that is told,
//! and not only before the user asked; one that was refused was never executed and never will be; one that does not exist
//! never will; and no request becomes two orders.
//!
//! An order may be told to rest one commit before the ledger knows, if the log of its market has it resting whole, and one may be
//! told of without a status if that log has it trade or rest: what the market has written to the ledger says so here, and not
//! what it tells the public. From then on nobody who asks is told that its outcome is open.
//!
//! A user's request is known in the log by the time that it was asked at, which orders carry and which is here each
//! request's own.

use std::collections::BTreeMap;

use engine::Partition;
use serde_json::Value;
use wire::event::OrderPending;
use wire::{
    AccountId, CancelCause, ClientOrderId, Command, Event, LogPosition, Mail, MailSequence, OrderId, PartitionId, Qty,
    RejectReason, Side, decimal,
};

use super::Verdict;
use crate::sim::history::Record;
use crate::sim::machine::{self, LEDGER};

/// Where an order is in its life, in the words that users are told: status, base and quote that have traded.
type State = (&'static str, i64, i64);

/// See the module.
#[derive(Debug, Default)]
pub struct Orders {
    /// Whether there are users of whose requests this knows.
    has_users: bool,
    lives: BTreeMap<OrderId, Life>,
    /// Of each request that became an order: where, and which.
    became: BTreeMap<u64, (LogPosition, OrderId)>,
    /// Requests that their users were told are refused, and in which words.
    refused: BTreeMap<u64, String>,
    /// Names of which users were told that no order asked for before has them.
    sealed: BTreeMap<(AccountId, ClientOrderId), u64>,
    /// What each market's partition has written to the ledger, up to which mail it was looked at.
    mail: BTreeMap<PartitionId, MailSequence>,
    /// Of orders of markets apart from the ledger, what their markets have committed first.
    first_words: BTreeMap<OrderId, FirstWord>,
    /// Answers so far that told an outcome.
    outcomes_told: u64,
    /// Of them, those that the ledger could not have told.
    told_early: u64,
}

/// What a market has written to the ledger of an order, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstWord {
    /// It rests with so much.
    Rests(Qty),
    /// It trades, or rests after it has met its own.
    Takes,
    /// It was refused, has ended, or has met its own.
    Other,
}

#[derive(Debug)]
struct Life {
    order: OrderPending,
    /// By the user's clock; 0 of one that no gateway's user asked for.
    asked_us: u64,
    name: ClientOrderId,
    qtys: Vec<i64>,
    states: Vec<(LogPosition, State)>,
    /// Whether it was to be placed, and not what a replace that failed left unplaced.
    was_attempted: bool,
    /// The first answer that told an outcome of it.
    first_told: Option<u64>,
}

/// Who asked, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// For which account.
    pub account: AccountId,
    /// At a time that no other request has.
    pub asked_us: u64,
    /// What was committed by then.
    pub floor: LogPosition,
    /// Answers by then that told an order's outcome.
    pub after: u64,
    /// Whether the gateway has waited so long for the ledger's word of an outcome that it waits no longer.
    pub is_late: bool,
}

/// An order of which a user was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub order: OrderId,
    /// Whether it may still trade.
    pub is_open: bool,
}

fn is_open(status: &str) -> bool {
    matches!(status, "PENDING_NEW" | "NEW" | "PARTIALLY_FILLED")
}

impl Life {
    fn last(&self) -> State {
        self.states.last().expect("an order is pending first").1
    }

    fn go_on(&mut self, at: LogPosition, status: &'static str, qty: i64, quote: i64) {
        let (_, traded, paid) = self.last();
        self.states.push((at, (status, traded + qty, paid + quote)));
    }

    /// The states that it has been in since `floor`.
    fn since(&self, floor: LogPosition) -> &[(LogPosition, State)] {
        let from = self.states.iter().rposition(|(at, _)| *at <= floor).unwrap_or(0);
        &self.states[from..]
    }

    /// Whether it has been open all the time since `floor`, and is.
    fn was_always_open(&self, floor: LogPosition) -> bool {
        self.states[0].0 <= floor && self.since(floor).iter().all(|(_, (status, ..))| is_open(status))
    }
}

impl Orders {
    /// Where nobody uses a gateway's order entry, times of requests are anybody's.
    pub fn new(has_users: bool) -> Orders {
        Orders { has_users, ..Orders::default() }
    }

    /// A command of the ledger's partition is committed.
    pub fn on_commit(&mut self, record: &Record) -> Verdict {
        let at = record.position;
        let asked_us = match &record.command {
            Some(Command::NewOrder(order)) => order.asked_us,
            Some(Command::ReplaceOrder(replace)) => replace.order.asked_us,
            _ => 0,
        };
        for event in &record.events {
            match event {
                Event::OrderPending(order) => {
                    let pending = vec![(at, ("PENDING_NEW", 0, 0))];
                    let (name, qtys) = (order.client_order_id, vec![order.qty.units()]);
                    let life = Life {
                        order: *order,
                        asked_us,
                        name,
                        qtys,
                        states: pending,
                        was_attempted: true,
                        first_told: None,
                    };
                    self.lives.insert(order.order, life);
                    if asked_us > 0 && self.has_users {
                        self.begun(at, asked_us, order)?;
                    }
                }
                Event::OrderAccepted(e) => self.life(e.order)?.go_on(at, "NEW", 0, 0),
                Event::OrderRejected(e) => {
                    let expires = e.reason == RejectReason::NoLiquidity;
                    let life = self.life(e.order)?;
                    life.go_on(at, if expires { "EXPIRED" } else { "REJECTED" }, 0, 0);
                    life.was_attempted = e.reason != RejectReason::NotAttempted;
                }
                Event::OrderExecuted(e) => {
                    let status = if e.leaves.is_zero() { "FILLED" } else { "PARTIALLY_FILLED" };
                    self.life(e.order)?.go_on(at, status, e.qty.units(), e.quote_amount.units());
                }
                Event::OrderCanceled(e) => {
                    let life = self.life(e.order)?;
                    // One by quote quantity has spent what it was to spend.
                    let is_spent = life.order.qty.is_zero() && e.cause == CancelCause::BudgetSpent && life.last().1 > 0;
                    let status = match e.cause {
                        _ if is_spent => "FILLED",
                        CancelCause::SelfTrade => "EXPIRED_IN_MATCH",
                        cause if cause.is_expiry() => "EXPIRED",
                        _ => "CANCELED",
                    };
                    life.go_on(at, status, 0, 0);
                }
                Event::OrderAmended(e) => {
                    let life = self.life(e.order)?;
                    life.qtys.push(e.qty.units());
                    life.name = e.client_order_id;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A command of a market's partition is committed; `cells` are as they are after it.
    pub fn on_market_commit(&mut self, partition: PartitionId, cells: &Partition) {
        let Some(outbox) = cells.outboxes().find(|outbox| outbox.to() == LEDGER) else { return };
        let seen = self.mail.entry(partition).or_default();
        let (first, last) = (MailSequence::new(seen.get() + 1), outbox.last());
        let news = (last.get() - seen.get()) as usize;
        *seen = last;
        for mail in outbox.pending(first, news) {
            let (order, word) = match mail {
                Mail::OrderRested(rested) => (rested.order, FirstWord::Rests(rested.leaves)),
                Mail::OrderFilled(fill) => (fill.order, FirstWord::Takes),
                Mail::OrderEnded(ended) => (ended.order, FirstWord::Other),
                Mail::OrderRefused(refused) => (refused.order, FirstWord::Other),
                Mail::TradePrevented(prevented) => (prevented.taker, FirstWord::Other),
                _ => continue,
            };
            let first = self.first_words.entry(order).or_insert(word);
            // Who has met its own may trade or rest after that.
            if *first == FirstWord::Other && matches!(word, FirstWord::Takes | FirstWord::Rests(_)) {
                *first = FirstWord::Takes;
            }
        }
    }

    /// Whether its market has committed that the order rests with all that it asked for, and had met nobody before.
    fn rests_whole(&self, order: &OrderPending) -> bool {
        self.first_words.get(&order.order) == Some(&FirstWord::Rests(order.qty))
    }

    /// Whether its market has committed that the order trades or rests: no more than that is said by an answer without a status.
    fn was_taken(&self, order: &OrderPending) -> bool {
        matches!(self.first_words.get(&order.order), Some(FirstWord::Rests(_) | FirstWord::Takes))
    }

    /// Answers so far that told an outcome, and those of them that the ledger could not have told.
    pub fn outcomes_told(&self) -> (u64, u64) {
        (self.outcomes_told, self.told_early)
    }

    fn life(&mut self, order: OrderId) -> Result<&mut Life, String> {
        self.lives.get_mut(&order).ok_or_else(|| format!("something becomes of order {order}, which never began"))
    }

    /// From where on a user may be told what an account has: the ledger had told by then of its orders of which anybody had been
    /// answered. `None` while it has not.
    pub fn floor(&self, asked: &Asked) -> Option<LogPosition> {
        let told = self.lives.values().filter(|life| life.order.account == asked.account);
        let mut told = told.filter(|life| life.first_told.is_some_and(|told| told <= asked.after));
        told.try_fold(asked.floor, |floor, life| life.states.get(1).map(|(at, _)| floor.max(*at)))
    }

    /// A user's request has become an order.
    fn begun(&mut self, at: LogPosition, asked_us: u64, order: &OrderPending) -> Verdict {
        let (id, name) = (order.order, order.client_order_id);
        if let Some((first_at, first)) = self.became.insert(asked_us, (at, id)) {
            return Err(format!("one request became order {first} at {first_at} and order {id}, {name}, at {at}"));
        }
        if let Some(sealed_us) = self.sealed.get(&(order.account, name)).filter(|sealed_us| asked_us <= **sealed_us) {
            let told = format!("a user who asked at {sealed_us} was told that there is no order {name}");
            return Err(format!("{told}; it is order {id} at {at}, asked for at {asked_us}"));
        }
        match self.refused.get(&asked_us) {
            Some(words) => Err(format!("a user was told {words}; the request is order {id}, {name}, at {at}")),
            None => Ok(()),
        }
    }

    /// A user is told this of an order, named or numbered by what is told.
    pub fn told(&mut self, asked: &Asked, told: &Value) -> Result<Told, String> {
        let (order, _) = self.check_told(asked, told, false)?;
        if told["status"].as_str().is_some_and(|status| status != "PENDING_NEW") {
            self.note_outcome(order.order);
        }
        Ok(order)
    }

    fn note_outcome(&mut self, order: OrderId) {
        self.outcomes_told += 1;
        if let Some(life) = self.lives.get_mut(&order) {
            life.first_told.get_or_insert(self.outcomes_told);
        }
    }

    /// What is told of an order, and whether its market alone can have said so, which it may `may_be_early`.
    fn check_told(&self, asked: &Asked, told: &Value, may_be_early: bool) -> Result<(Told, bool), String> {
        let id = OrderId::new(told["orderId"].as_u64().ok_or_else(|| format!("an answer names no order: {told}"))?);
        let life = self.lives.get(&id).filter(|life| life.order.account == asked.account);
        let life = life.ok_or_else(|| format!("a user of account {} is told of order {id}: {told}", asked.account))?;
        let symbol = format!("M{}", life.order.market.get() - 1);
        // A cancel's answer has a name of its own.
        let name = told["origClientOrderId"].as_str().or(told["clientOrderId"].as_str());
        let first = life.order.client_order_id;
        let is_named = [first.as_str(), life.name.as_str()].map(Some).contains(&name);
        if !is_named || told["symbol"].as_str() != Some(&symbol) {
            return Err(format!("a user is told {told} of order {id}, which is {first} of {symbol}"));
        }
        let is_pending = life.last().0 == "PENDING_NEW";
        let rests_early = may_be_early && is_pending && self.rests_whole(&life.order);
        let Some(status) = told["status"].as_str() else {
            let is_early = may_be_early && is_pending && self.was_taken(&life.order);
            if is_pending && !is_early {
                return Err(format!(
                    "a user is told of order {id}, and nobody has committed that it was taken: {told}"
                ));
            }
            return Ok((Told { order: id, is_open: is_open(life.last().0) }, is_early));
        };
        if status == "PENDING_NEW" && !asked.is_late && life.first_told.is_some_and(|told| told <= asked.after) {
            return Err(format!("a user is told that the outcome of order {id} is open, after it was told: {told}"));
        }
        let scale = machine::scale();
        let traded = units(&told["executedQty"], scale.qty_decimals)?;
        let paid = units(&told["cummulativeQuoteQty"], machine::DECIMALS)?;
        let is_true = |state: &State| state.0 == status && (state.1, state.2) == (traded, paid);
        let is_early = rests_early && is_true(&("NEW", 0, 0));
        if !is_early && !life.since(asked.floor).iter().any(|(_, state)| is_true(state)) {
            let (since, floor) = (life.since(asked.floor), asked.floor);
            return Err(format!("a user is told {told} of order {id}, which since {floor} has been {since:?}"));
        }
        if let Some(fills) = told["fills"].as_array() {
            let qtys = fills.iter().map(|fill| units(&fill["qty"], scale.qty_decimals));
            let sum: i64 = qtys.sum::<Result<i64, String>>()?;
            if sum != traded {
                return Err(format!("a user is told fills that are not what has traded: {told}"));
            }
        }
        Ok((Told { order: id, is_open: is_open(status) }, is_early))
    }

    /// A user who asked for a new order is told this of it.
    pub fn placed(&mut self, asked: &Asked, name: Option<&str>, is_retry: bool, told: &Value) -> Result<Told, String> {
        let (order, is_early) = self.check_told(asked, told, true)?;
        self.told_early += u64::from(is_early);
        self.note_outcome(order.order);
        let became = self.became.get(&asked.asked_us).map(|(_, order)| *order);
        // Who asks again is told of the first.
        let is_its = became == Some(order.order) || (is_retry && became.is_none());
        if !is_its || name.is_some_and(|name| told["clientOrderId"].as_str() != Some(name)) {
            return Err(format!("a user asked for {name:?}, which became order {became:?}, and is told {told}"));
        }
        if told["status"] == "PENDING_NEW" || told["status"] == "REJECTED" {
            return Err(format!("a user is told no outcome of a new order: {told}"));
        }
        Ok(order)
    }

    /// A user who asked for a new order in these words is told of one: of that which they ask for, and of no other of its name.
    pub fn is_what_was_asked(&self, order: OrderId, words: &str) -> Verdict {
        let Some(life) = self.lives.get(&order) else { return Ok(()) };
        let scale = machine::scale();
        for (what, value) in words.split('&').filter_map(|word| word.split_once('=')) {
            let number = |decimals| decimal::parse(value, decimals).ok();
            let is_so = match what {
                "side" => (value == "BUY") == (life.order.side == Side::Buy),
                "quantity" => number(scale.qty_decimals) == Some(life.order.qty.units()),
                "price" => number(scale.price_decimals) == Some(life.order.price.units()),
                "quoteOrderQty" => number(machine::DECIMALS) == Some(life.order.quote_qty.units()),
                _ => true,
            };
            if !is_so {
                return Err(format!("a user asked for {words} and is told of order {order}: {:?}", life.order));
            }
        }
        Ok(())
    }

    /// Whether an order was refused, by its market too.
    pub fn was_refused(&self, order: OrderId) -> bool {
        self.lives.get(&order).is_some_and(|life| life.states.iter().any(|(_, (status, ..))| *status == "REJECTED"))
    }

    /// A user who asked for a new order is told that there is none.
    pub fn refused(&mut self, asked: &Asked, words: &str) -> Verdict {
        self.refused.insert(asked.asked_us, words.to_owned());
        let Some((at, order)) = self.became.get(&asked.asked_us) else { return Ok(()) };
        match self.lives.get(order).map(Life::last) {
            Some(("REJECTED", ..)) => Ok(()),
            became => Err(format!("a user is told {words} of a request that is order {order} at {at}: {became:?}")),
        }
    }

    /// A user is told that no order has this name.
    pub fn missing(&mut self, asked: &Asked, name: ClientOrderId) -> Verdict {
        // What a replace did not attempt is no order.
        let is_meant = |life: &&Life| life.asked_us <= asked.asked_us && life.was_attempted;
        let known = self.named(asked.account, name).find(is_meant);
        match known {
            Some(life) => {
                Err(format!("a user is told that there is no order {name}, which is order {}", life.order.order))
            }
            None => {
                self.seal(asked, name);
                Ok(())
            }
        }
    }

    /// The latest question counts.
    fn seal(&mut self, asked: &Asked, name: ClientOrderId) {
        let sealed_us = self.sealed.entry((asked.account, name)).or_default();
        *sealed_us = asked.asked_us.max(*sealed_us);
    }

    fn named(&self, account: AccountId, name: ClientOrderId) -> impl Iterator<Item = &Life> {
        self.lives.values().filter(move |life| life.order.account == account && life.name == name)
    }

    /// A user is told that there is no order of an id which it was told.
    pub fn unheard_of(&self, order: OrderId, words: &str) -> Verdict {
        Err(format!("a user was told of order {order}, and then {words}"))
    }

    /// A user is told that an order was taken off the book: it has not ended in another way before.
    pub fn canceled(&mut self, asked: &Asked, told: &Value) -> Verdict {
        self.told(asked, told)?;
        if told["status"] == "CANCELED" { Ok(()) } else { Err(format!("a user is told of a cancel: {told}")) }
    }

    /// A user is told that an order cannot be canceled, for none is open that has this id, or without one this name.
    pub fn not_open(&mut self, asked: &Asked, order: Option<OrderId>, name: ClientOrderId) -> Verdict {
        let is_it = |life: &&Life| order.is_none_or(|order| life.order.order == order);
        let mut known = self.named(asked.account, name).filter(is_it).peekable();
        if order.is_none() && known.peek().is_none() {
            // What finds nothing seals the name.
            drop(known);
            self.seal(asked, name);
            return Ok(());
        }
        match known.find(|life| life.was_always_open(asked.floor)) {
            Some(life) => Err(format!("a user is told that order {name} is unknown: {:?}", life.since(asked.floor))),
            None => Ok(()),
        }
    }

    /// A user is told that an order has less quantity now.
    pub fn amended(&self, order: OrderId, told: &Value) -> Verdict {
        let qty = units(&told["amendedOrder"]["qty"], machine::scale().qty_decimals)?;
        match self.lives.get(&order).is_some_and(|life| life.qtys[1..].contains(&qty)) {
            true => Ok(()),
            false => Err(format!("a user is told of an amend that did not happen: {told}")),
        }
    }

    /// A user is told which of an account's orders are open.
    pub fn open(&mut self, asked: &Asked, told: &Value) -> Verdict {
        let mut listed = Vec::new();
        for order in told.as_array().ok_or_else(|| format!("open orders are no list: {told}"))? {
            let order = self.told(asked, order)?;
            if !order.is_open {
                return Err(format!("order {} is told among the open ones: {told}", order.order));
            }
            listed.push(order.order);
        }
        let mut open = self.lives.values().filter(|life| life.order.account == asked.account);
        match open.find(|life| life.was_always_open(asked.floor) && !listed.contains(&life.order.order)) {
            Some(life) => Err(format!("order {} is not told among the open ones: {told}", life.order.order)),
            None => Ok(()),
        }
    }

    /// A gateway that has read everything has these open orders.
    pub fn at_rest(&self, gateway: usize, is_open_there: impl Fn(&OrderPending) -> bool) -> Verdict {
        for (id, life) in &self.lives {
            if is_open_there(&life.order) != is_open(life.last().0) {
                return Err(format!("at rest, order {id} is {:?}, and not so at gateway {gateway}", life.last()));
            }
        }
        Ok(())
    }
}

fn units(told: &Value, decimals: u8) -> Result<i64, String> {
    let text = told.as_str().ok_or_else(|| format!("{told} is no number"))?;
    decimal::parse(text, decimals).map_err(|error| format!("{text}: {error:?}"))
}
