use std::io::{self, IoSlice};

use super::*;
use crate::streams::{Bounds, Wire};

/// Who was visited, in order, with what.
type Visits = Arc<Mutex<Vec<(usize, String)>>>;

/// A client's socket that takes everything, and notes when its turn came.
struct Client(usize, Visits);

impl Wire for Client {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.1.lock().unwrap().push((self.0, String::from_utf8_lossy(&all).into_owned()));
        Ok(all.len())
    }
}

/// So many clients of one stream. They are few enough for one courier, who visits them as they are told.
fn topic(clients: usize) -> (Topic, Visits) {
    let (couriers, visits) = (Couriers::of_this_runtime(), Visits::default());
    let mut topic = Topic::new(StreamName::parse("btcusdt@trade").unwrap(), Default::default());
    topic.subscribers.extend((0..clients).map(|number| {
        let wire = Arc::new(Client(number, Arc::clone(&visits)));
        let outbox = Outbox::new(Bounds::default(), false).carried(wire, Arc::clone(&couriers));
        outbox.rest();
        Arc::new(outbox)
    }));
    (topic, visits)
}

/// What comes of telling something, when everybody has been visited.
async fn visited(visits: &Visits, count: usize) -> Vec<(usize, String)> {
    while visits.lock().unwrap().len() < count {
        tokio::task::yield_now().await;
    }
    std::mem::take(&mut visits.lock().unwrap())
}

#[tokio::test]
async fn nobody_is_among_the_last_for_ever() {
    const CLIENTS: usize = 10;
    let (mut topic, visits) = topic(CLIENTS);
    let mut places = [[0; CLIENTS]; CLIENTS];
    for _ in 0..100 {
        topic.tell("event".into(), Content::Every);
        let mut order: Vec<_> = visited(&visits, CLIENTS).await.into_iter().map(|(client, _)| client).collect();
        order.iter().enumerate().for_each(|(place, client)| places[*client][place] += 1);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..CLIENTS), "each is told once: {order:?}");
    }
    assert!(places.as_flattened().iter().all(|times| (8..=12).contains(times)), "by client and place: {places:?}");
}

#[tokio::test]
async fn what_one_order_did_comes_to_each_client_in_one_piece() {
    let (mut topic, visits) = topic(3);
    topic.tell_every(["one".to_owned(), "two".to_owned()].into_iter());
    let all = visited(&visits, 3).await;
    assert!(all.iter().all(|(_, text)| text.find("one") < text.find("two") && text.contains("one")), "{all:?}");
    let count = &topic.counts[topic.name.kind.label()];
    assert_eq!((count.events.load(Ordering::Relaxed), count.deliveries.load(Ordering::Relaxed)), (2, 6));
    // Nothing is nobody's event.
    topic.tell_every(std::iter::empty());
    tokio::task::yield_now().await;
    assert_eq!(visits.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_topic_without_subscribers_tells_nobody() {
    let (mut topic, visits) = topic(0);
    topic.tell("event".into(), Content::Every);
    topic.tell_every(["one".to_owned()].into_iter());
    tokio::task::yield_now().await;
    assert!(visits.lock().unwrap().is_empty());
}
