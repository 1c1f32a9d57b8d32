//! Deposits that are in no block, and how high chains are: `engine/src/ledger/sightings.rs` states the rules.

use wire::command::{ReportHead, SightDeposit};
use wire::event::{ChainAdvanced, DepositChanged};
use wire::{ChainHash, ChainId, DepositStage, Event, RejectReason};

use super::super::numbers::amount as units_of_ledger;
use super::{Answer, Ledger, no};

const HOUR_NS: u64 = 3_600_000_000_000;
const OF_ACCOUNT_MAX: usize = 32;
const UNMINED_OF_HOUR_MAX: usize = 64;

/// One that was told of.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    row: DepositChanged,
    told_at: u64,
    /// Nothing has taken its place yet.
    is_open: bool,
    is_mined: bool,
}

impl Sighting {
    fn is(&self, chain: ChainId, tx: ChainHash, output: u32) -> bool {
        self.is_open && (self.row.chain, self.row.tx, self.row.output) == (chain, tx, output)
    }
}

impl Ledger {
    pub(super) fn sight_deposit(&mut self, sight: &SightDeposit) -> Answer {
        let SightDeposit { chain, fence, tx, output, index, asset, amount, is_pooled } = *sight;
        let known = self.chain(chain)?;
        known.check_fence(fence)?;
        let (account, address) = known.address(index)?;
        if address.is_empty() {
            return no(RejectReason::UnknownAddress);
        }
        let rules = known.assets().iter().find(|listed| listed.asset == asset).copied();
        let rules = rules.ok_or((RejectReason::UnknownChainAsset, 0))?;
        if self.brings_gas(chain, tx) {
            return no(RejectReason::WithdrawalMismatch);
        }
        let seen = self.sightings.iter().position(|seen| seen.is(chain, tx, output));
        if !is_pooled {
            let seen = &mut self.sightings[seen.ok_or((RejectReason::UnknownDeposit, 0))?];
            seen.is_open = false;
            let replaced = DepositChanged { stage: DepositStage::Replaced, ..seen.row };
            self.events.push(Event::DepositChanged(Box::new(replaced)));
            return Ok(0);
        }
        if seen.is_some() || self.deposit(chain, tx, output).is_some() || amount < rules.deposit_min {
            return Ok(0);
        }
        let hour = self.now / HOUR_NS;
        let of_account = || self.sightings.iter().filter(|seen| seen.row.account == account);
        let unmined = of_account().filter(|seen| seen.told_at / HOUR_NS == hour && !seen.is_mined).count();
        if of_account().filter(|seen| seen.is_open).count() >= OF_ACCOUNT_MAX || unmined >= UNMINED_OF_HOUR_MAX {
            return no(RejectReason::TableFull);
        }
        let row = DepositChanged {
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
            required: self.required(&rules, amount),
            credited: units_of_ledger(0),
            dust: 0,
            is_reverted: false,
        };
        self.sightings.push(Sighting { row, told_at: self.now, is_open: true, is_mined: false });
        self.events.push(Event::DepositChanged(Box::new(row)));
        Ok(0)
    }

    /// A block has it.
    pub(super) fn sighting_mined(&mut self, chain: ChainId, tx: ChainHash, output: u32) {
        if let Some(seen) = self.sightings.iter_mut().find(|seen| seen.is(chain, tx, output)) {
            (seen.is_open, seen.is_mined) = (false, true);
        }
    }

    pub(super) fn report_head(&mut self, report: &ReportHead) -> Answer {
        let ReportHead { chain, fence, height } = *report;
        self.chain(chain)?.check_fence(fence)?;
        if self.advance(chain, height) {
            self.events.push(Event::ChainAdvanced(ChainAdvanced { chain, height }));
        }
        Ok(0)
    }
}
