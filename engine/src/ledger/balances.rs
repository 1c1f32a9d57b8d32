//! What every account has of every asset, and the totals that must always add up.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::BalanceChanged;
use wire::{AccountId, Amount, AssetId, Event};

use crate::effects::Effects;

/// One account's amount of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Balance {
    pub(super) free: Amount,
    pub(super) held: Amount,
}

/// One asset's sums in the ledger units of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Totals {
    free: i128,
    held: i128,
    fees: i128,
    clearing: i128,
    deposits: i128,
    withdrawals: i128,
}

/// One asset's books: `free + held + fees + clearing == deposits − withdrawals`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetAudit {
    /// Of which asset.
    pub asset: AssetId,
    /// Free over all accounts, summed anew.
    pub free: i128,
    /// Held over all accounts, summed anew.
    pub held: i128,
    /// What the exchange has earned.
    pub fees: i128,
    /// Paid by one side of trades whose other side is still on its way; negative when received first. Zero when
    /// no mail is in flight.
    pub clearing: i128,
    /// Everything ever credited.
    pub deposits: i128,
    /// Everything ever debited.
    pub withdrawals: i128,
}

impl AssetAudit {
    /// Whether money is conserved. Sums that no exchange reaches, which only a damaged state has, are not.
    pub fn is_conserved(&self) -> bool {
        let parts = [self.held, self.fees, self.clearing];
        let inside = parts.into_iter().try_fold(self.free, i128::checked_add);
        inside.is_some_and(|inside| Some(inside) == self.deposits.checked_sub(self.withdrawals))
    }
}

/// Half of what an amount holds: clearing may lend one asset's whole supply for a moment, so that no balance
/// can ever exceed [`Amount::MAX`].
const SUPPLY_MAX: i128 = (i64::MAX / 2) as i128;

/// Dense by account and asset.
pub(super) struct Balances {
    /// A row has a power of two of places: no command multiplies or divides to find one.
    width_log2: u32,
    rows: Vec<Balance>,
    totals: Vec<Totals>,
    /// What the running command has moved, as indices into `rows`.
    touched: Vec<u32>,
}

impl Balances {
    pub(super) fn new(accounts_max: u32, assets_max: u16) -> Balances {
        let width_log2 = usize::from(assets_max).next_power_of_two().trailing_zeros();
        let cells = (accounts_max as usize) << width_log2;
        assert!(u32::try_from(cells).is_ok(), "the limits make more balances than can be counted");
        Balances {
            width_log2,
            rows: Vec::with_capacity(cells),
            totals: Vec::with_capacity(assets_max.into()),
            touched: Vec::with_capacity(4_096),
        }
    }

    pub(super) fn add_asset(&mut self) {
        self.totals.push(Totals::default());
    }

    pub(super) fn add_account(&mut self) {
        self.rows.resize(self.rows.len() + self.width(), Balance::default());
    }

    fn width(&self) -> usize {
        1 << (self.width_log2 & 63)
    }

    /// Of a known account and asset.
    #[inline]
    pub(super) fn get(&self, account: AccountId, asset: AssetId) -> Balance {
        self.rows[self.at(account, asset)]
    }

    /// Beyond every row when there is no such account.
    #[inline]
    fn at(&self, account: AccountId, asset: AssetId) -> usize {
        let row = (account.get() as usize).wrapping_sub(1).wrapping_shl(self.width_log2);
        row.wrapping_add(usize::from(asset.get()).wrapping_sub(1))
    }

    #[inline]
    fn touch(&mut self, account: AccountId, asset: AssetId) -> (&mut Balance, &mut Totals) {
        let at = self.at(account, asset);
        self.touched.push(at as u32);
        (&mut self.rows[at], &mut self.totals[usize::from(asset.get()) - 1])
    }

    /// Whether a deposit keeps the asset's supply countable.
    pub(super) fn can_credit(&self, asset: AssetId, amount: Amount) -> bool {
        let totals = &self.totals[usize::from(asset.get()) - 1];
        totals.deposits - totals.withdrawals + amount.wide() <= SUPPLY_MAX
    }

    /// Books a deposit that [`Balances::can_credit`].
    pub(super) fn credit(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.free = plus(balance.free, amount);
        totals.free += amount.wide();
        totals.deposits += amount.wide();
    }

    /// Books a withdrawal that free covers.
    pub(super) fn debit(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.free = minus(balance.free, amount);
        totals.free -= amount.wide();
        totals.withdrawals += amount.wide();
    }

    /// From free, which covers it, to held.
    #[inline]
    pub(super) fn hold(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.free = minus(balance.free, amount);
        balance.held = plus(balance.held, amount);
        totals.free -= amount.wide();
        totals.held += amount.wide();
    }

    /// From held back to free.
    #[inline]
    pub(super) fn release(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.held = minus(balance.held, amount);
        balance.free = plus(balance.free, amount);
        totals.held -= amount.wide();
        totals.free += amount.wide();
    }

