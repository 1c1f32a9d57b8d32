//! The book and what opens casts, and the two ends together through a media driver.

use beside::seal::Sealer;
use wire::PartitionId;
use wire::link::BypassKey;

use super::*;

const EPOCH: ClusterEpoch = ClusterEpoch::new(3);

fn open(cast: u64, key: u8) -> CastOpen {
    let place = Place::default();
    CastOpen { partition: PartitionId::new(1), cast, key: BypassKey::new([key; 32]), place, stream: 5 }
}

fn sealer(open: &CastOpen, node: u64) -> Sealer {
    let (from, to) = (NodeId::new(node), NodeId::new(0));
    Sealer::new(&open.key, Between { epoch: EPOCH, from, to, bypass: open.cast })
}

fn sealed(sealer: &mut Sealer, number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    sealer.seal(number, body, &mut bytes);
    bytes
}

fn config(udp: Option<SocketAddr>, driver: AeronDriver) -> AeronConfig {
    AeronConfig { epoch: EPOCH, udp, driver, idle: AeronIdle::BackOff }
}

/// An ear without its thread, whose part the test does.
fn ear() -> (AeronEar, Listener) {
    let shared = Arc::new(Shared {
        book: Mutex::default(),
        edition: AtomicU64::new(0),
        ends: AtomicBool::new(false),
        counters: Arc::default(),
    });
    let at: SocketAddr = "127.0.0.1:7401".parse().unwrap();
    let ear = AeronEar { place: Place::of(Some(at)), shared: Arc::clone(&shared), thread: None };
    (ear, Listener::new(config(Some(at), AeronDriver::Other("/nowhere".into())), shared))
}

impl Listener {
    fn hear(&mut self, sealed: &[u8]) {
        self.look_into_book().unwrap();
        self.casts.take(sealed);
    }
}

fn bodies(of: &mut mpsc::Receiver<CastBytes>) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| of.try_recv().ok()).map(|message| message.to_vec()).collect()
}

#[test]
fn each_stream_of_a_cast_has_its_messages_once() {
    let (ear, mut thread) = ear();
    let (one, mut of_one) = mpsc::channel(8);
    let (two, mut of_two) = mpsc::channel(8);
    let (cast, mut node) = (open(7, 1), sealer(&open(7, 1), 2));
    ear.listen(1, NodeId::new(2), cast, one);
    let first = sealed(&mut node, 1, b"first");
    thread.hear(&first);
    // A stream that comes later goes on with the count of the key: nothing comes twice.
    ear.listen(2, NodeId::new(2), cast, two);
    thread.hear(&first);
    thread.hear(&sealed(&mut node, 2, b"second"));
    assert_eq!(
        (bodies(&mut of_one), bodies(&mut of_two)),
        (vec![b"first".to_vec(), b"second".to_vec()], vec![b"second".to_vec()])
    );
    ear.forget(1);
    thread.hear(&sealed(&mut node, 3, b"third"));
    assert_eq!((bodies(&mut of_one).len(), bodies(&mut of_two).len()), (0, 1));
    ear.forget(2);
    thread.hear(&sealed(&mut node, 4, b"fourth"));
    let counters = ear.counters();
    let counted = [&counters.messages, &counters.refused].map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(counted, [3, 2], "what came again, and what nobody wants any more");
}

#[test]
fn keys_of_other_nodes_and_former_lives_open_nothing() {
    let (ear, mut thread) = ear();
    let (to, mut heard) = mpsc::channel(8);
    ear.listen(1, NodeId::new(2), open(7, 1), to.clone());
    thread.hear(&sealed(&mut sealer(&open(7, 1), 3), 1, b"of another node"));
    thread.hear(&sealed(&mut sealer(&open(8, 1), 2), 1, b"of another cast"));
    thread.hear(&sealed(&mut sealer(&open(7, 2), 2), 1, b"under another key"));
    thread.hear(b"nothing");
    // One identity told with two keys: the second is not believed.
    ear.listen(2, NodeId::new(2), open(7, 2), to);
    thread.hear(&sealed(&mut sealer(&open(7, 2), 2), 1, b"under another key"));
    assert!(bodies(&mut heard).is_empty());
    assert_eq!(ear.counters().refused.load(Ordering::Relaxed), 5);
}

#[test]
fn the_newest_keys_of_a_stream_open() {
    let (ear, mut thread) = ear();
    let (to, mut heard) = mpsc::channel(8);
    for cast in 1..=KEYS_MAX as u64 + 1 {
        ear.listen(1, NodeId::new(2), open(cast, cast as u8), to.clone());
    }
    for cast in 1..=KEYS_MAX as u64 + 1 {
        thread.hear(&sealed(&mut sealer(&open(cast, cast as u8), 2), 1, &[cast as u8]));
    }
    assert_eq!(bodies(&mut heard), [[2], [3], [4], [5]]);
}

#[test]
fn key_that_seals_is_not_forgotten_for_those_that_are_told() {
    let (ear, mut thread) = ear();
    let (to, mut heard) = mpsc::channel(8);
    let mut seals = sealer(&open(1, 1), 2);
    ear.listen(1, NodeId::new(2), open(1, 1), to.clone());
    thread.hear(&sealed(&mut seals, 1, b"first"));
    for cast in 2..=3 * KEYS_MAX as u64 {
        ear.listen(1, NodeId::new(2), open(cast, cast as u8), to.clone());
    }
    thread.hear(&sealed(&mut seals, 2, b"second"));
    assert_eq!(bodies(&mut heard), [&b"first"[..], b"second"]);
    assert_eq!(ear.shared.book().len(), KEYS_MAX + 1);
}

