//! One question, asked of as many nodes as it takes.
//!
//! The first node gets its own p90, bounded, to answer; then a second one is asked beside it. A node that fails
//! or lies is replaced at once. An answer wins over any error, however early the error came: a JSON-RPC error is
//! the race's result only when no node is left that could still answer.

use std::time::Instant;

use super::{Failure, Method, Pool};
use crate::ChainNodeId;
use crate::chain::Lie;

/// How many nodes are asked beside each other.
const BESIDE_MAX: usize = 3;
/// So many nodes that say the same error are believed, when nobody else is being asked.
const REFUSALS_ENOUGH: usize = 3;

/// What came of asking one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that stood up to verification.
    Answer,
    /// A JSON-RPC error, or an answer that says that the node does not have what was asked for.
    Refusal,
    /// No answer.
    Failure(Failure),
    /// An answer that contradicts itself or the chain's rules.
    Lie(Lie),
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask this node, and come back.
    Ask(ChainNodeId),
    /// Come back with an outcome, or then.
    Wait(Instant),
    /// It is over.
    Finished(Ending),
}

/// How a race ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This node's answer is the result.
    Answered(ChainNodeId),
    /// Nobody answered, and this node's refusal is the result.
    Refused(ChainNodeId),
    /// Nobody answered and nobody is left to ask.
    NobodyLeft,
    /// The time is over.
    TimedOut,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    node: ChainNodeId,
    at: Instant,
    hedge_at: Instant,
    outcome: Option<Outcome>,
}

/// A question on its way.
pub struct Race {
    method: Method,
    deadline: Instant,
    asked: Vec<Asked>,
}

impl Race {
    /// A question that is given up at `deadline`.
    pub fn new(method: Method, deadline: Instant) -> Race {
        Race { method, deadline, asked: Vec::new() }
    }

    /// What to do now. Call it again after every outcome and whenever the time it named has come.
    pub fn step(&mut self, pool: &mut Pool, now: Instant) -> Step {
        if let Some(winner) = self.asked.iter().find(|asked| asked.outcome == Some(Outcome::Answer)) {
            let winner = winner.node;
            return self.finish(Ending::Answered(winner), pool, now);
        }
        if now >= self.deadline {
            return self.finish(Ending::TimedOut, pool, now);
        }
        let waiting: Vec<&Asked> = self.asked.iter().filter(|asked| asked.outcome.is_none()).collect();
        let refusals = self.asked.iter().filter(|asked| asked.outcome == Some(Outcome::Refusal)).count();
        if waiting.is_empty() && refusals >= REFUSALS_ENOUGH {
            return self.finish_without_answer(pool, now);
        }
        let is_due = waiting.iter().all(|asked| now >= asked.hedge_at);
        if is_due && waiting.len() < BESIDE_MAX {
            let before: Vec<ChainNodeId> = self.asked.iter().map(|asked| asked.node).collect();
            if let Some(node) = pool.route(self.method, &before, now) {
                let hedge_at = now + pool.hedge_after(node);
                self.asked.push(Asked { node, at: now, hedge_at, outcome: None });
                return Step::Ask(node);
            }
            if waiting.is_empty() {
                return self.finish_without_answer(pool, now);
            }
            return Step::Wait(self.deadline);
        }
        let next = waiting.iter().map(|asked| asked.hedge_at).max().filter(|_| !is_due);
        Step::Wait(next.unwrap_or(self.deadline).min(self.deadline))
    }

    /// What a node that was asked has answered, and how that counts for it.
    pub fn on_outcome(&mut self, node: ChainNodeId, outcome: Outcome, pool: &mut Pool, now: Instant) {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.node == node && asked.outcome.is_none()) else {
            return;
        };
        asked.outcome = Some(outcome);
        match outcome {
            Outcome::Answer | Outcome::Refusal => pool.on_answer(node, now.saturating_duration_since(asked.at), now),
            Outcome::Failure(failure) => pool.on_failure(node, failure, now),
            Outcome::Lie(lie) => pool.on_lie(node, lie, now),
        }
    }

    fn finish_without_answer(&mut self, pool: &mut Pool, now: Instant) -> Step {
        let refusal = self.asked.iter().find(|asked| asked.outcome == Some(Outcome::Refusal));
        let ending = refusal.map_or(Ending::NobodyLeft, |asked| Ending::Refused(asked.node));
        self.finish(ending, pool, now)
    }

    /// Whoever was asked and has said nothing has at least been that slow.
    fn finish(&mut self, ending: Ending, pool: &mut Pool, now: Instant) -> Step {
        for asked in self.asked.iter_mut().filter(|asked| asked.outcome.is_none()) {
            pool.on_unanswered(asked.node, now.saturating_duration_since(asked.at), now);
            asked.outcome = Some(Outcome::Failure(Failure::Silent));
        }
        Step::Finished(ending)
    }
}

#[cfg(test)]
mod tests;
