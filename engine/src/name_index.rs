//! From names to order ids, when most look-ups find nothing and most names are forgotten soon.
//!
//! A name lies in a row; rows are taken one after the other. Where it lies is found by hash: open addressing, linear
//! probing, deletion by shifting back. A place has 40 bits of the hash, of which the first say where the search begins,
//! and the row: 8 bytes instead of the row's 24, because they are what every new order reads at random.
//!
//! The table of places begins small and doubles while it is two thirds full, up to a size that its capacity fills to at
//! most four fifths: a table for millions that holds thousands would have a page of its own for each of them. Nothing
//! stops for that. All sizes are reserved at the start, as zeroed pages that nobody has touched, and what the former
//! table holds moves a few places with each insertion. Never iterated: its order is not part of the state.

/// A fingerprint and whose it is.
pub(crate) type Name = [u64; 2];

/// High bits of a hash, then a row counted from 1; 0 is empty.
type Place = u64;

const ROW_BITS: u32 = 24;
const ROW_MAX: usize = (1 << ROW_BITS) - 1;
/// Places of the first table: its pages are few.
const FIRST: usize = 4_096;
/// Places that move with each insertion, at least. A table is empty long before the next one is two thirds full, which takes an
/// insertion for two of three places of it.
const MOVED: usize = 8;

/// So many names are looked at together, at most.
const READ_AT_ONCE: usize = 16;

pub(crate) struct NameIndex {
    table: Table,
    /// What it was before it doubled, while something is in there.
    former: Option<Former>,
    /// What it will be, the smallest last.
    larger: Vec<Table>,
    rows: Vec<Row>,
    free: Vec<u32>,
    capacity: usize,
}

#[derive(Clone, Copy)]
struct Row {
    name: Name,
    value: u64,
}

struct Former {
    table: Table,
    /// An empty place. The places from here on, round the end, so many, have not been moved; all others are empty for good.
    at: usize,
    left: usize,
}

struct Table {
    places: Vec<Place>,
    shift: u32,
}

impl NameIndex {
    /// For up to `capacity` names.
    pub(crate) fn new(capacity: usize) -> NameIndex {
        assert!(capacity <= ROW_MAX, "a ledger remembers at most {ROW_MAX} names");
        let largest = (capacity.max(8) * 5 / 4).next_power_of_two();
        let sizes = std::iter::successors(Some(largest), |places| (*places > FIRST).then_some(places / 2));
        let mut larger: Vec<Table> = sizes.map(Table::new).collect();
        let table = larger.pop().expect("there is one size at least");
        let (rows, free) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        NameIndex { table, former: None, larger, rows, free, capacity }
    }

    /// Goes on to the size for so many names at once: of an index without any.
    pub(crate) fn reserve(&mut self, names: usize) {
        assert!(self.rows.is_empty(), "an index grows by itself once something is in it");
        while names * 3 > self.table.places.len() * 2
            && let Some(larger) = self.larger.pop()
        {
            self.table = larger;
        }
    }

    /// How many names there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// The name's value.
    #[inline]
    pub(crate) fn get(&self, name: &Name) -> Option<u64> {
        let row = self.row(name)?;
        Some(self.rows[row].value)
    }

    /// Reads where the searches for these names begin; what it was has no meaning. The hashes are taken before the first place
    /// is read: between two reads that wait for memory there must be so little work that a processor comes to the second.
    pub(crate) fn read(&self, names: impl Iterator<Item = Name>) -> u64 {
        let (mut hashes, mut count) = ([0; READ_AT_ONCE], 0);
        for (place, name) in hashes.iter_mut().zip(names) {
            *place = hash(&name);
            count += 1;
        }
        let first = |table: &Table| hashes[..count].iter().fold(0, |read, hash| read ^ table.places[table.home(*hash)]);
        first(&self.table) ^ self.former.as_ref().map_or(0, |former| first(&former.table))
    }

    /// Adds a name that is not there, or replaces its value. The caller has checked that there is room.
    pub(crate) fn insert(&mut self, name: Name, value: u64) {
        if let Some(row) = self.row(&name) {
            self.rows[row].value = value;
        } else {
            self.add(name, value);
        }
    }

