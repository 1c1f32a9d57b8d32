//! What a row means: from the log's events and our values to columns, and back.

use wire::event::{AssetListed, MarketListed, MatchPrevented, OrderExecuted};
use wire::{
    AccountId, Amount, AssetId, CancelCause, ClientOrderId, ListId, ListKind, LogPosition, MarketId, OrderId,
    OrderKind, PreventedMatchId, Price, Qty, RejectReason, SelfTradePrevention, Side, Terms, TimeInForce, Timestamp,
    TradeGroupId, TradeId,
};

use super::rows::*;
use crate::accounts::{
    Amendment, Fill, ListStatus, Order, OrderList, OrderStatus, OrderTrades, Particulars, Prevented, PreventedMatch,
};
use crate::market_data::Interval;
use crate::market_data::klines::Kline;
use crate::market_data::trades::{AggTrade, Trade};
use crate::names;

/// Reads a row's columns.
pub(super) struct Reader(pub(super) &'static str);

impl Reader {
    pub(super) fn known<T>(&self, value: Option<T>, column: &str) -> Result<T, Unreadable> {
        value.ok_or_else(|| Unreadable { table: self.0, what: format!("its {column} is none of ours") })
    }

    pub(super) fn word<T: Copy>(
        &self,
        all: &[T],
        name: fn(T) -> &'static str,
        word: &str,
        column: &str,
    ) -> Result<T, Unreadable> {
        self.known(all.iter().copied().find(|value| name(*value) == word), column)
    }

    fn price(&self, units: i64) -> Result<Price, Unreadable> {
        self.known(Price::new(units), "price")
    }

    fn qty(&self, units: i64) -> Result<Qty, Unreadable> {
        self.known(Qty::new(units), "quantity")
    }

    pub(super) fn amount(&self, units: i64) -> Result<Amount, Unreadable> {
        self.known(Amount::new(units), "amount")
    }

    pub(super) fn name(&self, text: &str) -> Result<ClientOrderId, Unreadable> {
        self.known(ClientOrderId::new(text.as_bytes()).ok(), "client order id")
    }

    fn refused(&self, number: Option<u16>) -> Result<Option<RejectReason>, Unreadable> {
        number.map(|number| self.known(RejectReason::from_number(number), "reason")).transpose()
    }

    fn cause(&self, number: Option<u8>) -> Result<Option<CancelCause>, Unreadable> {
        number.map(|number| self.known(CancelCause::from_number(number), "cause")).transpose()
    }

    fn side(&self, word: &str) -> Result<Side, Unreadable> {
        self.word(Side::ALL, names::side, word, "side")
    }

    fn mode(&self, word: &str) -> Result<SelfTradePrevention, Unreadable> {
        self.word(SelfTradePrevention::ALL, names::self_trade, word, "self-trade prevention")
    }
}

impl AssetRow {
    pub(super) fn new(listed: &AssetListed, position: LogPosition) -> AssetRow {
        AssetRow {
            asset: listed.asset.get(),
            symbol: listed.symbol.as_str().to_owned(),
            ledger_decimals: listed.ledger_decimals,
            position: position.get(),
        }
    }
}

impl MarketRow {
    pub(super) fn new(listed: &MarketListed, position: LogPosition) -> MarketRow {
        MarketRow {
            market: listed.market.get(),
            symbol: listed.symbol.as_str().to_owned(),
            base: listed.base.get(),
            quote: listed.quote.get(),
            partition: listed.partition.get(),
            price_decimals: listed.scale.price_decimals,
            qty_decimals: listed.scale.qty_decimals,
            position: position.get(),
        }
    }
}

impl OrderRow {
    pub(super) fn new(account: AccountId, order: &Order, position: LogPosition) -> OrderRow {
        let (terms, prevented) = (order.terms(), order.prevented());
        OrderRow {
            market: order.market.get(),
            id: order.id.get(),
            account: account.get(),
            client_order_id: order.client_order_id.as_str().to_owned(),
            side: names::side(order.side).to_owned(),
            kind: names::kind(order.kind).to_owned(),
            time_in_force: names::time_in_force(order.time_in_force).to_owned(),
            self_trade: names::self_trade(order.self_trade).to_owned(),
            price: order.price.units(),
            qty: order.qty.units(),
            quote_qty: order.quote_qty.units(),
            status: order.status.name().to_owned(),
            is_open: order.status.is_open(),
            refused: order.refused().map(RejectReason::number),
            executed: order.executed.units(),
            quote_executed: order.quote_executed.units(),
            created_ns: order.created.nanos(),
            working_ns: order.working.map(Timestamp::nanos),
            updated_ns: order.updated.nanos(),
            stop_price: terms.stop_price.map(Price::units),
            trailing_delta: terms.trailing_delta.get(),
            visible_qty: terms.visible_qty.units(),
            expire_at_ns: terms.expire_at.map(Timestamp::nanos),
            peg_side: terms.peg.side.number(),
            peg_levels: terms.peg.levels,
            peg_has_price: terms.peg.has_price,
            pegged_price: order.pegged().map(Price::units),
            qty_min: terms.qty_min.units(),
            strategy_id: terms.strategy.id,
            strategy_type: terms.strategy.kind,
            list_id: order.list().get(),
            tracking_ns: order.tracking().map(Timestamp::nanos),
            expired_by: order.expired_by.map(CancelCause::number),
            prevented_id: prevented.map(|prevented| prevented.id.get()),
            prevented_counter: prevented.map(|prevented| prevented.counter.get()),
            prevented_group: prevented.map(|prevented| prevented.group.get()),
            prevented_price: prevented.map(|prevented| prevented.price.units()),
            prevented_last_qty: prevented.map(|prevented| prevented.last_qty.units()),
            prevented_qty: prevented.map(|prevented| prevented.qty.units()),
            position: position.get(),
        }
    }

    /// The order, without its trades and amendments, which are rows of their own.
    pub(super) fn order(&self) -> Result<Order, Unreadable> {
        let read = Reader(Self::TABLE);
        let status = OrderStatus::ALL.iter().find(|status| status.name() == self.status).copied();
        Ok(Order {
            id: OrderId::new(self.id),
            market: MarketId::new(self.market),
            client_order_id: read.name(&self.client_order_id)?,
            side: read.side(&self.side)?,
            kind: read.word(OrderKind::ALL, names::kind, &self.kind, "kind")?,
            time_in_force: read.word(TimeInForce::ALL, names::time_in_force, &self.time_in_force, "time in force")?,
            self_trade: read.mode(&self.self_trade)?,
            price: read.price(self.price)?,
            qty: read.qty(self.qty)?,
            quote_qty: read.amount(self.quote_qty)?,
            status: read.known(status, "status")?,
            is_settled: true,
            executed: read.qty(self.executed)?,
            quote_executed: read.amount(self.quote_executed)?,
            created: Timestamp::from_nanos(self.created_ns),
            working: self.working_ns.map(Timestamp::from_nanos),
            updated: Timestamp::from_nanos(self.updated_ns),
            trades: OrderTrades::None,
            has_met_own: false,
            expired_by: read.cause(self.expired_by)?,
            particulars: self.particulars(&read)?.kept(),
        })
    }

    fn particulars(&self, read: &Reader) -> Result<Particulars, Unreadable> {
        Ok(Particulars {
            terms: Terms {
                stop_price: self.stop_price.map(|units| read.price(units)).transpose()?,
                trailing_delta: read.known(wire::BasisPoints::new(self.trailing_delta), "trailing delta")?,
                visible_qty: read.qty(self.visible_qty)?,
                expire_at: self.expire_at_ns.map(Timestamp::from_nanos),
                peg: wire::Peg {
                    side: read.known(wire::PegSide::from_number(self.peg_side), "peg_side")?,
                    levels: self.peg_levels,
                    has_price: self.peg_has_price,
                },
                qty_min: read.qty(self.qty_min)?,
                strategy: wire::StrategyLabel { id: self.strategy_id, kind: self.strategy_type },
            },
            list: ListId::new(self.list_id),
            refused: read.refused(self.refused)?,
            pegged: self.pegged_price.map(|units| read.price(units)).transpose()?,
            tracking: self.tracking_ns.map(Timestamp::from_nanos),
            prevented: self.prevented(read)?,
            amendments: Vec::new(),
        })
    }

    fn prevented(&self, read: &Reader) -> Result<Option<Prevented>, Unreadable> {
        let Some(id) = self.prevented_id else { return Ok(None) };
        Ok(Some(Prevented {
            id: PreventedMatchId::new(id),
            counter: OrderId::new(read.known(self.prevented_counter, "prevented_counter")?),
            group: TradeGroupId::new(read.known(self.prevented_group, "prevented_group")?),
            price: read.price(read.known(self.prevented_price, "prevented_price")?)?,
            last_qty: read.qty(read.known(self.prevented_last_qty, "prevented_last_qty")?)?,
            qty: read.qty(read.known(self.prevented_qty, "prevented_qty")?)?,
        }))
    }
}

impl FillRow {
    /// `event` is its place among the events of its command.
    pub(super) fn new(executed: &OrderExecuted, list: ListId, position: LogPosition, event: usize) -> FillRow {
        FillRow {
            market: executed.market.get(),
            trade: executed.trade.get(),
            order_id: executed.order.get(),
            account: executed.account.get(),
            list_id: list.get(),
            side: names::side(executed.side).to_owned(),
            price: executed.price.units(),
            qty: executed.qty.units(),
            quote_amount: executed.quote_amount.units(),
            fee: executed.fee.units(),
            rebate: executed.rebate.units(),
            fee_asset: executed.fee_asset.get(),
            is_maker: executed.is_maker,
            time_ns: executed.traded_at.nanos(),
            position: position.get(),
            event: event as u64,
        }
    }

    pub(super) fn fill(&self) -> Result<Fill, Unreadable> {
        let read = Reader(Self::TABLE);
        Ok(Fill {
            trade: TradeId::new(self.trade),
            order: OrderId::new(self.order_id),
            market: MarketId::new(self.market),
            side: read.side(&self.side)?,
            price: read.price(self.price)?,
            qty: read.qty(self.qty)?,
            quote_amount: read.amount(self.quote_amount)?,
            fee: read.amount(self.fee)?,
            rebate: read.amount(self.rebate)?,
            fee_asset: AssetId::new(self.fee_asset),
            is_maker: self.is_maker,
            time: Timestamp::from_nanos(self.time_ns),
        })
    }
}

impl AmendmentRow {
    pub(super) fn new(account: AccountId, order: &Order, amendment: &Amendment) -> AmendmentRow {
        AmendmentRow {
            market: order.market.get(),
            order_id: order.id.get(),
            execution: amendment.execution,
            account: account.get(),
            client_order_id_before: amendment.client_order_id_before.as_str().to_owned(),
            client_order_id: amendment.client_order_id.as_str().to_owned(),
            qty_before: amendment.qty_before.units(),
            qty: amendment.qty.units(),
            at_ns: amendment.at.nanos(),
        }
    }

    pub(super) fn amendment(&self) -> Result<Amendment, Unreadable> {
        let read = Reader(Self::TABLE);
        Ok(Amendment {
            execution: self.execution,
            client_order_id_before: read.name(&self.client_order_id_before)?,
            client_order_id: read.name(&self.client_order_id)?,
            qty_before: read.qty(self.qty_before)?,
            qty: read.qty(self.qty)?,
            at: Timestamp::from_nanos(self.at_ns),
        })
    }
}

impl ListRow {
    pub(super) fn new(account: AccountId, list: &OrderList, position: LogPosition) -> ListRow {
        ListRow {
            id: list.id.get(),
            account: account.get(),
            market: list.market.get(),
            kind: list.kind.number(),
            client_order_id: list.client_order_id.as_str().to_owned(),
            orders: list.orders.iter().map(|order| order.get()).collect(),
            is_open: list.status == ListStatus::Executing,
            refused: match list.status {
                ListStatus::Rejected(reason) => Some(reason.number()),
                ListStatus::Executing | ListStatus::AllDone => None,
            },
            created_ns: list.created.nanos(),
            updated_ns: list.updated.nanos(),
            position: position.get(),
        }
    }

    pub(super) fn list(&self) -> Result<OrderList, Unreadable> {
        let read = Reader(Self::TABLE);
        Ok(OrderList {
            id: ListId::new(self.id),
            market: MarketId::new(self.market),
            kind: read.known(ListKind::from_number(self.kind), "kind")?,
            client_order_id: read.name(&self.client_order_id)?,
            orders: self.orders.iter().copied().map(OrderId::new).collect(),
            status: match read.refused(self.refused)? {
                Some(reason) => ListStatus::Rejected(reason),
                None if self.is_open => ListStatus::Executing,
                None => ListStatus::AllDone,
            },
            created: Timestamp::from_nanos(self.created_ns),
            updated: Timestamp::from_nanos(self.updated_ns),
        })
    }
}

impl PreventedRow {
    pub(super) fn new(prevented: &MatchPrevented, position: LogPosition) -> PreventedRow {
        PreventedRow {
            market: prevented.market.get(),
            id: prevented.prevented.get(),
            taker: prevented.taker.get(),
            taker_account: prevented.taker_account.get(),
            maker: prevented.maker.get(),
            maker_account: prevented.maker_account.get(),
            trade_group: prevented.group.get(),
            mode: names::self_trade(prevented.mode).to_owned(),
            price: prevented.price.units(),
            maker_qty: prevented.maker_qty.units(),
            taker_qty: prevented.taker_qty.units(),
            at_ns: prevented.prevented_at.nanos(),
            position: position.get(),
        }
    }

    pub(super) fn prevented(&self) -> Result<PreventedMatch, Unreadable> {
        let read = Reader(Self::TABLE);
        Ok(PreventedMatch {
            market: MarketId::new(self.market),
            id: PreventedMatchId::new(self.id),
            taker: OrderId::new(self.taker),
            maker: OrderId::new(self.maker),
            group: TradeGroupId::new(self.trade_group),
            mode: read.mode(&self.mode)?,
            price: read.price(self.price)?,
            maker_qty: read.qty(self.maker_qty)?,
            taker_qty: read.qty(self.taker_qty)?,
            at: Timestamp::from_nanos(self.at_ns),
        })
    }
}

impl TradeRow {
    pub(super) fn new(market: MarketId, trade: &Trade, position: LogPosition) -> TradeRow {
        let Trade { id, price, qty, time_ms, buyer_is_maker } = *trade;
        TradeRow { market: market.get(), id, price, qty, time_ms, buyer_is_maker, position: position.get() }
    }

    pub(super) fn trade(&self) -> Trade {
        let TradeRow { id, price, qty, time_ms, buyer_is_maker, .. } = *self;
        Trade { id, price, qty, time_ms, buyer_is_maker }
    }
}

impl AggTradeRow {
    pub(super) fn new(market: MarketId, trade: &AggTrade) -> AggTradeRow {
        let AggTrade { id, price, qty, first_trade, last_trade, time_ms, buyer_is_maker } = *trade;
        AggTradeRow { market: market.get(), id, price, qty, first_trade, last_trade, time_ms, buyer_is_maker }
    }

    pub(super) fn trade(&self) -> AggTrade {
        let AggTradeRow { id, price, qty, first_trade, last_trade, time_ms, buyer_is_maker, .. } = *self;
        AggTrade { id, price, qty, first_trade, last_trade, time_ms, buyer_is_maker }
    }
}

impl KlineRow {
    pub(super) fn new(market: MarketId, interval: Interval, kline: &Kline) -> KlineRow {
        KlineRow {
            market: market.get(),
            length: interval.name().to_owned(),
            open_ms: kline.open_ms,
            open: kline.open,
            high: kline.high,
            low: kline.low,
            close: kline.close,
            volume: kline.volume,
            quote_volume: kline.quote_volume,
            taker_volume: kline.taker_volume,
            taker_quote_volume: kline.taker_quote_volume,
            trades: kline.trades,
            first_trade: kline.first_trade,
            last_trade: kline.last_trade,
        }
    }

    pub(super) fn interval(&self) -> Result<Interval, Unreadable> {
        Reader(Self::TABLE).known(Interval::from_name(&self.length), "length")
    }

    pub(super) fn kline(&self) -> Kline {
        Kline {
            open_ms: self.open_ms,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            quote_volume: self.quote_volume,
            taker_volume: self.taker_volume,
            taker_quote_volume: self.taker_quote_volume,
            trades: self.trades,
            first_trade: self.first_trade,
            last_trade: self.last_trade,
        }
    }
}
