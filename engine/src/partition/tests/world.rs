//! A little exchange to play scenarios on: one ledger, two markets, in either layout, and the mail between its
//! partitions carried in memory.

use wire::command::{
    AckMail, AmendOrder, AssignAccount, CancelAll, CancelOrder, CancelOrderList, Credit, DelistMarket, DeliverMail,
    ListAsset, ListMarket, NewOrder, NewOrderList, NewOrderOnTerms, OpenAccount, ReplaceOrder, Reply,
    SetMarketProtection, SetMarketRules, SetMarketStatus, Tick,
};
use wire::{
    AccountId, AccountName, Amount, AssetId, BasisPoints, ClientOrderId, Command, Event, FeeRate, FirmId, Incarnation,
    ListId, ListKind, LogPosition, MailSequence, MarketId, MarketProtection, MarketRules, MarketStatus, OrderId,
    OrderKind, PartitionId, Peg, PegSide, Price, Qty, RejectReason, ReplaceMode, SelfTradePrevention, Side, Symbol,
    Terms, TimeInForce, Timestamp, TradeGroupId,
};

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

const NO_LIMITS: MarketProtection = MarketProtection::NONE;

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

    /// [`World::play`] without the ticks that come after it.
    pub(super) fn play_at_once(&mut self, step: &str) -> String {
        self.is_ticking = false;
        let told = self.play(step);
        self.is_ticking = true;
        told
    }

    /// Plays one step of a scenario and says what the ledger told.
    pub(super) fn play(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split_whitespace().collect();
        self.private.clear();
        let reply = match words[..] {
            ["status", status] => {
                let status = if status == "open" { MarketStatus::Trading } else { MarketStatus::CancelOnly };
                self.settle(Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }))
            }
            ["phase", name] => {
                let is_named = |status: &&MarketStatus| format!("{status:?}").eq_ignore_ascii_case(name);
                let status = *MarketStatus::ALL.iter().find(is_named).expect("a phase");
                self.settle(Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }))
            }
            // `bands STATIC% DYNAMIC%`: volatility auctions last ten seconds.
            ["bands", fixed, moving] => {
                let ppm = |percent: &str| percent.parse::<u32>().expect("a percentage") * 10_000;
                let (static_band_ppm, dynamic_band_ppm) = (ppm(fixed), ppm(moving));
                let volatility_auction_ns = 10_000_000_000;
                let bands = MarketProtection { static_band_ppm, dynamic_band_ppm, volatility_auction_ns, ..NO_LIMITS };
                self.settle(Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection: bands }))
            }
            // `rules tick T lot L`.
            ["rules", "tick", tick, "lot", lot] => {
                let (tick, lot) = (price(tick.parse().unwrap()), qty(lot.parse().unwrap()));
                let rules = MarketRules { tick, lot, price_min: tick, qty_min: lot, ..rules() };
                self.settle(Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules })))
            }
            ["delist"] => self.settle(Command::DelistMarket(DelistMarket { market: MARKET })),
            ["wait", seconds] => {
                self.now = self.now.plus_nanos(seconds.parse::<u64>().unwrap() * 1_000_000_000);
                return String::new();
            }
            ["tick"] => {
                self.pass_time();
                Reply::Accepted { id: 0 }
            }
            [who, "group", group] => {
                let (group, firm) = (TradeGroupId::new(group.parse().unwrap()), FirmId::default());
                self.settle(Command::AssignAccount(AssignAccount { account: World::account(who), group, firm }))
            }
            [who, "has"] => return self.balance(World::account(who)),
            [who, "cancel", "all"] => {
                let account = World::account(who);
                self.settle(Command::CancelAll(CancelAll { account, market: MARKET }))
            }
            [who, "amend", which, "to", units, ..] => {
                let name = words.get(6).copied().unwrap_or("");
                let order = OrderId::new(which.parse().unwrap());
                let account = World::account(who);
                let present = self.partitions[0].client_order_id(order);
                let new_name = if name.is_empty() { present } else { ClientOrderId::new(name.as_bytes()).unwrap() };
                self.settle(Command::AmendOrder(Box::new(AmendOrder {
                    account,
                    market: MARKET,
                    order,
                    client_order_id: ClientOrderId::EMPTY,
                    qty: qty(units.parse().unwrap()),
                    new_client_order_id: new_name,
                    asked_us: 0,
                })))
            }
            [who, "replace", which, mode, ..] => {
                let mut new = vec![who];
                new.extend(&words[4..]);
                let (order, terms) = self.parse_order_on_terms(&new);
                let cancel = CancelOrder {
                    account: World::account(who),
                    market: MARKET,
                    order: OrderId::new(which.parse().unwrap()),
                    client_order_id: ClientOrderId::EMPTY,
                    restriction: wire::CancelRestriction::None,
                    new_client_order_id: ClientOrderId::new(b"bye").unwrap(),
                    asked_us: 0,
                };
                let mode = if mode == "or-stop" { ReplaceMode::StopOnFailure } else { ReplaceMode::AllowFailure };
                self.settle(Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms })))
            }
            [who, "cancel", "list", which] => self.settle(Command::CancelOrderList(CancelOrderList {
                account: World::account(who),
                market: MARKET,
                list: ListId::new(which.parse().unwrap()),
                list_client_order_id: ClientOrderId::EMPTY,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            })),
            [who, kind @ ("oco" | "oto" | "otoco"), name, ..] => {
                let list = self.parse_list(who, kind, name, &words[4..]);
                self.settle(Command::NewOrderList(list))
            }
            [who, "cancel", which] => {
                let (order, name) = match which.parse() {
                    Ok(id) => (OrderId::new(id), ClientOrderId::EMPTY),
                    Err(_) => (OrderId::ZERO, ClientOrderId::new(which.as_bytes()).unwrap()),
                };
                let (account, client_order_id) = (World::account(who), name);
                self.settle(Command::CancelOrder(CancelOrder {
                    account,
                    market: MARKET,
                    order,
                    client_order_id,
                    restriction: wire::CancelRestriction::None,
                    new_client_order_id: ClientOrderId::EMPTY,
                    asked_us: 0,
                }))
            }
            ["level", side, at] => return self.level(side, at),
            _ => {
                let (order, terms) = self.parse_order_on_terms(&words);
                if terms == Terms::NONE {
                    self.settle(Command::NewOrder(order))
                } else {
                    self.settle(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })))
                }
            }
        };
        let mut told: Vec<String> = self.private.iter().filter_map(tell).collect();
        if let Reply::Rejected { reason, id } = reply {
            told.push(if id == 0 { format!("no {reason:?}") } else { format!("no {reason:?} {id}") });
        }
        told.join(", ")
    }

    fn balance(&self, account: AccountId) -> String {
        let config = &self.partitions[0];
        let (base, quote) = (config.balance(account, BASE), config.balance(account, QUOTE));
        format!("{}+{} base, {}+{} quote", base.0, base.1, quote.0, quote.1)
    }

    /// `oco NAME | sell 5 stop-loss 90 | sell 5 @ 110 maker-only`, and so on: the legs between bars.
    pub(super) fn parse_list(&mut self, who: &str, kind: &str, name: &str, words: &[&str]) -> NewOrderList {
        let kind = match kind {
            "oco" => ListKind::Oco,
            "oto" => ListKind::Oto,
            _ => ListKind::Otoco,
        };
        let legs = words.split(|word| *word == "|").map(|leg| {
            let mut words = vec![who];
            words.extend(leg);
            let (order, terms) = self.parse_order_on_terms(&words);
            NewOrderOnTerms { order, terms }
        });
        let legs = legs.collect();
        NewOrderList { kind, list_client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(), legs }
    }

    /// What the ledger told since it was cleared.
    pub(super) fn told(&self) -> String {
        self.private.iter().filter_map(tell).collect::<Vec<String>>().join(", ")
    }

    /// What the public was told last about a level.
    fn level(&self, side: &str, at: &str) -> String {
        let (side, at) = (if side == "buy" { Side::Buy } else { Side::Sell }, price(at.parse().unwrap()));
        let told = self.public.iter().rev().find_map(|event| match event {
            Event::LevelChanged(e) if (e.market, e.side, e.price) == (MARKET, side, at) => Some(e.qty.units()),
            _ => None,
        });
        told.unwrap_or(0).to_string()
    }

    pub(super) fn parse_order(&mut self, words: &[&str]) -> NewOrder {
        self.parse_order_on_terms(words).0
    }

    /// `alice buy 5 @ 100 gtc`, `alice buy 5 market 110`, `alice buy quote 500 market 110`, then any of
    /// `maker-only`, `stp-taker`, `stp-maker`, `stp-both`, `stp-decrement`, `as NAME`; and the terms `stop-loss [PRICE]`,
    /// `take-profit [PRICE]` (before any limit), `trail POINTS`, `show QTY`, `day`, `gtd SECONDS`, `min QTY`,
    /// `peg primary|market [LEVELS]`, with `~ PRICE` for the protection price of a client that names none.
    pub(super) fn parse_order_on_terms(&mut self, words: &[&str]) -> (NewOrder, Terms) {
        self.next_name += 1;
        let mut terms = Terms::NONE;
        let mut order = NewOrder {
            account: World::account(words[0]),
            market: MARKET,
            side: if words[1] == "buy" { Side::Buy } else { Side::Sell },
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::MIN,
            qty: Qty::ZERO,
            quote_qty: Amount::ZERO,
            client_order_id: ClientOrderId::new(format!("c{}", self.next_name).as_bytes()).unwrap(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        let mut rest = words[2..].iter().peekable();
        while let Some(word) = rest.next() {
            if let "stop-loss" | "take-profit" = *word {
                let is_loss = *word == "stop-loss";
                order.kind = if is_loss { OrderKind::StopLoss } else { OrderKind::TakeProfit };
                order.time_in_force = TimeInForce::Ioc;
                terms.stop_price =
                    rest.next_if(|word| word.parse::<i64>().is_ok()).map(|at| price(at.parse().unwrap()));
                continue;
            }
            let mut next = || rest.next().expect("a word after this one");
            match *word {
                word @ ("@" | "~" | "peg") => {
                    if word == "peg" {
                        let is_primary = next() == &"primary";
                        terms.peg.side = if is_primary { PegSide::Primary } else { PegSide::Market };
                        let levels = rest.next_if(|word| word.parse::<u8>().is_ok());
                        terms.peg.levels = levels.map_or(0, |levels| levels.parse().unwrap());
                    } else {
                        order.price = price(next().parse().unwrap());
                        terms.peg.has_price |= word == "@";
                    }
                    (order.kind, order.time_in_force) = match order.kind {
                        OrderKind::StopLoss => (OrderKind::StopLossLimit, TimeInForce::Gtc),
                        OrderKind::TakeProfit => (OrderKind::TakeProfitLimit, TimeInForce::Gtc),
                        kind => (kind, order.time_in_force),
                    };
                }
                "min" => terms.qty_min = qty(next().parse().unwrap()),
                "trail" => terms.trailing_delta = BasisPoints::new(next().parse().unwrap()).unwrap(),
                "show" => terms.visible_qty = qty(next().parse().unwrap()),
                "day" => order.time_in_force = TimeInForce::Day,
                "gtd" => {
                    order.time_in_force = TimeInForce::Gtd;
                    let seconds: u64 = next().parse().unwrap();
                    terms.expire_at = Some(self.now.plus_nanos(seconds * 1_000_000_000));
                }
                "market" => {
                    order.kind = OrderKind::Market;
                    order.time_in_force = TimeInForce::Ioc;
                    order.price = price(next().parse().unwrap());
                }
                "quote" => order.quote_qty = amount(next().parse().unwrap()),
                "gtc" => order.time_in_force = TimeInForce::Gtc,
                "ioc" => order.time_in_force = TimeInForce::Ioc,
                "fok" => order.time_in_force = TimeInForce::Fok,
                "maker-only" => order.kind = OrderKind::LimitMaker,
                "stp-taker" => order.self_trade = SelfTradePrevention::ExpireTaker,
                "stp-maker" => order.self_trade = SelfTradePrevention::ExpireMaker,
                "stp-decrement" => order.self_trade = SelfTradePrevention::Decrement,
                "stp-both" => order.self_trade = SelfTradePrevention::ExpireBoth,
                "as" => order.client_order_id = ClientOrderId::new(next().as_bytes()).unwrap(),
                number => order.qty = qty(number.parse().expect("a quantity")),
            }
        }
        if terms.peg.is_none() {
            terms.peg = Peg::NONE;
        }
        (order, terms)
    }
}

/// Whether a market told it.
fn is_public(event: &Event) -> bool {
    matches!(
        event,
        Event::OrderShown(_)
            | Event::Traded(_)
            | Event::LevelChanged(_)
            | Event::DepthWindowClosed(_)
            | Event::PhaseChanged(_)
            | Event::AuctionIndicated(_)
            | Event::AuctionCompleted(_)
    )
}

fn tell(event: &Event) -> Option<String> {
    Some(match event {
        Event::OrderAccepted(e) => format!("accepted {}", e.order),
        Event::OrderRejected(e) => format!("refused {} {:?}", e.order, e.reason),
        Event::OrderExecuted(e) if e.leaves.is_zero() => {
            format!("filled {} {}@{}{}", e.order, e.qty.units(), e.price.units(), fee(e.fee))
        }
        Event::OrderExecuted(e) => {
            format!("fill {} {}@{}{}", e.order, e.qty.units(), e.price.units(), fee(e.fee))
        }
        Event::OrderArmed(e) => format!("armed {}", e.order),
        Event::OrderPegged(e) => format!("pegged {} @{}", e.order, e.price.units()),
        Event::OrderTracking(e) => format!("tracks {}", e.order),
        Event::OrderTriggered(e) => format!("triggered {}", e.order),
        Event::OrderResting(e) => format!("rests {} {}", e.order, e.leaves.units()),
        Event::OrderCanceled(e) => {
            let by = if e.cause.is_expiry() { "expired" } else { "canceled" };
            format!("{by} {} {} {:?}", e.order, e.leaves.units(), e.cause)
        }
        Event::MatchPrevented(e) => {
            let (taker, maker) = (e.taker_qty.units(), e.maker_qty.units());
            format!("prevented {} {taker} x {} {maker} @{}", e.taker, e.maker, e.price.units())
        }
        Event::ListStarted(e) => format!("list {}", e.list),
        Event::ListEnded(e) => format!("done {}", e.list),
        Event::ListRejected(e) => format!("list {} refused {:?}", e.list, e.reason),
        Event::OrderAmended(e) => {
            format!("amended {} {}->{} leaves {}", e.order, e.qty_before.units(), e.qty.units(), e.leaves.units())
        }
        Event::AmendRejected(e) => format!("not amended {} {:?}", e.order, e.reason),
        Event::CancelRejected(e) => format!("no {:?} {}", e.reason, e.order),
        Event::ReplacementRefused(e) => format!("no replacement {:?}", e.reason),
        Event::AllCanceled(e) => format!("all {}", e.canceled),
        _ => return None,
    })
}

fn fee(fee: Amount) -> String {
    if fee.is_zero() { String::new() } else { format!(" fee {}", fee.units()) }
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
