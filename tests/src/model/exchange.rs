//! An exchange that is obviously right: one list of orders, searched anew at every step, and wide integers. Written
//! from what `wire` and the engine's module comments promise, sharing no code with the engine.

use std::collections::{BTreeMap, BTreeSet};

use wire::command::{CancelAll, CancelOrder, Credit, Debit, NewOrder, Reply, SetMarketStatus};
use wire::event::*;
use wire::{
    AccountId, Amount, AssetId, BookSequence, CancelCause, ClientOrderId, Command, Event, FeeRate, LogPosition,
    MarketId, MarketRules, MarketScale, MarketStatus, OrderId, OrderKind, PhaseCause, PreventedMatchId, Price, Qty,
    RejectReason, SelfTradePrevention, Side, TimeInForce, Timestamp, TradeGroupId, TradeId, UpdateId,
};

/// Base and quote of each market, from market 1. What one trades the other pays with.
pub const MARKETS: [(AssetId, AssetId); 2] = [(AssetId::new(1), AssetId::new(2)), (AssetId::new(3), AssetId::new(1))];

const MINUTE_NS: u64 = 60_000_000_000;
const WINDOW_NS: u64 = 100_000_000;

/// An open order. Those that rest have an arrival number.
#[derive(Debug, Clone)]
struct Order {
    id: u64,
    account: u32,
    market: MarketId,
    side: Side,
    is_market: bool,
    price: i128,
    leaves: i128,
    held: i128,
    name: ClientOrderId,
    arrival: Option<u64>,
}

/// What a market knows besides its orders.
#[derive(Debug, Clone)]
struct Market {
    id: MarketId,
    base: AssetId,
    quote: AssetId,
    status: MarketStatus,
    /// How often the phase has changed.
    phases: u64,
    last_trade: u64,
    last_update: u64,
    last_shown: u64,
    last_prevented: u64,
    /// First update and end of the open depth window.
    window: Option<(u64, u64)>,
}

impl Market {
    /// The asset that this side gives, then the one that it receives.
    fn assets(&self, side: Side) -> (AssetId, AssetId) {
        match side {
            Side::Buy => (self.quote, self.base),
            Side::Sell => (self.base, self.quote),
        }
    }
}

/// Free and held.
type Balance = (i128, i128);

/// See the module.
#[derive(Clone)]
pub struct Exchange {
    rules: MarketRules,
    scale: MarketScale,
    fills_max: u32,
    /// Maker and taker fee of each account, from account 1.
    fees: Vec<(FeeRate, FeeRate)>,
    balances: BTreeMap<(u32, u16), Balance>,
    markets: Vec<Market>,
    now: u64,
    orders: Vec<Order>,
    /// Whose name, which order, and since when closed.
    names: Vec<(u32, ClientOrderId, u64, Option<u64>)>,
    last_order: u64,
    arrivals: u64,
    public: Vec<Event>,
    private: Vec<Event>,
    moved: BTreeSet<(u32, u16)>,
}

type Answer = Result<u64, (RejectReason, u64)>;

fn no<T>(reason: RejectReason) -> Result<T, (RejectReason, u64)> {
    Err((reason, 0))
}

fn price(units: i128) -> Price {
    Price::new(units as i64).unwrap()
}

fn qty(units: i128) -> Qty {
    Qty::new(units as i64).unwrap()
}

fn amount(units: i128) -> Amount {
    Amount::from_wide(units).unwrap()
}

impl Exchange {
    /// Listed assets and markets, and an account for each pair of fees, without money.
    pub fn new(rules: MarketRules, scale: MarketScale, fills_max: u32, fees: Vec<(FeeRate, FeeRate)>) -> Exchange {
        Exchange {
            rules,
            scale,
            fills_max,
            fees,
            balances: BTreeMap::new(),
            markets: (1..)
                .map(MarketId::new)
                .zip(MARKETS)
                .map(|(id, (base, quote))| Market {
                    id,
                    base,
                    quote,
                    status: MarketStatus::Trading,
                    phases: 0,
                    last_trade: 0,
                    last_update: 0,
                    last_shown: 0,
                    last_prevented: 0,
                    window: None,
                })
                .collect(),
            now: 0,
            orders: Vec::new(),
            names: Vec::new(),
            last_order: 0,
            arrivals: 0,
            public: Vec::new(),
            private: Vec::new(),
            moved: BTreeSet::new(),
        }
    }

