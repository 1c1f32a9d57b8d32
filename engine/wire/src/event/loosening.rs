//! What operators propose to loosen, and what becomes of it.

use crate::command::Loosening;
use crate::text::AccountName;
use crate::{LooseningEnd, LooseningId, Timestamp};

/// An operator has proposed to loosen what guards withdrawals. It waits for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseningProposed {
    /// Its number.
    pub id: LooseningId,
    /// Who has proposed it.
    pub proposer: AccountName,
    /// From then on it can be approved no more, by log time; nothing else tells that it has run out.
    pub expires_at: Timestamp,
    /// What.
    pub loosening: Loosening,
}

/// A proposal waits no more. Of one that was approved, what it changed is told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LooseningEnded {
    /// Which one.
    pub id: LooseningId,
    /// How.
    pub end: LooseningEnd,
    /// Who has approved or dropped it; nobody where it was overtaken.
    pub operator: AccountName,
}
