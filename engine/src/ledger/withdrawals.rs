//! Withdrawals: money that leaves by a chain. Clients ask, operators approve, chainwatch proposes what its verified chain
//! and its signer say, and here it is decided.
//!
//! ```text
//!  Review --> Held --> Allocated --> Signed --> Broadcast --> Mempool --> Mined --> Confirmed --> Settled
//!     |        |           |           ^            |            |          |           |
//!     v        v           v           |            v            v          |           +-----> Failed (undone by
//!   Canceled Canceled    Failed        |<--------- Stuck (overdue)          |                    the chain)
//!                                      |            |  ^                    |
//!                                      |            v  | refused            |
//!                                      +<--------- Bumped                   |
//!                                      +<-----------------------------------+ gone from the chain
//!   Signed, Broadcast, Mempool, Stuck, Bumped --> Mined, whichever of the transactions is
//!   the same --> Conflicted, when a stranger's transaction has spent what they spend --> Failed, by an operator
//! ```
//!
//! Every way there is, and no other:
//!
//! | from | on | to |
//! |---|---|---|
//! | Review | Approve | Held |
//! | Review | Cancel | Canceled |
//! | Held | Cancel | Canceled |
//! | Held | Allocate | Allocated |
//! | Allocated | Sign | Signed |
//! | Allocated | Refuse | Failed |
//! | Signed | Send | Broadcast |
//! | Broadcast | Pool | Mempool |
//! | Mempool | Drop | Signed |
//! | Signed | Delay | Stuck |
//! | Broadcast | Delay | Stuck |
//! | Mempool | Delay | Stuck |
//! | Stuck | Allocate | Bumped |
//! | Bumped | Sign | Signed |
//! | Bumped | Refuse | Stuck |
//! | Signed | Include | Mined |
//! | Broadcast | Include | Mined |
//! | Mempool | Include | Mined |
//! | Stuck | Include | Mined |
//! | Bumped | Include | Mined |
//! | Conflicted | Include | Mined |
//! | Mined | Include | Mined |
//! | Confirmed | Include | Mined |
//! | Mined | Confirm | Confirmed |
//! | Confirmed | Settle | Settled |
//! | Confirmed | Undo | Failed |
//! | Mined | Vanish | Signed |
//! | Confirmed | Vanish | Signed |
//! | Signed | Conflict | Conflicted |
//! | Broadcast | Conflict | Conflicted |
//! | Mempool | Conflict | Conflicted |
//! | Stuck | Conflict | Conflicted |
//! | Bumped | Conflict | Conflicted |
//! | Conflicted | Drop | Signed |
//! | Conflicted | Fail | Failed |
//! | Held | Release | Held |
//! | Allocated | Release | Held |
//!
//! Amount and fee are held from the request on. What is settled leaves the books: the amount goes out, the fee goes to the
//! house (also of what the chain has undone, whose amount comes back), and the house, which has held the most that the
//! transaction may pay to its chain, pays what it did pay. Nothing that was signed is ever taken back: all transactions of
//! a withdrawal spend the same input or nonce, so at most one of them is ever on the chain. Once final, no stage changes;
//! what a chain takes back then freezes it, and so does a transaction that is on it after an operator has given the money
//! back.
//!
//! Moves between the exchange's own addresses (sweeps, the hot wallet's excess, gas) go the same way, from Held on: the house
//! pays the chain for them, and nothing else is held or booked. So does the child that helps a stuck one:
//!
//! ```text
//!                                 Stuck --> Mined          whoever mines the child mines its parent first
//!                                   | its change
//!  Held --> Allocated --> ... --> Mempool --> Mined --> Settled
//!   |           |                   |
//!   v           v                   v
//! Canceled    Failed     Conflicted, Failed                its parent is settled without it, or has failed
//! ```
//!
//! And so does a batch, the house's, whose one transaction pays several withdrawals, its members. From *Allocated* on each of
//! them stands where it stands, by the same command:
//!
//! ```text
//!  batch:             Held --> Allocated --> Signed --> ... --> Settled        or Failed: none of them is
//!                      |           |
//!                      v           v refused
//!                   Canceled     Failed
//!                      |           |
//!  members:  Held <----+-----------+         each goes alone
//! ```

mod batches;
mod children;
mod destinations;
mod gifts;
mod moves;
mod payment;
mod policy;
mod saved;
mod stage;
mod velocity;

use std::collections::{BTreeMap, BTreeSet};

use wire::command::AllocateWithdrawal;
use wire::event::{WithdrawalChanged, WithdrawalsRestricted};
use wire::{
    AccountId, AccountName, Amount, AssetId, ChainAddress, ChainHash, ChainId, ClientOrderId, HotWalletBounds,
    Timestamp, WithdrawalCause, WithdrawalId, WithdrawalPurpose, WithdrawalRules, WithdrawalStage,
};

use self::destinations::Destinations;
use self::gifts::Gifts;
use self::velocity::Velocity;
use super::{Answer, LedgerCell, Refused};
use crate::limits::Limits;

