use super::*;

fn list() -> List {
    List {
        account: AccountId::new(1),
        market: MarketId::new(1),
        kind: ListKind::Oco,
        name: ClientOrderId::new(b"l1").unwrap(),
        working: OrderId::ZERO,
        legs: [OrderId::new(1), OrderId::new(2)],
        waiting: Vec::new(),
        shares: Some([Amount::new(10).unwrap(), Amount::new(20).unwrap()]),
        open: 2,
        canceling: None,
    }
}

fn written(lists: impl IntoIterator<Item = (u64, List)>) -> Vec<u8> {
    let mut table = Lists { last: ListId::new(9), ..Lists::default() };
    for (id, list) in lists {
        table.add(ListId::new(id), list);
    }
    let mut bytes = Vec::new();
    table.save(&mut Writer::new(&mut bytes));
    bytes
}

fn reads(bytes: &[u8]) -> bool {
    Lists::load(&mut Reader::new(bytes)).is_ok()
}

#[test]
fn what_was_saved_is_loaded() {
    let other = List { name: ClientOrderId::new(b"l2").unwrap(), ..list() };
    let bytes = written([(1, list()), (2, other)]);
    let lists = Lists::load(&mut Reader::new(&bytes)).unwrap();
    assert_eq!((lists.lists.len(), lists.lists[&ListId::new(1)].clone()), (2, list()));
}

#[test]
fn a_shared_hold_of_what_is_no_pair_is_refused() {
    assert!(reads(&written([(1, list())])));
    assert!(!reads(&written([(1, List { kind: ListKind::Oto, ..list() })])), "an Oto has no pair");
    assert!(!reads(&written([(1, List { legs: [OrderId::new(1), OrderId::ZERO], ..list() })])), "half a pair");
    assert!(reads(&written([(1, List { kind: ListKind::Otoco, ..list() })])));
}

#[test]
fn shares_without_a_shared_hold_are_refused() {
    let with = written([(1, list())]);
    let without = written([(1, List { shares: None, ..list() })]);
    assert!(reads(&without));
    let differs: Vec<usize> = (0..with.len()).filter(|at| with[*at] != without[*at]).collect();
    let mut forged = with.clone();
    // The flag comes before the amounts.
    forged[differs[0]] = 0;
    assert!(!reads(&forged));
}

#[test]
fn a_list_twice_a_name_twice_and_a_list_of_the_future_are_refused() {
    let named = |name: &[u8]| List { name: ClientOrderId::new(name).unwrap(), ..list() };
    assert!(!reads(&written([(1, named(b"same")), (2, named(b"same"))])));
    assert!(!reads(&written([(10, list())])), "the last one had the number 9");
    assert!(reads(&written([(9, list())])));
    assert!(!reads(&written([(1, List { open: 0, ..list() })])), "it has ended");
}
