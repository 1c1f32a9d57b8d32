//! The network thread's half and the Aeron thread's, without Aeron.

use beside::AeronDriver;
use beside::seal::Opener;

use super::*;

const PARTITION: PartitionId = PartitionId::new(2);

fn port(at: AeronAt, group: Option<&str>) -> (CastPort, Receiver<CastOrder>, Arc<AeronCounters>) {
    let counters = Arc::new(AeronCounters::default());
    let config = AeronConfig {
        node: NodeId::new(1),
        epoch: ClusterEpoch::new(3),
        at,
        driver: AeronDriver::Other("/nowhere".into()),
        idle: super::super::AeronIdle::BackOff,
        mtu: None,
        group: group.map(|group| group.parse().unwrap()),
    };
    let (port, orders) = casts(&config, Arc::clone(&counters));
    (port, orders, counters)
}

fn udp() -> AeronAt {
    AeronAt::Udp("10.0.0.1:7101".parse().unwrap())
}

fn place(text: &str) -> Place {
    Place::of(Some(text.parse().unwrap()))
}

/// What the first message that waits is sealed as.
fn seal_first(casts: &mut Casts) -> Vec<u8> {
    let outlet = casts.outlets.get_mut(&PARTITION).unwrap();
    let (message, _) = outlet.waiting.pop_front().unwrap();
    outlet.waiting_bytes -= message.len();
    outlet.last += 1;
    outlet.sealer.seal(outlet.last, &message, &mut outlet.sealed);
    outlet.sealed.clone()
}

#[test]
fn casts_reach_those_whom_the_node_reaches() {
    let (by_udp, ..) = port(udp(), None);
    assert!(by_udp.reaches(place("10.0.0.9:7401")));
    assert!(!by_udp.reaches(place("[fd00::9]:7401")) && !by_udp.reaches(Place::default()));
    let (by_memory, ..) = port(AeronAt::Ipc, None);
    assert!(by_memory.reaches(Place::default()) && !by_memory.reaches(place("10.0.0.9:7401")));
}

#[test]
fn places_that_are_no_one_hosts_are_refused() {
    for at in ["10.0.0.1:7101", "[fd00::1]:7101"] {
        let (by_udp, ..) = port(AeronAt::Udp(at.parse().unwrap()), None);
        for said in ["0.0.0.0:7401", "255.255.255.255:7401", "239.1.1.1:7401", "10.0.0.9:0"] {
            assert!(!by_udp.reaches(place(said)), "{said}");
        }
        for said in ["[::]:7401", "[ff02::1]:7401", "[fd00::9]:0", "[::ffff:239.1.1.1]:7401"] {
            assert!(!by_udp.reaches(place(said)), "{said}");
        }
    }
    let (by_memory, ..) = port(AeronAt::Ipc, None);
    assert!(!by_memory.reaches(place("10.0.0.9:0")), "it has no memory in mind");
}

#[test]
fn places_are_told_to_a_publication_that_names_them_alone() {
    let places = || BTreeSet::from([place("10.0.0.9:7401")]);
    for (at, group, expected) in [(udp(), None, 1), (udp(), Some("239.1.1.1:7400"), 0), (AeronAt::Ipc, None, 0)] {
        let (mut port, orders, _) = port(at, group);
        port.spread(PARTITION, places());
        assert_eq!(orders.try_iter().count(), expected, "{at:?} {group:?}");
    }
}

#[test]
fn what_is_drawn_is_new_each_time_and_keeps_its_stream() {
    let (mut port, ..) = port(udp(), Some("239.1.1.1:7400"));
    let first = port.draw(PARTITION, None).unwrap();
    let second = port.draw(PARTITION, Some(first.stream)).unwrap();
    assert_eq!((first.stream, first.place), (second.stream, place("239.1.1.1:7400")));
    assert!(first.cast != second.cast && first.key != second.key);
    assert!(i32::try_from(first.stream).is_ok());
}

