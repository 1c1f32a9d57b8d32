//! What must never be seen. Each checker holds one promise; a broken one ends the run with a sentence.

mod acknowledged;
mod balances;
mod conservation;
mod digests;
mod kept;
mod leadership;
#[cfg(test)]
mod made;
mod mail;
mod model;
mod once;
mod orders;
mod pace;
mod pasts;
mod progress;
mod rates;
mod real_time;
mod refused;
mod retries;
mod streams;
mod versions;

pub use acknowledged::Acknowledged;
pub use balances::Balances;
pub use conservation::Conservation;
pub use digests::Digests;
pub use kept::Kept;
pub use leadership::Leadership;
pub use mail::MailOrder;
pub use model::SecondOpinion;
pub use once::Once;
pub use orders::{Asked, Orders};
pub use pace::Pace;
pub use pasts::Pasts;
pub use progress::Progress;
pub use rates::Rates;
pub use real_time::RealTime;
pub use refused::Refused;
pub use retries::Retries;
pub use streams::Streams;
pub use versions::Versions;

use std::collections::BTreeMap;

use engine::Partition;
use wire::{LogPosition, PartitionId};

use super::history::{History, Record};
use super::machine::LEDGER;
use super::swarm::Plan;

/// A promise kept, or how it was broken.
pub type Verdict = Result<(), String>;

/// Every partition's history.
pub type Histories = BTreeMap<PartitionId, History>;

/// All of them.
pub struct Checkers {
    /// What was acknowledged is committed, on the disks of a quorum, and stays as it was.
    pub acknowledged: Acknowledged,
    /// Nothing is executed twice.
    pub once: Once,
    /// Whoever asks again is told what became of it.
    pub kept: Kept,
    /// What was told not to be executed is not.
    pub refused: Refused,
    /// Who places too many orders is told so.
    pub rates: Rates,
    /// Who asks once more is told of the first.
    pub retries: Retries,
    /// Money is conserved.
    pub conservation: Conservation,
    /// Mail arrives in order and once.
    pub mail: MailOrder,
    /// One leader a term.
    pub leadership: Leadership,
    /// Users are told of orders what was committed,
    pub orders: Orders,
    /// and of balances.
    pub balances: Balances,
    /// Log time passes as the world's does.
    pub pace: Pace,
    /// Who is to vote has its past.
    pub pasts: Pasts,
    /// Equal states at equal positions.
    pub digests: Digests,
    /// Whoever asks comes after what was committed by then.
    pub real_time: RealTime,
    /// Every consumer sees everything once.
    pub streams: Streams,
    /// Nobody behaves as its build cannot.
    pub versions: Versions,
    /// The naive exchange agrees.
    pub model: SecondOpinion,
    /// The healed world comes to rest.
    pub progress: Progress,
    /// What was committed, in the order in which the world saw it.
    order: Vec<(PartitionId, LogPosition)>,
}

impl Checkers {
    /// For a world of this plan.
    pub fn new(plan: &Plan) -> Checkers {
        Checkers {
            acknowledged: Acknowledged::default(),
            once: Once::new(plan.name_retention_ns),
            kept: Kept::new(plan.replies_max),
            refused: Refused::default(),
            rates: Rates::default(),
            retries: Retries::default(),
            conservation: Conservation::new(plan.has_variety),
            mail: MailOrder::default(),
            leadership: Leadership::default(),
            orders: Orders::new(plan.order_entry.percent > 0),
            balances: Balances::default(),
            pace: Pace::default(),
            pasts: Pasts::default(),
            digests: Digests::default(),
            real_time: RealTime,
            streams: Streams::default(),
            versions: Versions,
            model: SecondOpinion::new(plan),
            progress: Progress::default(),
            order: Vec::new(),
        }
    }

    /// A command is committed; `cells` are as they are after it.
    pub fn on_commit(&mut self, partition: PartitionId, record: &Record, cells: &Partition) -> Verdict {
        self.order.push((partition, record.position));
        self.once.on_commit(partition, record)?;
        self.kept.on_commit(partition, record);
        if partition == LEDGER {
            self.refused.on_commit(record)?;
            self.rates.on_commit(record);
            self.retries.on_commit(record);
            self.orders.on_commit(record)?;
            self.balances.on_commit(record);
        } else {
            self.orders.on_market_commit(partition, cells);
        }
        self.conservation.on_commit(partition, record, cells)?;
        self.mail.on_commit(partition, record, cells)?;
        self.model.on_commit(partition, record)
    }

    /// What was committed, in the order in which the world saw it.
    pub fn order(&self) -> &[(PartitionId, LogPosition)] {
        &self.order
    }
}
