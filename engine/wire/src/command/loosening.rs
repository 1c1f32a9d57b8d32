//! What guards withdrawals is loosened by two operators: one proposes, another approves the very same.

use alloc::boxed::Box;

use super::{AllowAddress, DeclareReserves, RestrictWithdrawals, SetWithdrawalRules, ThawReserves};
use crate::LooseningId;
use crate::text::AccountName;

/// A command of operators that one of them may give alone only while it loosens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loosening {
    /// Withdrawals of an asset on a chain keep to less.
    SetWithdrawalRules(Box<SetWithdrawalRules>),
    /// An account may withdraw again, or to any address.
    RestrictWithdrawals(RestrictWithdrawals),
    /// An account may withdraw to one more address.
    AllowAddress(Box<AllowAddress>),
    /// A chain should have less of an asset.
    DeclareReserves(Box<DeclareReserves>),
    /// Withdrawals of an asset by a chain go on.
    ThawReserves(ThawReserves),
}

/// Operator: this should be, if another operator approves it. The reply's id is its [`LooseningId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposeLoosening {
    /// Who proposes. The node checks that it is the name of the operator's certificate.
    pub proposer: AccountName,
    /// What.
    pub loosening: Loosening,
}

/// Operator: let it be what another one has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproveLoosening {
    /// Which proposal.
    pub id: LooseningId,
    /// Who approves. The node checks that it is the name of the operator's certificate.
    pub approver: AccountName,
    /// What the approver has read. Refused unless it is what was proposed.
    pub loosening: Loosening,
}

/// Operator: it is not to be. Whoever has proposed it may take it back, and every other operator may refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropLoosening {
    /// Which proposal.
    pub id: LooseningId,
    /// Who says so. The node checks that it is the name of the operator's certificate.
    pub operator: AccountName,
}
