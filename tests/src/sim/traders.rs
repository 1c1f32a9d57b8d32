//! What users ask of a gateway straight at the cluster's client, and what they make of its answers.

use cluster_client::{ClusterError, Replied};
use wire::command::{CancelAll, CancelOrder, Credit, Debit, NewOrder, Reply};
use wire::{
    AccountId, Amount, AssetId, ClientOrderId, Command, MarketId, OrderId, OrderKind, Qty, SelfTradePrevention, Side,
    TimeInForce, Timestamp,
};

use super::clients::Gateway;
use super::machine::{LEDGER, RICH, amount, price, qty};
use super::swarm::{Layout, Plan};
use super::world::World;

/// Orders whose cancel a gateway may think of.
const REMEMBERED_MAX: usize = 40;
/// Names that may be given again.
const USED_MAX: usize = 64;

impl Gateway {
    fn new_order(&mut self, plan: &Plan) -> Command {
        let (random, forgets) = (&mut self.random, plan.forgets_names());
        let accounts = if plan.layout == Layout::Joint { RICH + 1 } else { RICH };
        let kind = match random.below(10) {
            0..=5 => OrderKind::Limit,
            6 => OrderKind::LimitMaker,
            _ => OrderKind::Market,
        };
        let time_in_force = match kind {
            OrderKind::Limit => {
                [TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok]
                    [random.below(5) as usize]
            }
            OrderKind::Market => TimeInForce::Ioc,
            _ => TimeInForce::Gtc,
        };
        let is_buy = random.below(2) == 0;
        let by_quote = kind == OrderKind::Market && random.below(3) == 0;
        // Buyers mostly offer less than sellers ask, so that the book fills up.
        let at = (196 + random.below(9) as i64) * 5 + if is_buy { -15 } else { 15 };
        let size = (2 + random.below(20) as i64) * 2;
        let spend = (10 + random.below(300) as i64) * 1_000;
        // What users of order entry make of an order knows no other modes.
        let modes = if plan.has_variety { SelfTradePrevention::ALL.len() as u64 } else { 4 };
        let account = AccountId::new(1 + random.below(u64::from(accounts)) as u32);
        // Some names have been given before, where they may be free again.
        let used = (forgets && random.below(6) == 0).then(|| random.below(USED_MAX as u64) as usize);
        let (account, client_order_id) = match used.and_then(|used| self.used.get(used)) {
            Some(used) => *used,
            None => {
                self.names += 1;
                let name = format!("g{}-{}", self.number, self.names);
                (account, ClientOrderId::new(name.as_bytes()).expect("a short name"))
            }
        };
        if forgets {
            self.used.truncate(USED_MAX - 1);
            self.used.push_front((account, client_order_id));
        }
        Command::NewOrder(NewOrder {
            account,
            market: MarketId::new(1 + random.below(2) as u16),
            side: if is_buy { Side::Buy } else { Side::Sell },
            kind,
            time_in_force,
            self_trade: SelfTradePrevention::ALL[random.below(modes) as usize],
            price: price(at),
            qty: if by_quote { Qty::new(0).expect("nothing") } else { qty(size) },
            quote_qty: if by_quote { amount(spend) } else { Amount::new(0).expect("nothing") },
            client_order_id,
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        })
    }

    fn next_new(&mut self, plan: &Plan) -> Command {
        let draw = self.random.below(100);
        if draw < 28 && !self.resting.is_empty() {
            let at = self.random.below(self.resting.len() as u64) as usize;
            let (account, market, order, client_order_id) = self.resting.swap_remove(at);
            let order = if draw < 8 { OrderId::ZERO } else { order };
            return Command::CancelOrder(CancelOrder {
                account,
                market,
                order,
                client_order_id,
                restriction: wire::CancelRestriction::None,
                new_client_order_id: wire::ClientOrderId::EMPTY,
                asked_us: 0,
            });
        }
        let account = AccountId::new(1 + self.random.below(u64::from(RICH)) as u32);
        match draw {
            28 => Command::CancelAll(CancelAll { account, market: MarketId::new(1 + self.random.below(2) as u16) }),
            29 | 30 => {
                let asset = AssetId::new(1 + self.random.below(3) as u16);
                let amount = amount(1 + self.random.below(100_000) as i64);
                match draw {
                    29 => Command::Credit(Credit { account, asset, amount }),
                    _ => Command::Debit(Debit { account, asset, amount }),
                }
            }
            _ => self.new_order(plan),
        }
    }

    /// What a user makes of an answer.
    pub(super) fn heard(&mut self, command: Command, result: Result<Replied, ClusterError>) {
        match (result, &command) {
            (Ok(Replied { reply: Reply::Accepted { id }, .. }), Command::NewOrder(order)) => {
                if order.time_in_force == TimeInForce::Gtc && self.resting.len() < REMEMBERED_MAX {
                    self.resting.push((order.account, order.market, OrderId::new(id), order.client_order_id));
                }
            }
            (Ok(_), _) => {}
            // Nobody knows whether it was executed; under its name it is not executed twice. Money has no name, so it
            // is not moved again.
            (Err(_), Command::NewOrder(_)) => self.again.push_back(command),
            (Err(_), _) => {}
        }
    }
}

impl World {
    /// What has no answer comes first.
    pub(super) fn next_command(&mut self, number: usize) -> Option<Command> {
        let World { plan, gateways, variety, histories, .. } = self;
        let gateway = &mut gateways[number];
        let again = gateway.again.pop_front();
        if again.is_some() || gateway.is_retired {
            return again;
        }
        match variety {
            Some(variety) if gateway.random.below(2) == 0 => {
                let last = histories[&LEDGER].records().last();
                Some(variety.next(last.map_or(Timestamp::ZERO, |record| record.timestamp)))
            }
            _ => Some(gateway.next_new(plan)),
        }
    }
}