    /// The reply and the events of one command.
    pub fn apply(&mut self, position: LogPosition, now: Timestamp, command: &Command) -> (Reply, Vec<Event>) {
        self.now = now.nanos();
        let mut events = Vec::new();
        for market in &mut self.markets {
            if let Some((first, _)) = market.window.filter(|(_, end)| self.now >= *end) {
                let (first, last) = (UpdateId::new(first), UpdateId::new(market.last_update));
                events.push(Event::DepthWindowClosed(DepthWindowClosed { market: market.id, first, last }));
                market.window = None;
            }
        }
        let now = self.now;
        self.names.retain(|(_, _, _, closed)| closed.is_none_or(|closed| closed + MINUTE_NS > now));
        let answer = match command {
            Command::NewOrder(order) => self.new_order(order, &mut events),
            Command::CancelOrder(cancel) => self.cancel(position, cancel),
            Command::CancelAll(cancel) => self.cancel_all(position, cancel),
            Command::Credit(credit) => self.credit(credit),
            Command::Debit(debit) => self.debit(debit),
            Command::SetMarketStatus(set) => self.set_status(set, &mut events),
            Command::Tick(_) => Ok(0),
            other => panic!("the model does not know {other:?}"),
        };
        events.append(&mut self.public);
        events.append(&mut self.private);
        for (account, asset) in std::mem::take(&mut self.moved) {
            let (free, held) = self.balances[&(account, asset)];
            let (account, asset) = (AccountId::new(account), AssetId::new(asset));
            let (free, held) = (amount(free), amount(held));
            events.push(Event::BalanceChanged(BalanceChanged { account, asset, free, held }));
        }
        let reply = match answer {
            Ok(id) => Reply::Accepted { id },
            Err((reason, id)) => Reply::Rejected { reason, id },
        };
        (reply, events)
    }

    fn balance(&self, account: u32, asset: AssetId) -> Balance {
        self.balances.get(&(account, asset.get())).copied().unwrap_or_default()
    }

    fn shift(&mut self, account: u32, asset: AssetId, free: i128, held: i128) {
        let balance = self.balances.entry((account, asset.get())).or_default();
        balance.0 += free;
        balance.1 += held;
        assert!(balance.0 >= 0 && balance.1 >= 0);
        self.moved.insert((account, asset.get()));
    }

    fn market(&mut self, id: MarketId) -> Option<&mut Market> {
        self.markets.iter_mut().find(|market| market.id == id)
    }

    fn has_account(&self, account: AccountId) -> bool {
        (1..=self.fees.len() as u32).contains(&account.get())
    }

    fn set_status(&mut self, set: &SetMarketStatus, events: &mut Vec<Event>) -> Answer {
        let SetMarketStatus { market, status } = *set;
        let Some(known) = self.market(market) else { return no(RejectReason::UnknownMarket) };
        let has_changed = std::mem::replace(&mut known.status, status) != status;
        known.phases += u64::from(has_changed);
        let number = known.phases;
        events.push(Event::MarketStatusChanged(MarketStatusChanged { market, status }));
        if has_changed {
            let (cause, until) = (PhaseCause::Operator, Timestamp::ZERO);
            self.public.push(Event::PhaseChanged(PhaseChanged { market, number, status, cause, until }));
        }
        Ok(market.get().into())
    }

    fn credit(&mut self, credit: &Credit) -> Answer {
        let Credit { account, asset, amount } = *credit;
        if !self.has_account(account) {
            return no(RejectReason::UnknownAccount);
        }
        if !MARKETS.iter().any(|(base, quote)| [*base, *quote].contains(&asset)) {
            return no(RejectReason::UnknownAsset);
        }
        if amount.is_zero() {
            return no(RejectReason::ZeroAmount);
        }
        self.shift(account.get(), asset, amount.wide(), 0);
        self.private.push(Event::Credited(Credited { account, asset, amount }));
        Ok(0)
    }

