//! A little exchange to play scenarios on: one ledger, two markets, in either layout, and the mail between its
//! partitions carried in memory.

mod told;
mod words;

use wire::command::{AckMail, Credit, DeliverMail, ListAsset, ListMarket, OpenAccount, Reply, Tick};
use wire::{
    AccountId, AccountName, Amount, AssetId, Command, Event, FeeRate, Incarnation, LogPosition, MailSequence, MarketId,
    MarketRules, PartitionId, Price, Qty, RejectReason, Symbol, Timestamp,
};

use self::told::is_public;
use crate::{Limits, Output, Partition, PartitionConfig};

/// Which cells share a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Joint,
    Split,
}

pub(super) const BASE: AssetId = AssetId::new(1);
pub(super) const QUOTE: AssetId = AssetId::new(2);
pub(super) const MARKET: MarketId = MarketId::new(1);
pub(super) const LEDGER: PartitionId = PartitionId::new(1);

/// The accounts, with base and quote to start with. Carol pays fees: 1 % as maker, 2 % as taker.
pub(super) const ACCOUNTS: [(&str, u32, u32); 3] = [("alice", 0, 0), ("bob", 0, 0), ("carol", 10_000, 20_000)];

pub(super) struct World {
    pub(super) partitions: Vec<Partition>,
    positions: Vec<u64>,
    pub(super) now: Timestamp,
    /// Events of the ledger's partition that the ledger told, and of markets.
    pub(super) private: Vec<Event>,
    pub(super) public: Vec<Event>,
    next_name: u64,
    /// Whether what is due is done after each step.
    is_ticking: bool,
}

pub(super) fn small_limits() -> Limits {
    Limits {
        assets_max: 4,
        accounts_max: 8,
        markets_max: 4,
        api_keys_max: 2,
        open_orders_max: 64,
        remembered_orders_max: 4_096,
        resting_orders_max: 64,
        fills_per_order_max: 8,
        ..Limits::default()
    }
}

pub(super) fn rules() -> MarketRules {
    MarketRules {
        tick: price(2),
        price_min: price(2),
        price_max: price(1_000_000_000_000),
        lot: qty(1),
        qty_min: qty(1),
        qty_max: qty(1_000),
        market_qty_max: qty(500),
        notional_min: amount(10),
        notional_max: amount(10_000_000),
        protection_ppm: 50_000,
        open_orders_max: 16,
        special: wire::SpecialRules::default(),
    }
}

pub(super) fn price(units: i64) -> Price {
    Price::new(units).unwrap()
}

pub(super) fn qty(units: i64) -> Qty {
    Qty::new(units).unwrap()
}

pub(super) fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

pub(super) fn symbol(text: &str) -> Symbol {
    Symbol::new(text.as_bytes()).unwrap()
}

fn config(partition: PartitionId, limits: Limits) -> PartitionConfig {
    PartitionConfig { partition, ledger: LEDGER, incarnation: Incarnation::new(1), limits }
}

impl World {
    pub(super) fn new(layout: Layout) -> World {
        World::with(layout, small_limits(), rules())
    }