#[test]
fn a_message_is_sealed_by_the_key_of_its_turn() {
    let (mut port, orders, counters) = port(udp(), None);
    let (mut casts, now) = (Casts::default(), Instant::now());
    let one = port.draw(PARTITION, None).unwrap();
    let two = port.draw(PARTITION, Some(one.stream)).unwrap();
    port.turn(one);
    port.spread(PARTITION, [place("10.0.0.9:7401"), place("10.0.0.8:7401")].into());
    port.send(PARTITION, b"first".to_vec());
    orders.try_iter().for_each(|order| casts.on_order(order, now, &counters));
    let (epoch, node) = (port.epoch, port.node);
    let opener = |open: &CastOpen| Opener::new(&open.key, between(epoch, node, open.cast));
    let (mut of_one, mut of_two) = (opener(&one), opener(&two));
    let first = seal_first(&mut casts);
    assert!(of_one.open(&first, &mut Vec::new()).is_some() && of_two.open(&first, &mut Vec::new()).is_none());
    port.turn(two);
    port.send(PARTITION, b"second".to_vec());
    orders.try_iter().for_each(|order| casts.on_order(order, now, &counters));
    assert_eq!(casts.outlets[&PARTITION].destinations.len(), 2, "they stay");
    let second = seal_first(&mut casts);
    assert!(of_one.open(&second, &mut Vec::new()).is_none());
    assert_eq!(of_two.open(&second, &mut Vec::new()), Some((1, 0..6)));
    port.close(PARTITION);
    port.send(PARTITION, b"nobody's".to_vec());
    orders.try_iter().for_each(|order| casts.on_order(order, now, &counters));
    assert_eq!((casts.outlets.len(), counters.cast_dropped.get()), (0, 1));
}

#[test]
fn flood_is_dropped_and_neither_a_key_nor_a_farewell_is() {
    let (mut port, orders, counters) = port(udp(), None);
    let open = port.draw(PARTITION, None).unwrap();
    port.turn(open);
    (0..2 * ORDERS).for_each(|_| port.send(PARTITION, b"events".to_vec()));
    let dropped = counters.cast_dropped.get();
    assert!(dropped >= ORDERS as u64, "{dropped}");
    (0..2 * ORDERS_LEFT).for_each(|_| port.spread(PARTITION, BTreeSet::new()));
    port.close(PARTITION);
    let (mut casts, now, mut taken) = (Casts::default(), Instant::now(), 0);
    while let Ok(order) = orders.try_recv() {
        casts.on_order(order, now, &counters);
        port.send_waiting();
        taken += 1;
    }
    // Of the places that found no room only the newest waited, and not even those any more at the end.
    assert_eq!(taken as u64, 1 + (2 * ORDERS as u64 - dropped) + ORDERS_LEFT as u64 + 1);
    assert!(casts.outlets.is_empty());
}

#[test]
fn orders_that_wait_are_the_newest_of_each_partition_and_kind() {
    let (mut port, orders, counters) = port(udp(), None);
    let other = PartitionId::new(3);
    let full = |port: &mut CastPort| while port.orders.try_send(CastOrder::Close { partition: other }).is_ok() {};
    full(&mut port);
    let mut last = None;
    for turn in 0..100_u16 {
        let open = port.draw(PARTITION, None).unwrap();
        port.turn(open);
        port.spread(PARTITION, [place("10.0.0.7:7401")].into());
        if turn % 10 == 9 {
            port.close(PARTITION);
            let open = port.draw(PARTITION, None).unwrap();
            port.turn(open);
        }
        port.spread(PARTITION, [place(&format!("10.0.0.8:{}", 7_000 + turn))].into());
        let open = port.draw(PARTITION, None).unwrap();
        port.turn(open);
        assert!(port.waiting.len() <= 3, "{:?}", port.waiting);
        last = Some(open);
    }
    let (mut casts, now) = (Casts::default(), Instant::now());
    while let Ok(order) = orders.try_recv() {
        casts.on_order(order, now, &counters);
        port.send_waiting();
    }
    port.send(PARTITION, b"events".to_vec());
    orders.try_iter().for_each(|order| casts.on_order(order, now, &counters));
    assert_eq!(casts.outlets[&PARTITION].destinations, ["10.0.0.8:7099".parse().unwrap()].into());
    let last = last.unwrap();
    let mut opener = Opener::new(&last.key, between(port.epoch, port.node, last.cast));
    assert!(opener.open(&seal_first(&mut casts), &mut Vec::new()).is_some());
}

#[test]
fn what_waits_for_a_publication_is_bounded_and_grows_stale() {
    let (mut port, orders, counters) = port(udp(), None);
    let (mut casts, now) = (Casts::default(), Instant::now());
    let open = port.draw(PARTITION, None).unwrap();
    port.turn(open);
    (0..50).for_each(|_| port.send(PARTITION, vec![1; 100 * 1024]));
    orders.try_iter().for_each(|order| casts.on_order(order, now, &counters));
    let kept = casts.outlets[&PARTITION].waiting.len();
    assert_eq!((kept, counters.cast_dropped.get()), (40, 10), "4 MiB");
    assert_eq!(casts.offer(&mut None, now + STALE_AFTER - Duration::from_millis(1), &counters), 0);
    assert_eq!(casts.offer(&mut None, now + STALE_AFTER, &counters), kept);
    assert_eq!((counters.cast_out.get(), counters.cast_dropped.get()), (0, 50));
    assert_eq!(casts.outlets[&PARTITION].waiting_bytes, 0);
}
