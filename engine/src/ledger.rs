//! The ledger cell: accounts and what they own.
//!
//! Orders and cancels enter here. Funds are held before an order leaves for its market, settled when the market's
//! answers come back, and only then told. So an account has one sequence of events over all markets, and
//! whoever has seen an outcome can spend the funds with the next command.

mod admission;
mod ageing;
mod amends;
mod asset_limits;
mod balances;
mod blockchains;
mod bounds;
mod capacity;
mod chains;
mod conduct;
mod deposits;
mod fees;
mod lanes;
mod list_shape;
mod lists;
mod loosenings;
mod markets;
mod mass_cancel;
mod opening;
mod orders;
mod pegs;
mod prevention;
mod registry;
mod replace;
mod reserves;
mod seals;
mod settlement;
mod sightings;
mod silence;
mod special;
mod tally;
mod withdrawals;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CancelAll, CancelOrder, NewOrder};
use wire::event::OrderPending;
use wire::mail::{PlaceOrder, PullOrder};
use wire::{
    AccountId, CancelCause, Capacity, ClientOrderId, Event, ListId, LogPosition, Mail, MarketId, OrderId, PartitionId,
    RejectReason, Side, Sides, Timestamp,
};

use self::admission::Admitted;
use self::ageing::Ageing;
use self::amends::Amends;
pub use self::balances::AssetAudit;
use self::balances::Balances;
use self::blockchains::Blockchains;
use self::conduct::Conduct;
use self::deposits::Deposits;
use self::fees::Fees;
use self::lanes::{Asked, Lanes};
use self::lists::Lists;
use self::loosenings::Loosenings;
use self::orders::{Order, Orders};
pub use self::registry::Listings;
use self::registry::Registry;
use self::replace::Replaces;
use self::reserves::Reserves;
use self::seals::Seals;
use self::sightings::Sightings;
use self::silence::Silence;
use self::withdrawals::Withdrawals;
use crate::effects::Effects;
use crate::limits::Limits;
use crate::mailbox::Mailboxes;

/// Why a command was refused, and the id that the reason speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: RejectReason,
    pub(crate) id: u64,
}

impl Refused {
    pub(crate) fn because(reason: RejectReason) -> Refused {
        Refused { reason, id: 0 }
    }

    fn naming(reason: RejectReason, id: u64) -> Refused {
        Refused { reason, id }
    }
}

impl From<RejectReason> for Refused {
    fn from(reason: RejectReason) -> Refused {
        Refused::because(reason)
    }
}

/// The id that a command created or named, or why it was refused.
pub(crate) type Answer = Result<u64, Refused>;

/// Accounts, balances, holds, fees, API keys, assets, markets and open orders.
pub(crate) struct LedgerCell {
    /// Where this cell lives.
    partition: PartitionId,
    capacity: Capacity,
    unanswered_max: usize,
    registry: Registry,
    balances: Balances,
    orders: Orders,
    lanes: Lanes,
    conduct: Conduct,
    fees: Fees,
    amends: Amends,
    replaces: Replaces,
    lists: Lists,
    silence: Silence,
    seals: Seals,
    ageing: Ageing,
    blockchains: Blockchains,
    deposits: Deposits,
    sightings: Sightings,
    withdrawals: Withdrawals,
    reserves: Reserves,
    loosenings: Loosenings,
    /// When the running command was sequenced.
    now: Timestamp,
    /// The same by the time that names of closed orders and seals age by.
    age: Timestamp,
    /// Where it was.
    position: LogPosition,
}

impl LedgerCell {
    pub(crate) fn new(partition: PartitionId, limits: &Limits) -> LedgerCell {
        LedgerCell {
            partition,
            capacity: limits.capacity(),
            unanswered_max: limits.unanswered_max as usize,
            registry: Registry::new(limits),
            balances: Balances::new(limits.accounts_max, limits.assets_max),
            orders: Orders::new(limits),
            lanes: Lanes::new(),
            conduct: Conduct::new(limits),
            fees: Fees::new(limits),
            amends: Amends::default(),
            replaces: Replaces::default(),
            lists: Lists::default(),
            silence: Silence::new(limits),
            seals: Seals::new(limits),
            ageing: Ageing::default(),
            blockchains: Blockchains::new(limits),
            deposits: Deposits::new(limits),
            sightings: Sightings::new(limits),
            withdrawals: Withdrawals::new(limits),
            reserves: Reserves::default(),
            loosenings: Loosenings::default(),
            now: Timestamp::ZERO,
            age: Timestamp::ZERO,
            position: LogPosition::ZERO,
        }
    }