    /// Two markets, accounts with 1,000 base and 100,000 quote each.
    pub(super) fn with(layout: Layout, limits: Limits, rules: MarketRules) -> World {
        let count = if layout == Layout::Joint { 1 } else { 3 };
        let partitions: Vec<Partition> =
            (1..=count).map(|id| Partition::new(config(PartitionId::new(id), limits))).collect();
        let mut world = World {
            positions: vec![0; partitions.len()],
            partitions,
            now: Timestamp::from_nanos(1_000_000_000),
            private: Vec::new(),
            public: Vec::new(),
            next_name: 0,
            is_ticking: true,
        };
        for name in ["BASE", "QUOTE", "OTHER"] {
            world.done(Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 0 }));
        }
        for (number, name) in ["BASEQUOTE", "OTHERQUOTE"].iter().enumerate() {
            world.done(Command::ListMarket(Box::new(ListMarket {
                symbol: symbol(name),
                base: if number == 0 { BASE } else { AssetId::new(3) },
                quote: QUOTE,
                partition: PartitionId::new(if layout == Layout::Joint { 1 } else { number as u16 + 2 }),
                price_decimals: 0,
                qty_decimals: 0,
                rules,
                status: wire::MarketStatus::Trading,
            })));
        }
        for (name, maker, taker) in ACCOUNTS {
            let name = AccountName::new(name.as_bytes()).unwrap();
            let (maker_fee, taker_fee) = (FeeRate::new(maker).unwrap(), FeeRate::new(taker).unwrap());
            let account = world.done(Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee }));
            let account = AccountId::new(account as u32);
            for (asset, units) in [(BASE, 1_000), (QUOTE, 100_000), (AssetId::new(3), 1_000)] {
                world.done(Command::Credit(Credit { account, asset, amount: amount(units) }));
            }
        }
        world.private.clear();
        world.public.clear();
        world
    }

    /// Applies a command to one partition and keeps its events.
    pub(super) fn apply(&mut self, partition: usize, command: &Command) -> Reply {
        let mut out = Output::default();
        self.positions[partition] += 1;
        let position = LogPosition::new(self.positions[partition]);
        self.partitions[partition].apply(position, self.now, command, &mut out);
        let (public, private): (Vec<Event>, Vec<Event>) = out.events.drain(..).partition(is_public);
        self.public.extend(public);
        self.private.extend(private);
        out.reply
    }

    /// Asks the ledger, without carrying mail.
    pub(super) fn ask(&mut self, command: Command) -> Reply {
        self.apply(0, &command)
    }

    /// Asks the ledger and carries mail until none is left.
    pub(super) fn settle(&mut self, command: Command) -> Reply {
        let reply = self.ask(command);
        self.carry_all();
        if self.is_ticking {
            self.pass_time();
        }
        reply
    }

    fn done(&mut self, command: Command) -> u64 {
        match self.settle(command) {
            Reply::Accepted { id } => id,
            Reply::Rejected { reason, .. } => panic!("{command:?} was refused: {reason:?}", command = "set-up"),
        }
    }

    /// Carries up to `max` mails from one partition to another; whether there were any.
    pub(super) fn carry(&mut self, from: usize, to: usize, max: usize) -> bool {
        let id = |at: usize| PartitionId::new(at as u16 + 1);
        let after = self.partitions[to].received(id(from)).map_or(MailSequence::ZERO, |(_, seen)| seen);
        let batch = self.partitions[from].deliver_mail(id(to), after, max);
        if let Some(batch) = batch {
            let round: DeliverMail = batch;
            let reply = self.apply(to, &Command::DeliverMail(round));
            assert_eq!(reply, Reply::Accepted { id: 0 });
            return true;
        }
        // Nothing to carry the acknowledgement of what came the other way.
        let waits = self.partitions[to].outboxes().any(|outbox| outbox.to() == id(from) && !outbox.is_empty());
        if let (true, Some((incarnation, acknowledged))) = (waits, self.partitions[from].received(id(to))) {
            let ack = AckMail { from: id(from), incarnation, acknowledged };
            assert_eq!(self.apply(to, &Command::AckMail(ack)), Reply::Accepted { id: 0 });
        }
        false
    }

    /// Carries again what is not acknowledged, as a new leader does.
    pub(super) fn repeat(&mut self, from: usize, to: usize, max: usize) {
        let id = PartitionId::new(to as u16 + 1);
        if let Some(batch) = self.partitions[from].deliver_mail(id, MailSequence::ZERO, max) {
            assert_eq!(self.apply(to, &Command::DeliverMail(batch)), Reply::Accepted { id: 0 });
        }
    }

    pub(super) fn carry_all(&mut self) {
        while (1..self.partitions.len())
            .fold(false, |any, market| self.carry(0, market, 4_096) | self.carry(market, 0, 4_096) | any)
        {}
    }

    pub(super) fn tick(&mut self) {
        for partition in 0..self.partitions.len() {
            self.apply(partition, &Command::Tick(Tick));
        }
    }

    /// Ticks while something is due, as leaders do; a change that takes several commands goes on.
    pub(super) fn pass_time(&mut self) {
        let soon = |now: Timestamp| now.plus_nanos(1_000);
        while let Some(due) = self.partitions.iter().filter_map(Partition::next_deadline).min()
            && due <= soon(self.now)
        {
            self.now = self.now.max(due);
            for partition in 0..self.partitions.len() {
                if self.partitions[partition].next_deadline().is_some_and(|deadline| deadline <= self.now) {
                    self.apply(partition, &Command::Tick(Tick));
                }
            }
            self.carry_all();
        }
    }

    pub(super) fn account(name: &str) -> AccountId {
        let at = ACCOUNTS.iter().position(|(known, _, _)| *known == name).expect("a known account");
        AccountId::new(at as u32 + 1)
    }

    pub(super) fn restart(&mut self, partition: usize) {
        let mut bytes = Vec::new();
        let before = &self.partitions[partition];
        before.snapshot(&mut bytes);
        let config = before.config;
        let after = Partition::restore(config, &bytes).expect("a snapshot restores");
        assert_eq!(after.digest(), before.digest());
        assert_eq!(after.next_deadline(), before.next_deadline());
        self.partitions[partition] = after;
    }

    pub(super) fn restart_all(&mut self) {
        (0..self.partitions.len()).for_each(|partition| self.restart(partition));
    }

    /// No mail in flight: clearing is zero and every asset adds up.
    pub(super) fn assert_settled(&self) {
        for audit in self.partitions[0].audit() {
            assert!(audit.is_conserved(), "{audit:?}");
            assert_eq!(audit.clearing, 0, "{audit:?}");
        }
        for partition in &self.partitions {
            assert!(partition.outboxes().all(|outbox| outbox.is_empty()));
        }
    }
}

/// Plays the scenario in both layouts; every step must tell exactly what stands behind its arrow.
pub(super) fn check(scenario: &str) {
    check_with(rules(), scenario);
}

/// [`check`] with other filters.
pub(super) fn check_with(rules: MarketRules, scenario: &str) {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::with(layout, small_limits(), rules);
        for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (step, expected) = line.split_once("->").unwrap_or((line, ""));
            let told = world.play(step);
            assert_eq!(told, expected.trim(), "{layout:?}: {step}");
            world.assert_settled();
            for partition in 0..world.partitions.len() {
                world.restart(partition);
            }
        }
    }
}

/// Of a refusal, why.
pub(super) fn reason(reply: Reply) -> RejectReason {
    match reply {
        Reply::Rejected { reason, .. } => reason,
        Reply::Accepted { id } => panic!("accepted with id {id}"),
    }
}
