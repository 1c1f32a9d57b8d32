use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::streams::{Bounds, Content, Frame, StreamName, Wire};

/// Counts bytes; a slow one takes nothing at all.
#[derive(Default)]
struct Client {
    is_slow: bool,
    bytes: AtomicUsize,
    visits: AtomicUsize,
}

impl Wire for Client {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.visits.fetch_add(1, Ordering::Relaxed);
        if self.is_slow {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = slices.iter().map(|slice| slice.len()).sum();
        self.bytes.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

fn clients(couriers: &Arc<Couriers>, count: usize, is_slow: impl Fn(usize) -> bool) -> Vec<(Arc<Client>, Arc<Outbox>)> {
    let make = |index| {
        let client = Arc::new(Client { is_slow: is_slow(index), ..Client::default() });
        let outbox = Outbox::new(Bounds::default(), false).carried(Arc::clone(&client) as _, Arc::clone(couriers));
        outbox.rest();
        (client, Arc::new(outbox))
    };
    (0..count).map(make).collect()
}

fn tell(clients: &[(Arc<Client>, Arc<Outbox>)]) {
    let stream = StreamName::parse("btcusdt@trade").unwrap();
    let frame = Frame::text("{}");
    clients.iter().for_each(|(_, outbox)| outbox.push(&stream, &frame, Content::Every));
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn every_client_gets_every_event_whatever_others_take() {
    let couriers = Couriers::of_this_runtime();
    let clients = clients(&couriers, 3_000, |index| index % 10 == 3);
    for _ in 0..5 {
        tell(&clients);
    }
    let is_served = |client: &Client| client.bytes.load(Ordering::Relaxed) == 5 * Frame::text("{}").size();
    until(|| clients.iter().all(|(client, _)| client.is_slow || is_served(client))).await;
    // Who took nothing was tried once, and is left to its task.
    assert!(
        clients
            .iter()
            .filter(|(client, _)| client.is_slow)
            .all(|(client, _)| client.visits.load(Ordering::Relaxed) == 1)
    );
    until(|| couriers.lock().at_work == 0).await;
    assert!(couriers.lock().waiting.is_empty());
    // Whoever comes next is served as well.
    tell(&clients[..1]);
    until(|| clients[0].0.bytes.load(Ordering::Relaxed) == 6 * Frame::text("{}").size()).await;
}

#[tokio::test]
async fn a_courier_that_was_lost_is_replaced() {
    let couriers = Couriers::of_this_runtime();
    couriers.lock().at_work = 1;
    drop(Work { couriers: Arc::clone(&couriers), has_ended: false });
    assert_eq!(couriers.lock().at_work, 0);
    let clients = clients(&couriers, 1, |_| false);
    tell(&clients);
    until(|| clients[0].0.bytes.load(Ordering::Relaxed) > 0).await;
}