#[test]
fn who_has_left_forges_nothing_once_the_next_key_has_sealed() {
    let (ear, mut thread) = ear();
    let (one, mut of_one) = mpsc::channel(8);
    let (two, mut of_two) = mpsc::channel(8);
    let node = NodeId::new(2);
    ear.listen(1, node, open(7, 1), one.clone());
    ear.listen(2, NodeId::new(3), open(70, 70), two.clone());
    let (mut of_old, mut of_next) = (sealer(&open(7, 1), 2), sealer(&open(8, 2), 2));
    thread.hear(&sealed(&mut of_old, 1, b"first"));
    ear.listen(1, node, open(8, 2), one);
    thread.hear(&sealed(&mut of_old, 2, b"still"));
    // In one poll, before the book is looked into again.
    thread.look_into_book().unwrap();
    thread.casts.take(&sealed(&mut of_next, 1, b"next"));
    thread.casts.take(&sealed(&mut of_old, 3, b"forged"));
    thread.hear(&sealed(&mut of_old, 4, b"forged"));
    thread.hear(&sealed(&mut of_next, 2, b"on"));
    assert_eq!(bodies(&mut of_one), [&b"first"[..], b"still", b"next", b"on"]);
    assert_eq!(ear.counters().refused.load(Ordering::Relaxed), 2);
    // Of another node's, and of another stream's, nothing was forgotten.
    thread.hear(&sealed(&mut sealer(&open(70, 70), 3), 1, b"its own"));
    assert_eq!(bodies(&mut of_two), [b"its own"]);
    // A stream that comes late has both told: the order in which it was told them counts for it.
    ear.listen(2, node, open(7, 1), two.clone());
    ear.listen(2, node, open(8, 2), two);
    thread.hear(&sealed(&mut of_next, 3, b"to both"));
    thread.hear(&sealed(&mut of_old, 5, b"forged"));
    assert_eq!(bodies(&mut of_two), [b"to both"]);
}

#[test]
fn stream_without_room_loses_its_message_and_no_other_does() {
    let (ear, mut thread) = ear();
    let (slow, mut of_slow) = mpsc::channel(1);
    let (quick, mut of_quick) = mpsc::channel(8);
    let (cast, mut node) = (open(7, 1), sealer(&open(7, 1), 2));
    ear.listen(1, NodeId::new(2), cast, slow);
    ear.listen(2, NodeId::new(2), cast, quick);
    for number in 1..=3 {
        thread.hear(&sealed(&mut node, number, b"events"));
    }
    assert_eq!((bodies(&mut of_slow).len(), bodies(&mut of_quick).len()), (1, 3));
    assert_eq!(ear.counters().dropped.load(Ordering::Relaxed), 2);
}

#[test]
fn places_that_nodes_cannot_reach_and_memory_that_nobody_shares_are_refused() {
    let own = || AeronDriver::Own("/nowhere/aeron".into());
    for udp in [Some("0.0.0.0:7401"), Some("10.0.0.1:0"), Some("239.1.1.1:7401"), None] {
        let udp = udp.map(|text| text.parse().unwrap());
        let refused = AeronEar::start(config(udp, own()), 4).expect_err("nobody reaches it");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{udp:?}");
    }
}

#[test]
fn a_cast_comes_where_its_node_and_this_client_both_are() {
    let at: SocketAddr = "10.0.0.9:7401".parse().unwrap();
    let group: SocketAddr = "239.1.1.1:7400".parse().unwrap();
    let other = || AeronDriver::Other("/nowhere".into());
    let (udp, ipc) = (config(Some(at), other()), config(None, other()));
    let in_group = CastOpen { place: Place::of(Some(group)), ..open(7, 1) };
    let channel = |config: &AeronConfig, open: &CastOpen| config.stream(open).map(|stream| stream.channel);
    assert_eq!(channel(&udp, &open(7, 1)), Some(Channel::CastAt(at)));
    assert_eq!(channel(&udp, &in_group), Some(Channel::CastGroup { group, through: at.ip() }));
    assert_eq!(channel(&ipc, &open(7, 1)), Some(Channel::CastIpc));
    assert_eq!(channel(&ipc, &in_group), None);
    assert_eq!(channel(&udp, &CastOpen { place: Place::of(Some(at)), ..open(7, 1) }), None, "no group");
    assert_eq!(channel(&udp, &CastOpen { stream: u32::MAX, ..open(7, 1) }), None);
}

#[test]
fn what_a_node_sends_through_a_driver_is_heard_and_again_after_the_driver_was_lost() {
    let directory = room::directory(&format!("mainstay-test-{}-ear", std::process::id()));
    let at = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ear = AeronEar::start(config(Some(at), AeronDriver::Other(directory.clone())), 1).unwrap();
    let (to, mut heard) = mpsc::channel(1_024);
    let cast = open(7, 1);
    ear.listen(1, NodeId::new(2), cast, to);
    let mut node = sealer(&cast, 2);
    let mut number = 0;
    for life in 1..=2_u8 {
        let mut engine = Engine::connect(&AeronDriver::Own(directory.clone()), None).unwrap();
        let stream = Stream { channel: Channel::CastFrom(at.ip()), stream: 5 };
        engine.spread(stream, [at].into());
        let end = Instant::now() + Duration::from_secs(30);
        // Of what is sent before the other end is there nothing comes, and that is no fault.
        while bodies(&mut heard).last() != Some(&vec![life]) {
            assert!(Instant::now() < end, "nothing is heard in life {life} of the driver");
            engine.work().unwrap();
            number += 1;
            engine.offer(stream, &sealed(&mut node, number, &[life]));
            thread::sleep(Duration::from_micros(100));
        }
    }
    assert!(ear.counters().driver_lost.load(Ordering::Relaxed) >= 1);
}
