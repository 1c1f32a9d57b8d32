//! A ledger that is obviously right: lists that are searched anew at every step, and wide integers. Written from the rules that
//! the modules of `engine/src/ledger` state, sharing no code with them.
//!
//! It is told commands and hears the markets' mail; nothing is ever late here: before the next command all mail has been
//! carried. What happens when it is late is the engine's scenarios' to say.

mod admission;
mod changes;
mod conduct;
mod deposits;
mod fees;
mod keys;
mod lists;
mod loosenings;
mod operators;
mod seals;
mod settlement;
mod sightings;
mod silence;
mod withdrawals;

use std::collections::{BTreeMap, BTreeSet};

use wire::command::*;
use wire::event::*;
use wire::mail::PlaceOrder;
use wire::{
    AccountId, ApiKeyId, AssetId, Capacity, ClientOrderId, ClientSessionId, Command, Event, ListId, LogPosition, Mail,
    MarketId, MarketRules, MarketScale, MarketStatus, OrderId, PartitionId, RejectReason, Side, Terms, Timestamp,
};

use self::conduct::Conduct;
use self::fees::Fees;
use self::lists::List;
use self::loosenings::Loosenings;
pub(super) use self::withdrawals::WITHDRAWALS_MAX;
use self::withdrawals::Withdrawals;
use super::numbers::amount;

/// Why not, and whose doing it is.
type Refused = (RejectReason, u64);
/// The reply's id.
type Answer = Result<u64, Refused>;

fn no<T>(reason: RejectReason) -> Result<T, Refused> {
    Err((reason, 0))
}

/// A market as the ledger knows it.
#[derive(Debug, Clone)]
struct Listed {
    id: MarketId,
    base: AssetId,
    quote: AssetId,
    scale: MarketScale,
    rules: MarketRules,
    status: MarketStatus,
    version: u32,
}

impl Listed {
    /// The asset that this side gives, then the one that it receives.
    fn assets(&self, side: Side) -> (AssetId, AssetId) {
        match side {
            Side::Buy => (self.quote, self.base),
            Side::Sell => (self.base, self.quote),
        }
    }

    fn cost(&self, price: i128, qty: i128) -> i128 {
        price * qty * i128::from(self.scale.quote_factor)
    }

    fn base_of(&self, qty: i128) -> i128 {
        qty * i128::from(self.scale.base_factor)
    }

    /// What of a budget can be bought in multiples of `lot`.
    fn affordable(&self, budget: i128, price: i128, lot: i128) -> i128 {
        (budget / self.cost(price, 1)).min(i64::MAX.into()) / lot * lot
    }
}

/// An order from its hold to its end.
#[derive(Debug, Clone, Copy)]
struct Order {
    id: u64,
    account: u32,
    market: MarketId,
    side: Side,
    /// Whether its hold follows its limit; otherwise it is a budget.
    is_limit: bool,
    is_stop: bool,
    is_iceberg: bool,
    list: u64,
    is_accepted: bool,
    has_traded: bool,
    price: i128,
    qty: i128,
    leaves: i128,
    held: i128,
    amends: u16,
    name: ClientOrderId,
    key: ApiKeyId,
    session: ClientSessionId,
}

/// A client order id that is taken.
#[derive(Debug, Clone, Copy)]
struct Name {
    account: u32,
    name: ClientOrderId,
    order: u64,
    closed: Option<u64>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// Of what it does.
    version: u16,
    capacity: Capacity,
    now: u64,
    position: u64,
    accounts: u32,
    markets: Vec<Listed>,
    /// Free and held.
    balances: BTreeMap<(u32, u16), (i128, i128)>,
    moved: BTreeSet<(u32, u16)>,
    orders: Vec<Order>,
    names: Vec<Name>,
    questions: Vec<seals::Question>,
    /// How long names and questions are remembered.
    name_retention_ns: u64,
    last_order: u64,
    lists: Vec<List>,
    last_list: u64,
    /// Of the running command: who asked, and its name for a cancel.
    asked: (u32, ClientOrderId),
    /// Orders that the running command has asked their markets for, and for whom: a tick may end several accounts' sessions.
    withdrawn: BTreeMap<u64, u32>,
    replacing: Option<(u64, u64, i128)>,
    amended: Option<(u64, ClientOrderId)>,
    conduct: Conduct,
    keys: Vec<keys::Key>,
    last_key: u32,
    chains: Vec<deposits::Chain>,
    deposits: Vec<DepositChanged>,
    sightings: Vec<sightings::Sighting>,
    withdrawals: Withdrawals,
    /// Chains of whose money something was told.
    used_chains: BTreeSet<u16>,
    loosenings: Loosenings,
    fees: Fees,
    leases: BTreeMap<(u32, u64), (u64, u64)>,
    countdowns: BTreeMap<(u32, u16), u64>,
    /// None of either runs out before this.
    not_before: u64,
    pub(super) events: Vec<Event>,
    pub(super) mail: Vec<Mail>,
}