/// How long a withdrawal is remembered after its end, and its name with it: 30 days of log time.
const REMEMBERED_NS: u64 = 30 * 24 * 3_600 * 1_000_000_000;

/// The most transactions that one withdrawal gets.
const ATTEMPTS_MAX: usize = 16;

/// What only one withdrawal may spend at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spent {
    Output(ChainHash, u32),
    /// Of the account at a deposit address, or at 0 of the wallet's own.
    Nonce(u32, u64),
}

/// A signed transaction. Its bytes are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    tx: ChainHash,
    network_fee: u128,
    /// Where it spends outputs, what comes back to the hot wallet in one of its own.
    change: u128,
}

/// A withdrawal or a move at its beginning, of the house and without fee, limits or name.
fn beginning(withdrawal: WithdrawalId, wanted: Wanted, rules: &WithdrawalRules, now: Timestamp) -> WithdrawalChanged {
    let Wanted { chain, asset, address, amount, purpose, key, parent } = wanted;
    WithdrawalChanged {
        withdrawal,
        account: rules.house,
        chain,
        asset,
        address,
        name: ClientOrderId::EMPTY,
        amount,
        fee: Amount::ZERO,
        stage: WithdrawalStage::Held,
        cause: WithdrawalCause::None,
        requested_at: now,
        ready_at: now,
        changed_at: now,
        approvals_missing: 0,
        attempts: 0,
        tx: ChainHash::default(),
        block: ChainHash::default(),
        height: 0,
        confirmations: 0,
        required: rules.confirmations,
        network_fee: 0,
        house_held: Amount::ZERO,
        is_undone: false,
        is_reverted: false,
        purpose,
        key,
        parent,
        batch: WithdrawalId::default(),
    }
}

/// What is to go where.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    chain: ChainId,
    asset: AssetId,
    address: ChainAddress,
    amount: Amount,
    purpose: WithdrawalPurpose,
    key: u32,
    parent: WithdrawalId,
}

/// What is known of a withdrawal until its end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    house: AccountId,
    /// Whose nonce orders its transactions.
    sender: u32,
    approvers: Vec<AccountName>,
    /// What the last transaction spends, and the one that is about to be signed.
    allocation: Option<AllocateWithdrawal>,
    attempts: Vec<Attempt>,
    /// Of a child, what the transactions that it helps pay to the chain.
    helped_fee: u128,
}

impl Open {
    fn new(house: AccountId, sender: u32) -> Open {
        Open { house, sender, approvers: Vec::new(), allocation: None, attempts: Vec::new(), helped_fee: 0 }
    }

    /// What an allocation spends whose nonce is `sender`'s, if it has one.
    fn spends(sender: u32, allocation: &AllocateWithdrawal) -> impl Iterator<Item = Spent> + '_ {
        let nonce = allocation.inputs.as_slice().is_empty().then_some(Spent::Nonce(sender, allocation.nonce));
        allocation.inputs.as_slice().iter().map(|input| Spent::Output(input.tx, input.output)).chain(nonce)
    }
}

/// Of as many withdrawals as clients may have remembered, one move of the exchange's own money for so many: neither takes the
/// other's place.
const PAYMENTS_A_MOVE: usize = 8;

/// The same of batches: in the room of so many withdrawals of clients one is remembered. Where there is none they go alone.
const PAYMENTS_A_BATCH: usize = 4;

/// Every withdrawal, and what they must keep to.
pub(super) struct Withdrawals {
    /// Of clients.
    max: usize,
    next: u64,
    rules: BTreeMap<(ChainId, AssetId), WithdrawalRules>,
    restrictions: BTreeMap<AccountId, WithdrawalsRestricted>,
    destinations: Destinations,
    hot: BTreeMap<(ChainId, AssetId), HotWalletBounds>,
    gifts: Gifts,
    /// How many moves of the exchange's own money were made on a chain.
    turns: BTreeMap<ChainId, u64>,
    rows: BTreeMap<WithdrawalId, WithdrawalChanged>,
    open: BTreeMap<WithdrawalId, Open>,
    /// The transactions of those that an operator has failed: the chain may yet have one of them.
    failed: BTreeMap<WithdrawalId, Vec<ChainHash>>,
    /// What the house has paid to a chain beyond what its transactions have, less than a ledger unit, in the chain's.
    prepaid: BTreeMap<ChainId, u128>,
    // What follows from the above.
    names: BTreeMap<(AccountId, ClientOrderId), WithdrawalId>,
    spent: BTreeMap<(ChainId, Spent), WithdrawalId>,
    ended: BTreeSet<(Timestamp, WithdrawalId)>,
    /// By their parents, children that are not over.
    children: BTreeMap<WithdrawalId, WithdrawalId>,
    /// By their batches, those that go together.
    members: BTreeMap<WithdrawalId, BTreeSet<WithdrawalId>>,
    velocity: Velocity,
    /// How many of the rows are moves, and how many batches.
    moves: usize,
    batches: usize,
}

