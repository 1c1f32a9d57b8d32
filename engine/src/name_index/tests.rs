use std::collections::BTreeMap;
use std::ops::Range;

use super::*;

/// The next of a sequence of numbers that look like chance.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *state >> 20
}

fn name(number: u64) -> Name {
    [number / 3, number % 3 + 1]
}

/// Inserts and removes names, of eight steps so many insertions, and compares with a sorted map.
fn agree(index: &mut NameIndex, model: &mut BTreeMap<u64, u64>, steps: Range<u64>, names: u64, insertions: u64) {
    let mut state = steps.start + 7;
    for step in steps {
        let number = draw(&mut state) % names;
        let inserts = draw(&mut state) % 8 < insertions;
        if inserts && (model.contains_key(&number) || model.len() < index.capacity) {
            index.insert(name(number), step);
            model.insert(number, step);
        } else {
            assert_eq!(index.remove(&name(number)), model.remove(&number));
        }
        assert_eq!(index.len(), model.len());
        let probe = draw(&mut state) % names;
        assert_eq!(index.get(&name(probe)), model.get(&probe).copied());
    }
    assert!((0..names).all(|number| index.get(&name(number)) == model.get(&number).copied()));
}

#[test]
fn it_agrees_with_a_sorted_map_over_colliding_insertions_and_removals() {
    agree(&mut NameIndex::new(64), &mut BTreeMap::new(), 0..50_000, 97, 6);
}

#[test]
fn it_agrees_with_a_sorted_map_while_it_doubles_empties_and_fills() {
    let (mut index, mut model) = (NameIndex::new(26_000), BTreeMap::new());
    for (round, insertions) in [7, 4, 1, 7, 8, 8].into_iter().enumerate() {
        let from = round as u64 * 40_000;
        agree(&mut index, &mut model, from..from + 40_000, 40_000, insertions);
    }
    assert_eq!(index.len(), 26_000);
    assert_eq!((index.table.places.len(), index.larger.len(), index.former.is_none()), (32_768, 0, true));
}

#[test]
fn it_is_filled_to_its_capacity_at_every_size() {
    for capacity in [1, 8, 3_276, 3_277, 6_553, 6_554, 30_000] {
        let mut index = NameIndex::new(capacity);
        for number in 1..=capacity as u64 {
            index.insert(name(number), number);
            assert_eq!(index.get(&name(1)), Some(1), "what was first is found while it moves");
        }
        assert!((1..=capacity as u64).all(|number| index.get(&name(number)) == Some(number)));
        assert_eq!(index.get(&name(capacity as u64 + 1)), None);
    }
}

#[test]
fn a_value_is_replaced_and_a_name_taken_out_wherever_it_is_while_names_move() {
    let mut index = NameIndex::new(10_000);
    let names = || 1..=FIRST as u64 * 2 / 3 + 1;
    names().for_each(|number| index.insert(name(number), 0));
    index.insert(name(0), 0);
    assert!(index.former.as_ref().is_some_and(|former| former.left < former.table.places.len()));
    names().for_each(|number| index.insert(name(number), number));
    assert_eq!(index.len(), names().count() + 1);
    for number in names() {
        assert_eq!(index.remove(&name(number)), Some(number));
        assert_eq!((index.get(&name(number)), index.remove(&name(number))), (None, None));
    }
    assert_eq!(index.len(), 1);
}

#[test]
fn names_that_share_all_bits_of_a_place_are_told_apart_by_their_rows() {
    let mut index = NameIndex::new(16);
    // As if a second name had the hash of the first.
    index.insert(name(1), 1);
    let other = index.table.places.iter().copied().find(|place| *place != 0).unwrap();
    index.rows.push(Row { name: [7, 7], value: 2 });
    index.table.put(other + 1);
    assert_eq!(index.get(&name(1)), Some(1));
    assert_eq!(index.remove(&name(1)), Some(1));
    assert_eq!(index.get(&name(1)), None);
}

#[test]
fn one_that_holds_little_takes_little() {
    let mut index = NameIndex::new(1_000_000);
    (1..=2_000).for_each(|number| index.insert(name(number), number));
    assert_eq!(index.table.places.len(), FIRST);
}

#[test]
fn reading_ahead_changes_nothing_however_many_names_and_while_a_table_moves() {
    let mut index = NameIndex::new(40_000);
    for count in 0..20_000_u64 {
        let name = |ahead: u64| [count.wrapping_add(ahead).wrapping_mul(0x9e37_79b9), 3];
        index.read((0..count % 40).map(name));
        index.add(name(0), count);
        assert_eq!(index.get(&name(0)), Some(count));
    }
    assert_eq!(index.len(), 20_000);
}
