//! Whether a chain has of an asset what the exchange says to have there. Chainwatch compares, after every final block; here it
//! is decided what follows.
//!
//! ```text
//!            less than due                enough again               two operators
//!   Whole ------------------> Short -----------------------> Found ------------------> Whole
//!                               ^                               |
//!                               +---------- less than due ------+
//! ```
//!
//! While it is not whole, nothing of the asset gets a transaction that had none. What has one goes its way, and requests are
//! taken and wait.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{DeclareReserves, ReportReserves, ThawReserves};
use wire::event::ReservesChanged;
use wire::{AddressFormat, AssetId, ChainHash, ChainId, Event, LogPosition, RejectReason, ReservesStanding};

use super::blockchains::Blockchains;
use super::loosenings::{Brought, Subject};
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;

/// Every asset of a chain of which something was said.
#[derive(Default)]
pub(super) struct Reserves {
    rows: BTreeMap<(ChainId, AssetId), ReservesChanged>,
    /// Where the log last said something of a chain's deposits, withdrawals or reserves.
    touched: BTreeMap<ChainId, LogPosition>,
}

impl Reserves {
    /// The log says something of a chain that a comparison has to know.
    pub(super) fn touch(&mut self, chain: ChainId, position: LogPosition) {
        self.touched.insert(chain, position);
    }

    /// Whether the log has ever said something of a chain's deposits, withdrawals or reserves.
    pub(super) fn is_touched(&self, chain: ChainId) -> bool {
        self.touched.contains_key(&chain)
    }

    /// What operators have declared.
    pub(super) fn brought(&self, chain: ChainId, asset: AssetId) -> Brought {
        let ReservesChanged { brought: units, since, .. } = self.row(chain, asset);
        Brought { units, since }
    }

    fn touched(&self, chain: ChainId) -> LogPosition {
        self.touched.get(&chain).copied().unwrap_or(LogPosition::ZERO)
    }

    fn row(&self, chain: ChainId, asset: AssetId) -> ReservesChanged {
        let none = ReservesChanged {
            chain,
            asset,
            standing: ReservesStanding::Whole,
            position: LogPosition::ZERO,
            block: ChainHash::default(),
            height: 0,
            held: 0,
            due: 0,
            brought: 0,
            since: 0,
        };
        self.rows.get(&(chain, asset)).copied().unwrap_or(none)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.rows.len() as u32));
        self.rows.values().for_each(|row| to.put(row));
        to.put(&(self.touched.len() as u32));
        for (chain, position) in &self.touched {
            to.put(chain);
            to.put(position);
        }
    }

    /// Refuses rows of chains and assets that are not known.
    pub(super) fn load(chains: &Blockchains, from: &mut Reader<'_>) -> Result<Reserves, CodecError> {
        let bad = |_| CodecError::OutOfRange;
        let mut reserves = Reserves::default();
        for _ in 0..from.get::<u32>()? {
            let row: ReservesChanged = from.get()?;
            chains.get(row.chain).and_then(|chain| chain.asset(row.asset)).map_err(bad)?;
            reserves.rows.insert((row.chain, row.asset), row);
        }
        for _ in 0..from.get::<u32>()? {
            let chain = from.get()?;
            chains.get(chain).map_err(bad)?;
            reserves.touched.insert(chain, from.get()?);
        }
        Ok(reserves)
    }
}

/// More than all that a ledger can have, in the units of a chain with eighteen decimals more.
const BROUGHT_MAX: u128 = i64::MAX as u128 * 1_000_000_000_000_000_000;

impl LedgerCell {
    /// Whether something new of an asset may leave by a chain, or move on it.
    pub(super) fn check_reserves(&self, chain: ChainId, asset: AssetId) -> Result<(), Refused> {
        let row = self.reserves.rows.get(&(chain, asset));
        if row.is_some_and(|row| row.standing.is_halted()) { Err(RejectReason::ReservesShort.into()) } else { Ok(()) }
    }

    pub(crate) fn report_reserves(&mut self, report: &ReportReserves, effects: &mut Effects<'_>) -> Answer {
        let ReportReserves { chain, fence, asset, position, block, height, held, due } = *report;
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        blockchain.asset(asset)?;
        // A transaction that the comparison does not know would look like a theft.
        let touched = self.reserves.touched(chain);
        if position < touched {
            return Err(Refused::naming(RejectReason::ReservesOutdated, touched.get()));
        }
        let before = self.reserves.row(chain, asset);
        let standing = match (before.standing, held < due) {
            (_, true) => ReservesStanding::Short,
            (ReservesStanding::Short, false) => ReservesStanding::Found,
            (same, false) => same,
        };
        if standing != before.standing {
            let row = ReservesChanged { standing, position, block, height, held, due, ..before };
            self.change_reserves(row, effects);
        }
        Ok(0)
    }

    pub(super) fn check_declaration(&self, declare: &DeclareReserves) -> Result<(), Refused> {
        let blockchain = self.blockchains.get(declare.chain)?;
        blockchain.asset(declare.asset)?;
        // Of outputs, those count that deposits and withdrawals have made: an amount without outputs would be missing for ever.
        let is_of_outputs = declare.brought > 0 && blockchain.addresses() != AddressFormat::Evm;
        // Whoever compares adds it to all that accounts have.
        if is_of_outputs || declare.brought.unsigned_abs() > BROUGHT_MAX {
            return Err(RejectReason::BadReserves.into());
        }
        Ok(())
    }

    pub(super) fn put_declaration(&mut self, declare: &DeclareReserves, effects: &mut Effects<'_>) {
        let DeclareReserves { chain, asset, brought, since } = *declare;
        let before = self.reserves.row(chain, asset);
        if (before.brought, before.since) != (brought, since) {
            self.reserves.touch(chain, self.position);
            self.change_reserves(ReservesChanged { brought, since, ..before }, effects);
        }
    }

    pub(super) fn check_thaw(&self, thaw: &ThawReserves) -> Result<(), Refused> {
        let ThawReserves { chain, asset } = *thaw;
        self.blockchains.get(chain)?.asset(asset)?;
        if self.reserves.row(chain, asset).standing != ReservesStanding::Found {
            return Err(RejectReason::ReservesNotFound.into());
        }
        Ok(())
    }

    pub(super) fn put_thaw(&mut self, thaw: &ThawReserves, effects: &mut Effects<'_>) {
        let before = self.reserves.row(thaw.chain, thaw.asset);
        self.change_reserves(ReservesChanged { standing: ReservesStanding::Whole, ..before }, effects);
    }

    fn change_reserves(&mut self, row: ReservesChanged, effects: &mut Effects<'_>) {
        self.reserves.rows.insert((row.chain, row.asset), row);
        effects.tell(Event::ReservesChanged(Box::new(row)));
        self.overtake_loosenings(Subject::Reserves(row.chain, row.asset), effects);
    }
}
