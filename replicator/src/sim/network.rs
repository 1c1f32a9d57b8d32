//! What a network does to messages: the same for the replicator's own simulated cluster and for the simulated
//! exchange that tests build on it.

use std::collections::BTreeMap;

use wire::NodeId;

use super::Random;

/// How messages travel.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Messages lost, of a thousand.
    pub loss_per_mille: u64,
    /// Messages doubled, of a thousand.
    pub duplication_per_mille: u64,
    /// A message takes at least this long,
    pub delay_ns: u64,
    /// and up to this much longer; unequal delays reorder.
    pub jitter_ns: u64,
    /// Messages that take far longer, of a thousand,
    pub straggler_per_mille: u64,
    /// up to this long.
    pub straggler_ns: u64,
}

impl Weather {
    /// Nothing is lost and everything takes the same time.
    pub fn fair(delay_ns: u64) -> Weather {
        Weather {
            loss_per_mille: 0,
            duplication_per_mille: 0,
            delay_ns,
            jitter_ns: 0,
            straggler_per_mille: 0,
            straggler_ns: 0,
        }
    }

    /// How long each copy of one message travels; none arrives when it is lost.
    pub fn fates(&self, random: &mut Random) -> impl Iterator<Item = u64> + use<> {
        let copies = match () {
            () if random.per_mille(self.loss_per_mille) => 0,
            () if random.per_mille(self.duplication_per_mille) => 2,
            () => 1,
        };
        let mut fates = [0; 2];
        for fate in &mut fates[..copies] {
            *fate = self.delay(random);
        }
        fates.into_iter().take(copies)
    }

    /// How long one message travels that is not lost.
    pub fn delay(&self, random: &mut Random) -> u64 {
        let jitter = if self.jitter_ns == 0 { 0 } else { random.below(self.jitter_ns) };
        let is_straggler = self.straggler_per_mille > 0 && random.per_mille(self.straggler_per_mille);
        let late = if is_straggler { random.below(self.straggler_ns.max(1)) } else { 0 };
        self.delay_ns + jitter + late
    }
}

/// Ways that are cut, each in one direction. A way may be cut several times over; it is open again when each cut is
/// mended.
#[derive(Debug, Clone, Default)]
pub struct Cuts(BTreeMap<(NodeId, NodeId), u32>);

impl Cuts {
    /// Nothing gets from one to the other any more.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        *self.0.entry((from, to)).or_default() += 1;
    }

    /// Mends one cut.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        if let Some(cuts) = self.0.get_mut(&(from, to)) {
            *cuts -= 1;
            if *cuts == 0 {
                self.0.remove(&(from, to));
            }
        }
    }

    /// Mends everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nothing gets from one to the other.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.0.contains_key(&(from, to))
    }
}
