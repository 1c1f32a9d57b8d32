//! Orders in words: plain ones, those on terms, lists, amends and replaces.

use wire::command::{AmendOrder, CancelOrder, NewOrder, NewOrderList, NewOrderOnTerms, ReplaceOrder};
use wire::{
    AccountId, Amount, BasisPoints, CancelRestriction, ClientOrderId, ClientSessionId, Command, ListKind, OrderId,
    OrderKind, PegSide, Price, Qty, ReplaceMode, SelfTradePrevention, Side, Terms, TimeInForce,
};

use super::{MARKET, Stage, number, variant};

fn a_price(words: &mut std::slice::Iter<'_, &str>) -> Result<Price, String> {
    Price::new(number(words.next().copied())?).ok_or("a price is positive".to_owned())
}

fn a_qty(words: &mut std::slice::Iter<'_, &str>) -> Result<Qty, String> {
    Qty::new(number(words.next().copied())?).ok_or("a quantity is not negative".to_owned())
}

impl Stage {
    /// `buy 5 @ 100 ...`.
    pub(super) fn new_order(&mut self, account: AccountId, words: &[&str]) -> Result<Vec<String>, String> {
        let NewOrderOnTerms { order, terms } = self.order(account, words)?;
        Ok(self.say(&match terms == Terms::NONE {
            true => Command::NewOrder(order),
            false => Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })),
        }))
    }

    /// `oco sell 5 @ 110 post-only | sell 5 stop-loss 90`.
    pub(super) fn new_list(&mut self, account: AccountId, words: &[&str]) -> Result<Vec<String>, String> {
        let kind = variant(ListKind::ALL, words.first().copied().unwrap_or_default())?;
        let legs = words.get(1..).unwrap_or_default().split(|word| *word == "|");
        let legs = legs.map(|leg| self.order(account, leg)).collect::<Result<Vec<_>, String>>()?;
        let list_client_order_id = self.name();
        Ok(self.say(&Command::NewOrderList(NewOrderList { kind, list_client_order_id, legs })))
    }

    /// `amend ID to N`.
    pub(super) fn amend(&mut self, account: AccountId, words: &[&str]) -> Result<Vec<String>, String> {
        let [id, "to", wanted] = words else { return Err("amend ID to N".to_owned()) };
        let new_client_order_id = self.name();
        Ok(self.say(&Command::AmendOrder(Box::new(AmendOrder {
            account,
            market: MARKET,
            order: OrderId::new(number(Some(id))?),
            client_order_id: ClientOrderId::EMPTY,
            qty: Qty::new(number(Some(wanted))?).ok_or("a quantity is not negative")?,
            new_client_order_id,
            asked_us: 0,
        }))))
    }

    /// `replace ID by buy 5 @ 100 ...`, or `replace ID or-add buy ...`, which places the new order whatever becomes of the cancel.
    pub(super) fn replace(&mut self, account: AccountId, words: &[&str]) -> Result<Vec<String>, String> {
        let [id, how, new @ ..] = words else { return Err("replace ID by ORDER".to_owned()) };
        let mode = if *how == "by" { ReplaceMode::StopOnFailure } else { ReplaceMode::AllowFailure };
        let cancel = self.cancel(account, number(Some(id))?);
        let NewOrderOnTerms { order, terms } = self.order(account, new)?;
        Ok(self.say(&Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms }))))
    }

    pub(super) fn cancel(&self, account: AccountId, id: u64) -> CancelOrder {
        CancelOrder {
            account,
            market: MARKET,
            order: OrderId::new(id),
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        }
    }

    fn name(&mut self) -> ClientOrderId {
        self.names += 1;
        ClientOrderId::new(format!("order-{}", self.names).as_bytes()).expect("a short name")
    }

    fn order(&mut self, account: AccountId, words: &[&str]) -> Result<NewOrderOnTerms, String> {
        let mut words = words.iter();
        let side = match words.next() {
            Some(&"buy") => Side::Buy,
            Some(&"sell") => Side::Sell,
            other => return Err(format!("what is {other:?}?")),
        };
        let mut terms = Terms::NONE;
        let mut order = NewOrder {
            account,
            market: MARKET,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::MIN,
            qty: Qty::ZERO,
            quote_qty: Amount::ZERO,
            client_order_id: self.name(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        while let Some(word) = words.next() {
            match *word {
                "for" => {
                    let quote = number(words.next().copied())?;
                    order.quote_qty = Amount::new(quote).ok_or("an amount is not negative")?;
                }
                "market" => {
                    (order.kind, order.time_in_force) = (OrderKind::Market, TimeInForce::Ioc);
                    order.price = a_price(&mut words)?;
                }
                "stop-loss" | "take-profit" => {
                    order.kind = if *word == "stop-loss" { OrderKind::StopLoss } else { OrderKind::TakeProfit };
                    order.time_in_force = TimeInForce::Ioc;
                    terms.stop_price = Some(a_price(&mut words)?);
                }
                "@" | "protected" | "peg" => {
                    if *word == "peg" {
                        terms.peg.side = variant(PegSide::ALL, words.next().copied().unwrap_or_default())?;
                    } else {
                        order.price = a_price(&mut words)?;
                        terms.peg.has_price |= *word == "@";
                    }
                    (order.kind, order.time_in_force) = match order.kind {
                        OrderKind::StopLoss => (OrderKind::StopLossLimit, TimeInForce::Gtc),
                        OrderKind::TakeProfit => (OrderKind::TakeProfitLimit, TimeInForce::Gtc),
                        kind => (kind, order.time_in_force),
                    };
                }
                "deeper" => terms.peg.levels = number(words.next().copied())?,
                "trail" => {
                    let points = number(words.next().copied())?;
                    terms.trailing_delta = BasisPoints::new(points).ok_or("at most 9999 basis points")?;
                }
                "show" => terms.visible_qty = a_qty(&mut words)?,
                "least" => terms.qty_min = a_qty(&mut words)?,
                "for-ms" => {
                    let ms: u64 = number(words.next().copied())?;
                    order.time_in_force = TimeInForce::Gtd;
                    terms.expire_at = Some(self.now.plus_nanos(ms * 1_000_000));
                }
                "with-key" => {
                    let name = words.next().copied().unwrap_or_default();
                    order.key = *self.keys.get(name).ok_or(format!("nobody has the key {name}"))?;
                }
                "session" => order.session = ClientSessionId::new(number(words.next().copied())?),
                "stp" => {
                    order.self_trade = variant(SelfTradePrevention::ALL, words.next().copied().unwrap_or_default())?;
                }
                "post-only" => order.kind = OrderKind::LimitMaker,
                word => match word.parse() {
                    Ok(units) => order.qty = Qty::new(units).ok_or("a quantity is not negative")?,
                    Err(_) => order.time_in_force = variant(TimeInForce::ALL, word)?,
                },
            }
        }
        if terms.peg.is_none() {
            terms.peg.has_price = false;
        }
        Ok(NewOrderOnTerms { order, terms })
    }
}
