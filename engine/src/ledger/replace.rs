//! Cancel-replace: an order goes and another comes, in one command.
//!
//! - The new order is checked as any new order is, with the old one still counted; what it lacks in free balance the hold of
//!   the old one may cover, when both give the same asset and the old one is of no list. Only the rest is held at once
//!   (the increment).
//! - A new order that is wrong in itself (its form, a filter, a limit of orders, of their rate or of a position) refuses the
//!   command before anything else is looked at, and the old order stays. One that only cannot be now (too little balance, a
//!   name that is taken, a market or an account that takes none) does not keep the old one: the cancel goes on alone,
//!   `ReplacementRefused` says why, and the reply's id is 0. Of one that is both, the first counts; its position is then
//!   reckoned with all that it asks for, whatever is free.
//! - A new order of the old one's name is refused, and the old one stays: the name is taken, whatever becomes of the cancel.
//!   Were it free, who asks after a time-out for the status by name would not learn which of the two it is, and a retry
//!   that names the order to go by its name would replace the replacement.
//! - So is one of a name that is sealed: its client, or who asked for it, was told that no order of this name comes, and finds the old
//!   order where it was.
//! - An order that waits in a list goes as a cancel of it goes: its list's working order ends, and with it the list. The new
//!   one takes part in nothing of this and is held for whole. When the working one has filled meanwhile, what waits is not
//!   placed, and the new order comes after it.
//! - One mail cancels and places. The market ends the old order whatever is left of it, but with `OnlyNew`, which stands for
//!   as much as the ledger knew. If exactly that is left the new one comes in as any other, and may be refused: the old one
//!   stays canceled. If something else is, the ledger holds for it anew and sends it after (`InsufficientBalance` may refuse it).
//! - When the cancel fails, `CancelRejected` says why: `UnknownOrder` or `CancelRestricted` when the ledger knows it at once,
//!   `LeavesChanged` when an order that was `OnlyNew` has traded since, `TooLateToCancel` when it is gone. With `StopOnFailure`
//!   the command is refused with the reason that the ledger knows at once; later the new order ends `OrderRejected` with
//!   `NotAttempted`. With `AllowFailure` the new order is held for whole and placed, if free balance covers it then; where the
//!   ledger refuses it at once for what cannot be now, both failures are told and the reply's id is 0.
//! - Told: `OrderPending` of the new order or `ReplacementRefused`; then of the old one `OrderCanceled` or `CancelRejected` with
//!   the command's position as request; then the new one's outcome.
//!
//! Source: Binance Spot, "Cancel an Existing Order and Send a New Order": filters and order count come before both, a failure
//! to place does not undo the cancel, and who cancels one order of a list cancels the list.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CancelOrder, NewOrder, ReplaceOrder};
use wire::event::{CancelRejected, OrderRejected, ReplacementRefused};
use wire::mail::{PlaceOrder, PlaceOrderOnTerms, ReplaceRefused, ReplaceResting};
use wire::{
    Amount, CancelCause, CancelRestriction, Event, ListId, LogPosition, Mail, OrderId, PartitionId, Qty, RejectReason,
    ReplaceMode, Sides, Terms,
};

use super::admission::{Admitted, Beside, check_filters};
use super::lanes::Asked;
use super::orders::Order;
use super::special::{check_date, is_iceberg};
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::mailbox::Mailboxes;

/// A replace whose cancel has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Replacing {
    /// What its market ends: of an order that waits in a list, the one that it waits for.
    old: OrderId,
    /// What the ledger knew to be left of it.
    expected: Qty,
    /// The old one has ended, but not as was expected: the new one comes after.
    is_late: bool,
    order: OrderId,
    /// What the new order needs in all.
    hold: Amount,
    mode: ReplaceMode,
    /// To place it again.
    place: PlaceOrder,
    quote_qty: Amount,
    terms: Terms,
}

/// Replaces without an outcome, by request: no more than orders on their way.
#[derive(Default)]
pub(super) struct Replaces {
    requests: BTreeMap<LogPosition, Replacing>,
}

