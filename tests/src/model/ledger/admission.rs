//! Whether an order may go to its market, and what is held for it: `engine/src/ledger/admission.rs` and `special.rs` state
//! the rules.

use wire::command::{NewOrder, NewOrderOnTerms};
use wire::mail::PlaceOrderOnTerms;
use wire::{Amount, Mail, MarketRules, OrderKind, Peg, PegSide, Price, Qty, RejectReason, Side, Terms, TimeInForce};

use super::super::market::{admits, admits_terms};
use super::super::numbers::{of, price, whole};
use super::{Answer, Ledger, Listed, Refused, no};

const MILLION: i128 = 1_000_000;

/// What an order that may go needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) hold: i128,
    /// The most base to trade.
    pub(super) qty: i128,
    /// The most quote to pay or to receive.
    pub(super) most: Option<i128>,
    pub(super) is_iceberg: bool,
}

impl Admitted {
    pub(super) fn budget(&self) -> Amount {
        self.most.map_or(Amount::MAX, super::super::numbers::amount)
    }
}

/// What will be when the order comes in, and is not yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside {
    /// Free beside what is.
    pub(super) credit: i128,
    /// Orders of its list before it, and the base that the buys among them bring.
    pub(super) orders: usize,
    pub(super) stops: usize,
    pub(super) icebergs: usize,
    pub(super) bought: i128,
}

fn refuse_if(is_so: bool, reason: RejectReason) -> Result<(), Refused> {
    if is_so { no(reason) } else { Ok(()) }
}

impl Ledger {
    pub(super) fn new_order(&mut self, new: &NewOrder) -> Answer {
        let admitted = self.admit(new, None, &Beside::default())?;
        let place = self.open(new, &admitted, 0);
        self.mail.push(Mail::PlaceOrder(place));
        Ok(place.order.get())
    }

    pub(super) fn new_order_on_terms(&mut self, new: &NewOrderOnTerms) -> Answer {
        self.check_date(&new.order, &new.terms)?;
        let order = self.protected(&new.order, &new.terms)?;
        let admitted = self.admit(&order, Some(&new.terms), &Beside::default())?;
        Ok(self.send_on_terms(&order, &admitted, new.terms))
    }

    pub(super) fn send_on_terms(&mut self, order: &NewOrder, admitted: &Admitted, terms: Terms) -> u64 {
        let place = self.open(order, admitted, 0);
        if terms != Terms::NONE {
            self.tell_terms(&place, 0, terms);
        }
        let is_late = false;
        self.mail.push(Mail::PlaceOrderOnTerms(Box::new(PlaceOrderOnTerms { place, terms, is_late })));
        place.order.get()
    }

    pub(super) fn check_date(&self, order: &NewOrder, terms: &Terms) -> Result<(), Refused> {
        let is_good = match terms.expire_at {
            Some(at) => order.time_in_force == TimeInForce::Gtd && at > self.time(),
            None => order.time_in_force != TimeInForce::Gtd,
        };
        refuse_if(!is_good, RejectReason::BadExpiry)
    }

    /// A stop that becomes a market order is protected from its stop price on.
    pub(super) fn protected(&self, order: &NewOrder, terms: &Terms) -> Result<NewOrder, Refused> {
        let ppm = i128::from(self.market(order.market)?.rules.protection_ppm);
        let (true, Some(stop)) = (order.kind.is_stop() && is_protected(order, terms), terms.stop_price.map(of)) else {
            return Ok(*order);
        };
        let delta = i128::from(terms.trailing_delta.get());
        let (least, most) = (of(Price::MIN), of(Price::MAX));
        let units = match order.side {
            Side::Buy => {
                let trailed = ((stop * (10_000 + delta) + 9_999) / 10_000).min(most);
                (trailed * (MILLION + ppm) + MILLION - 1) / MILLION
            }
            Side::Sell => (stop * (10_000 - delta) / 10_000).max(least) * (MILLION - ppm) / MILLION,
        };
        Ok(NewOrder { price: price(units.clamp(least, most)), ..*order })
    }

