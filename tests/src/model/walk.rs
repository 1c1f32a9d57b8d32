//! A walk is a story of random commands that a seed decides, told to the engine and to the model; the same seed is the same walk.
//! One that meets a difference is shortened: commands are left out as long as the rest still meets one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wire::{Command, MarketRules};

use super::edges::Edges;
use super::flow::Flow;
use super::layout::Layout;
use super::pair::{FEES, Pair};
use super::reached::Reached;
use super::rules;
use super::shorten::shortened;

/// So many commands apart, the engine is written down and read again.
const RESTART_EVERY: usize = 97;

/// What comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Plain orders, cancels and money, at the edges of every filter.
    Edges,
    /// Every kind of command but those of chains.
    Trading,
    /// Those, and deposits by a chain.
    Deposits,
    /// Those, and withdrawals by a chain.
    Withdrawals,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// Decides everything.
    pub seed: u64,
    /// Of the engine.
    pub layout: Layout,
    /// What comes up.
    pub mix: Mix,
    /// How many commands.
    pub steps: usize,
}

/// A command of a walk.
#[derive(Debug, Clone)]
pub struct Step {
    /// Nanoseconds of log time before it.
    pub pause: u64,
    /// What both are told.
    pub command: Command,
    /// Whether the engine is written down and read again after it.
    pub restarts: bool,
}

/// A walk that came to its end.
#[derive(Debug, Clone)]
pub struct Walked {
    /// What came up.
    pub reached: Reached,
    /// The digests of the engine's partitions at the end, in one number.
    pub trace: u128,
}

/// The engine and the model do not tell the same, or one of them panics.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The number of the step that shows it, from 0.
    pub at: usize,
    /// In words.
    pub what: String,
}

enum Source {
    Edges(Box<Edges>),
    Flow(Box<Flow>),
}

impl Walk {
    /// The walk of this seed. Neighbours are of different layouts. Of 64 in one layout 40 are at the edges, 15 trade, 6 have deposits
    /// and 3 withdrawals; of those that are not at the edges, every 64th is long.
    pub fn of(seed: u64) -> Walk {
        let layout = [Layout::Joint, Layout::Mixed, Layout::Split][(seed % 3) as usize];
        let (mix, steps) = match seed / 3 % 64 {
            // From one command to 330.
            0..40 => (Mix::Edges, (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 330 + 1),
            40..55 => (Mix::Trading, 300),
            55..61 => (Mix::Deposits, 300),
            _ => (Mix::Withdrawals, 300),
        };
        let is_long = mix != Mix::Edges && seed / 192 % 64 == 63;
        Walk { seed, layout, mix, steps: if is_long { 3_000 } else { steps as usize } }
    }

    fn rules(&self) -> MarketRules {
        match self.mix {
            Mix::Edges => rules(),
            _ => MarketRules { open_orders_max: 30, ..rules() },
        }
    }

    /// Tells it to both.
    pub fn run(&self) -> Result<Walked, Difference> {
        self.record(|_| {})
    }

    /// Its steps, up to the one that shows the difference if one does: they depend on what came of those before.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let _ = self.record(|step| steps.push(step.clone()));
        steps
    }

    fn record(&self, mut record: impl FnMut(&Step)) -> Result<Walked, Difference> {
        let mut at = 0;
        let walked = catch_unwind(AssertUnwindSafe(|| {
            let mut pair = Pair::with(self.layout, self.rules());
            let mut source = self.source(&pair);
            for number in 0..self.steps {
                at = number;
                let (pause, command) = source.draw();
                let step = Step { pause, command, restarts: number % RESTART_EVERY == RESTART_EVERY - 1 };
                record(&step);
                take(&mut pair, &step);
                source.learn(&pair);
            }
            pair.finish()
        }));
        walked.map_err(|panic| Difference { at, what: words(&*panic) })
    }

    fn source(&self, pair: &Pair) -> Source {
        let flow = || Flow::new(self.seed, FEES.len() as u32, self.rules(), pair.now);
        Source::Flow(Box::new(match self.mix {
            Mix::Edges => return Source::Edges(Box::new(Edges::new(self.seed))),
            Mix::Trading => flow(),
            Mix::Deposits => flow().with_deposits(),
            Mix::Withdrawals => flow().with_withdrawals(),
        }))
    }

    /// Tells these steps to both in place of its own, and panics where they differ.
    pub fn tell(&self, steps: &[Step]) {
        let mut pair = Pair::with(self.layout, self.rules());
        steps.iter().for_each(|step| take(&mut pair, step));
    }

    fn difference(&self, steps: &[Step]) -> Option<Difference> {
        let mut at = 0;
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut pair = Pair::with(self.layout, self.rules());
            for (number, step) in steps.iter().enumerate() {
                at = number;
                take(&mut pair, step);
            }
        }));
        told.err().map(|panic| Difference { at, what: words(&*panic) })
    }

    /// As few of its steps as could be found that still meet a difference; empty if it meets none.
    pub fn shortened(&self) -> Vec<Step> {
        shortened(self.steps(), |steps| self.difference(steps).map(|difference| difference.at))
    }
}

impl Source {
    fn draw(&mut self) -> (u64, Command) {
        match self {
            Source::Edges(edges) => edges.draw(),
            Source::Flow(flow) => flow.draw(),
        }
    }

    fn learn(&mut self, pair: &Pair) {
        match self {
            Source::Edges(edges) => edges.learn_from(pair),
            Source::Flow(flow) => flow.learn_from(pair),
        }
    }
}

fn take(pair: &mut Pair, step: &Step) {
    pair.step(step.pause, &step.command);
    if step.restarts {
        pair.engine.restart();
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
