//! One partition: its cells, their mail, and the one way in.

mod foresight;
mod put_aside;
mod routing;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{DeliverMail, Reply};
use wire::event::VersionChanged;
use wire::{
    Command, Event, Incarnation, LogPosition, Mail, MailSequence, MarketId, MarketStatus, PartitionId, RejectReason,
    Timestamp,
};

use crate::digest::digest;
use crate::effects::Effects;
use crate::ledger::{Answer, AssetAudit, LedgerCell, Listings, Refused};
use crate::limits::Limits;
use crate::mailbox::{Mailboxes, Outbox};
use crate::market::MarketCell;
use crate::snapshot::{SnapshotError, open, seal};
use crate::version::Behaviour;

/// What a partition is, the same on every replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionConfig {
    /// Its name.
    pub partition: PartitionId,
    /// Where the ledger cell lives: here, when it is the same partition.
    pub ledger: PartitionId,
    /// Which life of its log this is.
    pub incarnation: Incarnation,
    /// Capacities of every table and queue.
    pub limits: Limits,
}

/// What one command brought about. Reused from command to command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The direct answer.
    pub reply: Reply,
    /// The facts, in order.
    pub events: Vec<Event>,
    /// Whether anybody reads the facts. Otherwise there are none: a copy of a partition whose other copies tell them is
    /// spared the building of them.
    pub is_heard: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output { reply: Reply::Accepted { id: 0 }, events: Vec::with_capacity(256), is_heard: true }
    }
}

impl Output {
    /// For a partition whose facts nobody reads.
    pub fn unheard() -> Output {
        Output { events: Vec::new(), is_heard: false, ..Output::default() }
    }
}

/// The cells of one partition and their mailboxes: a function of its log.
///
/// The same commands with the same positions and times give the same state and the same events on every
/// machine. Mail between its own cells is delivered within the command that caused it.
pub struct Partition {
    config: PartitionConfig,
    /// What the cells do where versions differ.
    behaviour: Behaviour,
    ledger: Option<LedgerCell>,
    /// Sorted by id.
    markets: Vec<MarketCell>,
    mailboxes: Mailboxes,
    /// Mail that the running command has caused and that is not delivered yet. Empty between commands.
    mail: Vec<(PartitionId, Mail)>,
    /// The mail that is being delivered. Empty between commands.
    round: Vec<(PartitionId, Mail)>,
    /// No market has anything due before this. Looked at anew in every market only when it is reached: with a thousand
    /// markets, looking after each command would be most of the work.
    markets_due: Timestamp,
    /// Which part of the running command is being executed.
    step: u32,
    /// Which mails of the running command are put aside.
    put_aside: Vec<u32>,
}

impl Partition {
    /// An empty partition. Reserves what its limits say.
    pub fn new(config: PartitionConfig) -> Partition {
        let is_ledger = config.partition == config.ledger;
        Partition {
            config,
            behaviour: Behaviour::FIRST,
            ledger: is_ledger.then(|| LedgerCell::new(config.partition, &config.limits)),
            markets: Vec::with_capacity(usize::from(config.limits.markets_max)),
            mailboxes: Mailboxes::new(config.incarnation, config.limits.peers_max),
            mail: Vec::with_capacity(MarketCell::replies_max(config.limits.fills_per_order_max)),
            round: Vec::with_capacity(MarketCell::replies_max(config.limits.fills_per_order_max)),
            markets_due: Timestamp::NEVER,
            step: 0,
            put_aside: Vec::new(),
        }
    }

