//! What random commands came to, and how often: a comparison proves nothing about what never comes up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display, Formatter};

use wire::command::{Reply, SealName};
use wire::{
    CancelCause, Command, DepositStage, Event, LooseningEnd, RejectReason, WithdrawalCause, WithdrawalPurpose,
    WithdrawalStage,
};

/// An event by what it says, where one kind of them says much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Ended(CancelCause),
    Rejected(RejectReason),
    Maker,
    DepositReverted,
    Deposit(DepositStage),
    WithdrawalReverted,
    Failed(WithdrawalCause),
    OfHouse(WithdrawalPurpose, WithdrawalStage),
    Withdrawal(WithdrawalStage),
    Loosening(LooseningEnd),
}

impl Outcome {
    fn of(event: &Event) -> Option<Outcome> {
        Some(match event {
            Event::OrderCanceled(e) => Outcome::Ended(e.cause),
            Event::OrderRejected(e) => Outcome::Rejected(e.reason),
            Event::OrderExecuted(e) if e.is_maker => Outcome::Maker,
            Event::DepositChanged(e) if e.is_reverted => Outcome::DepositReverted,
            Event::DepositChanged(e) => Outcome::Deposit(e.stage),
            Event::WithdrawalChanged(e) if e.is_reverted => Outcome::WithdrawalReverted,
            Event::WithdrawalChanged(e) if e.stage == WithdrawalStage::Failed => Outcome::Failed(e.cause),
            Event::WithdrawalChanged(e) if e.purpose.is_of_house() => Outcome::OfHouse(e.purpose, e.stage),
            Event::WithdrawalChanged(e) => Outcome::Withdrawal(e.stage),
            Event::LooseningEnded(e) => Outcome::Loosening(e.end),
            _ => return None,
        })
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ended(cause) => write!(f, "ended {cause:?}"),
            Outcome::Rejected(reason) => write!(f, "rejected {reason:?}"),
            Outcome::Maker => write!(f, "maker"),
            Outcome::DepositReverted => write!(f, "deposit reverted"),
            Outcome::Deposit(stage) => write!(f, "deposit {stage:?}"),
            Outcome::WithdrawalReverted => write!(f, "withdrawal reverted"),
            Outcome::Failed(cause) => write!(f, "failed {cause:?}"),
            Outcome::OfHouse(purpose, stage) => write!(f, "{purpose:?} {stage:?}"),
            Outcome::Withdrawal(stage) => write!(f, "withdrawal {stage:?}"),
            Outcome::Loosening(end) => write!(f, "loosening {end:?}"),
        }
    }
}

/// See the module. Commands and events are counted by their tags.
#[derive(Debug, Clone)]
pub struct Reached {
    accepted: [u64; 256],
    refused: HashMap<(u8, RejectReason), u64>,
    by_a_seal: u64,
    events: [u64; 256],
    outcomes: HashMap<Outcome, u64>,
}

impl Default for Reached {
    fn default() -> Reached {
        let (refused, outcomes) = (HashMap::new(), HashMap::new());
        Reached { accepted: [0; 256], refused, by_a_seal: 0, events: [0; 256], outcomes }
    }
}

impl Reached {
    /// A command, and what came of it.
    pub fn note(&mut self, command: &Command, reply: &Reply, events: &[Event]) {
        match reply {
            Reply::Accepted { .. } => self.accepted[usize::from(command.tag())] += 1,
            Reply::Rejected { reason, id } => {
                *self.refused.entry((command.tag(), *reason)).or_default() += 1;
                self.by_a_seal += u64::from(SealName::asked_at(*id).is_some());
            }
        }
        for event in events {
            self.events[usize::from(event.tag())] += 1;
            if let Some(outcome) = Outcome::of(event) {
                *self.outcomes.entry(outcome).or_default() += 1;
            }
        }
    }

