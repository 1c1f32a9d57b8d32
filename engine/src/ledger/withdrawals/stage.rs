//! The ways between the stages of a withdrawal, as the table above says them.

use wire::WithdrawalStage;

/// What takes a withdrawal from one stage to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The last operator that it needs has approved it.
    Approve,
    /// It is taken back.
    Cancel,
    /// Its next transaction has inputs or a nonce.
    Allocate,
    /// That transaction is signed.
    Sign,
    /// The signer will never sign that transaction.
    Refuse,
    /// Its transaction was sent.
    Send,
    /// Nodes have it.
    Pool,
    /// No node has it, and it may still be mined.
    Drop,
    /// It takes too long.
    Delay,
    /// The agreed chain has it.
    Include,
    /// The agreed chain has it deep enough.
    Confirm,
    /// And its money may be booked.
    Settle,
    /// And its money has not moved.
    Undo,
    /// The agreed chain has it no more.
    Vanish,
    /// The agreed chain has spent what it spends.
    Conflict,
    /// An operator says that it will never move its money.
    Fail,
    /// Nothing was signed for the batch that it is a member of, and it leaves that.
    Release,
}

/// Where a move leads; `None` when there is no such way.
pub(super) fn next(stage: WithdrawalStage, how: Move) -> Option<WithdrawalStage> {
    use Move::*;
    use WithdrawalStage::*;
    Some(match (stage, how) {
        (Review, Approve) => Held,
        (Review | Held, Cancel) => Canceled,
        (Held, Allocate) => Allocated,
        (Stuck, Allocate) => Bumped,
        (Allocated | Bumped, Sign) => Signed,
        (Allocated, Refuse) => Failed,
        (Bumped, Refuse) => Stuck,
        (Signed, Send) => Broadcast,
        (Broadcast, Pool) => Mempool,
        (Mempool | Conflicted, Drop) => Signed,
        (Signed | Broadcast | Mempool, Delay) => Stuck,
        (Signed | Broadcast | Mempool | Stuck | Bumped | Conflicted | Mined | Confirmed, Include) => Mined,
        (Mined, Confirm) => Confirmed,
        (Confirmed, Settle) => Settled,
        (Confirmed, Undo) => Failed,
        (Mined | Confirmed, Vanish) => Signed,
        (Signed | Broadcast | Mempool | Stuck | Bumped, Conflict) => Conflicted,
        (Conflicted, Fail) => Failed,
        (Held | Allocated, Release) => Held,
        _ => return None,
    })
}

#[cfg(test)]
pub(super) const MOVES: [Move; 17] = [
    Move::Approve,
    Move::Cancel,
    Move::Allocate,
    Move::Sign,
    Move::Refuse,
    Move::Send,
    Move::Pool,
    Move::Drop,
    Move::Delay,
    Move::Include,
    Move::Confirm,
    Move::Settle,
    Move::Undo,
    Move::Vanish,
    Move::Conflict,
    Move::Fail,
    Move::Release,
];
