//! The independent model replays the committed log and agrees on every event. Replicas that agree can agree on a wrong
//! answer; only a second opinion sees it.
//!
//! Joint, the model is the ledger's log: the same replies and events, byte by byte. Split, what the ledger took goes
//! through the model in the ledger's order, which is also every market's; then each market's public events and each
//! order's life must be the model's. What depends on when mail arrives is not compared: the moment of a trade, the
//! windows of depth, cancels that lost a race.

use std::collections::{BTreeMap, VecDeque};

use wire::command::Reply;
use wire::{AccountId, AssetId, Command, Event, MarketId, OrderId, PartitionId, Timestamp};

use super::Verdict;
use crate::model::exchange::Exchange;
use crate::sim::history::Record;
use crate::sim::machine;
use crate::sim::swarm::{Layout, Plan};

type Balances = BTreeMap<(AccountId, AssetId), (i128, i128)>;

/// See the module.
pub struct SecondOpinion {
    layout: Layout,
    exchange: Exchange,
    /// Of the ledger's last entry.
    term: u64,
    /// When its last command was sequenced.
    last: Timestamp,
    /// What the model expects a market to tell.
    public: BTreeMap<MarketId, VecDeque<Event>>,
    /// What it expects the ledger to tell of an order.
    private: BTreeMap<OrderId, VecDeque<Event>>,
    /// As the model and as the ledger told them last.
    balances: [Balances; 2],
}

impl SecondOpinion {
    /// Of an exchange that is set up as [`machine::set_up`] says.
    pub fn new(plan: &Plan) -> SecondOpinion {
        SecondOpinion {
            layout: plan.layout,
            exchange: machine::model(plan.name_retention_ns),
            term: 0,
            last: Timestamp::ZERO,
            public: BTreeMap::new(),
            private: BTreeMap::new(),
            balances: [Balances::new(), Balances::new()],
        }
    }

    /// A command is committed.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record) -> Verdict {
        if partition == machine::LEDGER && record.term != self.term {
            self.term = record.term;
            self.exchange.begin_term(self.last, record.timestamp, machine::LEASE_GRACE);
            // The next leader may come before any command.
            self.last = record.timestamp;
        }
        let Some(command) = &record.command else { return Ok(()) };
        if partition == machine::LEDGER {
            self.last = record.timestamp;
        }
        // Each partition's log says its version; what the model does by it is the ledger's.
        let is_foreign = matches!(command, Command::SetVersion(_)) && partition != machine::LEDGER;
        if machine::is_set_up(command) || is_foreign {
            return Ok(());
        }
        match self.layout {
            Layout::Joint => self.same(record, command),
            Layout::Split => self.alike(partition, record, command),
        }
    }

    fn same(&mut self, record: &Record, command: &Command) -> Verdict {
        let (reply, events) = self.exchange.apply(record.position, record.timestamp, command);
        if reply != record.reply {
            let (at, told) = (record.position, record.reply);
            return Err(format!("at {at} the cells answer {told:?}, the model {reply:?} to {command:?}"));
        }
        if events == record.events {
            return Ok(());
        }
        let differ = events.iter().zip(&record.events).find(|(model, told)| model != told);
        let (model, told) = differ.map_or((events.last(), record.events.last()), |(m, t)| (Some(m), Some(t)));
        Err(format!("at {} the cells tell {told:?}, the model {model:?} of {command:?}", record.position))
    }

    fn alike(&mut self, partition: PartitionId, record: &Record, command: &Command) -> Verdict {
        let is_asked = !matches!(command, Command::DeliverMail(_) | Command::AckMail(_) | Command::Tick(_));
        if is_asked && matches!(record.reply, Reply::Accepted { .. }) {
            self.expect(record, command)?;
        }
        for event in &record.events {
            self.compare(partition, record, event)?;
        }
        Ok(())
    }

    /// The model does what the ledger took.
    fn expect(&mut self, record: &Record, command: &Command) -> Verdict {
        let (reply, events) = self.exchange.apply(record.position, record.timestamp, command);
        let is_order = matches!(command, Command::NewOrder(_));
        if is_order && reply != record.reply {
            let (at, told) = (record.position, record.reply);
            return Err(format!("at {at} the ledger answers {told:?}, the model {reply:?} to {command:?}"));
        }
        for event in events {
            note(&mut self.balances[0], &event);
            match (market_of(&event), order_of(&event)) {
                (Some(market), _) => self.public.entry(market).or_default().push_back(event),
                (_, Some(order)) => self.private.entry(order).or_default().push_back(timeless(event)),
                _ => {}
            }
        }
        Ok(())
    }

    fn compare(&mut self, partition: PartitionId, record: &Record, event: &Event) -> Verdict {
        note(&mut self.balances[1], event);
        let queue = match (market_of(event), order_of(event)) {
            (Some(market), _) => self.public.get_mut(&market),
            (_, Some(order)) => self.private.get_mut(&order),
            _ => return Ok(()),
        };
        let expected = queue.and_then(VecDeque::pop_front);
        if expected == Some(timeless(event.clone())) {
            return Ok(());
        }
        let at = record.position;
        Err(format!("at {at} of partition {partition} the cells tell {event:?}, the model {expected:?}"))
    }

    /// Everything has come to rest: nothing that the model expects is missing.
    pub fn at_rest(&self) -> Verdict {
        let waiting = self.public.values().chain(self.private.values()).find_map(VecDeque::front);
        if let Some(event) = waiting {
            return Err(format!("at rest, the model still expects {event:?}"));
        }
        if self.layout == Layout::Split && self.balances[0] != self.balances[1] {
            return Err(format!(
                "at rest, the model's balances are {:?}, told were {:?}",
                self.balances[0], self.balances[1]
            ));
        }
        Ok(())
    }
}

fn note(balances: &mut Balances, event: &Event) {
    if let Event::BalanceChanged(e) = event {
        balances.insert((e.account, e.asset), (e.free.wide(), e.held.wide()));
    }
}

/// The market that tells this event, whatever time it is.
fn market_of(event: &Event) -> Option<MarketId> {
    match event {
        Event::Traded(e) => Some(e.market),
        Event::LevelChanged(e) => Some(e.market),
        _ => None,
    }
}

/// The order whose life this event is of.
fn order_of(event: &Event) -> Option<OrderId> {
    match event {
        Event::OrderPending(e) => Some(e.order),
        Event::OrderAccepted(e) => Some(e.order),
        Event::OrderRejected(e) => Some(e.order),
        Event::OrderExecuted(e) => Some(e.order),
        Event::OrderResting(e) => Some(e.order),
        Event::OrderCanceled(e) => Some(e.order),
        _ => None,
    }
}

fn timeless(mut event: Event) -> Event {
    if let Event::OrderExecuted(executed) = &mut event {
        executed.traded_at = Timestamp::ZERO;
    }
    event
}