impl Ledger {
    /// With markets of these assets, and an account for each pair of maker and taker fee.
    pub(super) fn new(
        rules: MarketRules,
        scale: MarketScale,
        markets: &[(AssetId, AssetId)],
        fees: Vec<(wire::FeeRate, wire::FeeRate)>,
        (capacity, name_retention_ns): (Capacity, u64),
    ) -> Ledger {
        let listed = (1..).map(MarketId::new).zip(markets).map(|(id, (base, quote))| {
            let (base, quote, status, version) = (*base, *quote, MarketStatus::Trading, 0);
            Listed { id, base, quote, scale, rules, status, version }
        });
        Ledger {
            version: 1,
            capacity,
            now: 0,
            position: 0,
            accounts: fees.len() as u32,
            markets: listed.collect(),
            balances: BTreeMap::new(),
            moved: BTreeSet::new(),
            orders: Vec::new(),
            names: Vec::new(),
            questions: Vec::new(),
            name_retention_ns,
            last_order: 0,
            lists: Vec::new(),
            last_list: 0,
            asked: Default::default(),
            withdrawn: BTreeMap::new(),
            replacing: None,
            amended: None,
            conduct: Conduct::default(),
            keys: Vec::new(),
            last_key: 0,
            chains: Vec::new(),
            deposits: Vec::new(),
            sightings: Vec::new(),
            withdrawals: Withdrawals::default(),
            used_chains: BTreeSet::new(),
            loosenings: Loosenings::default(),
            fees: Fees::new(fees),
            leases: BTreeMap::new(),
            countdowns: BTreeMap::new(),
            not_before: 0,
            events: Vec::new(),
            mail: Vec::new(),
        }
    }

    /// Before a command.
    pub(super) fn begin(&mut self, position: u64, now: u64) {
        (self.position, self.now) = (position, now);
        self.names.retain(|name| name.closed.is_none_or(|closed| closed + self.name_retention_ns > now));
        self.forget_questions();
        self.withdrawn.clear();
        self.asked = Default::default();
    }

    /// After a command: every balance that has moved.
    pub(super) fn finish(&mut self) {
        for (account, asset) in std::mem::take(&mut self.moved) {
            let (free, held) = self.balances[&(account, asset)];
            let (account, asset) = (AccountId::new(account), AssetId::new(asset));
            let (free, held) = (amount(free), amount(held));
            self.events.push(Event::BalanceChanged(BalanceChanged { account, asset, free, held }));
        }
    }

