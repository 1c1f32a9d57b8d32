//! Deposits: chainwatch proposes what its verified chain says, and here it is decided.
//!
//! ```text
//!              too few confirmations           enough, chain frozen          enough
//!   (none) ------------------------> Included ----------------> Confirmed ---------> Credited
//!                                     |   ^                       |                     |
//!                        reorganised  v   | mined again           | reorganised         | reorganised
//!                                    Orphaned <-------------------+                     v
//!                                                             Credited and reverted: the chain is frozen
//!   (what is in no block yet is in [`super::sightings`])
//!   less than the smallest deposit ------> Rejected
//!   not what was reported before, more than a balance holds,
//!   or as old as gas of ours that is forgotten ------> Quarantined --operator--> Credited, Refused
//! ```
//!
//! A deposit is one (chain, transaction, output) for ever, whichever block has it; so it is credited once. No stage after
//! `Credited` touches the balance: what a chain takes back later is an operator's matter, not an edit.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{ReportDeposit, ResolveDeposit};
use wire::event::{ChainAssetListed, Credited, DepositChanged};
use wire::{AccountId, Amount, AssetId, ChainFreeze, ChainHash, ChainId, DepositStage, Event, RejectReason};

use super::blockchains::{Blockchains, freeze};
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::limits::Limits;

type Key = (ChainId, ChainHash, u32);
type DustKey = (AccountId, ChainId, AssetId);

/// Every deposit ever reported.
pub(super) struct Deposits {
    max: usize,
    rows: BTreeMap<Key, DepositChanged>,
    /// What of an account's deposits is less than one ledger unit, in the chain's units.
    dust: BTreeMap<DustKey, u128>,
}

/// What a credit of a deposit books: ledger units, and the dust that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Booking {
    amount: Amount,
    dust: u128,
}

impl Deposits {
    pub(super) fn new(limits: &Limits) -> Deposits {
        Deposits { max: limits.deposits_max as usize, rows: BTreeMap::new(), dust: BTreeMap::new() }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it was ever in a block.
    pub(super) fn has(&self, key: Key) -> bool {
        self.rows.contains_key(&key)
    }

    fn dust(&self, deposit: &DepositChanged) -> u128 {
        self.dust.get(&(deposit.account, deposit.chain, deposit.asset)).copied().unwrap_or(0)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.rows.len() as u32));
        self.rows.values().for_each(|deposit| to.put(deposit));
        to.put(&(self.dust.len() as u32));
        for ((account, chain, asset), dust) in &self.dust {
            to.put(account);
            to.put(chain);
            to.put(asset);
            to.put(dust);
        }
    }

    /// Refuses deposits of chains and addresses that are not known, and more of them than may be.
    pub(super) fn load(limits: &Limits, chains: &Blockchains, from: &mut Reader<'_>) -> Result<Deposits, CodecError> {
        let mut deposits = Deposits::new(limits);
        for _ in 0..from.get::<u32>()? {
            let deposit: DepositChanged = from.get()?;
            let owner = chains.get(deposit.chain).and_then(|chain| chain.owner(deposit.index));
            if owner != Ok(deposit.account) || deposits.rows.len() >= deposits.max {
                return Err(CodecError::OutOfRange);
            }
            deposits.rows.insert((deposit.chain, deposit.tx, deposit.output), deposit);
        }
        for _ in 0..from.get::<u32>()? {
            let key = (from.get()?, from.get()?, from.get()?);
            deposits.dust.insert(key, from.get()?);
        }
        Ok(deposits)
    }
}

impl LedgerCell {
    pub(crate) fn report_deposit(&mut self, report: &ReportDeposit, effects: &mut Effects<'_>) -> Answer {
        let before = self.deposits.rows.get(&(report.chain, report.tx, report.output)).copied();
        let mut after = self.check_report(report, before.as_ref())?;
        let booking = self.decide(report, before.as_ref(), &mut after);
        self.settle_deposit(before, after, booking, effects);
        Ok(0)
    }

    /// The deposit as the report has it, before it is decided where it stands.
    fn check_report(&self, report: &ReportDeposit, before: Option<&DepositChanged>) -> Result<DepositChanged, Refused> {
        let chain = self.blockchains.get(report.chain)?;
        chain.check_fence(report.fence)?;
        let account = chain.owner(report.index)?;
        if self.withdrawals.is_gift(report.chain, report.tx) {
            return Err(RejectReason::WithdrawalMismatch.into());
        }
        let rules = chain.asset(report.asset)?;
        if before.is_none() && !report.is_included {
            return Err(RejectReason::UnknownDeposit.into());
        }
        if before.is_none() && self.deposits.rows.len() >= self.deposits.max {
            return Err(RejectReason::TableFull.into());
        }
        let ReportDeposit { chain, tx, output, index, asset, amount, block, height, confirmations, .. } = *report;
        let required = self.confirmations_required(rules, amount);
        Ok(before.copied().unwrap_or(DepositChanged {
            account,
            chain,
            tx,
            output,
            index,
            asset,
            amount,
            stage: DepositStage::Included,
            block,
            height,
            confirmations,
            required,
            credited: Amount::ZERO,
            dust: 0,
            is_reverted: false,
        }))
    }

    /// Where the deposit stands from now on, and what that books.
    fn decide(
        &self,
        report: &ReportDeposit,
        before: Option<&DepositChanged>,
        after: &mut DepositChanged,
    ) -> Option<Booking> {
        let is_same = (after.index, after.asset, after.amount) == (report.index, report.asset, report.amount);
        match after.stage {
            // A row is made by a block, and what was only seen has none.
            DepositStage::Rejected | DepositStage::Refused | DepositStage::Seen | DepositStage::Replaced => {
                return None;
            }
            DepositStage::Credited => {
                if is_same && report.is_included {
                    note_block(report, after);
                }
                after.is_reverted = !report.is_included;
                return None;
            }
            DepositStage::Quarantined => {}
            _ if !is_same => after.stage = DepositStage::Quarantined,
            _ if !report.is_included => after.stage = DepositStage::Orphaned,
            _ => return self.decide_included(report, before.is_none(), after),
        }
        note_block(report, after);
        None
    }

