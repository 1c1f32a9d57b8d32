//! An order that panics its market, on every replica. `cargo test -p node --features planted-panic`.

use super::*;
use wire::event::MarketStatusChanged;

/// What panics a market, and what does when it expires.
const POISON: i64 = 666_666;
const LATE_POISON: i64 = 666_667;

impl World {
    fn until(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..20_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("never: {what}");
    }

    /// Every event of the ledger's partition that a node has kept.
    fn events(&self, node: u64) -> Vec<Event> {
        let kept = self.kept[&(NodeId::new(node), LEDGER)].lock().unwrap();
        kept.events.values().flat_map(|bytes| v1::decode_events(bytes).expect("events")).collect()
    }

    fn assert_agreement(&mut self) {
        self.until("everybody has the same state", |world| {
            [LEDGER, MARKET].iter().all(|partition| {
                let digests = world.digests(*partition);
                digests.len() == NODES as usize && digests.iter().all(|digest| *digest == digests[0])
            })
        });
    }
}

#[test]
fn an_order_that_panics_its_market_is_refused_and_the_market_takes_cancels_alone() {
    let mut world = World::new(11);
    let mut client = Client::open(&mut world, 1);
    let (market, alice, bob) = list(&mut client, &mut world);
    let resting = client.ask(&mut world, &order(alice, market, Side::Sell, 6_000_000, 10, "rests"));
    let poison = client.ask(&mut world, &order(bob, market, Side::Buy, 6_000_000, POISON, "poison"));
    world.until("it is put aside everywhere", |world| {
        (1..=NODES).all(|node| {
            let status = world.hosts[&(NodeId::new(node), MARKET)].status();
            status.broken.is_none() && status.quarantined.len() == 1
        })
    });
    world.until("the order is refused", |world| {
        world.events(1).iter().any(|event| {
            matches!(event, Event::OrderRejected(e)
            if e.order.get() == poison && e.reason == wire::RejectReason::Quarantined)
        })
    });
    world.until("the market takes cancels alone", |world| {
        let closed = MarketStatusChanged { market, status: wire::MarketStatus::CancelOnly };
        world.events(1).contains(&Event::MarketStatusChanged(closed))
    });
    // What rested rests still, and can be canceled.
    let cancel = wire::command::CancelOrder {
        account: alice,
        market,
        order: wire::OrderId::new(resting),
        client_order_id: ClientOrderId::EMPTY,
        new_client_order_id: ClientOrderId::EMPTY,
        restriction: wire::CancelRestriction::None,
        asked_us: 0,
    };
    client.ask(&mut world, &Command::CancelOrder(cancel));
    world.until("it is canceled", |world| {
        world.events(2).iter().any(|event| matches!(event, Event::OrderCanceled(e) if e.order.get() == resting))
    });
    world.assert_agreement();
    let leader = world.leader(LEDGER);
    for asset in world.hosts[&(leader, LEDGER)].machine().cells().audit() {
        assert!(asset.is_conserved() && asset.clearing == 0, "{asset:?}");
        assert_eq!(asset.held, 0, "{asset:?}");
    }

    // Every node restarts and comes past it again, to the same state.
    for node in 1..=NODES {
        world.crash(NodeId::new(node));
        for partition in [LEDGER, MARKET] {
            world.open(NodeId::new(node), partition);
        }
        world.leader(LEDGER);
        world.leader(MARKET);
    }
    world.until("nobody is broken", |world| world.hosts.values().all(|host| !host.is_broken()));
    world.assert_agreement();
}

/// Nothing that anybody asks is to blame, and it would panic with every command that follows.
#[test]
fn an_order_whose_expiry_panics_its_market_is_left_alone_and_the_market_takes_cancels_alone() {
    let mut world = World::new(12);
    let mut client = Client::open(&mut world, 1);
    let (market, alice, _) = list(&mut client, &mut world);
    let Command::NewOrder(order) = order(alice, market, Side::Sell, 6_000_000, LATE_POISON, "late") else {
        unreachable!()
    };
    let order = NewOrder { time_in_force: TimeInForce::Gtd, ..order };
    let expire_at = Some(Timestamp::from_nanos(world.now).plus_nanos(2_000_000_000));
    let terms = wire::Terms { expire_at, ..wire::Terms::NONE };
    let dated = wire::command::NewOrderOnTerms { order, terms };
    let id = client.ask(&mut world, &Command::NewOrderOnTerms(Box::new(dated)));
    world.until("its date is put aside everywhere", |world| {
        (1..=NODES).all(|node| {
            let status = world.hosts[&(NodeId::new(node), MARKET)].status();
            status.broken.is_none() && status.quarantined.len() == 1
        })
    });
    world.until("the market takes cancels alone", |world| {
        let closed = MarketStatusChanged { market, status: wire::MarketStatus::CancelOnly };
        world.events(1).contains(&Event::MarketStatusChanged(closed))
    });
    let cancel = wire::command::CancelOrder {
        account: alice,
        market,
        order: wire::OrderId::new(id),
        client_order_id: ClientOrderId::EMPTY,
        new_client_order_id: ClientOrderId::EMPTY,
        restriction: wire::CancelRestriction::None,
        asked_us: 0,
    };
    client.ask(&mut world, &Command::CancelOrder(cancel));
    world.until("it is canceled", |world| {
        world.events(2).iter().any(|event| matches!(event, Event::OrderCanceled(e) if e.order.get() == id))
    });
    world.assert_agreement();
    let leader = world.leader(MARKET);
    assert_eq!(world.hosts[&(leader, MARKET)].status().quarantined.len(), 1, "it was put aside once");
}
