//! Deposits that are in no block yet: what most of a chain's nodes would mine, for its account to see.
//!
//! ```text
//!           most would mine it           a block has it
//!   (none) --------------------> Seen --------------------> (a deposit: Included ...)
//!     ^                           |
//!     +-------- Replaced <--------+  most would not mine it any more
//! ```
//!
//! Nobody can prove that a transaction will be mined, so nothing but what is shown hangs on this table: no balance, no
//! deposit's own row, and nothing is refused for it. What anybody can send without paying for it is bounded by account.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{ReportHead, SightDeposit};
use wire::event::{ChainAdvanced, DepositChanged};
use wire::{AccountId, Amount, ChainHash, ChainId, DepositStage, Event, RejectReason, Timestamp};

use super::blockchains::Blockchains;
use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::limits::Limits;

/// Of one account at a time: whoever makes more of them sees the rest when a block has it.
const OF_ACCOUNT_MAX: usize = 32;
/// Of one account in an hour, beside those that a block has: one transaction can be replaced by others for ever, and all of
/// them are told.
const UNMINED_OF_HOUR_MAX: u32 = 64;
const HOUR_NS: u64 = 3_600_000_000_000;

type Key = (ChainId, ChainHash, u32);

/// What an account was told of.
struct Seen {
    row: DepositChanged,
    /// In which hour of log time.
    hour: u64,
}

/// What was seen and is in no block.
pub(super) struct Sightings {
    max: usize,
    rows: BTreeMap<Key, Seen>,
    counts: BTreeMap<AccountId, usize>,
    /// How many were told in the last hour in which any was, less those of them that a block has had since.
    told: BTreeMap<AccountId, u32>,
    /// Which hour that is.
    hour: u64,
}

impl Sightings {
    pub(super) fn new(limits: &Limits) -> Sightings {
        let max = limits.sightings_max as usize;
        Sightings { max, rows: BTreeMap::new(), counts: BTreeMap::new(), told: BTreeMap::new(), hour: 0 }
    }

    fn has_room(&self, account: AccountId) -> bool {
        self.rows.len() < self.max && self.counts.get(&account).is_none_or(|count| *count < OF_ACCOUNT_MAX)
    }

    fn may_tell(&self, account: AccountId, now: Timestamp) -> bool {
        let is_same_hour = self.hour == now.nanos() / HOUR_NS;
        !is_same_hour || self.told.get(&account).is_none_or(|told| *told < UNMINED_OF_HOUR_MAX)
    }

    /// Something is told now.
    fn tell(&mut self, row: DepositChanged, now: Timestamp) {
        let hour = now.nanos() / HOUR_NS;
        if self.hour != hour {
            self.hour = hour;
            self.told.clear();
        }
        *self.told.entry(row.account).or_default() += 1;
        self.insert(Seen { row, hour });
    }

    /// A block has it: that was paid for. One that was told in an earlier hour has taken no place in this one.
    pub(super) fn mined(&mut self, key: Key) {
        if let Some(seen) = self.remove(key).filter(|seen| seen.hour == self.hour)
            && let Some(told) = self.told.get_mut(&seen.row.account)
        {
            *told = told.saturating_sub(1);
        }
    }

    fn insert(&mut self, seen: Seen) {
        let row = &seen.row;
        *self.counts.entry(row.account).or_default() += 1;
        self.rows.insert((row.chain, row.tx, row.output), seen);
    }

    fn remove(&mut self, key: Key) -> Option<Seen> {
        let seen = self.rows.remove(&key)?;
        let account = seen.row.account;
        let count = self.counts.get_mut(&account).expect("whoever has a row is counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&account);
        }
        Some(seen)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.rows.len() as u32));
        for Seen { row, hour } in self.rows.values() {
            to.put(row);
            to.put(hour);
        }
        to.put(&self.hour);
        to.put(&(self.told.len() as u32));
        for (account, told) in &self.told {
            to.put(account);
            to.put(told);
        }
    }

    /// Refuses those of addresses that are not known, those that are not just seen, and more of them than may be.
    pub(super) fn load(limits: &Limits, chains: &Blockchains, from: &mut Reader<'_>) -> Result<Sightings, CodecError> {
        let mut sightings = Sightings::new(limits);
        for _ in 0..from.get::<u32>()? {
            let row: DepositChanged = from.get()?;
            let owner = chains.get(row.chain).and_then(|chain| chain.owner(row.index));
            let is_known = sightings.rows.contains_key(&(row.chain, row.tx, row.output));
            let is_right = owner == Ok(row.account) && row.stage == DepositStage::Seen && !is_known;
            if !is_right || !sightings.has_room(row.account) {
                return Err(CodecError::OutOfRange);
            }
            sightings.insert(Seen { row, hour: from.get()? });
        }
        sightings.hour = from.get()?;
        for _ in 0..from.get::<u32>()? {
            let account = from.get()?;
            let told: u32 = from.get()?;
            if told > UNMINED_OF_HOUR_MAX || sightings.told.insert(account, told).is_some() {
                return Err(CodecError::OutOfRange);
            }
        }
        Ok(sightings)
    }
}

impl LedgerCell {
    pub(crate) fn sight_deposit(&mut self, sight: &SightDeposit, effects: &mut Effects<'_>) -> Answer {
        let SightDeposit { chain, fence, tx, output, index, asset, amount, is_pooled } = *sight;
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        let account = blockchain.owner(index)?;
        let rules = blockchain.asset(asset)?;
        if self.withdrawals.is_gift(chain, tx) {
            return Err(RejectReason::WithdrawalMismatch.into());
        }
        let key = (chain, tx, output);
        if !is_pooled {
            let seen = self.sightings.remove(key).ok_or(RejectReason::UnknownDeposit)?;
            effects.tell(Event::DepositChanged(Box::new(DepositChanged { stage: DepositStage::Replaced, ..seen.row })));
            return Ok(0);
        }
        // A block has it or had it, it is known, or it is too little to be told of.
        let is_news = !self.deposits.has(key) && !self.sightings.rows.contains_key(&key);
        if !is_news || amount < rules.deposit_min {
            return Ok(0);
        }
        if !self.sightings.has_room(account) || !self.sightings.may_tell(account, self.now) {
            return Err(RejectReason::TableFull.into());
        }
        let required = self.confirmations_required(rules, amount);
        let seen = DepositChanged {
            account,
            chain,
            tx,
            output,
            index,
            asset,
            amount,
            stage: DepositStage::Seen,
            block: ChainHash::default(),
            height: 0,
            confirmations: 0,
            required,
            credited: Amount::ZERO,
            dust: 0,
            is_reverted: false,
        };
        self.sightings.tell(seen, self.now);
        effects.tell(Event::DepositChanged(Box::new(seen)));
        Ok(0)
    }

    /// Decides nothing: whoever shows deposits counts their confirmations from it.
    pub(crate) fn report_head(&mut self, report: &ReportHead, effects: &mut Effects<'_>) -> Answer {
        let ReportHead { chain, fence, height } = *report;
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        if blockchain.height != height {
            self.blockchains.known(chain).height = height;
            effects.tell(Event::ChainAdvanced(ChainAdvanced { chain, height }));
        }
        Ok(0)
    }
}
