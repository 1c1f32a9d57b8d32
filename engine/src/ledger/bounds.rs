//! What one order of an account in a market may be at most, and its position there. Found by hash, since every order of a
//! bounded account asks: with a million accounts a tree's way down would be most of an order's work.

use wire::codec::{CodecError, Reader, Writer};
use wire::{AccountId, Amount, MarketId, Qty};

use crate::index::IdIndex;

/// Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) qty_max: Qty,
    pub(super) notional_max: Amount,
    pub(super) position_max: Amount,
}

impl Bounds {
    fn is_none(&self) -> bool {
        self.qty_max.is_zero() && self.notional_max.is_zero() && self.position_max.is_zero()
    }
}

/// By account and market, up to a number of them.
pub(super) struct BoundsTable {
    /// In no order.
    rows: Vec<((AccountId, MarketId), Bounds)>,
    /// From account and market to a row.
    places: IdIndex,
    rows_max: usize,
}

/// Never 0, because an account's id is not. The account in the low bits: an index spreads keys that are counted upwards.
fn key((account, market): (AccountId, MarketId)) -> [u64; 1] {
    [u64::from(market.get()) << 32 | u64::from(account.get())]
}

impl BoundsTable {
    pub(super) fn new(rows_max: usize) -> BoundsTable {
        BoundsTable { rows: Vec::with_capacity(rows_max), places: IdIndex::new(rows_max), rows_max }
    }

    #[inline]
    pub(super) fn get(&self, whose: (AccountId, MarketId)) -> Option<&Bounds> {
        let place = self.places.get(&key(whose))?;
        Some(&self.rows[place as usize].1)
    }

    /// Whether [`BoundsTable::set`] has room for them.
    pub(super) fn has_room_for(&self, whose: (AccountId, MarketId), bounds: &Bounds) -> bool {
        bounds.is_none() || self.rows.len() < self.rows_max || self.get(whose).is_some()
    }

    /// Replaces what was set; bounds without a limit are none. How many more rows the account has now.
    pub(super) fn set(&mut self, whose: (AccountId, MarketId), bounds: Bounds) -> i32 {
        let place = self.places.get(&key(whose)).map(|place| place as usize);
        match place {
            None if bounds.is_none() => 0,
            None => {
                self.places.insert(key(whose), self.rows.len() as u64);
                self.rows.push((whose, bounds));
                1
            }
            Some(place) if bounds.is_none() => {
                self.places.remove(&key(whose));
                self.rows.swap_remove(place);
                if let Some((moved, _)) = self.rows.get(place) {
                    self.places.insert(key(*moved), place as u64);
                }
                -1
            }
            Some(place) => {
                self.rows[place].1 = bounds;
                0
            }
        }
    }

    /// By account, then by market.
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        let mut rows: Vec<&((AccountId, MarketId), Bounds)> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(whose, _)| *whose);
        to.put(&(rows.len() as u32));
        for ((account, market), bounds) in rows {
            to.put(account);
            to.put(market);
            to.put(&bounds.qty_max);
            to.put(&bounds.notional_max);
            to.put(&bounds.position_max);
        }
    }

    /// What [`BoundsTable::save`] wrote. Refuses more rows than there is room for, rows without a limit, and a second row for
    /// the same; `row` is told of whom each is, and may refuse it.
    pub(super) fn load(
        &mut self,
        from: &mut Reader<'_>,
        mut row: impl FnMut(AccountId) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        for _ in 0..from.get::<u32>()? {
            let whose: (AccountId, MarketId) = (from.get()?, from.get()?);
            let bounds = Bounds { qty_max: from.get()?, notional_max: from.get()?, position_max: from.get()? };
            row(whose.0)?;
            let is_idle = bounds.is_none() || self.get(whose).is_some();
            if is_idle || !self.has_room_for(whose, &bounds) {
                return Err(CodecError::OutOfRange);
            }
            self.set(whose, bounds);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_agrees_with_a_sorted_map_and_saves_in_its_order() {
        let mut table = BoundsTable::new(40);
        let mut model: BTreeMap<(AccountId, MarketId), Bounds> = BTreeMap::new();
        let mut draw = 5_u64;
        for step in 0..20_000_i64 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let whose = (AccountId::new((draw >> 40) as u32 % 9 + 1), MarketId::new((draw >> 30) as u16 % 7 + 1));
            let qty_max = if draw >> 63 == 0 { Qty::ZERO } else { Qty::new(step + 1).expect("a quantity") };
            let bounds = Bounds { qty_max, notional_max: Amount::ZERO, position_max: Amount::ZERO };
            let is_known = model.contains_key(&whose);
            assert_eq!(table.has_room_for(whose, &bounds), bounds.is_none() || is_known || model.len() < 40);
            if !table.has_room_for(whose, &bounds) {
                continue;
            }
            let before = model.len() as i32;
            if bounds.is_none() {
                model.remove(&whose);
            } else {
                model.insert(whose, bounds);
            }
            assert_eq!(table.set(whose, bounds), model.len() as i32 - before);
            assert_eq!(table.get(whose), model.get(&whose));
        }
        let mut bytes = Vec::new();
        table.save(&mut Writer::new(&mut bytes));
        let mut loaded = BoundsTable::new(40);
        let mut owners = Vec::new();
        let note = |account| {
            owners.push(account);
            Ok(())
        };
        loaded.load(&mut Reader::new(&bytes), note).expect("what was saved");
        assert!(owners.is_sorted() && owners.len() == model.len());
        assert!(model.iter().all(|(whose, bounds)| loaded.get(*whose) == Some(bounds)));
        assert_eq!(BoundsTable::new(1).load(&mut Reader::new(&bytes), |_| Ok(())), Err(CodecError::OutOfRange));
    }

    #[test]
    fn a_full_table_finds_every_account_within_a_few_steps() {
        for (accounts, markets) in [(1_000_000, 1), (250_000, 4), (15_625, 64)] {
            let mut table = BoundsTable::new(1_000_000);
            let bounds = Bounds { qty_max: Qty::MAX, notional_max: Amount::ZERO, position_max: Amount::ZERO };
            let all = (1..=accounts).flat_map(|account| (1..=markets).map(move |market| (account, market)));
            let all = all.map(|(account, market)| (AccountId::new(account), MarketId::new(market)));
            let rows: i32 = all.clone().map(|whose| table.set(whose, bounds)).sum();
            assert_eq!(rows, 1_000_000);
            let steps: usize = all.map(|whose| table.places.steps(&key(whose))).sum();
            assert!(steps < 3_000_000, "{accounts} accounts in {markets} markets: {steps} steps for a million");
        }
    }
}