    /// Books a withdrawal that was held for.
    pub(super) fn pay_out(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.held = minus(balance.held, amount);
        totals.held -= amount.wide();
        totals.withdrawals += amount.wide();
    }

    /// From one account's held to another's free.
    pub(super) fn hand_over(&mut self, from: AccountId, to: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(from, asset);
        balance.held = minus(balance.held, amount);
        totals.held -= amount.wide();
        totals.free += amount.wide();
        let (balance, _) = self.touch(to, asset);
        balance.free = plus(balance.free, amount);
    }

    /// From held to clearing: what this side of a trade gives.
    #[inline]
    pub(super) fn give(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.held = minus(balance.held, amount);
        totals.held -= amount.wide();
        totals.clearing += amount.wide();
    }

    /// From clearing to free, less the fee: what this side of a trade gets.
    #[inline]
    pub(super) fn take(&mut self, account: AccountId, asset: AssetId, amount: Amount, fee: Amount) {
        let (balance, totals) = self.touch(account, asset);
        let net = minus(amount, fee);
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::RoundingLeak) && !fee.is_zero() {
            balance.free = plus(balance.free, Amount::new(1).expect("one unit"));
        }
        balance.free = plus(balance.free, net);
        totals.free += net.wide();
        totals.fees += fee.wide();
        totals.clearing -= amount.wide();
    }

    /// From the fee account to free: what a maker is paid, out of what the taker has paid before.
    pub(super) fn rebate(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        let (balance, totals) = self.touch(account, asset);
        balance.free = plus(balance.free, amount);
        totals.free += amount.wide();
        totals.fees -= amount.wide();
        assert!(totals.fees >= 0, "the fee account never gives more than it has");
    }

    /// Tells every balance that the command has moved, by account and asset, and asserts that money is conserved.
    pub(super) fn finish(&mut self, effects: &mut Effects<'_>) {
        match self.touched[..] {
            [] => return,
            // Of an order that rests or is canceled.
            [at] => self.tell(at as usize, effects),
            _ => {
                self.touched.sort_unstable();
                self.touched.dedup();
                for at in &self.touched {
                    self.tell(*at as usize, effects);
                }
            }
        }
        self.touched.clear();
    }

    #[inline]
    fn tell(&self, at: usize, effects: &mut Effects<'_>) {
        let Balance { free, held } = self.rows[at];
        let (account, asset) = (at >> (self.width_log2 & 63), at & (self.width() - 1));
        let totals = &self.totals[asset];
        let (account, asset) = (AccountId::new(account as u32 + 1), AssetId::new(asset as u16 + 1));
        let is_conserved =
            totals.free + totals.held + totals.fees + totals.clearing == totals.deposits - totals.withdrawals;
        assert!(is_conserved, "money of asset {asset} is not conserved");
        effects.tell(Event::BalanceChanged(BalanceChanged { account, asset, free, held }));
    }

    /// Every asset's books; free and held are summed anew over the accounts.
    pub(super) fn audit(&self) -> Vec<AssetAudit> {
        let column = |asset: usize| self.rows.iter().skip(asset).step_by(self.width());
        let audit = |(asset, totals): (usize, &Totals)| AssetAudit {
            asset: AssetId::new(asset as u16 + 1),
            free: column(asset).map(|balance| balance.free.wide()).sum(),
            held: column(asset).map(|balance| balance.held.wide()).sum(),
            fees: totals.fees,
            clearing: totals.clearing,
            deposits: totals.deposits,
            withdrawals: totals.withdrawals,
        };
        self.totals.iter().enumerate().map(audit).collect()
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        for totals in &self.totals {
            to.put(&totals.fees);
            to.put(&totals.clearing);
            to.put(&totals.deposits);
            to.put(&totals.withdrawals);
        }
        let assets = self.totals.len();
        for row in self.rows.chunks_exact(self.width()) {
            for balance in &row[..assets] {
                to.put(&balance.free);
                to.put(&balance.held);
            }
        }
    }

    /// Fills in what [`Balances::save`] wrote, after assets and accounts were added.
    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for totals in &mut self.totals {
            totals.fees = from.get()?;
            totals.clearing = from.get()?;
            totals.deposits = from.get()?;
            totals.withdrawals = from.get()?;
        }
        let assets = self.totals.len();
        let width = self.width();
        for row in self.rows.chunks_exact_mut(width) {
            for (balance, totals) in row[..assets].iter_mut().zip(&mut self.totals) {
                *balance = Balance { free: from.get()?, held: from.get()? };
                totals.free += balance.free.wide();
                totals.held += balance.held.wide();
            }
        }
        if self.audit().iter().all(AssetAudit::is_conserved) { Ok(()) } else { Err(CodecError::OutOfRange) }
    }
}

fn plus(amount: Amount, more: Amount) -> Amount {
    amount.checked_add(more).expect("a balance never exceeds the asset's supply")
}

fn minus(amount: Amount, less: Amount) -> Amount {
    amount.checked_sub(less).expect("what is taken was checked to be there")
}
