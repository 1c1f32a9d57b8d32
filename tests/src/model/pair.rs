//! The engine in a layout with the model beside it: both are told the same and must tell the same.
//!
//! Before a command everything that becomes due in the meantime is done when it is due, as leaders do: apart, its mail would
//! else meet the command's, and the layouts would differ in what came first.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::Discriminant;

use engine::Limits;
use wire::command::{Credit, ListAsset, ListMarket, OpenAccount, Reply, SealName, Tick};
use wire::event::{LooseningProposed, WithdrawalChanged};
use wire::{
    AccountId, AccountName, Amount, AssetId, Command, Event, FeeRate, MarketId, MarketRules, MarketScale, OrderId,
    Symbol, Timestamp, WithdrawalStage,
};

use super::exchange::{Exchange, Founding, MARKETS};
use super::layout::{Engine, Layout};
use super::ledger::WITHDRAWALS_MAX;
use super::rules;

const FILLS_MAX: u32 = 4;
/// Maker and taker fees in parts per million: none, usual, odd.
pub const FEES: [(u32, u32); 3] = [(0, 0), (1_000, 1_000), (333, 7_777)];
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
    /// How withdrawals and moves have begun.
    pub payments: Vec<WithdrawalChanged>,
    /// The last loosening that was proposed.
    pub proposed: Option<LooseningProposed>,
    /// Which kinds of refusals and events came up.
    pub seen: BTreeSet<String>,
    kinds: HashSet<Discriminant<Event>>,
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
                fees: fees.to_vec(),
            }),
            now: Timestamp::from_nanos(1_700_000_000_000_000_000),
            balances: [Balances::new(), Balances::new()],
            newest: None,
            payments: Vec::new(),
            proposed: None,
            seen: BTreeSet::new(),
            kinds: HashSet::new(),
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

    /// What the model takes as given.
    fn set_up(&mut self, command: &Command) {
        assert!(matches!(self.engine.apply(self.now, command).reply, Reply::Accepted { .. }));
    }

    fn see(&mut self, event: &Event) {
        let kind = match event {
            Event::OrderCanceled(e) => format!("ended {:?}", e.cause),
            Event::OrderRejected(e) => format!("rejected {:?}", e.reason),
            Event::OrderExecuted(e) if e.is_maker => "maker".into(),
            Event::DepositChanged(e) if e.is_reverted => "deposit reverted".into(),
            Event::DepositChanged(e) => format!("deposit {:?}", e.stage),
            Event::WithdrawalChanged(e) if e.is_reverted => "withdrawal reverted".into(),
            Event::WithdrawalChanged(e) if e.stage == WithdrawalStage::Failed => format!("failed {:?}", e.cause),
            Event::WithdrawalChanged(e) if e.purpose.is_of_house() => format!("{:?} {:?}", e.purpose, e.stage),
            Event::WithdrawalChanged(e) => format!("withdrawal {:?}", e.stage),
            Event::LooseningEnded(e) => format!("loosening {:?}", e.end),
            // A whole event is long to print.
            other if !self.kinds.insert(std::mem::discriminant(other)) => return,
            other => format!("{other:?}").split('(').next().unwrap_or_default().into(),
        };
        self.seen.insert(kind);
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

    fn apply(&mut self, command: &Command) {
        let told = self.engine.apply(self.now, command);
        if let Reply::Rejected { reason, id } = told.reply {
            self.seen.insert(format!("refused {reason:?}"));
            if SealName::asked_at(id).is_some() {
                self.seen.insert("refused by a seal".to_owned());
            }
        }
        for event in &told.events {
            self.see(event);
        }
        let pending = told.events.iter().filter_map(|event| match event {
            Event::OrderPending(e) => Some(e.order),
            _ => None,
        });
        self.newest = pending.max().or(self.newest);
        for event in &told.events {
            if let Event::LooseningProposed(e) = event {
                self.proposed = Some((**e).clone());
            }
            if let Event::WithdrawalChanged(e) = event
                && e.withdrawal.get() > self.payments.len() as u64
            {
                self.payments.push(**e);
            }
        }
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
                let (engine, model) = (by_cell(told.events), by_cell(events));
                assert!(
                    engine.keys().eq(model.keys()),
                    "{command:?}: {:?} tell, not {:?}",
                    engine.keys(),
                    model.keys()
                );
                for (cell, told) in &engine {
                    let expected = &model[cell];
                    let at = (0..told.len().max(expected.len())).find(|at| told.get(*at) != expected.get(*at));
                    if let Some(at) = at {
                        let (told, expected) = (told.get(at), expected.get(at));
                        panic!(
                            "{command:?}: of event {at} of {cell:?}\n  the engine {told:?}\n  the model {expected:?}"
                        );
                    }
                }
            }
        }
        assert_eq!(self.balances[0], self.balances[1], "{command:?}");
        assert!(self.engine.is_conserved());
    }
}

fn note_balances(balances: &mut Balances, events: &[Event]) {
    for event in events {
        if let Event::BalanceChanged(e) = event {
            balances.insert((e.account, e.asset), (e.free, e.held));
        }
    }
}

/// Each market's events, and the ledger's of each market: when several markets act at once, theirs may come between each
/// other. Balances are compared where they end.
fn by_cell(events: Vec<Event>) -> BTreeMap<(bool, MarketId), Vec<Event>> {
    let mut cells = BTreeMap::<(bool, MarketId), Vec<Event>>::new();
    for event in events {
        if !matches!(event, Event::BalanceChanged(_)) {
            cells.entry((is_of_market(&event), market_of(&event))).or_default().push(event);
        }
    }
    cells
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