    fn debit(&mut self, debit: &Debit) -> Answer {
        let Debit { account, asset, amount } = *debit;
        if !self.has_account(account) {
            return no(RejectReason::UnknownAccount);
        }
        if !MARKETS.iter().any(|(base, quote)| [*base, *quote].contains(&asset)) {
            return no(RejectReason::UnknownAsset);
        }
        if amount.is_zero() {
            return no(RejectReason::ZeroAmount);
        }
        if self.balance(account.get(), asset).0 < amount.wide() {
            return no(RejectReason::InsufficientBalance);
        }
        self.shift(account.get(), asset, -amount.wide(), 0);
        self.private.push(Event::Debited(Debited { account, asset, amount }));
        Ok(0)
    }

    fn cost(&self, price: i128, qty: i128) -> i128 {
        price * qty * i128::from(self.scale.quote_factor)
    }

    /// The whole lots that a budget buys.
    fn lots(&self, budget: i128, price: i128) -> i128 {
        let lot = i128::from(self.rules.lot.units());
        (budget / self.cost(price, 1)).min(Qty::MAX.units().into()) / lot * lot
    }

    fn new_order(&mut self, new: &NewOrder, events: &mut Vec<Event>) -> Answer {
        use RejectReason::*;
        let account = new.account.get();
        let rules = self.rules;
        if !self.has_account(new.account) {
            return no(UnknownAccount);
        }
        let Some(market) = self.market(new.market).cloned() else { return no(UnknownMarket) };
        if !new.client_order_id.is_client_order_id() {
            return no(BadClientOrderId);
        }
        if let Some(taken) = self.names.iter().find(|name| name.0 == account && name.1 == new.client_order_id) {
            return Err((DuplicateClientOrderId, taken.2));
        }
        if market.status != MarketStatus::Trading {
            return no(MarketClosed);
        }
        let is_market = new.kind == OrderKind::Market;
        match (new.kind, new.time_in_force) {
            (OrderKind::Market, TimeInForce::Ioc) | (OrderKind::LimitMaker, TimeInForce::Gtc) => {}
            (OrderKind::Limit, TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok) => {}
            _ => return no(BadTimeInForce),
        }
        if !is_market {
            if new.price < rules.price_min {
                return no(PriceTooLow);
            }
            if new.price > rules.price_max {
                return no(PriceTooHigh);
            }
            if new.price.units() % rules.tick.units() != 0 {
                return no(PriceOffTick);
            }
        }
        let (at, size, spend) = (i128::from(new.price.units()), i128::from(new.qty.units()), new.quote_qty.wide());
        if (size == 0) == (spend == 0) || (size == 0 && !is_market) {
            return no(QtyMissing);
        }
        if size > 0 {
            if new.qty < rules.qty_min {
                return no(QtyTooSmall);
            }
            if new.qty > if is_market { rules.market_qty_max } else { rules.qty_max } {
                return no(QtyTooLarge);
            }
            if new.qty.units() % rules.lot.units() != 0 {
                return no(QtyOffLot);
            }
        }
        let million = 1_000_000;
        let measured = match (is_market, new.side) {
            (true, _) if size == 0 => spend,
            (true, Side::Buy) => self.cost(at, size) * million / (million + i128::from(rules.protection_ppm)),
            (true, Side::Sell) => self.cost(at, size) * million / (million - i128::from(rules.protection_ppm)),
            (false, _) => self.cost(at, size),
        };
        if measured < rules.notional_min.wide() {
            return no(NotionalTooSmall);
        }
        if measured > rules.notional_max.wide() {
            return no(NotionalTooLarge);
        }
        let open = self.orders.iter().filter(|order| order.account == account && order.market == market.id).count();
        if new.time_in_force == TimeInForce::Gtc && open >= rules.open_orders_max as usize {
            return no(TooManyOpenOrders);
        }

        let (given, _) = market.assets(new.side);
        let free = self.balance(account, given).0;
        let base_factor = i128::from(self.scale.base_factor);
        let lot = i128::from(rules.lot.units());
        // Held, the most base to trade, and the most quote to pay or to receive.
        let (held, most, budget) = match (is_market, new.side) {
            (false, Side::Buy) => (self.cost(at, size), size, None),
            (true, Side::Buy) if size == 0 => (spend, i128::from(Qty::MAX.units()), Some(spend)),
            (true, Side::Buy) => {
                let budget = self.cost(at, size).min(free);
                if self.lots(budget, at) == 0 {
                    return no(InsufficientBalance);
                }
                (budget, size, Some(budget))
            }
            (true, Side::Sell) if size == 0 => {
                let wanted = self.lots(spend, at);
                let owned = free / base_factor / lot * lot;
                if wanted == 0 {
                    return no(NotionalTooSmall);
                }
                if owned == 0 {
                    return no(InsufficientBalance);
                }
                (wanted.min(owned) * base_factor, wanted.min(owned), Some(spend))
            }
            (_, Side::Sell) => (size * base_factor, size, None),
        };
        if held > free {
            return no(InsufficientBalance);
        }

        self.last_order += 1;
        let id = self.last_order;
        self.shift(account, given, -held, held);
        events.push(Event::OrderPending(OrderPending {
            order: OrderId::new(id),
            account: new.account,
            market: market.id,
            side: new.side,
            kind: new.kind,
            time_in_force: new.time_in_force,
            self_trade: new.self_trade,
            price: new.price,
            qty: new.qty,
            quote_qty: new.quote_qty,
            client_order_id: new.client_order_id,
        }));
        self.names.push((account, new.client_order_id, id, None));
        self.orders.push(Order {
            id,
            account,
            market: market.id,
            side: new.side,
            is_market,
            price: at,
            leaves: most,
            held,
            name: new.client_order_id,
            arrival: None,
        });
        self.meet(new, id, budget);
        Ok(id)
    }

