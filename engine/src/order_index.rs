//! From order ids to slab handles, when ids are counted upwards and most orders are young.
//!
//! The last ids lie in a ring indexed by the id itself, so that new orders and cancels of young ones touch memory in
//! sequence. An order that still lives when the ring comes round to its place moves to a table of *older* ones: open
//! addressing, at most half full, deletion by shifting back, so that there are no tombstones and nothing ever
//! rehashes. An entry has 40 bits of the id; the slab knows all of it and is asked for the last word. Never iterated:
//! where an order is kept is not part of the state.

/// Low 40 bits of an id, then a handle; 0 is empty. Two orders with the same 40 bits have different handles.
type Entry = u64;

const HANDLE_BITS: u32 = 24;
const HANDLE_MAX: u32 = (1 << HANDLE_BITS) - 1;

#[inline]
fn entry(id: u64, handle: u32) -> Entry {
    id << HANDLE_BITS | u64::from(handle)
}

#[inline]
fn handle_of(entry: Entry) -> u32 {
    entry as u32 & HANDLE_MAX
}

#[inline]
fn may_be(entry: Entry, id: u64) -> bool {
    (entry ^ id << HANDLE_BITS) >> HANDLE_BITS == 0
}

pub(crate) struct OrderIndex {
    /// Handles, placed by the low bits of the id; 0 where no order of the last ids lives.
    recent: Vec<u32>,
    older: Vec<Entry>,
    /// The newest id that ever was among them: younger ones need not be looked for there.
    older_newest: u64,
    shift: u32,
    len: usize,
    capacity: usize,
}

impl OrderIndex {
    /// For up to `capacity` orders with handles from 1 to `capacity`. 20 to 40 bytes an order.
    pub(crate) fn new(capacity: usize) -> OrderIndex {
        assert!(capacity <= HANDLE_MAX as usize, "a book or ledger holds at most {HANDLE_MAX} orders");
        let recent = capacity.next_power_of_two().max(64);
        let older = (capacity.max(8) * 2).next_power_of_two();
        OrderIndex {
            recent: vec![0; recent],
            older: vec![0; older],
            older_newest: 0,
            shift: 64 - older.trailing_zeros(),
            len: 0,
            capacity,
        }
    }

    /// How many orders there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The handle of an order. `id_of` tells the id of the order that has a handle.
    #[inline]
    pub(crate) fn get(&self, id: u64, id_of: impl Fn(u32) -> u64) -> Option<u32> {
        let handle = self.recent[id as usize & (self.recent.len() - 1)];
        if handle != 0 && id_of(handle) == id {
            return Some(handle);
        }
        if id > self.older_newest { None } else { self.get_older(id, id_of) }
    }

    #[cold]
    fn get_older(&self, id: u64, id_of: impl Fn(u32) -> u64) -> Option<u32> {
        let mut at = self.home(id);
        loop {
            let entry = self.older[at];
            if entry == 0 {
                return None;
            }
            if may_be(entry, id) && id_of(handle_of(entry)) == id {
                return Some(handle_of(entry));
            }
            at = (at + 1) & (self.older.len() - 1);
        }
    }

    /// Reads the place that an order of this id will have; what it was has no meaning.
    #[inline]
    pub(crate) fn read(&self, id: u64) -> u32 {
        self.recent[id as usize & (self.recent.len() - 1)]
    }

    /// Adds an order that is not there. The caller has checked that there is room, and `id_of` knows it already.
    #[inline]
    pub(crate) fn insert(&mut self, id: u64, handle: u32, id_of: impl Fn(u32) -> u64) {
        assert!(self.len < self.capacity, "an index was filled beyond its capacity");
        self.len += 1;
        let at = id as usize & (self.recent.len() - 1);
        let former = self.recent[at];
        if former == 0 {
            self.recent[at] = handle;
            return;
        }
        let former_id = id_of(former);
        if former_id < id {
            self.recent[at] = handle;
            self.insert_older(former_id, former);
        } else {
            self.insert_older(id, handle);
        }
    }

