//! By which members each entry was committed.
//!
//! A leader counts by the members that it has applied. An entry behind one that changes them may be committed together with
//! it, by those before; the change holds from when it is applied. What an answer promises to be on the disks of a quorum is then
//! on those of a quorum of the members by which its entry was committed, and not yet of those there are when it is given: that
//! it is as soon as they have committed anything behind it.

use replicator::Members;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Commits {
    upto: u64,
    /// Of entries up to the index: the members before the leader's step that committed them, and after it.
    by: Vec<(u64, [Members; 2])>,
}

impl Commits {
    /// A leader has committed up to `index`, in a step before which it counted by the first of `members` and after which by
    /// the second.
    pub fn on_commit(&mut self, index: u64, members: [&Members; 2]) {
        if index <= self.upto {
            return;
        }
        self.upto = index;
        match self.by.last_mut() {
            Some((upto, by)) if [&by[0], &by[1]] == members => *upto = index,
            _ => self.by.push((index, members.map(Clone::clone))),
        }
    }

    /// Those whose disks an answer may rely on that a node gives now, with these members: a quorum of one of them is enough.
    ///
    /// The present ones alone, but while the newest entry that is committed is one that a change of them was applied with.
    pub fn answer_for<'a>(&'a self, index: u64, present: &'a Members) -> Vec<&'a Members> {
        // What they have committed something behind is on their disks.
        let are_settled = self.by.last().is_some_and(|(_, by)| by.iter().all(|by| by == present));
        match self.of(index) {
            Some([before, after]) if !are_settled => vec![before, after],
            _ => vec![present],
        }
    }

    /// The members by which an entry was committed: those of one of the two.
    pub fn of(&self, index: u64) -> Option<&[Members; 2]> {
        let at = self.by.partition_point(|(upto, _)| *upto < index);
        self.by.get(at).map(|(_, members)| members)
    }
}

#[cfg(test)]
mod tests;
