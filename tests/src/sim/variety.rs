//! Every kind of command there is of trade, at any time: stop orders, icebergs, pegs, lists, auctions, leases, limits, fees,
//! as the walks beside the model draw them.
//!
//! The walks tell whether the cells do what they should, one after the other and alone. Here a quorum does it, over
//! snapshots, restarts and other leaders: what a snapshot forgets, or a timer that a new leader does not know of, is seen by
//! the model beside it, which compares event by event where one log has all that a command leads to.

use std::collections::VecDeque;

use wire::{AccountId, Command, Event, MarketId, OrderId, Timestamp};

use super::history::Record;
use super::machine;
use crate::model::flow::Flow;

/// How many open orders are remembered to be canceled or changed.
const OPEN_MAX: usize = 12;

/// See the module.
pub struct Variety {
    flow: Flow,
    newest: Option<OrderId>,
    open: VecDeque<(AccountId, MarketId, OrderId)>,
}

impl Variety {
    /// Of this seed; names of orders count on from this one.
    pub fn new(seed: u64, names: u64) -> Variety {
        let flow = Flow::new(seed, machine::accounts(), machine::rules(), Timestamp::ZERO).named_from(names);
        Variety { flow, newest: None, open: VecDeque::new() }
    }

    /// Names of orders so far.
    pub fn names(&self) -> u64 {
        self.flow.names()
    }

    /// The next command, when log time is `now`.
    pub fn next(&mut self, now: Timestamp) -> Command {
        self.flow.aim(now, self.newest, self.open.make_contiguous());
        loop {
            let (_, mut command) = self.flow.draw();
            match &mut command {
                // There are two markets, and nothing would be left to trade.
                Command::DelistMarket(_) => continue,
                // By that time checkers know the requests of gateways' users, and these are not.
                Command::NewOrder(order) => order.asked_us = 0,
                Command::ReplaceOrder(replace) => replace.order.asked_us = 0,
                _ => {}
            }
            return command;
        }
    }

    /// A command of the ledger's partition is committed: later ones may be about its orders.
    pub fn on_commit(&mut self, record: &Record) {
        for event in &record.events {
            match event {
                Event::OrderPending(e) => {
                    self.newest = self.newest.max(Some(e.order));
                    self.open.truncate(OPEN_MAX - 1);
                    self.open.push_front((e.account, e.market, e.order));
                }
                Event::OrderRejected(e) => self.ended(e.order),
                Event::OrderExecuted(e) if e.leaves.is_zero() => self.ended(e.order),
                Event::OrderCanceled(e) => self.ended(e.order),
                _ => {}
            }
        }
    }

    fn ended(&mut self, order: OrderId) {
        self.open.retain(|(_, _, open)| *open != order);
    }
}
