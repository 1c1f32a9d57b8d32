//! What a partition's events make of the tables: rows that are new or others than before.
//!
//! It remembers what later events build upon and no more: open orders, open lists, and of each market the last trade and
//! klines. That is what it is made from again ([`Fold::resume`]) when a writer goes on at a position in the log.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use wire::event::*;
use wire::{AccountId, Event, ListId, LogPosition, MarketId, OrderId, PartitionId, Timestamp};

use super::capital;
use super::rows::*;
use crate::accounts::{ListStatus, Order, OrderList, execution_id};
use crate::market_data::Interval;
use crate::market_data::klines::Kline;
use crate::market_data::trades::{Trade, Trades};

type Key = (MarketId, OrderId);

/// Rows to write, by table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) assets: Vec<AssetRow>,
    pub(super) markets: Vec<MarketRow>,
    pub(super) orders: Vec<OrderRow>,
    pub(super) fills: Vec<FillRow>,
    pub(super) amendments: Vec<AmendmentRow>,
    pub(super) lists: Vec<ListRow>,
    pub(super) prevented: Vec<PreventedRow>,
    pub(super) trades: Vec<TradeRow>,
    pub(super) agg_trades: Vec<AggTradeRow>,
    pub(super) klines: Vec<KlineRow>,
    pub(super) tapes: Vec<TapeRow>,
    pub(super) chains: Vec<ChainRow>,
    pub(super) chain_assets: Vec<ChainAssetRow>,
    pub(super) deposits: Vec<DepositRow>,
    pub(super) withdrawals: Vec<WithdrawalRow>,
}

/// What was written up to a position.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) open_orders: Vec<OrderRow>,
    pub(super) open_lists: Vec<ListRow>,
    pub(super) tapes: Vec<TapeRow>,
    pub(super) last_trades: Vec<TradeRow>,
    pub(super) last_klines: Vec<KlineRow>,
}

/// The log goes on in a way that what was written does not lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("position {position} speaks of order {order} of market {market}, which is not open in the database")]
pub(super) struct Contradiction {
    position: LogPosition,
    market: MarketId,
    order: OrderId,
}

/// One partition's.
pub(super) struct Fold {
    partition: PartitionId,
    orders: HashMap<Key, Known>,
    changed_orders: HashSet<Key>,
    lists: HashMap<ListId, (AccountId, OrderList, LogPosition)>,
    changed_lists: HashSet<ListId>,
    markets: BTreeMap<MarketId, Tape>,
    capital: capital::Changes,
    rows: Rows,
    /// Rows that wait, those of changed orders too.
    waiting: usize,
}

struct Known {
    account: AccountId,
    order: Order,
    position: LogPosition,
}

impl Fold {
    /// Of a log from its first position on.
    pub(super) fn new(partition: PartitionId) -> Fold {
        Fold {
            partition,
            orders: HashMap::new(),
            changed_orders: HashSet::new(),
            lists: HashMap::new(),
            changed_lists: HashSet::new(),
            markets: BTreeMap::new(),
            capital: capital::Changes::default(),
            rows: Rows::default(),
            waiting: 0,
        }
    }

    /// After what was written.
    pub(super) fn resume(partition: PartitionId, past: &Past) -> Result<Fold, Unreadable> {
        let mut fold = Fold::new(partition);
        for row in &past.open_orders {
            let (account, position) = (AccountId::new(row.account), LogPosition::new(row.position));
            let order = row.order()?;
            fold.orders.insert((order.market, order.id), Known { account, order, position });
        }
        for row in &past.open_lists {
            let (account, position) = (AccountId::new(row.account), LogPosition::new(row.position));
            fold.lists.insert(ListId::new(row.id), (account, row.list()?, position));
        }
        for row in &past.tapes {
            let last = past.last_trades.iter().find(|trade| trade.market == row.market).map(TradeRow::trade);
            let mut tape = Tape { trades: Trades::resumed(last, row.last_agg_trade), ..Tape::default() };
            for kline in past.last_klines.iter().filter(|kline| kline.market == row.market) {
                tape.last.insert(kline.interval()?, kline.kline());
            }
            fold.markets.insert(MarketId::new(row.market), tape);
        }
        Ok(fold)
    }