impl Replaces {
    /// Whether a new order was admitted with what is held for this one.
    pub(super) fn count_on(&self, old: OrderId) -> bool {
        self.requests.values().any(|replacing| replacing.old == old)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.requests.len() as u32));
        for (request, replacing) in &self.requests {
            to.put(request);
            to.put(&replacing.old);
            to.put(&replacing.expected);
            to.put(&replacing.is_late);
            to.put(&replacing.order);
            to.put(&replacing.hold);
            to.put(&replacing.mode);
            to.put(&replacing.place);
            to.put(&replacing.quote_qty);
            to.put(&replacing.terms);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Replaces, CodecError> {
        let mut replaces = Replaces::default();
        for _ in 0..from.get::<u32>()? {
            let request = from.get()?;
            let replacing = Replacing {
                old: from.get()?,
                expected: from.get()?,
                is_late: from.get()?,
                order: from.get()?,
                hold: from.get()?,
                mode: from.get()?,
                place: from.get()?,
                quote_qty: from.get()?,
                terms: from.get()?,
            };
            replaces.requests.insert(request, replacing);
        }
        Ok(replaces)
    }
}

impl LedgerCell {
    /// Holds the increment and sends both in one mail.
    pub(crate) fn replace_order(
        &mut self,
        position: LogPosition,
        replace: &ReplaceOrder,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let (cancel, terms) = (&replace.cancel, replace.terms);
        if (cancel.account, cancel.market) != (replace.order.account, replace.order.market) {
            return Err(RejectReason::Malformed.into());
        }
        check_date(self.now, &replace.order, &terms)?;
        let order = self.protected(&replace.order, &terms)?;
        let old = match self.replaced(replace) {
            Ok(old) => old,
            Err(refused) => {
                // Both were asked for at once: a new order of the name that is not found is judged before it is sealed.
                let admitted = match replace.mode {
                    ReplaceMode::StopOnFailure => {
                        let admitted = self.admit_with(&order, Some(&terms), &Beside::default());
                        self.judged(admitted, &order, &terms).and(Err(refused))
                    }
                    ReplaceMode::AllowFailure => {
                        self.judged(self.admit(&order, Some(&terms), mailboxes), &order, &terms)
                    }
                };
                if refused.reason == RejectReason::UnknownOrder {
                    let reason =
                        self.unknown_order(cancel.order, cancel.account, cancel.client_order_id, cancel.asked_us);
                    if reason != RejectReason::UnknownOrder {
                        return Err(reason.into());
                    }
                }
                let admitted = admitted?;
                let (account, market, reason) = (cancel.account, cancel.market, refused.reason);
                let told = CancelRejected { order: cancel.order, account, market, reason, request: position };
                effects.tell(Event::CancelRejected(told));
                return Ok(match admitted {
                    Ok(admitted) => self.send_on_terms(&order, &admitted, terms, effects).get(),
                    Err(no) => tell_refused(position, cancel, no, effects),
                });
            }
        };
        let partition = self.registry.market(old.market)?.listed.partition;
        let covers = old.list == ListId::ZERO && old.side == order.side;
        let credit = if covers { old.held } else { Amount::ZERO };
        let admitted = self.admit_with(&order, Some(&terms), &Beside { credit, ..Beside::default() });
        let admitted = match self.judged(admitted, &order, &terms)? {
            Ok(admitted) => admitted,
            // Its own name is taken for sure, and a sealed one never comes: whoever sends this would be left without an order, and
            // whoever has asked for it by that name was told that nothing replaces the old one.
            Err(no) if order.client_order_id == old.client_order_id || self.is_sealed(&order) => return Err(no),
            Err(no) => {
                let (to, pull, _) = self.cancel_order(cancel)?;
                effects.send(to, Mail::PullOrder(pull));
                return Ok(tell_refused(position, cancel, no, effects));
            }
        };
        if !self.orders.has_room() {
            return Err(RejectReason::Busy.into());
        }
        if !self.lane_has_room(partition, mailboxes) {
            return Err(RejectReason::MarketUnavailable.into());
        }
        let increment = admitted.hold.checked_sub(credit).unwrap_or(Amount::ZERO);
        let held_now = Admitted { hold: increment, ..admitted };
        let place = self.open_order(&order, &held_now, ListId::ZERO, is_iceberg(&terms), effects);
        if terms != Terms::NONE {
            self.tell_terms(place.order, &order, ListId::ZERO, terms, effects);
        }
        let (account, market, name) = (cancel.account, cancel.market, cancel.new_client_order_id);
        let ends = self.order_to_pull(old.id, position, CancelCause::Requested, name);
        let expected = self.orders.get(ends).map_or(old.leaves, |ends| ends.leaves);
        // What waits has not traded, whatever the order has that it waits for.
        let only_expected = cancel.restriction == CancelRestriction::OnlyNew && ends == old.id;
        self.lanes.place(partition);
        self.lanes.ask(partition, Asked { request: position, account, market, order: ends, name, sides: Sides::Both });
        let (order, quote_qty) = (place.order, order.quote_qty);
        let replacing = Replacing {
            old: ends,
            expected,
            is_late: false,
            order,
            hold: admitted.hold,
            mode: replace.mode,
            place,
            quote_qty,
            terms,
        };
        self.replaces.requests.insert(position, replacing);
        let mail = ReplaceResting { old: ends, expected, only_expected, request: position, place, terms };
        effects.send(partition, Mail::ReplaceResting(Box::new(mail)));
        Ok(order.get())
    }

