use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::streams::outbox::Taken;
use crate::streams::{Bounds, Content, Frame, StreamName, Wire};

/// Counts bytes; a slow one takes nothing at all.
#[derive(Default)]
struct Client {
    is_slow: bool,
    is_broken: bool,
    bytes: AtomicUsize,
    visits: AtomicUsize,
}

impl Wire for Client {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.visits.fetch_add(1, Ordering::Relaxed);
        assert!(!self.is_broken, "planted");
        if self.is_slow {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = slices.iter().map(|slice| slice.len()).sum();
        self.bytes.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

fn clients(couriers: &Arc<Couriers>, count: usize, is_slow: impl Fn(usize) -> bool) -> Vec<(Arc<Client>, Arc<Outbox>)> {
    of_kind(couriers, count, |index| Client { is_slow: is_slow(index), ..Client::default() })
}

fn of_kind(couriers: &Arc<Couriers>, count: usize, kind: impl Fn(usize) -> Client) -> Vec<(Arc<Client>, Arc<Outbox>)> {
    let make = |index| {
        let client = Arc::new(kind(index));
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

/// No input is known that does; whoever shares a round with that client must not pay for it.
#[tokio::test]
async fn a_visit_that_panics_costs_that_client_alone() {
    let couriers = Couriers::of_this_runtime();
    let clients = of_kind(&couriers, 40, |index| Client { is_broken: index == 7, ..Client::default() });
    tell(&clients);
    until(|| clients.iter().all(|(client, _)| client.is_broken || client.bytes.load(Ordering::Relaxed) > 0)).await;
    until(|| couriers.lock().at_work == 0).await;
    // Its task is woken and closes it, also if it had wanted the floor.
    let (_, broken) = &clients[7];
    broken.stirred().await;
    broken.reclaim().await;
    assert_eq!(broken.take(&mut Vec::new(), 9), Taken::Overrun);
    tell(&clients);
    until(|| {
        clients
            .iter()
            .all(|(client, _)| client.is_broken || client.bytes.load(Ordering::Relaxed) == 2 * Frame::text("{}").size())
    })
    .await;
    until(|| couriers.lock().at_work == 0).await;
}