    fn order(&self, id: u64) -> Order {
        self.orders.iter().find(|order| order.id == id).cloned().unwrap()
    }

    /// The resting order that an order at `limit` would meet first.
    fn first_opposite(&self, market: MarketId, side: Side, limit: i128) -> Option<Order> {
        let resting = self.orders.iter().filter(|o| o.market == market && o.arrival.is_some() && o.side != side);
        match side {
            Side::Buy => resting.filter(|o| o.price <= limit).min_by_key(|o| (o.price, o.arrival)).cloned(),
            Side::Sell => resting.filter(|o| o.price >= limit).min_by_key(|o| (-o.price, o.arrival)).cloned(),
        }
    }

    /// What the market does with order `id`.
    fn meet(&mut self, new: &NewOrder, id: u64, budget: Option<i128>) {
        let taker = self.order(id);
        if new.kind == OrderKind::LimitMaker && self.first_opposite(taker.market, taker.side, taker.price).is_some() {
            return self.refuse(id, RejectReason::WouldTake);
        }
        if new.time_in_force == TimeInForce::Fok {
            let mut rehearsal = self.clone();
            let rest = NewOrder { time_in_force: TimeInForce::Ioc, ..*new };
            rehearsal.trade(&rest, id, budget);
            let is_filled = rehearsal.orders.iter().all(|order| order.id != id)
                && !rehearsal.private.iter().any(|event| {
                    matches!(event, Event::OrderCanceled(e) if e.order.get() == id)
                        || matches!(event, Event::MatchPrevented(e) if e.taker.get() == id && !e.taker_qty.is_zero())
                });
            if !is_filled {
                self.accept(id);
                return self.end(id, taker.leaves, CancelCause::TimeInForce, 0);
            }
        }
        self.trade(new, id, budget);
    }

