use futures_util::FutureExt;

use wire::{AccountId, MarketId, OrderId};

use super::*;

fn order(id: u64) -> (AccountId, MarketId, OrderId) {
    (AccountId::new(1), MarketId::new(1), OrderId::new(id))
}

#[test]
fn turns_come_in_order_whoever_gives_up_and_leave_nothing_behind() {
    let turns = Turns::default();
    let first = turns.take(order(1)).now_or_never().expect("nobody is before it");
    let other = turns.take(order(2)).now_or_never().expect("another order's turn is its own");
    let (mut second, mut third, mut fourth) =
        (Box::pin(turns.take(order(1))), Box::pin(turns.take(order(1))), Box::pin(turns.take(order(1))));
    for waits in [&mut second, &mut third, &mut fourth] {
        assert!(waits.now_or_never().is_none());
    }
    drop(second);
    assert!((&mut third).now_or_never().is_none(), "the first has not ended");
    drop(first);
    assert!((&mut fourth).now_or_never().is_none(), "it comes after the third");
    let third = third.now_or_never().expect("the second has given up");
    drop(third);
    drop(fourth.now_or_never().expect("its turn"));
    drop(other);
    assert!(turns.queues().is_empty());
}
