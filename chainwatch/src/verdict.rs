//! What the pool thinks of one of its nodes. Each is treated differently, so each has its own name.

/// The state of one node of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Answers in time and agrees with the majority.
    Agreeing,
    /// Agrees with the majority's past, but is behind its head.
    Lagging,
    /// Reports another hash than the majority at a height.
    Forked,
    /// Reported something that its own proofs contradict.
    Lying,
    /// Answers, but later than its share of requests may take.
    Slow,
    /// Does not answer.
    Down,
}

impl Verdict {
    /// Whether requests are routed to a node of this verdict.
    pub const fn serves(self) -> bool {
        matches!(self, Verdict::Agreeing | Verdict::Slow)
    }
}