    pub(super) fn ask(&mut self, command: &Command) -> Answer {
        match command {
            Command::Tick(_) => Ok(0),
            Command::SetVersion(set) => Ok(self.set_version(set.version)),
            Command::Credit(credit) => self.credit(credit),
            Command::Debit(debit) => self.debit(debit),
            Command::NewOrder(new) => self.new_order(new),
            Command::NewOrderOnTerms(new) => self.new_order_on_terms(new),
            Command::NewOrderList(new) => self.new_order_list(new),
            Command::AmendOrder(amend) => self.amend_order(amend),
            Command::ReplaceOrder(replace) => self.replace_order(replace),
            Command::CancelOrder(cancel) => self.cancel_order(cancel),
            Command::SealName(seal) => self.seal_name(seal),
            Command::CancelOrderList(cancel) => self.cancel_order_list(cancel),
            Command::CancelAll(cancel) => self.cancel_all(cancel),
            Command::MassCancel(cancel) => self.mass_cancel(cancel),
            Command::SetKillSwitch(set) => self.set_kill_switch(set),
            Command::AddApiKey(add) => self.add_api_key(add),
            Command::RevokeApiKey(revoke) => self.revoke_api_key(revoke),
            Command::RestrictApiKey(restrict) => self.restrict_api_key(restrict),
            Command::ExtendApiKey(extend) => self.extend_api_key(extend),
            Command::RenewLease(renew) => self.renew_lease(renew),
            Command::EndLease(end) => self.end_lease(end),
            Command::CountdownCancel(arm) => self.countdown_cancel(arm),
            Command::SetMarketStatus(set) => self.set_market_status(set),
            Command::ReopenMarket(reopen) => self.reopen_market(reopen),
            Command::KillMarket(kill) => self.kill_market(kill),
            Command::DelistMarket(delist) => self.delist_market(delist),
            Command::SetMarketSchedule(set) => self.set_market_schedule(set),
            Command::SetMarketProtection(set) => self.set_market_protection(set),
            Command::SetMarketRules(set) => self.set_market_rules(set),
            Command::AssignAccount(assign) => self.assign_account(assign),
            Command::RaiseCapacity(raise) => self.raise_capacity(raise),
            Command::SetAccountLimits(set) => self.set_account_limits(set),
            Command::SetOrderLimits(set) => self.set_order_limits(set),
            Command::SetAssetLimit(set) => self.set_asset_limit(set),
            Command::SetFeeSchedule(set) => self.set_fee_schedule(set),
            Command::SetFees(set) => self.set_fees(set),
            Command::ListChain(list) => self.list_chain(list),
            Command::ListChainAsset(list) => self.list_chain_asset(list),
            Command::ClaimChain(claim) => self.claim_chain(claim),
            Command::FreezeChain(command) => self.freeze_chain(command),
            Command::RequestAddress(request) => self.request_address(request),
            Command::BindAddress(bind) => self.bind_address(bind),
            Command::ReportDeposit(report) => self.report_deposit(report),
            Command::SightDeposit(sight) => self.sight_deposit(sight),
            Command::ReportHead(report) => self.report_head(report),
            Command::ResolveDeposit(resolve) => self.resolve_deposit(resolve),
            Command::SetWithdrawalRules(set) => self.tighten(&Loosening::SetWithdrawalRules(set.clone())),
            Command::RestrictWithdrawals(restrict) => self.tighten(&Loosening::RestrictWithdrawals(*restrict)),
            Command::AllowAddress(allow) => self.tighten(&Loosening::AllowAddress(allow.clone())),
            Command::ProposeLoosening(propose) => self.propose_loosening(propose),
            Command::ApproveLoosening(approve) => self.approve_loosening(approve),
            Command::DropLoosening(drop) => self.drop_loosening(drop),
            Command::RequestWithdrawal(request) => self.request_withdrawal(request),
            Command::ApproveWithdrawal(approve) => self.approve_withdrawal(approve),
            Command::CancelWithdrawal(cancel) => self.cancel_withdrawal(cancel),
            Command::AllocateWithdrawal(allocate) => self.allocate_withdrawal(allocate),
            Command::SignWithdrawal(sign) => self.sign_withdrawal(sign),
            Command::RefuseWithdrawal(refuse) => self.refuse_withdrawal(refuse),
            Command::ReportWithdrawal(report) => self.report_withdrawal(report),
            Command::FailWithdrawal(fail) => self.fail_withdrawal(fail),
            Command::SetHotWallet(set) => self.set_hot_wallet(set),
            Command::MoveFunds(wanted) => self.move_funds(wanted),
            Command::GatherWithdrawals(gather) => self.gather_withdrawals(gather),
            Command::ReleaseWithdrawal(release) => self.release_withdrawal(release),
            other => panic!("the model does not know {other:?}"),
        }
    }

    /// A market says something.
    pub(super) fn hear(&mut self, mail: &Mail) {
        match mail {
            Mail::OrderRefused(refused) => self.refused(refused),
            Mail::OrderFilled(fill) => self.filled(fill),
            Mail::OrderRested(rested) => self.rested(rested),
            Mail::OrderEnded(ended) => self.ended(ended),
            Mail::PullRefused(refused) => self.pull_refused(refused),
            Mail::OrdersPulled(done) => self.orders_pulled(done),
            Mail::TradePrevented(prevented) => self.prevented(prevented),
            Mail::StopArmed(armed) => self.armed(armed),
            Mail::StopTracking(tracking) => self.tracking(tracking),
            Mail::StopTriggered(triggered) => self.triggered(triggered),
            Mail::PegSet(set) => self.pegged(set),
            Mail::OrderReduced(reduced) => self.reduced(reduced),
            Mail::MarketReported(report) => self.reported(report),
            other => panic!("nothing is late here: {other:?}"),
        }
    }

    fn balance(&self, account: u32, asset: AssetId) -> (i128, i128) {
        self.balances.get(&(account, asset.get())).copied().unwrap_or_default()
    }

    fn shift(&mut self, account: u32, asset: AssetId, free: i128, held: i128) {
        let balance = self.balances.entry((account, asset.get())).or_default();
        balance.0 += free;
        balance.1 += held;
        assert!(balance.0 >= 0 && balance.1 >= 0);
        self.moved.insert((account, asset.get()));
    }

    fn account(&self, account: AccountId) -> Result<u32, Refused> {
        let is_known = (1..=self.accounts).contains(&account.get());
        if is_known { Ok(account.get()) } else { no(RejectReason::UnknownAccount) }
    }

    fn market(&self, id: MarketId) -> Result<Listed, Refused> {
        self.markets.iter().find(|market| market.id == id).cloned().ok_or((RejectReason::UnknownMarket, 0))
    }

    /// The market of an open order.
    fn market_of(&self, order: &Order) -> Listed {
        self.market(order.market).expect("an order's market is known")
    }