    /// Takes an order out that is there.
    #[inline]
    pub(crate) fn remove(&mut self, id: u64, handle: u32) {
        self.len -= 1;
        let at = id as usize & (self.recent.len() - 1);
        if self.recent[at] == handle {
            self.recent[at] = 0;
        } else {
            self.remove_older(id, handle);
        }
    }

    /// Where the search for an older id starts: eight neighbours share a cache line.
    #[inline]
    fn home(&self, id: u64) -> usize {
        const PHI: u64 = 0x9e37_79b9_7f4a_7c15;
        let low = id & (u64::MAX >> HANDLE_BITS);
        let group = (low >> 3).wrapping_mul(PHI) >> (self.shift + 3);
        (group << 3 | low & 7) as usize
    }

    #[cold]
    fn insert_older(&mut self, id: u64, handle: u32) {
        let mut at = self.home(id);
        while self.older[at] != 0 {
            at = (at + 1) & (self.older.len() - 1);
        }
        self.older[at] = entry(id, handle);
        self.older_newest = self.older_newest.max(id);
    }

    #[cold]
    fn remove_older(&mut self, id: u64, handle: u32) {
        let mask = self.older.len() - 1;
        let gone = entry(id, handle);
        let mut hole = self.home(id);
        while self.older[hole] != gone {
            assert!(self.older[hole] != 0, "an order that is taken out of an index is there");
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let entry = self.older[at];
            if entry == 0 {
                break;
            }
            // It may move back unless its home lies after the hole on the way to it.
            let home = self.home(entry >> HANDLE_BITS);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.older[hole] = entry;
                hole = at;
            }
        }
        self.older[hole] = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Ids that come in order with gaps, lives of very different lengths, and ids that agree in their low 40 bits.
    #[test]
    fn it_agrees_with_a_sorted_map_over_young_and_old_orders() {
        let capacity = 100;
        let mut index = OrderIndex::new(capacity);
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        let mut ids = vec![0_u64; capacity + 1];
        let mut free: Vec<u32> = (1..=capacity as u32).collect();
        let (mut draw, mut last) = (7_u64, 0_u64);
        for step in 0..200_000_u64 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let dice = draw >> 40;
            if draw >> 63 == 0 && !free.is_empty() {
                last += if step % 5_000 == 0 { (1 << 40) - 1 } else { dice % 3 + 1 };
                let handle = free.swap_remove(dice as usize % free.len());
                ids[handle as usize] = last;
                index.insert(last, handle, |handle| ids[handle as usize]);
                model.insert(last, handle);
            } else if !model.is_empty() {
                // The first sixteen stay long, so that they become older ones.
                let at = if dice % 50 == 0 { 0 } else { (dice as usize % model.len()).max(16.min(model.len() - 1)) };
                let (&id, &handle) = model.iter().nth(at).unwrap();
                index.remove(id, handle);
                model.remove(&id);
                free.push(handle);
                assert_eq!(index.get(id, |handle| ids[handle as usize]), None);
            }
            assert_eq!(index.len(), model.len());
            let probe = last.saturating_sub(dice % 400);
            assert_eq!(index.get(probe, |handle| ids[handle as usize]), model.get(&probe).copied());
            for (&id, &handle) in model.iter().take(2) {
                assert_eq!(index.get(id, |handle| ids[handle as usize]), Some(handle));
            }
        }
    }

    #[test]
    fn orders_that_come_out_of_order_are_found() {
        let mut index = OrderIndex::new(1_000);
        let ids: Vec<u64> = (0..=1_000).map(|at: u64| if at == 0 { 0 } else { at * 7_919 % 100_003 + 1 }).collect();
        for handle in 1..=1_000 {
            index.insert(ids[handle as usize], handle, |handle| ids[handle as usize]);
        }
        for handle in 1..=1_000 {
            assert_eq!(index.get(ids[handle as usize], |handle| ids[handle as usize]), Some(handle));
        }
    }
}