    fn trade(&mut self, new: &NewOrder, id: u64, mut budget: Option<i128>) {
        let by_quote = new.qty.is_zero();
        let (market, side) = (new.market, new.side);
        let limit = i128::from(new.price.units());
        let mut steps = 0;
        let mut touched: Option<i128> = None;
        let cause = loop {
            let Some(maker) = self.first_opposite(market, side, limit) else { break None };
            if let Some(price) = touched.filter(|price| *price != maker.price) {
                self.tell_level(market, side.opposite(), price);
                touched = None;
            }
            if steps == self.fills_max {
                break Some(CancelCause::FillLimit);
            }
            if maker.account == new.account.get() && new.self_trade != SelfTradePrevention::None {
                let affordable = budget.map_or(i128::MAX, |budget| self.lots(budget, maker.price));
                let reach = self.order(id).leaves.min(affordable);
                if new.self_trade == SelfTradePrevention::Decrement && reach == 0 {
                    break Some(CancelCause::BudgetSpent);
                }
                let (taker_loses, maker_loses) = match new.self_trade {
                    SelfTradePrevention::ExpireTaker => (reach, 0),
                    SelfTradePrevention::ExpireMaker => (0, maker.leaves),
                    SelfTradePrevention::ExpireBoth => (reach, maker.leaves),
                    _ => (reach.min(maker.leaves), reach.min(maker.leaves)),
                };
                self.tell_prevented(new, id, &maker, taker_loses, maker_loses);
                if new.self_trade == SelfTradePrevention::ExpireTaker {
                    break Some(CancelCause::SelfTrade);
                }
                steps += 1;
                touched = Some(maker.price);
                self.tell_shown(&maker, maker.leaves - maker_loses, false);
                if new.self_trade == SelfTradePrevention::Decrement {
                    let limits = (price(limit), budget);
                    budget = self.decrement(new, id, &maker, maker_loses, limits);
                    if self.order(id).leaves == 0 {
                        break Some(CancelCause::SelfTrade);
                    }
                    continue;
                }
                self.end(maker.id, maker.leaves, CancelCause::SelfTrade, 0);
                if new.self_trade == SelfTradePrevention::ExpireBoth {
                    break Some(CancelCause::SelfTrade);
                }
                continue;
            }
            let leaves = self.order(id).leaves;
            let affordable = budget.map_or(i128::MAX, |budget| self.lots(budget, maker.price));
            let traded = leaves.min(maker.leaves).min(affordable);
            if traded == 0 {
                break Some(CancelCause::BudgetSpent);
            }
            steps += 1;
            touched = Some(maker.price);
            budget = budget.map(|budget| budget - self.cost(maker.price, traded));
            // The maker leaves the book before the taker looks at what comes next.
            let mut rest = self.orders.clone();
            rest.retain(|order| order.id != maker.id || maker.leaves > traded);
            let next = std::mem::replace(&mut self.orders, rest);
            let best = self.first_opposite(market, side, limit).map_or(maker.price, |best| best.price);
            self.orders = next;
            let is_satisfied = by_quote && budget.is_some_and(|budget| self.lots(budget, best) == 0);
            let taker_leaves = if is_satisfied { 0 } else { leaves - traded };
            let known = self.market(market).expect("the order's market");
            known.last_trade += 1;
            known.last_shown += 1;
            let (trade, shown) = (known.last_trade, known.last_shown);
            self.public.push(Event::Traded(Traded {
                market,
                trade: TradeId::new(trade),
                price: price(maker.price),
                qty: qty(traded),
                taker_side: side,
                taker: OrderId::new(id),
                maker: OrderId::new(maker.id),
                sequence: BookSequence::new(shown),
                is_auction: false,
            }));
            self.accept(id);
            self.fill(id, trade, maker.price, traded, taker_leaves, false);
            self.fill(maker.id, trade, maker.price, traded, maker.leaves - traded, true);
            if taker_leaves == 0 {
                return self.tell_level(market, side.opposite(), maker.price);
            }
        };
        if let Some(price) = touched {
            self.tell_level(market, side.opposite(), price);
        }
        self.accept(id);
        let leaves = self.order(id).leaves;
        match cause {
            None if new.time_in_force == TimeInForce::Gtc => {
                self.arrivals += 1;
                let arrival = self.arrivals;
                let order = self.orders.iter_mut().find(|order| order.id == id).unwrap();
                order.arrival = Some(arrival);
                let resting = order.clone();
                self.tell_shown(&resting, resting.leaves, true);
                self.tell_level(market, side, limit);
                let (order, account, leaves) = (OrderId::new(id), new.account, qty(leaves));
                self.private.push(Event::OrderResting(OrderResting { order, account, market, leaves }));
            }
            cause => {
                let told = if by_quote && side == Side::Buy { 0 } else { leaves };
                self.end(id, told, cause.unwrap_or(CancelCause::TimeInForce), 0);
            }
        }
    }

    fn tell_shown(&mut self, order: &Order, shown: i128, is_last: bool) {
        let market = self.market(order.market).expect("the order's market");
        market.last_shown += 1;
        let sequence = BookSequence::new(market.last_shown);
        self.public.push(Event::OrderShown(OrderShown {
            market: order.market,
            sequence,
            order: OrderId::new(order.id),
            side: order.side,
            price: price(order.price),
            qty: qty(shown),
            is_last,
        }));
    }