    /// A new order that is wrong in itself refuses the command; of one that only cannot be now, why not.
    fn judged(
        &self,
        admitted: Result<Admitted, Refused>,
        order: &NewOrder,
        terms: &Terms,
    ) -> Result<Result<Admitted, Refused>, Refused> {
        match admitted {
            Err(no) if cannot_be_now(no.reason) => {
                self.check_in_itself(order, terms)?;
                Ok(Err(no))
            }
            admitted => admitted.map(Ok),
        }
    }

    /// The order that is to go, as far as the ledger knows.
    fn replaced(&self, replace: &ReplaceOrder) -> Result<Order, Refused> {
        let cancel = &replace.cancel;
        let open = match cancel.order.get() {
            0 => self.orders.named(cancel.account, &cancel.client_order_id),
            _ => self.orders.get(cancel.order),
        };
        let open = open.filter(|open| open.account == cancel.account && open.market == cancel.market);
        let Some(open) = open else { return Err(RejectReason::UnknownOrder.into()) };
        if open.is_in(cancel.restriction) { Ok(*open) } else { Err(RejectReason::CancelRestricted.into()) }
    }

    /// Sends an admitted order on terms.
    pub(super) fn send_on_terms(
        &mut self,
        order: &NewOrder,
        admitted: &Admitted,
        terms: Terms,
        effects: &mut Effects<'_>,
    ) -> OrderId {
        let partition = admitted.partition;
        let place = self.open_order(order, admitted, ListId::ZERO, is_iceberg(&terms), effects);
        if terms != Terms::NONE {
            self.tell_terms(place.order, order, ListId::ZERO, terms, effects);
        }
        self.lanes.place(partition);
        let mail = PlaceOrderOnTerms { place, terms, is_late: false };
        effects.send(partition, Mail::PlaceOrderOnTerms(Box::new(mail)));
        place.order
    }

    /// The old order has ended and its hold is free: what the new one still needs is held, if it has come in.
    pub(super) fn hold_for_replacement(&mut self, request: LogPosition, old: OrderId, left: Qty) {
        let Some(replacing) = self.replaces.requests.get_mut(&request).filter(|replacing| replacing.old == old) else {
            return;
        };
        if replacing.expected != left {
            replacing.is_late = true;
            return;
        }
        let (id, hold) = (replacing.order, replacing.hold);
        self.replaces.requests.remove(&request);
        self.hold_up_to(id, hold);
    }

    /// The order that was to go has ended for this request without its market: it waited, and what it waited for has filled.
    pub(super) fn replaced_while_it_waited(&mut self, request: LogPosition, working: OrderId) {
        if let Some(replacing) = self.replaces.requests.get_mut(&request).filter(|replacing| replacing.old == working) {
            replacing.is_late = true;
        }
    }

    /// Raises an order's hold, which free balance covers.
    pub(super) fn hold_up_to(&mut self, id: OrderId, hold: Amount) {
        let Some(order) = self.orders.get(id).copied() else { return };
        let Ok(market) = self.registry.market(order.market) else { return };
        let asset = super::settlement::given_asset(order.side, &market.listed);
        let missing = hold.checked_sub(order.held).unwrap_or(Amount::ZERO);
        if !missing.is_zero() {
            self.balances.hold(order.account, asset, missing);
        }
        if let Some(open) = self.orders.get_mut(id) {
            open.held = hold.max(order.held);
        }
    }