    /// How many rows wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.waiting + self.capital.len()
    }

    /// Takes the events of one command in.
    pub(super) fn apply(
        &mut self,
        position: LogPosition,
        now: Timestamp,
        events: &[Event],
    ) -> Result<(), Contradiction> {
        for (index, event) in events.iter().enumerate() {
            let at = At { position, now, index };
            match event {
                Event::AssetListed(listed) => self.rows.assets.push(AssetRow::new(listed, position)),
                Event::MarketListed(listed) => self.rows.markets.push(MarketRow::new(listed, position)),
                Event::OrderPending(pending) => self.enter(at, pending),
                Event::OrderTerms(terms) => {
                    self.change(at, (terms.market, terms.order), |order| order.set_terms(terms))?
                }
                Event::OrderAccepted(accepted) => {
                    self.change(at, (accepted.market, accepted.order), |order| order.accept(now))?;
                }
                Event::OrderRejected(rejected) => {
                    self.change(at, (rejected.market, rejected.order), |order| order.reject(rejected.reason, now))?;
                }
                Event::OrderExecuted(executed) => self.execute(at, index, executed, &events[index + 1..])?,
                Event::OrderCanceled(canceled) => {
                    self.change(at, (canceled.market, canceled.order), |order| order.cancel(canceled.cause, now))?;
                }
                Event::OrderTracking(tracking) => {
                    self.change(at, (tracking.market, tracking.order), |order| order.track(tracking.at, now))?;
                }
                Event::OrderTriggered(triggered) => {
                    self.change(at, (triggered.market, triggered.order), |order| order.trigger(triggered.at, now))?;
                }
                Event::OrderPegged(pegged) => {
                    self.change(at, (pegged.market, pegged.order), |order| order.peg(pegged))?;
                }
                Event::OrderAmended(amended) => self.amend(at, amended)?,
                Event::MatchPrevented(prevented) => self.prevent(at, prevented),
                Event::ListStarted(started) => self.start_list(at, started),
                Event::ListEnded(ended) => self.end_list(at, ended.list, ListStatus::AllDone),
                Event::ListRejected(rejected) => {
                    self.end_list(at, rejected.list, ListStatus::Rejected(rejected.reason));
                }
                Event::ChainListed(listed) => self.capital.list_chain(listed, position),
                Event::ChainAssetListed(listed) => self.capital.list_asset(listed, position),
                Event::DepositChanged(changed) => self.capital.deposit(at, index, changed),
                Event::WithdrawalChanged(changed) => self.capital.withdrawal(position, changed),
                Event::Traded(traded) => {
                    let tape = self.markets.entry(traded.market).or_default();
                    self.waiting += tape.trade(at, traded, &mut self.rows);
                }
                _ => {}
            }
        }
        for (market, tape) in &mut self.markets {
            self.waiting += tape.end_command(*market, &mut self.rows);
        }
        Ok(())
    }

    /// Takes the rows that wait.
    pub(super) fn take(&mut self) -> Rows {
        self.waiting = 0;
        let mut rows = std::mem::take(&mut self.rows);
        self.capital.take(&mut rows);
        for key in self.changed_orders.drain() {
            let Some(known) = self.orders.get(&key) else { continue };
            rows.orders.push(OrderRow::new(known.account, &known.order, known.position));
            if !known.order.status.is_open() {
                self.orders.remove(&key);
            }
        }
        for id in self.changed_lists.drain() {
            let Some((account, list, position)) = self.lists.get(&id) else { continue };
            rows.lists.push(ListRow::new(*account, list, *position));
            if list.status != ListStatus::Executing {
                self.lists.remove(&id);
            }
        }
        for (market, tape) in &mut self.markets {
            tape.take(*market, self.partition, &mut rows);
        }
        rows
    }

    fn enter(&mut self, at: At, pending: &OrderPending) {
        let key = (pending.market, pending.order);
        let order = Order::new(pending, at.now);
        self.orders.insert(key, Known { account: pending.account, order, position: at.position });
        self.mark(key);
    }

    fn mark(&mut self, key: Key) {
        self.waiting += usize::from(self.changed_orders.insert(key));
    }

    fn change(&mut self, at: At, key: Key, change: impl FnOnce(&mut Order)) -> Result<(), Contradiction> {
        let Some(known) = self.orders.get_mut(&key) else {
            return Err(Contradiction { position: at.position, market: key.0, order: key.1 });
        };
        change(&mut known.order);
        known.position = at.position;
        self.mark(key);
        Ok(())
    }

    fn execute(
        &mut self,
        at: At,
        index: usize,
        executed: &OrderExecuted,
        later: &[Event],
    ) -> Result<(), Contradiction> {
        let key = (executed.market, executed.order);
        let spends_budget = later.iter().any(|event| crate::accounts::spends_budget_of(event, executed.order));
        self.change(at, key, |order| order.execute(executed, spends_budget, at.now))?;
        let known = self.orders.get_mut(&key).expect("just changed");
        // Fills are rows of their own.
        known.order.trades = Default::default();
        self.rows.fills.push(FillRow::new(executed, known.order.list(), at.position, index));
        self.waiting += 1;
        Ok(())
    }

    fn amend(&mut self, at: At, amended: &OrderAmended) -> Result<(), Contradiction> {
        let key = (amended.market, amended.order);
        self.change(at, key, |order| order.amend(amended, execution_id(at.position, 2 * at.index as u64), at.now))?;
        let known = self.orders.get_mut(&key).expect("just changed");
        let made = known.order.take_amendments();
        self.waiting += made.len();
        self.rows.amendments.extend(made.iter().map(|made| AmendmentRow::new(known.account, &known.order, made)));
        Ok(())
    }

    fn prevent(&mut self, at: At, prevented: &MatchPrevented) {
        self.rows.prevented.push(PreventedRow::new(prevented, at.position));
        self.waiting += 1;
        for order in [prevented.taker, prevented.maker] {
            let key = (prevented.market, order);
            let Some(known) = self.orders.get_mut(&key) else { continue };
            if known.order.prevent(prevented, at.now) {
                known.position = at.position;
                self.mark(key);
            }
        }
    }

    fn start_list(&mut self, at: At, started: &ListStarted) {
        let list = OrderList::new(started, at.now);
        for order in &list.orders {
            let key = (started.market, *order);
            if let Some(known) = self.orders.get_mut(&key) {
                known.order.set_list(started.list);
                known.position = at.position;
                self.mark(key);
            }
        }
        self.lists.insert(started.list, (started.account, list, at.position));
        self.waiting += usize::from(self.changed_lists.insert(started.list));
    }

    fn end_list(&mut self, at: At, id: ListId, status: ListStatus) {
        let Some((_, list, position)) = self.lists.get_mut(&id) else { return };
        (list.status, list.updated, *position) = (status, at.now, at.position);
        self.waiting += usize::from(self.changed_lists.insert(id));
    }
}