    fn tell_prevented(&mut self, new: &NewOrder, id: u64, maker: &Order, taker_loses: i128, maker_loses: i128) {
        self.accept(id);
        let market = self.market(new.market).expect("the order's market");
        market.last_prevented += 1;
        let prevented = PreventedMatchId::new(market.last_prevented);
        self.private.push(Event::MatchPrevented(MatchPrevented {
            market: new.market,
            prevented,
            taker: OrderId::new(id),
            taker_account: new.account,
            maker: OrderId::new(maker.id),
            maker_account: AccountId::new(maker.account),
            group: TradeGroupId::default(),
            mode: new.self_trade,
            price: price(maker.price),
            taker_qty: qty(taker_loses),
            maker_qty: qty(maker_loses),
            prevented_at: Timestamp::from_nanos(self.now),
        }));
    }

    /// Both lose the quantity as if it had traded, without money. What is left of the taker's budget.
    fn decrement(
        &mut self,
        new: &NewOrder,
        id: u64,
        maker: &Order,
        lost: i128,
        (limit, budget): (Price, Option<i128>),
    ) -> Option<i128> {
        let budget = budget.map(|budget| budget - self.cost(maker.price, lost));
        for order in [id, maker.id] {
            let order = self.order(order);
            let leaves = order.leaves - lost;
            let keeps = match (order.is_market, order.side) {
                (false, Side::Buy) => self.cost(order.price, leaves),
                (true, Side::Buy) => order.held - self.cost(maker.price, lost),
                (_, Side::Sell) => order.held - lost * i128::from(self.scale.base_factor),
            };
            self.release(&Order { held: order.held - keeps, ..order.clone() });
            let order = self.orders.iter_mut().find(|open| open.id == order.id).unwrap();
            (order.leaves, order.held) = (leaves, keeps);
        }
        if maker.leaves == lost {
            self.end(maker.id, 0, CancelCause::SelfTrade, 0);
        }
        let limit = i128::from(limit.units());
        let best = self.first_opposite(new.market, new.side, limit).map_or(maker.price, |best| best.price);
        if new.qty.is_zero() && budget.is_some_and(|budget| self.lots(budget, best) == 0) {
            self.orders.iter_mut().find(|open| open.id == id).unwrap().leaves = 0;
        }
        budget
    }

    fn accept(&mut self, id: u64) {
        let order = OrderId::new(id);
        let is_told = self.private.iter().any(|event| matches!(event, Event::OrderAccepted(e) if e.order == order));
        if !is_told {
            let Order { account, market, .. } = self.order(id);
            let account = AccountId::new(account);
            self.private.push(Event::OrderAccepted(OrderAccepted { order, account, market }));
        }
    }

    fn tell_level(&mut self, market: MarketId, side: Side, at: i128) {
        let resting = self.orders.iter().filter(|o| o.market == market && o.arrival.is_some());
        let sum = resting.filter(|o| o.side == side && o.price == at).map(|order| order.leaves).sum();
        let window_end = self.now / WINDOW_NS * WINDOW_NS + WINDOW_NS;
        let known = self.market(market).expect("the order's market");
        known.last_update += 1;
        known.window.get_or_insert((known.last_update, window_end));
        let update = UpdateId::new(known.last_update);
        let level = LevelChanged { market, side, price: price(at), qty: qty(sum), update };
        self.public.push(Event::LevelChanged(level));
    }

    fn fill(&mut self, id: u64, trade: u64, at: i128, traded: i128, leaves: i128, is_maker: bool) {
        let order = self.order(id);
        let (quote, base) = (self.cost(at, traded), traded * i128::from(self.scale.base_factor));
        let (pays, gets) = self.market(order.market).expect("the order's market").assets(order.side);
        let (given, taken) = if order.side == Side::Buy { (quote, base) } else { (base, quote) };
        let (maker_fee, taker_fee) = self.fees[order.account as usize - 1];
        let rate = i128::from(if is_maker { maker_fee } else { taker_fee }.parts_per_million());
        let fee = (taken * rate + 999_999) / 1_000_000;
        let keeps = match (order.is_market, order.side) {
            _ if leaves == 0 => 0,
            (false, Side::Buy) => self.cost(order.price, leaves),
            (false, Side::Sell) => leaves * i128::from(self.scale.base_factor),
            (true, _) => order.held - given,
        };
        self.shift(order.account, pays, order.held - given - keeps, keeps - order.held);
        self.shift(order.account, gets, taken - fee, 0);
        if leaves == 0 {
            self.forget(id);
        } else {
            let order = self.orders.iter_mut().find(|order| order.id == id).unwrap();
            (order.leaves, order.held) = (leaves, keeps);
        }
        self.private.push(Event::OrderExecuted(OrderExecuted {
            order: OrderId::new(id),
            account: AccountId::new(order.account),
            market: order.market,
            trade: TradeId::new(trade),
            side: order.side,
            price: price(at),
            qty: qty(traded),
            quote_amount: amount(quote),
            fee: amount(fee),
            fee_asset: gets,
            is_maker,
            leaves: qty(leaves),
            traded_at: Timestamp::from_nanos(self.now),
            rebate: Default::default(),
        }));
    }