    /// Applies the command at `position`, whose leader's clock said `now`. Never fails and never panics on
    /// anything that a client can send; a refusal is a reply.
    pub fn apply(&mut self, position: LogPosition, now: Timestamp, command: &Command, out: &mut Output) {
        self.foresee(command);
        out.events.clear();
        let mut mail = std::mem::take(&mut self.mail);
        let mut effects = Effects { events: &mut out.events, is_heard: out.is_heard, mail: &mut mail };
        self.step = 0;
        let is_silent = self.ledger.as_mut().is_some_and(|ledger| ledger.begin(position, now));
        if is_silent || now >= self.markets_due || !self.put_aside.is_empty() {
            self.pass_time(position, now, &mut effects);
            self.step = 0;
        }
        let answer = match command {
            Command::NewOrder(order) => self.new_order(now, order, &mut effects),
            Command::CancelOrder(cancel) => self.cancel_order(now, cancel, &mut effects),
            Command::DeliverMail(batch) => self.deliver(position, now, batch, &mut effects),
            Command::AckMail(ack) => self.acknowledge(ack),
            Command::Tick(_) => Ok(0),
            Command::SetVersion(set) => Ok(self.set_version(set.version, &mut effects)),
            _ => self.ask_ledger(position, command, &mut effects),
        };
        self.route(now, &mut effects);
        if let Some(ledger) = &mut self.ledger {
            ledger.finish(&mut effects);
        }
        self.mail = mail;
        out.reply = match answer {
            Ok(id) => Reply::Accepted { id },
            Err(Refused { reason, id }) => Reply::Rejected { reason, id },
        };
    }