/// Which command's events are taken in.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) position: LogPosition,
    pub(super) now: Timestamp,
    /// Of the event among those of its command.
    pub(super) index: usize,
}

/// A market's trades and klines, as far as later ones build upon them.
#[derive(Default)]
struct Tape {
    trades: Trades,
    /// The number of the last aggregated trade before the present command.
    told: u64,
    is_trading: bool,
    last: BTreeMap<Interval, Kline>,
    changed: BTreeSet<Interval>,
    is_changed: bool,
}

impl Tape {
    /// Takes a trade; returns how many rows more wait by it.
    fn trade(&mut self, at: At, traded: &Traded, rows: &mut Rows) -> usize {
        let trade = Trade::new(traded, at.now);
        if trade.id <= self.trades.last_id() {
            return 0;
        }
        if !std::mem::replace(&mut self.is_trading, true) {
            self.told = self.trades.last_aggregated_id();
        }
        self.is_changed = true;
        self.trades.push(trade, traded.taker);
        rows.trades.push(TradeRow::new(traded.market, &trade, at.position));
        let before = rows.klines.len();
        for interval in Interval::ALL {
            let open_ms = interval.start_of(trade.time_ms);
            match self.last.get_mut(&interval) {
                Some(last) if open_ms <= last.open_ms => last.add(&trade),
                last => {
                    let next = Kline::of(open_ms, &trade);
                    let ended = last.map(|last| std::mem::replace(last, next));
                    match ended {
                        Some(ended) if self.changed.contains(&interval) => {
                            rows.klines.push(KlineRow::new(traded.market, interval, &ended));
                        }
                        Some(_) => {}
                        None => {
                            self.last.insert(interval, next);
                        }
                    }
                }
            }
            self.changed.insert(interval);
        }
        1 + rows.klines.len() - before
    }

    fn end_command(&mut self, market: MarketId, rows: &mut Rows) -> usize {
        if !std::mem::take(&mut self.is_trading) {
            return 0;
        }
        self.trades.end_command();
        let aggregated = self.trades.aggregated_after(self.told);
        rows.agg_trades.extend(aggregated.iter().map(|trade| AggTradeRow::new(market, trade)));
        aggregated.len()
    }

    fn take(&mut self, market: MarketId, partition: PartitionId, rows: &mut Rows) {
        for interval in std::mem::take(&mut self.changed) {
            rows.klines.extend(self.last.get(&interval).map(|last| KlineRow::new(market, interval, last)));
        }
        if std::mem::take(&mut self.is_changed) {
            rows.tapes.push(TapeRow {
                market: market.get(),
                partition: partition.get(),
                last_trade: self.trades.last_id(),
                last_agg_trade: self.trades.last_aggregated_id(),
            });
        }
    }
}
