//! The engine in a layout with the model beside it: both are told the same and must tell the same.
//!
//! Before a command everything that becomes due in the meantime is done when it is due, as leaders do: apart, its mail would
//! else meet the command's, and the layouts would differ in what came first.

use std::collections::{BTreeMap, BTreeSet};

use engine::Limits;
use wire::command::{Credit, ListAsset, ListMarket, OpenAccount, Reply, Tick};
use wire::event::{LooseningProposed, WithdrawalChanged};
use wire::{
    AccountId, AccountName, Amount, AssetId, ChainHash, ChainId, Command, DepositStage, Event, FeeRate, MarketId,
    MarketRules, MarketScale, OrderId, Symbol, Timestamp,
};

use super::exchange::{Exchange, Founding, MARKETS};
use super::layout::{Engine, Layout};
use super::ledger::WITHDRAWALS_MAX;
use super::reached::Reached;
use super::rules;
use super::walk::Walked;

const FILLS_MAX: u32 = 4;
const MINUTE_NS: u64 = 60_000_000_000;
/// Maker and taker fees in parts per million: none, usual, odd.
pub const FEES: [(u32, u32); 3] = [(0, 0), (1_000, 1_000), (333, 7_777)];
/// How many open orders are remembered to be canceled or changed.
const OPEN_MAX: usize = 12;
const ASSETS: [&str; 3] = ["A", "B", "C"];
const OWNED: [i64; 3] = [2_000_000_000, 50_000_000, 300_000];

/// The engine, with two markets and three accounts, and the model beside it.
pub struct Pair {
    layout: Layout,
    /// What is judged.
    pub engine: Engine,
    model: Exchange,
    /// Log time.
    pub now: Timestamp,
    /// Free and held as the engine and as the model told them last.
    balances: [Balances; 2],
    /// The last order that came in.
    pub newest: Option<OrderId>,
    /// The last ones that are open, and whose they are: what can be canceled and changed.
    pub open: Vec<(AccountId, MarketId, OrderId)>,
    /// The last deposit that was put aside.
    pub quarantined: Option<(ChainId, ChainHash, u32)>,
    /// How withdrawals and moves have begun.
    pub payments: Vec<WithdrawalChanged>,
    /// The last loosening that was proposed.
    pub proposed: Option<LooseningProposed>,
    /// What came up, of commands that both have applied and told the same of.
    pub reached: Reached,
}

type Balances = BTreeMap<(AccountId, AssetId), (Amount, Amount)>;

impl Pair {
    /// With the usual filters.
    pub fn new(layout: Layout) -> Pair {
        Pair::with(layout, rules())
    }

