//! How much was asked for within 24 hours of log time, by account and asset, and of an asset by all.

use std::collections::{BTreeMap, VecDeque};

use wire::event::WithdrawalChanged;
use wire::{AccountId, AssetId, Timestamp, WithdrawalStage};

/// The window: what was asked exactly so long ago is out of it.
const DAY_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// The most requests of one account within the window, whatever became of them: each takes a place in the table.
const REQUESTS_MAX: u32 = 200;

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    account: AccountId,
    asset: AssetId,
    /// Zero when it was canceled or has failed.
    amount: i128,
    id: u64,
}

/// Sums over a window of withdrawals, which follow from their rows.
#[derive(Default)]
pub(super) struct Velocity {
    /// By id, so by time.
    recent: VecDeque<Asked>,
    of_account: BTreeMap<(AccountId, AssetId), i128>,
    of_asset: BTreeMap<AssetId, i128>,
    requests: BTreeMap<AccountId, u32>,
}

impl Velocity {
    /// Counts a withdrawal; to be called in the order of their ids.
    pub(super) fn add(&mut self, row: &WithdrawalChanged) {
        let is_void = matches!(row.stage, WithdrawalStage::Canceled | WithdrawalStage::Failed);
        let amount = if is_void { 0 } else { row.amount.wide() };
        let WithdrawalChanged { account, asset, .. } = *row;
        self.recent.push_back(Asked { at: row.requested_at, account, asset, amount, id: row.withdrawal.get() });
        *self.of_account.entry((account, asset)).or_default() += amount;
        *self.of_asset.entry(asset).or_default() += amount;
        *self.requests.entry(account).or_default() += 1;
    }

    /// A withdrawal that was counted did not go out.
    pub(super) fn take_back(&mut self, row: &WithdrawalChanged) {
        let at = self.recent.partition_point(|asked| asked.id < row.withdrawal.get());
        let Some(asked) = self.recent.get_mut(at).filter(|asked| asked.id == row.withdrawal.get()) else { return };
        let amount = std::mem::take(&mut asked.amount);
        *self.of_account.entry((row.account, row.asset)).or_default() -= amount;
        *self.of_asset.entry(row.asset).or_default() -= amount;
    }

    /// Leaves what has become older than the window.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        while let Some(asked) = self.recent.front().copied().filter(|asked| asked.at.plus_nanos(DAY_NS) <= now) {
            self.recent.pop_front();
            let sum = self.of_account.entry((asked.account, asked.asset)).or_default();
            *sum -= asked.amount;
            *self.of_asset.entry(asked.asset).or_default() -= asked.amount;
            let requests = self.requests.entry(asked.account).or_default();
            *requests -= 1;
            if *requests == 0 {
                self.requests.remove(&asked.account);
                self.of_account.retain(|(account, _), _| *account != asked.account);
            }
        }
    }

    /// Of one account and of all, as of the last [`Velocity::pass_time`].
    pub(super) fn of(&self, account: AccountId, asset: AssetId) -> (i128, i128) {
        let of_account = self.of_account.get(&(account, asset)).copied().unwrap_or(0);
        (of_account, self.of_asset.get(&asset).copied().unwrap_or(0))
    }

    /// Whether an account may make one more request.
    pub(super) fn has_room(&self, account: AccountId) -> bool {
        self.requests.get(&account).copied().unwrap_or(0) < REQUESTS_MAX
    }
}