    /// What came up elsewhere, too.
    pub fn add(&mut self, other: &Reached) {
        let sum =
            |sums: &mut [u64; 256], more: &[u64; 256]| sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        sum(&mut self.accepted, &other.accepted);
        sum(&mut self.events, &other.events);
        self.by_a_seal += other.by_a_seal;
        for (refusal, count) in &other.refused {
            *self.refused.entry(*refusal).or_default() += count;
        }
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
    }

    /// How many commands of every kind, ticks included.
    pub fn commands(&self) -> u64 {
        self.accepted.iter().sum::<u64>() + self.refused.values().sum::<u64>()
    }

    fn refusals(&self) -> BTreeMap<RejectReason, u64> {
        let mut refusals = BTreeMap::new();
        for ((_, reason), count) in &self.refused {
            *refusals.entry(*reason).or_default() += count;
        }
        refusals
    }

    fn outcomes(&self) -> BTreeMap<String, u64> {
        self.outcomes.iter().map(|(outcome, count)| (outcome.to_string(), *count)).collect()
    }

    /// All that came up, each by its name.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.outcomes().into_keys().collect();
        names.extend(self.refusals().keys().map(|reason| format!("refused {reason:?}")));
        names.extend((self.by_a_seal > 0).then(|| "refused by a seal".to_owned()));
        let told = Event::NAMES.iter().filter(|(tag, _)| self.events[usize::from(*tag)] > 0);
        names.extend(told.map(|(_, name)| (*name).to_owned()));
        names
    }
}

/// Each kind of command with how many were accepted and refused and why, refusals by reason, events and what they say; then what
/// never came up.
impl Display for Reached {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut never = [const { Vec::<String>::new() }; 3];
        writeln!(f, "{:<28} {:>12} {:>12}", "command", "accepted", "refused")?;
        for (tag, name) in Command::NAMES {
            let accepted = self.accepted[usize::from(*tag)];
            let of_kind = self.refused.iter().filter(|((of, _), _)| of == tag);
            let mut reasons: Vec<(u64, RejectReason)> = of_kind.map(|((_, reason), count)| (*count, *reason)).collect();
            reasons.sort_unstable_by(|a, b| b.cmp(a));
            let refused: u64 = reasons.iter().map(|(count, _)| count).sum();
            if accepted + refused == 0 {
                never[0].push((*name).to_owned());
                continue;
            }
            let reasons: Vec<String> = reasons.iter().map(|(count, reason)| format!("{reason:?} {count}")).collect();
            writeln!(f, "{name:<28} {accepted:>12} {refused:>12}  {}", reasons.join(", "))?;
        }
        writeln!(f, "\n{:<41} {:>12}", "refused by", "commands")?;
        let (refusals, outcomes) = (self.refusals(), self.outcomes());
        for reason in RejectReason::ALL {
            match refusals.get(reason) {
                Some(count) => writeln!(f, "{:<41} {count:>12}", format!("{reason:?}"))?,
                None if outcomes.contains_key(&Outcome::Rejected(*reason).to_string()) => {}
                None => never[1].push(format!("{reason:?}")),
            }
        }
        writeln!(f, "{:<41} {:>12}", "(of these, for a sealed name)", self.by_a_seal)?;
        writeln!(f, "\n{:<41} {:>12}", "event", "told")?;
        for (tag, name) in Event::NAMES {
            match self.events[usize::from(*tag)] {
                0 => never[2].push((*name).to_owned()),
                count => writeln!(f, "{name:<41} {count:>12}")?,
            }
        }
        writeln!(f, "\n{:<41} {:>12}", "of which", "told")?;
        for (outcome, count) in &outcomes {
            writeln!(f, "{outcome:<41} {count:>12}")?;
        }
        let [commands, reasons, events] = never.map(|names| names.join(", "));
        writeln!(f, "\nnever drawn: {commands}\nnever refused by: {reasons}\nnever told: {events}")
    }
}