    /// With these filters.
    pub fn with(layout: Layout, rules: MarketRules) -> Pair {
        let limits = Limits {
            accounts_max: 4,
            open_orders_max: 256,
            remembered_orders_max: 4_096,
            resting_orders_max: 256,
            fills_per_order_max: FILLS_MAX,
            // Tables are written whole when they are made, and here they are made for every few steps.
            assets_max: 8,
            markets_max: 8,
            api_keys_max: 64,
            leases_max: 64,
            countdowns_max: 64,
            order_limits_max: 64,
            chains_max: 2,
            deposit_addresses_max: 64,
            deposits_max: 64,
            withdrawals_max: WITHDRAWALS_MAX as u32,
            ..Limits::default()
        };
        let rate = |ppm| FeeRate::new(ppm).unwrap();
        let fees = FEES.map(|(maker, taker)| (rate(maker), rate(taker)));
        let mut pair = Pair {
            layout,
            engine: Engine::new(layout, limits),
            model: Exchange::new(Founding {
                rules,
                scale: MarketScale::new(2, 3, 6, 6).unwrap(),
                fills_max: FILLS_MAX,
                capacity: limits.capacity(),
                name_retention_ns: MINUTE_NS,
                fees: fees.to_vec(),
            }),
            now: Timestamp::from_nanos(1_700_000_000_000_000_000),
            balances: [Balances::new(), Balances::new()],
            newest: None,
            open: Vec::new(),
            quarantined: None,
            payments: Vec::new(),
            proposed: None,
            reached: Reached::default(),
        };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        for name in ASSETS {
            pair.set_up(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 6 }));
        }
        for (at, (base, quote)) in MARKETS.into_iter().enumerate() {
            pair.set_up(&Command::ListMarket(Box::new(ListMarket {
                symbol: symbol(&format!("M{at}")),
                base,
                quote,
                partition: layout.partition(at),
                price_decimals: 2,
                qty_decimals: 3,
                rules,
                status: wire::MarketStatus::Trading,
            })));
        }
        for (at, (maker_fee, taker_fee)) in fees.into_iter().enumerate() {
            let name = AccountName::new(format!("a{at}").as_bytes()).unwrap();
            pair.set_up(&Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee }));
        }
        for at in 1..=FEES.len() as u32 {
            for (asset, owned) in (1..).map(AssetId::new).zip(OWNED) {
                let (account, amount) = (AccountId::new(at), Amount::new(owned).unwrap());
                pair.step(0, &Command::Credit(Credit { account, asset, amount }));
            }
        }
        pair
    }

    /// What came up, and where it ended.
    pub fn finish(self) -> Walked {
        let trace = self.engine.digests().into_iter().fold(0, |all: u128, digest| all.rotate_left(1) ^ digest);
        Walked { reached: self.reached, trace }
    }

    /// What the model takes as given.
    fn set_up(&mut self, command: &Command) {
        assert!(matches!(self.engine.apply(self.now, command).reply, Reply::Accepted { .. }));
    }

    /// What becomes due in the meantime is done when it is, as leaders do.
    pub fn step(&mut self, pause: u64, command: &Command) {
        let until = self.now.plus_nanos(pause);
        let mut ticks = 0;
        while let Some(due) = self.engine.next_deadline().filter(|due| pause > 0 && *due <= until) {
            ticks += 1;
            assert!(ticks < 1_000, "what is due comes to an end");
            self.now = self.now.max(due);
            self.apply(&Command::Tick(Tick));
        }
        self.now = until;
        self.apply(command);
    }

    /// What later commands may be about.
    fn learn(&mut self, event: &Event) {
        match event {
            Event::OrderPending(e) => {
                if self.open.len() == OPEN_MAX {
                    self.open.remove(0);
                }
                self.open.push((e.account, e.market, e.order));
            }
            Event::OrderRejected(e) => self.ended(e.order),
            Event::OrderExecuted(e) if e.leaves.is_zero() => self.ended(e.order),
            Event::OrderCanceled(e) => self.ended(e.order),
            Event::DepositChanged(e) if e.stage == DepositStage::Quarantined => {
                self.quarantined = Some((e.chain, e.tx, e.output));
            }
            Event::LooseningProposed(e) => self.proposed = Some((**e).clone()),
            Event::WithdrawalChanged(e) if e.withdrawal.get() > self.payments.len() as u64 => self.payments.push(**e),
            _ => {}
        }
    }

    fn ended(&mut self, order: OrderId) {
        self.open.retain(|(_, _, open)| *open != order);
    }

    fn apply(&mut self, command: &Command) {
        let told = self.engine.apply(self.now, command);
        let pending = told.events.iter().filter_map(|event| match event {
            Event::OrderPending(e) => Some(e.order),
            _ => None,
        });
        self.newest = pending.max().or(self.newest);
        told.events.iter().for_each(|event| self.learn(event));
        let (reply, events) = self.model.apply(told.position, self.now, command);
        assert_eq!(told.reply, reply, "{command:?}");
        for (balances, events) in self.balances.iter_mut().zip([&told.events, &events]) {
            note_balances(balances, events);
        }
        let at = (0..told.events.len().max(events.len())).find(|at| told.events.get(*at) != events.get(*at));
        match self.layout {
            Layout::Joint => {
                if let Some(at) = at {
                    panic!(
                        "{command:?}: of event {at}\n  the engine tells {:#?}\n  the model {:#?}\nafter {:#?}",
                        told.events.get(at),
                        events.get(at),
                        &told.events[at.saturating_sub(3)..at]
                    );
                }
            }
            // Apart, the cells tell the same in their own logs, and balances move in more steps.
            Layout::Mixed | Layout::Split => {
                let cells: BTreeSet<Option<Cell>> = told.events.iter().chain(&events).map(cell_of).collect();
                for cell in cells.iter().filter(|cell| cell.is_some()) {
                    let of_cell = |event: &&Event| cell_of(event) == *cell;
                    let mut engine = told.events.iter().filter(of_cell);
                    let mut model = events.iter().filter(of_cell);
                    for at in 0.. {
                        let (told, expected) = (engine.next(), model.next());
                        assert!(
                            told == expected,
                            "{command:?}: of event {at} of {cell:?}\n  the engine {told:?}\n  the model {expected:?}"
                        );
                        if told.is_none() {
                            break;
                        }
                    }
                }
            }
        }
        assert_eq!(self.balances[0], self.balances[1], "{command:?}");
        assert!(self.engine.is_conserved());
        self.reached.note(command, &reply, &events);
    }
}