    /// The ladder of reasons.
    pub(super) fn admit(&self, new: &NewOrder, terms: Option<&Terms>, beside: &Beside) -> Result<Admitted, Refused> {
        use RejectReason::*;
        let account = self.account(new.account)?;
        let market = self.market(new.market)?;
        refuse_if(!new.client_order_id.is_client_order_id(), BadClientOrderId)?;
        self.check_name(account, &new.client_order_id, new.asked_us)?;
        admits(market.status, new.kind, new.time_in_force).map_err(|reason| (reason, 0))?;
        let plain = Terms::NONE;
        let on = terms.unwrap_or(&plain);
        admits_terms(market.status, on).map_err(|reason| (reason, 0))?;
        let is_iceberg = !on.visible_qty.is_zero();
        self.check_conduct(new, is_iceberg, beside)?;
        match terms {
            None => check_kind(new)?,
            Some(terms) => check_terms(new, terms, &market.rules)?,
        }
        check_size(new, on, &market)?;
        let mine = self.orders.iter().filter(|order| order.account == account && order.market == market.id);
        let icebergs = mine.clone().filter(|order| order.is_iceberg).count();
        let (open, stops) = (mine.clone().count(), mine.filter(|order| order.is_stop).count());
        let may_rest = new.time_in_force.may_rest() || new.kind.is_stop();
        refuse_if(may_rest && open >= market.rules.open_orders_max as usize, TooManyOpenOrders)?;
        let stops_max = market.rules.special.stop_orders_max as usize;
        refuse_if(new.kind.is_stop() && stops >= stops_max, TooManyStopOrders)?;
        let most = market.rules.special.iceberg_orders_max as usize;
        refuse_if(is_iceberg && most != 0 && icebergs + 1 > most, TooManyIcebergOrders)?;
        let admitted = Admitted { is_iceberg, ..self.hold_for(new, &market, beside.credit)? };
        self.check_bounds(new, &market, &admitted, beside.bought)?;
        Ok(admitted)
    }

    pub(super) fn taken_by(&self, account: u32, name: &wire::ClientOrderId) -> Option<u64> {
        let taken = self.names.iter().find(|taken| taken.account == account && taken.name == *name);
        taken.map(|taken| taken.order)
    }

    /// Exactly what a limit order can cost; for a market order at most what is free.
    pub(super) fn hold_for(&self, new: &NewOrder, market: &Listed, credit: i128) -> Result<Admitted, Refused> {
        let lot = whole(market.rules.lot);
        let (given, _) = market.assets(new.side);
        let free = self.balance(new.account.get(), given).0 + credit;
        let (at, size, spend) = (of(new.price), whole(new.qty), new.quote_qty.wide());
        let (hold, qty, most) = match (new.kind.is_market(), new.side) {
            (false, Side::Buy) => (market.cost(at, size), size, None),
            (true, Side::Buy) if size == 0 => (spend, whole(Qty::MAX), Some(spend)),
            (true, Side::Buy) => {
                let budget = market.cost(at, size).min(free);
                refuse_if(market.affordable(budget, at, lot) == 0, RejectReason::InsufficientBalance)?;
                (budget, size, Some(budget))
            }
            (true, Side::Sell) if size == 0 => {
                let wanted = market.affordable(spend, at, lot);
                let owned = free / market.base_of(1) / lot * lot;
                refuse_if(wanted == 0, RejectReason::NotionalTooSmall)?;
                refuse_if(owned == 0, RejectReason::InsufficientBalance)?;
                (market.base_of(wanted.min(owned)), wanted.min(owned), Some(spend))
            }
            (_, Side::Sell) => (market.base_of(size), size, None),
        };
        refuse_if(hold > free, RejectReason::InsufficientBalance)?;
        Ok(Admitted { hold, qty, most, is_iceberg: false })
    }
}

/// A market order by base quantity is measured at the price that its protection price was made from.
pub(super) fn measured(new: &NewOrder, market: &Listed) -> i128 {
    let ppm = i128::from(market.rules.protection_ppm);
    let cost = market.cost(of(new.price), whole(new.qty));
    match (new.kind.is_market(), new.side) {
        (false, _) => cost,
        (true, _) if new.qty.is_zero() => new.quote_qty.wide(),
        (true, Side::Buy) => cost * MILLION / (MILLION + ppm),
        (true, Side::Sell) => cost * MILLION / (MILLION - ppm),
    }
}

/// An order that waits as any other that comes in.
pub(super) fn check_filters(new: &NewOrder, terms: &Terms, market: &Listed) -> Result<(), Refused> {
    check_terms(new, terms, &market.rules)?;
    check_size(new, terms, market)
}

fn check_size(new: &NewOrder, terms: &Terms, market: &Listed) -> Result<(), Refused> {
    if !is_protected(new, terms) {
        check_price(new.price, &market.rules)?;
    }
    check_qty(new, &market.rules)?;
    let measured = measured(new, market);
    if new.kind.is_market() || !is_protected(new, terms) {
        refuse_if(measured < market.rules.notional_min.wide(), RejectReason::NotionalTooSmall)?;
        refuse_if(measured > market.rules.notional_max.wide(), RejectReason::NotionalTooLarge)?;
        // The older filter, which need not look at what trades as a market order.
        let special = &market.rules.special;
        let is_meant = special.min_notional_of_market || !new.kind.is_market();
        refuse_if(is_meant && measured < special.min_notional.wide(), RejectReason::BelowMinNotional)?;
    }
    Ok(())
}