    pub(super) fn replace_refused(&mut self, from: PartitionId, refused: &ReplaceRefused, effects: &mut Effects<'_>) {
        let ReplaceRefused { market, old, order: id, request } = *refused;
        let asked = self.lanes.answered(from, request);
        // The end of the old order was the answer to its cancel.
        let is_late = self.replaces.requests.get(&request).is_some_and(|replacing| replacing.is_late);
        if asked.is_none() && !is_late {
            return;
        }
        let Some(replacing) = self.replaces.requests.remove(&request) else { return };
        if let Some(asked) = asked.filter(|_| !is_late) {
            let is_open = self.orders.get(old).is_some();
            let reason = if is_open { RejectReason::LeavesChanged } else { RejectReason::TooLateToCancel };
            let account = asked.account;
            effects.tell(Event::CancelRejected(CancelRejected { order: old, account, market, reason, request }));
        }
        // It may have been pegged meanwhile.
        if let Some((old, listed)) = self.order_of(from, old).filter(|(old, _)| old.is_limit) {
            self.lower_hold_to_limit(&old, &listed);
        }
        let Some((order, listed)) = self.order_of(from, id) else { return };
        self.release(&order, &listed, order.held);
        if let Some(open) = self.orders.get_mut(id) {
            open.held = Amount::ZERO;
        }
        let admitted = match replacing.mode {
            // The cancel has passed the order by in its market, or will: nothing may be placed behind it.
            _ if self.lanes.covers(from, &order, self.amends.on_its_way(id)) => Err(RejectReason::NotAttempted.into()),
            ReplaceMode::StopOnFailure if !is_late => Err(RejectReason::NotAttempted.into()),
            ReplaceMode::StopOnFailure | ReplaceMode::AllowFailure => self.hold_again(&replacing, &order, &listed),
        };
        match admitted {
            Ok(Admitted { hold, qty, budget, .. }) => {
                self.hold_up_to(id, hold);
                if let Some(open) = self.orders.get_mut(id) {
                    (open.qty, open.leaves) = (qty, qty);
                }
                let place = PlaceOrder { qty, budget, ..replacing.place };
                let mail = PlaceOrderOnTerms { place, terms: replacing.terms, is_late: true };
                effects.send(from, Mail::PlaceOrderOnTerms(Box::new(mail)));
            }
            Err(Refused { reason, .. }) => {
                self.lanes.placed(from);
                self.orders.discard(id);
                let account = order.account;
                effects.tell(Event::OrderRejected(OrderRejected { order: id, account, market, reason }));
            }
        }
    }

    /// What the new order needs when it has to do without the old one's hold.
    fn hold_again(
        &self,
        replacing: &Replacing,
        order: &Order,
        market: &wire::event::MarketListed,
    ) -> Result<Admitted, Refused> {
        let new = as_new(&replacing.place, replacing.quote_qty, order);
        check_filters(&new, Some(&replacing.terms), market)?;
        self.hold_for(&new, market, Amount::ZERO)
    }
}

/// Whether an order that is refused for this is good in itself: its failure does not undo the cancel beside it.
fn cannot_be_now(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::InsufficientBalance
            | RejectReason::DuplicateClientOrderId
            | RejectReason::MarketClosed
            | RejectReason::NotInAuction
            | RejectReason::PostOnlyPhase
            | RejectReason::AccountKilled
            | RejectReason::ApiKeyKilled
            | RejectReason::UnknownLease
    )
}

/// The reply's id when no new order has come in.
fn tell_refused(position: LogPosition, cancel: &CancelOrder, no: Refused, effects: &mut Effects<'_>) -> u64 {
    let (account, market, request) = (cancel.account, cancel.market, position);
    let told = ReplacementRefused { account, market, request, reason: no.reason, id: no.id };
    effects.tell(Event::ReplacementRefused(told));
    0
}

/// An order that waits in the ledger, as it was asked for.
pub(super) fn as_new(place: &PlaceOrder, quote_qty: Amount, order: &Order) -> NewOrder {
    NewOrder {
        account: order.account,
        market: order.market,
        side: place.side,
        kind: place.kind,
        time_in_force: place.time_in_force,
        self_trade: place.self_trade,
        price: place.price,
        qty: if quote_qty.is_zero() { place.qty } else { wire::Qty::ZERO },
        quote_qty,
        client_order_id: order.client_order_id,
        key: order.key,
        session: order.session,
        asked_us: 0,
    }
}
