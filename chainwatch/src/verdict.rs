//! What the pool thinks of one of its nodes. Each is treated differently, so each has its own name.

/// The state of one node of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Answers in time and agrees with the majority.
    Agreeing,
    /// Answers, and is proving that it agrees: new, or back after another verdict.
    Proving,
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
    /// Every verdict, for metrics.
    pub const ALL: [Verdict; 7] = [
        Verdict::Agreeing,
        Verdict::Proving,
        Verdict::Lagging,
        Verdict::Forked,
        Verdict::Lying,
        Verdict::Slow,
        Verdict::Down,
    ];

    /// Its name in metrics, logs and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Agreeing => "agreeing",
            Verdict::Proving => "proving",
            Verdict::Lagging => "lagging",
            Verdict::Forked => "forked",
            Verdict::Lying => "lying",
            Verdict::Slow => "slow",
            Verdict::Down => "down",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
