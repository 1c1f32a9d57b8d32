use std::sync::Mutex;

use tokio::sync::mpsc;

use super::*;
use crate::testing::*;

struct Handed(mpsc::Receiver<StreamItem>);

impl Items for Handed {
    fn next_many(&mut self, into: &mut Vec<StreamItem>, max: usize) -> impl Future<Output = usize> + Send {
        self.0.recv_many(into, max)
    }
}

#[tokio::test]
async fn what_has_come_is_taken_in_together_up_to_a_bound_and_waits_for_the_rest() {
    let (gateway, _) = gateway();
    let first = gateway.exchange.seen(LEDGER).get() + 1;
    let upto = first + TAKEN_MAX as u64;
    let (handed, items) = mpsc::channel(2 * TAKEN_MAX);
    let hand = |position| handed.try_send(StreamItem::Progress { position: LogPosition::new(position) }).unwrap();
    (first..=upto).for_each(hand);
    let batches = Mutex::new(Vec::new());
    let heard = |items: &[StreamItem]| batches.lock().unwrap().push(items.len());
    let taking = take_in(Handed(items), &gateway.exchange, LEDGER, heard);
    let handing = async {
        let wait = Duration::from_secs(10);
        assert!(gateway.wait_for(LEDGER, LogPosition::new(upto), wait).await);
        assert_eq!(*batches.lock().unwrap(), [TAKEN_MAX, 1]);
        handed.try_send(StreamItem::Progress { position: LogPosition::new(upto + 1) }).unwrap();
        assert!(gateway.wait_for(LEDGER, LogPosition::new(upto + 1), wait).await);
        drop(handed);
    };
    tokio::join!(taking, handing);
    assert_eq!(*batches.lock().unwrap(), [TAKEN_MAX, 1, 1]);
}