fn note_balances(balances: &mut Balances, events: &[Event]) {
    for event in events {
        if let Event::BalanceChanged(e) = event {
            balances.insert((e.account, e.asset), (e.free, e.held));
        }
    }
}

/// A market cell, or what the ledger does of one market.
type Cell = (bool, MarketId);

/// Each market's events, and the ledger's of each market: when several markets act at once, theirs may come between each
/// other. Balances, which are of no cell here, are compared where they end.
fn cell_of(event: &Event) -> Option<Cell> {
    let is_balance = matches!(event, Event::BalanceChanged(_));
    (!is_balance).then(|| (is_of_market(event), market_of(event)))
}

/// Whether a market cell tells it, to everybody; the ledger tells the rest.
pub fn is_of_market(event: &Event) -> bool {
    matches!(
        event,
        Event::Traded(_)
            | Event::OrderShown(_)
            | Event::LevelChanged(_)
            | Event::DepthWindowClosed(_)
            | Event::PhaseChanged(_)
            | Event::AuctionIndicated(_)
            | Event::AuctionCompleted(_)
    )
}

/// 0 of what is about no market.
fn market_of(event: &Event) -> MarketId {
    match event {
        Event::Traded(e) => e.market,
        Event::OrderShown(e) => e.market,
        Event::LevelChanged(e) => e.market,
        Event::DepthWindowClosed(e) => e.market,
        Event::PhaseChanged(e) => e.market,
        Event::AuctionIndicated(e) => e.market,
        Event::AuctionCompleted(e) => e.market,
        Event::OrderPending(e) => e.market,
        Event::OrderAccepted(e) => e.market,
        Event::OrderRejected(e) => e.market,
        Event::OrderExecuted(e) => e.market,
        Event::OrderResting(e) => e.market,
        Event::OrderCanceled(e) => e.market,
        Event::CancelRejected(e) => e.market,
        Event::AllCanceled(e) => e.market,
        Event::MatchPrevented(e) => e.market,
        Event::OrderTerms(e) => e.market,
        Event::OrderArmed(e) => e.market,
        Event::OrderTracking(e) => e.market,
        Event::OrderTriggered(e) => e.market,
        Event::OrderPegged(e) => e.market,
        Event::OrderAmended(e) => e.market,
        Event::ReplacementRefused(e) => e.market,
        Event::ListStarted(e) => e.market,
        Event::ListEnded(e) => e.market,
        Event::ListRejected(e) => e.market,
        Event::MarketStatusChanged(e) => e.market,
        _ => MarketId::default(),
    }
}