    fn order(&self, id: u64) -> Option<Order> {
        self.orders.iter().find(|order| order.id == id).copied()
    }

    fn order_mut(&mut self, id: u64) -> &mut Order {
        self.orders.iter_mut().find(|order| order.id == id).expect("an open order")
    }

    fn asset(&self, asset: AssetId) -> Result<(), Refused> {
        let is_known = self.markets.iter().any(|market| [market.base, market.quote].contains(&asset));
        if is_known { Ok(()) } else { no(RejectReason::UnknownAsset) }
    }

    fn credit(&mut self, credit: &Credit) -> Answer {
        let Credit { account, asset, amount } = *credit;
        let of = self.account(account)?;
        self.asset(asset)?;
        if amount.is_zero() {
            return no(RejectReason::ZeroAmount);
        }
        self.shift(of, asset, amount.wide(), 0);
        self.events.push(Event::Credited(Credited { account, asset, amount }));
        Ok(self.free_told(of, asset))
    }

    fn debit(&mut self, debit: &Debit) -> Answer {
        let Debit { account, asset, amount } = *debit;
        let of = self.account(account)?;
        self.asset(asset)?;
        if amount.is_zero() {
            return no(RejectReason::ZeroAmount);
        }
        if self.balance(of, asset).0 < amount.wide() {
            return no(RejectReason::InsufficientBalance);
        }
        self.shift(of, asset, -amount.wide(), 0);
        self.events.push(Event::Debited(Debited { account, asset, amount }));
        Ok(self.free_told(of, asset))
    }

    /// From version 2 on whoever moves money is told what is free then.
    fn free_told(&self, account: u32, asset: AssetId) -> u64 {
        if self.version < 2 { 0 } else { self.balance(account, asset).0 as u64 }
    }

    fn set_version(&mut self, version: u16) -> u64 {
        if version != self.version {
            self.version = version;
            self.events.push(Event::VersionChanged(VersionChanged { partition: PartitionId::new(1), version }));
        }
        0
    }

    /// Holds for an admitted order and tells it. What its market is told.
    fn open(&mut self, new: &NewOrder, admitted: &admission::Admitted, list: u64) -> PlaceOrder {
        let NewOrder { account, market, side, kind, time_in_force, self_trade, price, client_order_id, .. } = *new;
        let (asset, _) = self.market(market).expect("it was admitted").assets(side);
        self.shift(account.get(), asset, -admitted.hold, admitted.hold);
        self.last_order += 1;
        let id = self.last_order;
        let order = OrderId::new(id);
        self.names.push(Name { account: account.get(), name: client_order_id, order: id, closed: None });
        self.orders.push(Order {
            id,
            account: account.get(),
            market,
            side,
            is_limit: !kind.is_market(),
            is_stop: kind.is_stop(),
            is_iceberg: admitted.is_iceberg,
            list,
            is_accepted: false,
            has_traded: false,
            price: super::numbers::of(price),
            qty: admitted.qty,
            leaves: admitted.qty,
            held: admitted.hold,
            amends: 0,
            name: client_order_id,
            key: new.key,
            session: new.session,
        });
        self.count_order(account.get());
        let (qty, quote_qty) = (new.qty, new.quote_qty);
        self.events.push(Event::OrderPending(OrderPending {
            order,
            account,
            market,
            side,
            kind,
            time_in_force,
            self_trade,
            price,
            qty,
            quote_qty,
            client_order_id,
        }));
        let (qty, budget) = (super::numbers::qty(admitted.qty), admitted.budget());
        let group = self.conduct.group(account.get());
        PlaceOrder { market, order, account, side, kind, time_in_force, self_trade, price, qty, budget, group }
    }

    fn tell_terms(&mut self, place: &PlaceOrder, list: u64, terms: Terms) {
        let PlaceOrder { order, account, market, .. } = *place;
        let list = ListId::new(list);
        self.events.push(Event::OrderTerms(Box::new(OrderTerms { order, account, market, list, terms })));
    }

    /// The order is no longer open; its name stays taken for a minute.
    fn close(&mut self, order: &Order) {
        self.orders.retain(|open| open.id != order.id);
        let now = self.now;
        let is_its = |name: &&mut Name| name.account == order.account && name.name == order.name;
        self.names.iter_mut().find(is_its).expect("its name is taken").closed = Some(now);
    }

    /// The order never was.
    fn discard(&mut self, order: &Order) {
        self.orders.retain(|open| open.id != order.id);
        self.names.retain(|name| (name.account, name.name) != (order.account, order.name));
    }

    fn release(&mut self, order: &Order, units: i128) {
        if units > 0 {
            let (asset, _) = self.market_of(order).assets(order.side);
            self.shift(order.account, asset, units, -units);
        }
    }

    fn request(&self) -> LogPosition {
        LogPosition::new(self.position)
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }
}