fn check_kind(new: &NewOrder) -> Result<(), Refused> {
    refuse_if(new.kind.is_stop(), RejectReason::StopPriceMissing)?;
    let fits = match new.kind {
        OrderKind::Market => new.time_in_force == TimeInForce::Ioc,
        OrderKind::LimitMaker => matches!(new.time_in_force, TimeInForce::Gtc | TimeInForce::Day),
        _ => new.time_in_force != TimeInForce::Gtd,
    };
    refuse_if(!fits, RejectReason::BadTimeInForce)
}

fn check_terms(new: &NewOrder, terms: &Terms, rules: &MarketRules) -> Result<(), Refused> {
    use RejectReason::*;
    let fits = match new.kind {
        kind if kind.is_market() => new.time_in_force == TimeInForce::Ioc,
        OrderKind::LimitMaker => new.time_in_force.may_rest(),
        _ => true,
    };
    refuse_if(!fits, BadTimeInForce)?;
    let (is_stop, trails) = (new.kind.is_stop(), !terms.trailing_delta.is_zero());
    refuse_if(!is_stop && (trails || terms.stop_price.is_some()), StopPriceNotTaken)?;
    refuse_if(is_stop && !trails && terms.stop_price.is_none(), StopPriceMissing)?;
    let deltas = rules.special.trailing_delta_min..=rules.special.trailing_delta_max;
    refuse_if(trails && !deltas.contains(&terms.trailing_delta), BadTrailingDelta)?;
    if let Some(stop) = terms.stop_price {
        check_price(stop, rules)?;
    }
    check_visible(new, terms, rules)?;
    check_peg(new, terms.peg, rules)?;
    let least = terms.qty_min;
    let takes_least = matches!(new.kind, OrderKind::Limit | OrderKind::Market) && least <= new.qty;
    let is_least = least.is_zero() || (takes_least && whole(least) % whole(rules.lot) == 0);
    refuse_if(!is_least, BadQtyMin)
}

/// Whether the price is none of the client's.
pub(super) fn is_protected(new: &NewOrder, terms: &Terms) -> bool {
    new.kind.is_market() || (terms.peg.side != PegSide::None && !terms.peg.has_price)
}

fn check_peg(new: &NewOrder, peg: Peg, rules: &MarketRules) -> Result<(), Refused> {
    if peg == Peg::NONE {
        return Ok(());
    }
    refuse_if(!rules.special.takes_pegged, RejectReason::PegsNotAllowed)?;
    let waits = matches!(new.time_in_force, TimeInForce::Gtc | TimeInForce::Day | TimeInForce::Gtd);
    let fits = match peg.side {
        PegSide::None => false,
        PegSide::Primary => !new.kind.is_market() && (new.kind != OrderKind::Limit || waits),
        PegSide::Market => !new.kind.is_market() && new.kind != OrderKind::LimitMaker,
    };
    refuse_if(!fits || peg.levels > 100, RejectReason::BadPeg)
}

fn check_visible(new: &NewOrder, terms: &Terms, rules: &MarketRules) -> Result<(), Refused> {
    use RejectReason::*;
    let visible = terms.visible_qty;
    if visible.is_zero() {
        return Ok(());
    }
    let may_be = !new.kind.is_market() && new.time_in_force.may_rest();
    let is_part = visible <= new.qty && visible >= rules.qty_min && whole(visible) % whole(rules.lot) == 0;
    refuse_if(!may_be || !is_part, BadIcebergQty)?;
    let parts = (whole(new.qty) + whole(visible) - 1) / whole(visible);
    refuse_if(parts > i128::from(rules.special.iceberg_parts_max), TooManyIcebergParts)
}

fn check_price(at: Price, rules: &MarketRules) -> Result<(), Refused> {
    refuse_if(at < rules.price_min, RejectReason::PriceTooLow)?;
    refuse_if(at > rules.price_max, RejectReason::PriceTooHigh)?;
    refuse_if(of(at) % of(rules.tick) != 0, RejectReason::PriceOffTick)
}

fn check_qty(new: &NewOrder, rules: &MarketRules) -> Result<(), Refused> {
    let has_qty = !new.qty.is_zero();
    let is_one = has_qty == new.quote_qty.is_zero();
    refuse_if(!is_one || (!has_qty && new.kind != OrderKind::Market), RejectReason::QtyMissing)?;
    if !has_qty {
        return Ok(());
    }
    let most = if new.kind.is_market() { rules.market_qty_max } else { rules.qty_max };
    refuse_if(new.qty < rules.qty_min, RejectReason::QtyTooSmall)?;
    refuse_if(new.qty > most, RejectReason::QtyTooLarge)?;
    refuse_if(whole(new.qty) % whole(rules.lot) != 0, RejectReason::QtyOffLot)
}
