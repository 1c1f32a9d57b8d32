//! Every kind of command there is of trade, at any time: stop orders, icebergs, pegs, lists, auctions, leases, limits, fees,
//! as the walks beside the model draw them.
//!
//! The walks tell whether the cells do what they should, one after the other and alone. Here a quorum does it, over
//! snapshots, restarts and other leaders: what a snapshot forgets, or a timer that a new leader does not know of, is seen by
//! the model beside it, which compares event by event where one log has all that a command leads to.

use std::collections::VecDeque;

use replicator::sim::Random;
use wire::command::SealName;
use wire::{AccountId, ClientOrderId, Command, Event, MarketId, OrderId, Timestamp};

use super::history::Record;
use super::machine;
use crate::model::flow::Flow;

/// How many open orders are remembered to be canceled or changed.
const OPEN_MAX: usize = 12;
/// And how many seals are, of which another order or another seal may be.
const SEALS_MAX: usize = 12;
/// Of so many commands one seals a name, and one, if it is an order, has a name that was sealed.
const SEALED: u64 = 12;
/// Orders and seals are asked for at moments up to this.
const ASKED_MAX_US: u64 = 100;

/// See the module.
pub struct Variety {
    flow: Flow,
    random: Random,
    /// Names that were sealed last.
    sealed: VecDeque<(AccountId, ClientOrderId)>,
    newest: Option<OrderId>,
    open: VecDeque<(AccountId, MarketId, OrderId)>,
}

impl Variety {
    /// Of this seed; names of orders count on from this one.
    pub fn new(seed: u64, names: u64) -> Variety {
        let flow = Flow::new(seed, machine::accounts(), machine::rules(), Timestamp::ZERO).named_from(names);
        let random = Random::new(seed ^ 0x5345_414C);
        Variety { flow, random, sealed: VecDeque::new(), newest: None, open: VecDeque::new() }
    }

    /// Names of orders so far.
    pub fn names(&self) -> u64 {
        self.flow.names()
    }

    /// The next command, when log time is `now`.
    pub fn next(&mut self, now: Timestamp) -> Command {
        self.flow.aim(now, self.newest, self.open.make_contiguous());
        let draw = self.random.below(SEALED);
        if draw == 0 {
            return self.seal();
        }
        loop {
            let (_, mut command) = self.flow.draw();
            if let Command::NewOrder(order) = &mut command
                && draw == 1
                && let Some(sealed) = self.any_sealed()
            {
                (order.account, order.client_order_id) = sealed;
                order.asked_us = 1 + self.random.below(ASKED_MAX_US);
            }
            // There are two markets, and nothing would be left to trade.
            if !matches!(command, Command::DelistMarket(_)) {
                return command;
            }
        }
    }

    fn any_sealed(&mut self) -> Option<(AccountId, ClientOrderId)> {
        self.sealed.get(self.random.below(SEALS_MAX as u64) as usize).copied()
    }

    /// Of a name to come, or once more.
    fn seal(&mut self) -> Command {
        let again = self.any_sealed().filter(|_| self.random.below(2) == 0);
        let (account, client_order_id) = again.unwrap_or_else(|| {
            let account = AccountId::new(1 + self.random.below(u64::from(machine::accounts())) as u32);
            let name = format!("n{}", self.flow.names() + 1 + self.random.below(100));
            (account, ClientOrderId::new(name.as_bytes()).expect("a short name"))
        });
        self.sealed.truncate(SEALS_MAX - 1);
        self.sealed.push_front((account, client_order_id));
        let asked_us = 1 + self.random.below(ASKED_MAX_US);
        Command::SealName(SealName { account, client_order_id, asked_us, is_list: false })
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