    /// When a [`Command::Tick`] is needed: something is due then. `None` while nothing is.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let silence = self.ledger.as_ref().and_then(LedgerCell::deadline);
        self.markets.iter().filter_map(MarketCell::deadline).chain(silence).min()
    }

    /// A new leader's first entry, before its first command: clients could not reach a leader before it, so nothing that
    /// waits for a word of theirs runs out within the grace. `now` is the entry's time.
    pub fn begin_term(&mut self, now: Timestamp) {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin_term(now);
        }
    }

    /// What has become due by log time: first each market's, then what silent clients have left, each with all that it
    /// causes here before the next. A market in a partition of its own hears of the second by mail, after the first.
    #[cold]
    fn pass_time(&mut self, position: LogPosition, now: Timestamp, effects: &mut Effects<'_>) {
        if self.is_market_due(now) {
            for at in 0..self.markets.len() {
                self.step = put_aside::timed(self.markets[at].id());
                if self.puts_time_aside(position, at, effects) {
                    self.route(now, effects);
                    continue;
                }
                let replies_fit = self.replies_fit(self.markets[at].ledger());
                self.markets[at].pass_time(now, replies_fit, effects);
                // Before the ledger hears of it, as where the ledger is elsewhere: what it sends back comes after the stops.
                if self.markets[at].has_due_stops() {
                    let room = self.room(self.markets[at].ledger());
                    self.markets[at].fire(now, room, effects);
                }
                self.route(now, effects);
            }
            self.markets.retain(|market| !market.is_gone());
            self.markets_due = self.first_of_markets();
        }
        self.step = put_aside::TIMED;
        let is_put_aside = self.puts_silence_aside(position, effects);
        if let Some(ledger) = &mut self.ledger {
            if is_put_aside {
                ledger.forget_silent(now, effects);
            } else {
                ledger.end_silent(position, now, effects);
            }
            self.route(now, effects);
        }
    }

    /// Whether a market has something due. The bound may be too early, so what follows must not depend on it: a replica
    /// that was restored has a better one.
    fn is_market_due(&mut self, now: Timestamp) -> bool {
        if now < self.markets_due {
            return false;
        }
        self.markets_due = self.first_of_markets();
        now >= self.markets_due
    }

    fn first_of_markets(&self) -> Timestamp {
        self.markets.iter().map(MarketCell::due).min().unwrap_or(Timestamp::NEVER)
    }

    /// Everything that operators and clients ask goes to the ledger cell.
    fn ask_ledger(&mut self, position: LogPosition, command: &Command, effects: &mut Effects<'_>) -> Answer {
        let Some(ledger) = &mut self.ledger else {
            return Err(RejectReason::WrongPartition.into());
        };
        let mailboxes = &self.mailboxes;
        match command {
            Command::CancelAll(cancel) => ledger.cancel_all(position, cancel, effects),
            Command::Credit(credit) => ledger.credit(credit, self.behaviour, effects),
            Command::Debit(debit) => ledger.debit(debit, self.behaviour, effects),
            Command::OpenAccount(open) => ledger.open_account(open, effects),
            Command::AddApiKey(add) => ledger.add_api_key(add, effects),
            Command::RestrictApiKey(restrict) => ledger.restrict_api_key(restrict, effects),
            Command::ExtendApiKey(extend) => ledger.extend_api_key(extend, effects),
            Command::RevokeApiKey(revoke) => ledger.revoke_api_key(revoke, effects),
            Command::ListAsset(list) => ledger.list_asset(list, effects),
            Command::ListMarket(list) => ledger.list_market(list, mailboxes, effects),
            Command::SetMarketStatus(set) => ledger.set_market_status(set, mailboxes, effects),
            Command::SetMarketSchedule(set) => ledger.set_market_schedule(set, mailboxes, effects),
            Command::SetMarketProtection(set) => ledger.set_market_protection(set, mailboxes, effects),
            Command::SetMarketRules(set) => ledger.set_market_rules(set, mailboxes, effects),
            Command::DelistMarket(delist) => ledger.delist_market(delist, effects),
            Command::ReopenMarket(reopen) => ledger.reopen_market(reopen, mailboxes, effects),
            Command::KillMarket(kill) => ledger.kill_market(kill, effects),
            Command::AssignAccount(assign) => ledger.assign_account(assign, effects),
            Command::RaiseCapacity(raise) => ledger.raise_capacity(raise, &self.config.limits, mailboxes, effects),
            Command::SetFeeSchedule(set) => ledger.set_fee_schedule(set, effects),
            Command::SetFees(set) => ledger.set_fees(set, effects),
            Command::SetAccountLimits(set) => ledger.set_account_limits(set, effects),
            Command::SetOrderLimits(set) => ledger.set_order_limits(set, effects),
            Command::SetAssetLimit(set) => ledger.set_asset_limit(set, effects),
            Command::SetKillSwitch(set) => ledger.set_kill_switch(position, set, effects),
            Command::MassCancel(cancel) => ledger.mass_cancel(position, cancel, effects),
            Command::RenewLease(renew) => ledger.renew_lease(renew, effects),
            Command::EndLease(end) => ledger.end_lease(position, end, effects),
            Command::CountdownCancel(arm) => ledger.countdown_cancel(arm, effects),
            Command::SealName(seal) => ledger.seal_name(seal),
            Command::ListChain(list) => ledger.list_chain(list, effects),
            Command::ListChainAsset(list) => ledger.list_chain_asset(list, effects),
            Command::ClaimChain(claim) => ledger.claim_chain(claim, effects),
            Command::RequestAddress(request) => ledger.request_address(request, effects),
            Command::BindAddress(bind) => ledger.bind_address(bind, effects),
            Command::FreezeChain(freeze) => ledger.freeze_chain(freeze, effects),
            Command::ReportDeposit(report) => ledger.report_deposit(report, effects),
            Command::SightDeposit(sight) => ledger.sight_deposit(sight, effects),
            Command::ReportHead(report) => ledger.report_head(report, effects),
            Command::ResolveDeposit(resolve) => ledger.resolve_deposit(resolve, effects),
            Command::SetWithdrawalRules(set) => ledger.set_withdrawal_rules(set, effects),
            Command::RestrictWithdrawals(restrict) => ledger.restrict_withdrawals(restrict, effects),
            Command::AllowAddress(allow) => ledger.allow_address(allow, effects),
            Command::RequestWithdrawal(request) => ledger.request_withdrawal(request, effects),
            Command::ApproveWithdrawal(approve) => ledger.approve_withdrawal(approve, effects),
            Command::CancelWithdrawal(cancel) => ledger.cancel_withdrawal(cancel, effects),
            Command::AllocateWithdrawal(allocate) => ledger.allocate_withdrawal(allocate, effects),
            Command::SignWithdrawal(sign) => ledger.sign_withdrawal(sign, effects),
            Command::RefuseWithdrawal(refuse) => ledger.refuse_withdrawal(refuse, effects),
            Command::ReportWithdrawal(report) => ledger.report_withdrawal(report, effects),
            Command::FailWithdrawal(fail) => ledger.fail_withdrawal(fail, effects),
            Command::SetHotWallet(set) => ledger.set_hot_wallet(set, effects),
            Command::MoveFunds(wanted) => ledger.move_funds(wanted, effects),
            Command::GatherWithdrawals(gather) => ledger.gather_withdrawals(gather, effects),
            Command::ReleaseWithdrawal(release) => ledger.release_withdrawal(release, self.behaviour, effects),
            Command::ReportReserves(report) => ledger.report_reserves(report, effects),
            Command::DeclareReserves(declare) => ledger.declare_reserves(declare, effects),
            Command::ThawReserves(thaw) => ledger.thaw_reserves(thaw),
            Command::ProposeLoosening(propose) => ledger.propose_loosening(propose, effects),
            Command::ApproveLoosening(approve) => ledger.approve_loosening(approve, effects),
            Command::DropLoosening(drop) => ledger.drop_loosening(drop, effects),
            Command::NewOrderOnTerms(order) => ledger.new_order_on_terms(order, mailboxes, effects),
            Command::AmendOrder(amend) => ledger.amend_order(position, amend, effects),
            Command::ReplaceOrder(replace) => ledger.replace_order(position, replace, mailboxes, effects),
            Command::NewOrderList(list) => ledger.new_order_list(list, mailboxes, effects),
            Command::CancelOrderList(cancel) => ledger.cancel_order_list(position, cancel, effects),
            Command::NewOrder(_)
            | Command::CancelOrder(_)
            | Command::DeliverMail(_)
            | Command::AckMail(_)
            | Command::Tick(_)
            | Command::SetVersion(_) => Err(RejectReason::WrongPartition.into()),
        }
    }

    fn create_market(&mut self, market: MarketCell) {
        if let Err(at) = self.markets.binary_search_by_key(&market.id(), MarketCell::id)
            && self.markets.len() < usize::from(self.config.limits.markets_max)
        {
            self.markets_due = self.markets_due.min(market.due());
            self.markets.insert(at, market);
        }
    }

    /// A partition that hosts every market has them in the places of their ids: looking there first spares a search
    /// through as many cells as it has steps.
    #[inline]
    fn place_of(&self, id: MarketId) -> Option<usize> {
        let guess = usize::from(id.get()).wrapping_sub(1);
        if self.markets.get(guess).is_some_and(|market| market.id() == id) {
            return Some(guess);
        }
        self.markets.binary_search_by_key(&id, MarketCell::id).ok()
    }

    /// Mail that waits for acknowledgement, per receiver.
    pub fn outboxes(&self) -> impl Iterator<Item = &Outbox> {
        self.mailboxes.outboxes()
    }

    /// The next batch of at most `max` mails for `to` after the sequence `after`, with the acknowledgement of
    /// what `to` has sent. `None` when there is no such mail.
    pub fn deliver_mail(&self, to: PartitionId, after: MailSequence, max: usize) -> Option<DeliverMail> {
        self.mailboxes.batch(self.config.partition, to, after, max)
    }

    /// How far `from` has been heard: for an [`AckMail`] to it when there is no mail that could carry it.
    pub fn received(&self, from: PartitionId) -> Option<(Incarnation, MailSequence)> {
        self.mailboxes.received(from)
    }

    /// How far each other partition has been heard.
    pub fn heard(&self) -> impl Iterator<Item = (PartitionId, MailSequence)> {
        self.mailboxes.heard()
    }

    /// Which life of its log this is.
    pub fn incarnation(&self) -> Incarnation {
        self.config.incarnation
    }

    /// Begins a new life of the log with the state of a former one: nothing that the former one sent or said to have
    /// received is accepted from now on. Every partition of the cluster must begin it, with states of one consistent cut.
    ///
    /// # Panics
    ///
    /// If `incarnation` is not greater than the present one.
    pub fn begin_life(&mut self, incarnation: Incarnation) {
        self.mailboxes.begin_life(incarnation);
        self.config.incarnation = incarnation;
    }

    /// The markets in which orders may be placed, as the ledger cell knows; none where there is no ledger cell.
    pub fn open_markets(&self) -> Vec<MarketId> {
        self.ledger.as_ref().map(LedgerCell::markets_open).unwrap_or_default()
    }

    /// The markets in this phase, as the ledger cell knows; none where there is no ledger cell.
    pub fn markets_in(&self, status: MarketStatus) -> Vec<MarketId> {
        self.ledger.as_ref().map(|ledger| ledger.markets_in(status)).unwrap_or_default()
    }

    /// What ids and units mean, as the ledger cell knows; nothing where there is no ledger cell.
    pub fn listings(&self) -> Listings {
        self.ledger.as_ref().map(LedgerCell::listings).unwrap_or_default()
    }

    /// The version that the cells behave by.
    pub fn version(&self) -> u16 {
        self.behaviour.version()
    }

    /// From the next command on the cells behave by this version.
    ///
    /// # Panics
    ///
    /// If this build does not know it: whoever reads the log looks before ([`crate::VERSIONS`]).
    fn set_version(&mut self, version: u16, effects: &mut Effects<'_>) -> u64 {
        let behaviour = Behaviour::of(version).expect("a version that this build knows");
        if behaviour != self.behaviour {
            self.behaviour = behaviour;
            let partition = self.config.partition;
            effects.tell(Event::VersionChanged(VersionChanged { partition, version }));
        }
        0
    }

    /// Every asset's books; empty where there is no ledger cell.
    pub fn audit(&self) -> Vec<AssetAudit> {
        self.ledger.as_ref().map(LedgerCell::audit).unwrap_or_default()
    }

    /// The tables of the ledger cell, in the order of [`wire::Capacity::TABLES`]: the rows that are used, and how many there are. `None`
    /// where there is no ledger cell.
    pub fn rows(&self) -> Option<[(usize, u32); 8]> {
        self.ledger.as_ref().map(LedgerCell::rows)
    }

    /// A fingerprint of the whole state, equal on equal states.
    pub fn digest(&self) -> u128 {
        let mut state = Vec::new();
        self.save(&mut Writer::new(&mut state));
        digest(&state)
    }

    /// Appends the whole state. What it returns is [`Partition::digest`] of it.
    pub fn snapshot(&self, out: &mut Vec<u8>) -> u128 {
        seal(out, |to| self.save(to))
    }

    /// The partition that [`Partition::snapshot`] wrote. The configuration must name the same partition and
    /// ledger and incarnation; its limits must hold what is there.
    pub fn restore(config: PartitionConfig, bytes: &[u8]) -> Result<Partition, SnapshotError> {
        let mut from = Reader::new(open(bytes)?);
        let saved: (PartitionId, PartitionId) = (from.get()?, from.get()?);
        if saved != (config.partition, config.ledger) {
            return Err(SnapshotError::OtherPartition);
        }
        let mut partition = Partition::new(config);
        let version = from.get()?;
        partition.behaviour = Behaviour::of(version).ok_or(SnapshotError::Behaviour(version))?;
        partition.mailboxes = Mailboxes::load(config.incarnation, config.limits.peers_max, &mut from)?;
        if partition.ledger.is_some() {
            partition.ledger = Some(LedgerCell::load(config.partition, &config.limits, &mut from)?);
        }
        for _ in 0..from.get::<u32>()? {
            partition.markets.push(MarketCell::load(&config.limits, &mut from)?);
        }
        from.finish()?;
        if !partition.markets.is_sorted_by(|a, b| a.id() < b.id()) {
            return Err(SnapshotError::Body(CodecError::OutOfRange));
        }
        partition.markets_due = partition.first_of_markets();
        Ok(partition)
    }

    fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.config.partition);
        to.put(&self.config.ledger);
        to.put(&self.behaviour.version());
        self.mailboxes.save(to);
        if let Some(ledger) = &self.ledger {
            ledger.save(to);
        }
        to.put(&(self.markets.len() as u32));
        for market in &self.markets {
            market.save(to);
        }
    }
}

#[cfg(test)]
impl Partition {
    fn balance(&self, account: wire::AccountId, asset: wire::AssetId) -> (i64, i64) {
        self.ledger.as_ref().expect("a ledger cell").balance(account, asset)
    }

    fn client_order_id(&self, order: wire::OrderId) -> wire::ClientOrderId {
        self.ledger.as_ref().expect("a ledger cell").client_order_id(order)
    }
}

#[cfg(test)]
mod tests;