    /// The order is no longer open; its name stays taken for a minute.
    fn forget(&mut self, id: u64) {
        self.orders.retain(|order| order.id != id);
        let name = self.names.iter_mut().find(|name| name.2 == id).unwrap();
        name.3 = Some(self.now);
    }

    fn release(&mut self, order: &Order) {
        let (asset, _) = self.market(order.market).expect("the order's market").assets(order.side);
        if order.held > 0 {
            self.shift(order.account, asset, order.held, -order.held);
        }
    }

    fn end(&mut self, id: u64, leaves: i128, cause: CancelCause, request: u64) {
        let order = self.order(id);
        self.release(&order);
        self.forget(id);
        self.private.push(Event::OrderCanceled(OrderCanceled {
            order: OrderId::new(id),
            account: AccountId::new(order.account),
            market: order.market,
            leaves: qty(leaves),
            cause,
            request: LogPosition::new(request),
            canceled_as: ClientOrderId::EMPTY,
        }));
    }

    fn refuse(&mut self, id: u64, reason: RejectReason) {
        let order = self.order(id);
        self.release(&order);
        self.orders.retain(|order| order.id != id);
        self.names.retain(|name| name.2 != id);
        let (account, market, order) = (AccountId::new(order.account), order.market, OrderId::new(id));
        self.private.push(Event::OrderRejected(OrderRejected { order, account, market, reason }));
    }

    fn cancel(&mut self, position: LogPosition, cancel: &CancelOrder) -> Answer {
        if !self.has_account(cancel.account) {
            return no(RejectReason::UnknownAccount);
        }
        if self.market(cancel.market).is_none() {
            return no(RejectReason::UnknownMarket);
        }
        let (account, market) = (cancel.account.get(), cancel.market);
        let mine = self.orders.iter().filter(|order| order.account == account && order.market == market);
        let found = match cancel.order.get() {
            0 => mine.clone().find(|order| order.name == cancel.client_order_id),
            id => mine.clone().find(|order| order.id == id),
        };
        let Some(order) = found.cloned() else { return no(RejectReason::UnknownOrder) };
        self.end(order.id, order.leaves, CancelCause::Requested, position.get());
        self.tell_shown(&order, 0, false);
        self.tell_level(order.market, order.side, order.price);
        Ok(order.id)
    }

    fn cancel_all(&mut self, position: LogPosition, cancel: &CancelAll) -> Answer {
        let CancelAll { account, market } = *cancel;
        if !self.has_account(account) {
            return no(RejectReason::UnknownAccount);
        }
        if self.market(market).is_none() {
            return no(RejectReason::UnknownMarket);
        }
        let open = self.orders.iter().filter(|order| order.account == account.get() && order.market == market);
        let mine: Vec<Order> = open.cloned().collect();
        if mine.is_empty() {
            return no(RejectReason::NoOpenOrders);
        }
        for order in &mine {
            self.end(order.id, order.leaves, CancelCause::MassCancel, position.get());
            self.tell_shown(order, 0, false);
        }
        let levels: BTreeSet<(Side, i128)> = mine.iter().map(|order| (order.side, order.price)).collect();
        for (side, price) in levels {
            self.tell_level(market, side, price);
        }
        let canceled = mine.len() as u32;
        self.private.push(Event::AllCanceled(AllCanceled { account, market, request: position, canceled }));
        Ok(0)
    }
}