    /// Before a command: where and when it was sequenced, and what is forgotten by then. Whether somebody has been silent
    /// for too long.
    #[inline]
    pub(crate) fn begin(&mut self, position: LogPosition, now: Timestamp) -> bool {
        (self.position, self.now) = (position, now);
        self.age = self.ageing.begin(now);
        self.orders.forget(self.age);
        self.seals.forget(self.age);
        self.loosenings.forget(now);
        self.silence.is_due(now)
    }

    /// A new leader's first entry: clients could not reach a leader before it.
    pub(crate) fn begin_term(&mut self, now: Timestamp) {
        self.silence.begin_term(now);
        self.ageing.begin_term(now);
    }

    /// When a command is needed because a client has been silent for too long.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.silence.deadline()
    }

    /// After a command: tells what moved, and asserts that no money appeared or vanished.
    pub(crate) fn finish(&mut self, effects: &mut Effects<'_>) {
        self.balances.finish(effects);
    }

    /// Reads what an order of the account in the market will need of both, as far as they are known, of the balances the one
    /// that its side gives; what it was has no meaning.
    #[inline(always)]
    pub(crate) fn read_account(&self, account: AccountId, market: MarketId, side: Option<Side>) -> u64 {
        let (Ok(_), Ok(known)) = (self.registry.account(account), self.registry.market(market)) else { return 0 };
        let held = |asset| self.balances.get(account, asset).held.units() as u64;
        let balances = match side {
            Some(Side::Buy) => held(known.listed.quote),
            Some(Side::Sell) => held(known.listed.base),
            None => held(known.listed.base) ^ held(known.listed.quote),
        };
        self.conduct.read(account, market) ^ self.orders.read_account(account, market) ^ balances
    }

    /// The id that the next order gets.
    #[inline]
    pub(crate) fn next_order(&self) -> OrderId {
        self.orders.next_id()
    }

    /// As [`LedgerCell::read_account`], of what a cancel of an order needs.
    #[inline]
    pub(crate) fn read_order(&self, order: OrderId) -> u64 {
        self.orders.read_order(order)
    }

    /// As [`LedgerCell::read_account`], of where the names of new orders will be looked for.
    #[inline]
    pub(crate) fn read_names(&self, names: impl Iterator<Item = (AccountId, ClientOrderId)>) -> u64 {
        self.orders.read_names(names)
    }

    pub(crate) fn audit(&self) -> Vec<AssetAudit> {
        self.balances.audit()
    }

    /// Holds the funds. What is to be sent to the order's market, and where that is.
    pub(crate) fn new_order(
        &mut self,
        order: &NewOrder,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Result<(PartitionId, PlaceOrder), Refused> {
        let admitted = self.admit(order, None, mailboxes)?;
        let place = self.open_order(order, &admitted, ListId::ZERO, false, effects);
        self.lanes.place(admitted.partition);
        Ok((admitted.partition, place))
    }

    /// Books an admitted order, holds for it, and tells it. What its market needs to know.
    #[inline]
    fn open_order(
        &mut self,
        order: &NewOrder,
        admitted: &Admitted,
        list: ListId,
        is_iceberg: bool,
        effects: &mut Effects<'_>,
    ) -> PlaceOrder {
        let id = self.orders.next_id();
        let NewOrder { account, market, side, kind, time_in_force, self_trade, price, .. } = *order;
        self.balances.hold(account, admitted.asset, admitted.hold);
        let open = Order {
            id,
            account,
            market,
            side,
            is_limit: !kind.is_market(),
            is_stop: kind.is_stop(),
            is_iceberg,
            list,
            is_accepted: false,
            has_traded: false,
            is_cancel_asked: false,
            amends: 0,
            price,
            qty: admitted.qty,
            leaves: admitted.qty,
            held: admitted.hold,
            client_order_id: order.client_order_id,
            key: order.key,
            session: order.session,
        };
        if list == ListId::ZERO {
            self.orders.open_as(admitted.name, &open);
        } else {
            // Another order of the list may have taken what it is found by.
            self.orders.open(&open);
        }
        self.conduct.count_order(account, self.now);
        effects.tell(Event::OrderPending(OrderPending {
            order: id,
            account,
            market,
            side,
            kind,
            time_in_force,
            self_trade,
            price,
            qty: order.qty,
            quote_qty: order.quote_qty,
            client_order_id: order.client_order_id,
        }));
        let (qty, budget) = (admitted.qty, admitted.budget);
        let group = self.conduct.group(account);
        PlaceOrder { market, order: id, account, side, kind, time_in_force, self_trade, price, qty, budget, group }
    }

    /// Lets the cancel follow the order. The first for an order always passes; more of them while the market has not
    /// answered pass while there is room. What is to be sent to the order's market, where that is, and the order that the
    /// answer names.
    pub(crate) fn cancel_order(&mut self, cancel: &CancelOrder) -> Result<(PartitionId, PullOrder, OrderId), Refused> {
        let CancelOrder { account, market, order, client_order_id, restriction, .. } = *cancel;
        let name = cancel.new_client_order_id;
        self.registry.account(account)?;
        let partition = self.registry.market(market)?.listed.partition;
        let open = match order.get() {
            0 => self.orders.named(account, &client_order_id),
            _ => self.orders.get(order),
        };
        let Some(open) = open.filter(|open| open.account == account && open.market == market) else {
            return Err(self.unknown_order(order, account, client_order_id, cancel.asked_us).into());
        };
        if !open.is_in(restriction) {
            return Err(RejectReason::CancelRestricted.into());
        }
        let (id, is_listed) = (open.id, open.list != ListId::ZERO);
        if (open.is_cancel_asked || is_listed) && !self.cancels_have_room(partition) {
            return Err(RejectReason::Busy.into());
        }
        let (request, cause) = (self.position, CancelCause::Requested);
        let order = if is_listed { self.order_to_pull(id, request, cause, name) } else { id };
        if let Some(open) = self.orders.get_mut(order) {
            open.is_cancel_asked = true;
        }
        self.lanes.ask(partition, Asked { request, account, market, order, name, sides: Sides::Both });
        Ok((partition, PullOrder { market, order, request, cause }, id))
    }

    /// Sends the mass cancel after everything that was accepted before it.
    pub(crate) fn cancel_all(
        &mut self,
        position: LogPosition,
        cancel: &CancelAll,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let CancelAll { account, market } = *cancel;
        self.registry.account(account)?;
        let partition = self.registry.market(market)?.listed.partition;
        if self.orders.count(account, market) == 0 {
            return Err(RejectReason::NoOpenOrders.into());
        }
        if !self.cancels_have_room(partition) {
            return Err(RejectReason::Busy.into());
        }
        self.pull_all(position, account, market, Sides::Both, CancelCause::MassCancel, effects);
        Ok(0)
    }

    /// Where a known market's cell lives.
    fn partition_of(&self, market: MarketId) -> Option<PartitionId> {
        self.registry.market(market).ok().map(|market| market.listed.partition)
    }

    /// Whether one more order may go to a partition: neither its outcome nor its mail waits behind too many.
    fn lane_has_room(&self, to: PartitionId, mailboxes: &Mailboxes) -> bool {
        to == self.partition
            || (self.lanes.unanswered(to) < self.unanswered_max
                && mailboxes.waiting(to) < self.unanswered_max
                && mailboxes.can_reach(to))
    }

    /// Cancels keep a headroom of as much again as orders may take.
    fn cancels_have_room(&self, to: PartitionId) -> bool {
        self.lanes.unanswered(to) < 2 * self.unanswered_max
    }

    /// A market's answer.
    pub(crate) fn receive(&mut self, from: PartitionId, mail: &Mail, effects: &mut Effects<'_>) {
        match mail {
            Mail::OrderRefused(refused) => self.refused(from, refused, effects),
            Mail::OrderFilled(fill) => self.filled(from, fill, effects),
            Mail::OrderRested(rested) => self.rested(from, rested, effects),
            Mail::OrderEnded(ended) => self.ended(from, ended, effects),
            Mail::PullRefused(refused) => self.pull_refused(from, refused, effects),
            Mail::OrdersPulled(done) => self.orders_pulled(from, done, effects),
            Mail::MarketReported(report) => self.market_reported(from, report, effects),
            Mail::TradePrevented(prevented) => self.prevented(from, prevented, effects),
            Mail::OrderReduced(reduced) => self.reduced(from, reduced, effects),
            Mail::ReduceRefused(refused) => self.reduce_refused(from, refused, effects),
            Mail::ReplaceRefused(refused) => self.replace_refused(from, refused, effects),
            Mail::StopArmed(armed) => self.armed(from, armed, effects),
            Mail::StopTracking(tracking) => self.tracking(from, tracking, effects),
            Mail::StopTriggered(triggered) => self.triggered(from, triggered, effects),
            Mail::PegSet(set) => self.pegged(from, set, effects),
            Mail::MarketQuarantined(told) => {
                if self.partition_of(told.market) == Some(from) {
                    self.quarantine(told.market, effects);
                }
            }
            Mail::CreateMarket(_)
            | Mail::ChangeMarketStatus(_)
            | Mail::ChangeMarketSchedule(_)
            | Mail::ChangeMarketProtection(_)
            | Mail::ChangeMarketRules(_)
            | Mail::ChangeMarketCapacity(_)
            | Mail::PlaceOrder(_)
            | Mail::PullOrder(_)
            | Mail::PullOrders(_)
            | Mail::PlaceOrderOnTerms(_)
            | Mail::PlacePair(_)
            | Mail::ReduceOrder(_)
            | Mail::ReplaceResting(_) => {}
        }
    }

    pub(crate) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.capacity);
        self.registry.save(to);
        self.balances.save(to);
        self.orders.save(to);
        self.lanes.save(to);
        self.conduct.save(to);
        self.silence.save(to);
        self.seals.save(to);
        self.ageing.save(to);
        self.fees.save(to);
        self.amends.save(to);
        self.replaces.save(to);
        self.blockchains.save(to);
        self.deposits.save(to);
        self.sightings.save(to);
        self.withdrawals.save(to);
        self.reserves.save(to);
        self.loosenings.save(to);
        self.lists.save(to);
    }

    pub(crate) fn load(
        partition: PartitionId,
        limits: &Limits,
        from: &mut Reader<'_>,
    ) -> Result<LedgerCell, CodecError> {
        let limits = &limits.with(&from.get()?);
        if limits.capacity().rows().into_iter().zip(Capacity::MOST.rows()).any(|(rows, most)| rows > most) {
            return Err(CodecError::OutOfRange);
        }
        let mut ledger = LedgerCell::new(partition, limits);
        ledger.registry = Registry::load(limits, from)?;
        for _ in 0..ledger.registry.assets() {
            ledger.balances.add_asset();
        }
        for _ in 0..ledger.registry.accounts() {
            ledger.balances.add_account();
            ledger.orders.add_account();
            ledger.conduct.add_account();
        }
        ledger.balances.load(from)?;
        ledger.orders.load(ledger.registry.accounts(), from)?;
        ledger.lanes = Lanes::load(from)?;
        for (key, account) in ledger.registry.key_ids() {
            ledger.conduct.add_key(key, account);
        }
        ledger.conduct.load(from)?;
        ledger.silence = Silence::load(limits, from)?;
        ledger.seals = Seals::load(limits, from)?;
        ledger.ageing = Ageing::load(from)?;
        for account in ledger.registry.opened() {
            ledger.fees.add_account(account.maker_fee, account.taker_fee);
        }
        ledger.fees.load(ledger.registry.markets(), from)?;
        ledger.amends = Amends::load(from)?;
        for (order, account, name) in ledger.amends.names() {
            if !ledger.orders.has_room_for_names(1) {
                return Err(CodecError::OutOfRange);
            }
            ledger.orders.take_name(account, &name, order);
        }
        ledger.replaces = Replaces::load(from)?;
        ledger.blockchains = Blockchains::load(limits, &ledger.registry, from)?;
        ledger.deposits = Deposits::load(limits, &ledger.blockchains, from)?;
        ledger.sightings = Sightings::load(limits, &ledger.blockchains, from)?;
        ledger.withdrawals = Withdrawals::load(limits, &ledger.registry, &ledger.blockchains, from)?;
        ledger.reserves = Reserves::load(&ledger.blockchains, from)?;
        ledger.loosenings = Loosenings::load(from)?;
        ledger.lists = Lists::load(from)?;
        Ok(ledger)
    }
}

#[cfg(test)]
impl LedgerCell {
    /// Free and held.
    pub(crate) fn balance(&self, account: wire::AccountId, asset: wire::AssetId) -> (i64, i64) {
        let balance = self.balances.get(account, asset);
        (balance.free.units(), balance.held.units())
    }

    /// Of an open order; empty of any other.
    pub(crate) fn client_order_id(&self, order: wire::OrderId) -> wire::ClientOrderId {
        self.orders.get(order).map_or(wire::ClientOrderId::EMPTY, |order| order.client_order_id)
    }
}