impl Withdrawals {
    pub(super) fn new(limits: &Limits) -> Withdrawals {
        Withdrawals {
            max: limits.withdrawals_max as usize,
            next: 1,
            rules: BTreeMap::new(),
            restrictions: BTreeMap::new(),
            destinations: Destinations::default(),
            hot: BTreeMap::new(),
            gifts: Gifts::default(),
            turns: BTreeMap::new(),
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            failed: BTreeMap::new(),
            prepaid: BTreeMap::new(),
            names: BTreeMap::new(),
            spent: BTreeMap::new(),
            ended: BTreeSet::new(),
            children: BTreeMap::new(),
            members: BTreeMap::new(),
            velocity: Velocity::default(),
            moves: 0,
            batches: 0,
        }
    }

    /// How many are remembered that clients asked for.
    pub(super) fn of_clients(&self) -> usize {
        self.rows.len() - self.moves - self.batches
    }

    /// Whether one more withdrawal of a client, one more move or one more batch may be remembered.
    fn has_room(&self, purpose: WithdrawalPurpose) -> bool {
        match purpose {
            WithdrawalPurpose::Payment => self.of_clients() < self.max,
            WithdrawalPurpose::Batch => self.batches < self.max.div_ceil(PAYMENTS_A_BATCH),
            _ => self.moves < self.max.div_ceil(PAYMENTS_A_MOVE),
        }
    }

    /// How many of its kind are remembered.
    fn count(&mut self, purpose: WithdrawalPurpose) -> Option<&mut usize> {
        match purpose {
            WithdrawalPurpose::Payment => None,
            WithdrawalPurpose::Batch => Some(&mut self.batches),
            _ => Some(&mut self.moves),
        }
    }

    /// What an asset's withdrawals on a chain keep to.
    pub(super) fn rules(&self, chain: ChainId, asset: AssetId) -> Option<&WithdrawalRules> {
        self.rules.get(&(chain, asset))
    }

    /// What was said of an account; of one of which nothing was said, that it may withdraw to any address.
    pub(super) fn restriction(&self, account: AccountId) -> WithdrawalsRestricted {
        let none = WithdrawalsRestricted { account, is_blocked: false, is_allow_listed: false };
        self.restrictions.get(&account).copied().unwrap_or(none)
    }

    /// Whether an operator has allowed an account an address.
    pub(super) fn allows(&self, account: AccountId, chain: ChainId, address: &ChainAddress) -> bool {
        self.destinations.get(account, chain, address).is_some_and(|known| known.is_allowed)
    }

    /// Takes a row in place of the one before.
    fn put(&mut self, row: WithdrawalChanged) {
        if row.stage.is_final() {
            self.ended.insert((row.changed_at, row.withdrawal));
        }
        if row.purpose == WithdrawalPurpose::Child && !row.stage.is_final() {
            self.children.insert(row.parent, row.withdrawal);
        } else if self.children.get(&row.parent) == Some(&row.withdrawal) {
            self.children.remove(&row.parent);
        }
        let before = self.rows.insert(row.withdrawal, row);
        if let Some(count) = self.count(row.purpose).filter(|_| before.is_none()) {
            *count += 1;
        }
        let batch = before.map(|before| before.batch).unwrap_or_default();
        if batch != row.batch {
            self.leave(batch, row.withdrawal);
        }
        if row.batch != WithdrawalId::default() {
            self.members.entry(row.batch).or_default().insert(row.withdrawal);
        }
    }

    fn leave(&mut self, batch: WithdrawalId, member: WithdrawalId) {
        if let Some(members) = self.members.get_mut(&batch) {
            members.remove(&member);
            if members.is_empty() {
                self.members.remove(&batch);
            }
        }
    }

    /// Forgets what ended long ago: one at a time, so that no request waits for many.
    fn forget(&mut self, now: Timestamp) {
        let is_old = |at: &Timestamp| at.plus_nanos(REMEMBERED_NS) <= now;
        if let Some((at, id)) = self.ended.first().copied().filter(|(at, _)| is_old(at)) {
            self.ended.remove(&(at, id));
            self.failed.remove(&id);
            let Some(row) = self.rows.remove(&id) else { return };
            if let Some(count) = self.count(row.purpose) {
                *count -= 1;
                self.gifts.forget(&row);
            } else {
                self.names.remove(&(row.account, row.name));
                self.leave(row.batch, id);
            }
        }
    }

    /// Ends what is known of an open one; what it has spent another may.
    fn close(&mut self, id: WithdrawalId) -> Option<Open> {
        let chain = self.rows.get(&id)?.chain;
        let open = self.open.remove(&id)?;
        let spends = open.allocation.iter().flat_map(|allocation| Open::spends(open.sender, allocation));
        for spent in spends {
            self.spent.remove(&(chain, spent));
        }
        Some(open)
    }
}

#[cfg(test)]
mod tests;
