//! An exchange that is obviously right: a naive ledger, a naive market for each symbol, and mail between them that is always
//! carried before the next command. Written from what `wire` and the engine's module comments promise, sharing no code
//! with the engine.

use std::collections::VecDeque;

use wire::command::Reply;
use wire::{
    AssetId, Capacity, Command, Event, FeeRate, LogPosition, Mail, MarketId, MarketRules, MarketScale, Timestamp,
};

use super::ledger::Ledger;
use super::market::Market;

/// Base and quote of each market, from market 1. What one trades the other pays with.
pub const MARKETS: [(AssetId, AssetId); 2] = [(AssetId::new(1), AssetId::new(2)), (AssetId::new(3), AssetId::new(1))];

/// What an exchange is made of before its first command.
#[derive(Debug, Clone)]
pub struct Founding {
    /// Filters of every market.
    pub rules: MarketRules,
    /// Scale of every market.
    pub scale: MarketScale,
    /// How much one order may cause.
    pub fills_max: u32,
    /// For how much there is room.
    pub capacity: Capacity,
    /// How long the name of an order that has ended, and a question after a name, are remembered.
    pub name_retention_ns: u64,
    /// Maker and taker fee of each account, from account 1.
    pub fees: Vec<(FeeRate, FeeRate)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Exchange {
    ledger: Ledger,
    markets: Vec<Market>,
    mail: VecDeque<Mail>,
    events: Vec<Event>,
}

impl Exchange {
    /// Listed assets and markets, and accounts without money.
    pub fn new(founding: Founding) -> Exchange {
        let Founding { rules, scale, fills_max, capacity, name_retention_ns, fees } = founding;
        let ids = (1..=MARKETS.len() as u16).map(MarketId::new);
        Exchange {
            ledger: Ledger::new(rules, scale, &MARKETS, fees, (capacity, name_retention_ns)),
            markets: ids.map(|id| Market::new(id, scale, rules, fills_max, capacity.accounts_max)).collect(),
            mail: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// A new leader's first entry, after the last one's last command: nobody's lease or countdown runs out for so long.
    pub fn begin_term(&mut self, last: Timestamp, now: Timestamp, grace_ns: u64) {
        self.ledger.begin_term(now.nanos() + grace_ns);
        self.ledger.keep_names(last.nanos(), now.nanos());
    }

    /// The reply and the events of one command.
    pub fn apply(&mut self, position: LogPosition, now: Timestamp, command: &Command) -> (Reply, Vec<Event>) {
        let now = now.nanos();
        self.ledger.begin(position.get(), now);
        for at in 0..self.markets.len() {
            if self.markets[at].pass_time(now) {
                self.markets[at].fire();
                self.carry(now);
            }
        }
        self.ledger.end_silent();
        self.carry(now);
        let answer = self.ledger.ask(command);
        self.carry(now);
        self.ledger.finish();
        self.events.append(&mut self.ledger.events);
        let reply = match answer {
            Ok(id) => Reply::Accepted { id },
            Err((reason, id)) => Reply::Rejected { reason, id },
        };
        (reply, std::mem::take(&mut self.events))
    }

    /// Mail is heard in the order in which it was said.
    fn carry(&mut self, now: u64) {
        self.collect();
        while let Some(mail) = self.mail.pop_front() {
            match mail.to_market() {
                Some(market) => self.markets[usize::from(market.get()) - 1].hear(now, &mail),
                None => self.ledger.hear(&mail),
            }
            self.collect();
        }
    }

    fn collect(&mut self) {
        self.events.append(&mut self.ledger.events);
        self.mail.extend(self.ledger.mail.drain(..));
        for market in &mut self.markets {
            self.events.append(&mut market.events);
            self.mail.extend(market.mail.drain(..));
        }
    }
}