    fn decide_included(&self, report: &ReportDeposit, is_new: bool, after: &mut DepositChanged) -> Option<Booking> {
        note_block(report, after);
        let chain = self.blockchains.get(after.chain).ok()?;
        let rules = chain.asset(after.asset).ok()?;
        if is_new && after.amount < rules.deposit_min {
            after.stage = DepositStage::Rejected;
            return None;
        }
        // Coins that are told of long after their block may be gas of ours, which nobody remembers.
        if is_new && rules.contract.is_empty() && self.withdrawals.may_be_gift(after.chain, after.height) {
            after.stage = DepositStage::Quarantined;
            return None;
        }
        let is_enough = if after.required == 0 { report.is_final } else { report.confirmations >= after.required };
        if !is_enough {
            after.stage = DepositStage::Included;
            return None;
        }
        if chain.freeze != ChainFreeze::Thawed {
            after.stage = DepositStage::Confirmed;
            return None;
        }
        let booking = self.booking(after);
        after.stage = if booking.is_some() { DepositStage::Credited } else { DepositStage::Quarantined };
        booking
    }

    /// Decides about a deposit that is quarantined.
    pub(crate) fn resolve_deposit(&mut self, resolve: &ResolveDeposit, effects: &mut Effects<'_>) -> Answer {
        let ResolveDeposit { chain, tx, output, is_credited } = *resolve;
        self.blockchains.get(chain)?;
        let before = self.deposits.rows.get(&(chain, tx, output)).copied();
        let before = before.ok_or(Refused::because(RejectReason::UnknownDeposit))?;
        if before.stage != DepositStage::Quarantined {
            return Err(RejectReason::DepositNotOpen.into());
        }
        let mut after = before;
        let booking = if is_credited {
            after.stage = DepositStage::Credited;
            Some(self.booking(&after).ok_or(Refused::because(RejectReason::BalanceTooLarge))?)
        } else {
            after.stage = DepositStage::Refused;
            None
        };
        self.settle_deposit(Some(before), after, booking, effects);
        Ok(0)
    }

    /// Confirmations that so much needs; 0 when it must be final.
    pub(super) fn confirmations_required(&self, rules: &ChainAssetListed, amount: u128) -> u32 {
        match self.units(rules, amount) {
            Some(units) if !rules.large_from.is_zero() && units >= rules.large_from => rules.large_confirmations,
            _ => rules.confirmations,
        }
    }

    /// Ledger units of an amount alone, rounded down.
    fn units(&self, rules: &ChainAssetListed, amount: u128) -> Option<Amount> {
        let ledger_decimals = self.registry.asset(rules.asset).ok()?.ledger_decimals;
        let units = match rules.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => amount / 10_u128.pow(more.into()),
            None => amount.checked_mul(10_u128.pow((ledger_decimals - rules.chain_decimals).into()))?,
        };
        i128::try_from(units).ok().and_then(Amount::from_wide)
    }

    /// What crediting a deposit books, with the dust of the account's deposits before it. `None` when that is more
    /// than can be held.
    fn booking(&self, deposit: &DepositChanged) -> Option<Booking> {
        let rules = self.blockchains.get(deposit.chain).ok()?.asset(deposit.asset).ok()?;
        let ledger_decimals = self.registry.asset(rules.asset).ok()?.ledger_decimals;
        let total = deposit.amount.checked_add(self.deposits.dust(deposit))?;
        let amount = self.units(rules, total)?;
        let dust = match rules.chain_decimals.checked_sub(ledger_decimals) {
            Some(more) => total % 10_u128.pow(more.into()),
            None => 0,
        };
        self.balances.can_credit(deposit.asset, amount).then_some(Booking { amount, dust })
    }

    /// Changes what was decided. Nothing fails from here on.
    fn settle_deposit(
        &mut self,
        before: Option<DepositChanged>,
        mut after: DepositChanged,
        booking: Option<Booking>,
        effects: &mut Effects<'_>,
    ) {
        let DepositChanged { account, chain, asset, .. } = after;
        if let Some(Booking { amount, dust }) = booking {
            (after.credited, after.dust) = (amount, dust);
            if dust == 0 {
                self.deposits.dust.remove(&(account, chain, asset));
            } else {
                self.deposits.dust.insert((account, chain, asset), dust);
            }
            if !amount.is_zero() {
                self.balances.credit(account, asset, amount);
                effects.tell(Event::Credited(Credited { account, asset, amount }));
            }
        }
        if before == Some(after) {
            return;
        }
        self.sightings.mined((chain, after.tx, after.output));
        // What is too little stays so: told, and not kept, or dust of strangers would fill the table.
        if after.stage != DepositStage::Rejected {
            self.deposits.rows.insert((chain, after.tx, after.output), after);
        }
        self.reserves.touch(chain, self.position);
        effects.tell(Event::DepositChanged(Box::new(after)));
        if after.is_reverted {
            freeze(self.blockchains.known(chain), ChainFreeze::CreditReverted, effects);
        }
    }
}

fn note_block(report: &ReportDeposit, after: &mut DepositChanged) {
    if report.is_included {
        (after.block, after.height, after.confirmations) = (report.block, report.height, report.confirmations);
    } else {
        after.confirmations = 0;
    }
}