    /// Adds a name that is not there. The caller has looked, and has checked that there is room.
    #[inline(always)]
    pub(crate) fn add(&mut self, name: Name, value: u64) {
        debug_assert!(self.row(&name).is_none(), "a name was added that is there");
        assert!(self.len() < self.capacity, "an index was filled beyond its capacity");
        self.move_some();
        let row = Row { name, value };
        let at = match self.free.pop() {
            Some(at) => {
                self.rows[at as usize] = row;
                at as usize
            }
            None => {
                self.rows.push(row);
                self.rows.len() - 1
            }
        };
        self.table.put(hash(&name) >> ROW_BITS << ROW_BITS | (at as u64 + 1));
        self.double();
    }

    /// Takes a name out.
    pub(crate) fn remove(&mut self, name: &Name) -> Option<u64> {
        let (rows, hash) = (&self.rows, hash(name));
        let row = match self.table.find(hash, name, rows) {
            Some(at) => self.table.take(at),
            None => {
                let former = self.former.as_mut()?;
                let at = former.table.find(hash, name, rows)?;
                former.table.take(at)
            }
        };
        self.free.push(row as u32);
        Some(self.rows[row].value)
    }

    #[inline(always)]
    fn row(&self, name: &Name) -> Option<usize> {
        let hash = hash(name);
        if let Some(at) = self.table.find(hash, name, &self.rows) {
            return Some(row_of(self.table.places[at]));
        }
        let former = self.former.as_ref()?;
        former.table.find(hash, name, &self.rows).map(|at| row_of(former.table.places[at]))
    }

    /// Goes on to the next size once this one is two thirds full.
    #[inline]
    fn double(&mut self) {
        if self.len() * 3 > self.table.places.len() * 2
            && self.former.is_none()
            && let Some(larger) = self.larger.pop()
        {
            let table = std::mem::replace(&mut self.table, larger);
            let at = table.places.iter().position(|place| *place == 0).expect("a third of a table is empty");
            self.former = Some(Former { left: table.places.len(), table, at });
        }
    }

    /// Moves the next places of the former table, and what follows them without a gap: a search that begins in what is left
    /// meets no gap that was not there.
    #[inline]
    fn move_some(&mut self) {
        if self.former.is_some() {
            self.move_places();
        }
    }

    #[inline(never)]
    fn move_places(&mut self) {
        let Some(former) = &mut self.former else { return };
        let mask = former.table.places.len() - 1;
        let rest = former.left.saturating_sub(MOVED);
        while former.left > 0 {
            let place = std::mem::take(&mut former.table.places[former.at]);
            if place != 0 {
                self.table.put(place);
            } else if former.left <= rest {
                return;
            }
            former.at = (former.at + 1) & mask;
            former.left -= 1;
        }
        self.former = None;
    }
}

impl Table {
    fn new(places: usize) -> Table {
        Table { places: vec![0; places], shift: 64 - places.trailing_zeros() }
    }

    /// Where the search for a hash starts; of a place the same as of its hash, because a table has fewer than 2^40.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    #[inline]
    fn find(&self, hash: u64, name: &Name, rows: &[Row]) -> Option<usize> {
        let mask = self.places.len() - 1;
        let mut at = self.home(hash);
        loop {
            let place = self.places[at];
            if place == 0 {
                return None;
            }
            if (place ^ hash) >> ROW_BITS == 0 && rows[row_of(place)].name == *name {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts a place that is not there.
    #[inline]
    fn put(&mut self, place: Place) {
        let mask = self.places.len() - 1;
        let mut at = self.home(place);
        while self.places[at] != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
    }

    /// Empties a place, and returns its row.
    fn take(&mut self, at: usize) -> usize {
        let row = row_of(self.places[at]);
        let mask = self.places.len() - 1;
        let (mut hole, mut at) = (at, at);
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place == 0 {
                break;
            }
            let home = self.home(place);
            // It may move back unless its home lies after the hole on the way to it.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = place;
                hole = at;
            }
        }
        self.places[hole] = 0;
        row
    }
}

#[inline]
fn row_of(place: Place) -> usize {
    (place as usize & ROW_MAX) - 1
}

#[inline]
fn hash(name: &Name) -> u64 {
    const PHI: u64 = 0x9e37_79b9_7f4a_7c15;
    name.iter().fold(0_u64, |hash, word| (hash ^ word).wrapping_mul(PHI).rotate_right(29))
}

#[cfg(test)]
mod tests;
