//! Two ends of the agreement, and between them what the test makes of the way: nobody here has a media driver.

use beside::seal::{Opener, Sealer};
use crossbeam::channel::{Receiver, Sender, bounded};
use wire::PartitionId;
use wire::link::{BypassOpen, Frame, HEADER_LEN, PartitionMessage};

use super::agreement::AeronBypass;
use super::media::{Batch, Order};
use super::*;
use crate::net::bypass::Arrivals;
use crate::net::links::LinkId;
use wire::Timestamp;

const LINK: LinkId = LinkId::of_test(1);

/// One end: the network thread's half, and the other ends of its rings.
struct End {
    node: NodeId,
    bypass: AeronBypass,
    orders: Receiver<Order>,
    batches: Sender<Batch>,
    counters: Arc<AeronCounters>,
    openers: Vec<(u64, Opener)>,
    sealers: Vec<(u64, Sealer)>,
    /// Sealed frames that left.
    sent: Vec<Vec<u8>>,
}

impl End {
    fn new(node: u64) -> End {
        let node = NodeId::new(node);
        let at = AeronAt::Udp(([127, 0, 0, 1], 7_100).into());
        let driver = AeronDriver::Other("/nowhere".into());
        let epoch = ClusterEpoch::new(1);
        let config = AeronConfig { node, epoch, at, driver, idle: AeronIdle::BackOff, mtu: None, group: None };
        let (orders_to, orders) = bounded(16);
        let (batches, batches_of) = bounded(16);
        let counters = Arc::new(AeronCounters::default());
        let bypass = AeronBypass::between(&config, Arc::clone(&counters), orders_to, batches_of).unwrap();
        End { node, bypass, orders, batches, counters, openers: Vec::new(), sealers: Vec::new(), sent: Vec::new() }
    }

    fn offer(&mut self, to: &End) -> BypassOpen {
        let open = self.bypass.on_open(LINK, to.node).unwrap();
        self.work();
        open
    }

    fn send(&mut self, to: &End, payload: &[u8]) -> bool {
        let head = PartitionMessage { partition: PartitionId::new(1) };
        let sent = self.bypass.send(to.node, &Frame::Raft(head, payload));
        self.work();
        sent
    }

    /// What the Aeron thread does with its orders, but for Aeron.
    fn work(&mut self) {
        for order in self.orders.try_iter() {
            match order {
                Order::Expect { bypass, opener } => self.openers.push((bypass, opener)),
                Order::Forget { bypass } => self.openers.retain(|(id, _)| *id != bypass),
                Order::Open { bypass, sealer, .. } => self.sealers.push((bypass, sealer)),
                Order::Close { .. } => self.sealers.clear(),
                Order::Send(parcel) => {
                    let sealer = self.sealers.iter_mut().find(|(bypass, _)| *bypass == parcel.bypass);
                    let body = parcel.frame.get(HEADER_LEN..).unwrap_or_default();
                    let mut sealed = Vec::new();
                    sealer.expect("a frame comes after its key").1.seal(parcel.number, body, &mut sealed);
                    self.sent.push(sealed);
                }
            }
        }
    }

    /// Whatever of this opens comes to the network thread.
    fn receive(&mut self, frames: &[Vec<u8>]) {
        let mut batch = Batch::default();
        for sealed in frames {
            for (bypass, opener) in &mut self.openers {
                if let Some((number, range)) = opener.open(sealed, &mut batch.bytes) {
                    batch.frames.push((*bypass, number, range));
                }
            }
        }
        self.batches.send(batch).unwrap();
    }

    /// A cycle: bodies that came, and what is to be said.
    fn poll(&mut self, ms: u64) -> (Vec<Vec<u8>>, Vec<Frame<'static>>) {
        let mut arrivals = Arrivals::default();
        self.bypass.poll(Timestamp::from_nanos(1_000_000_000 + ms * 1_000_000), &mut arrivals);
        self.work();
        let bodies = arrivals.bodies().map(|(_, body)| body.to_vec()).collect();
        (bodies, arrivals.words().iter().map(|(_, word)| *word).collect())
    }

    fn hear(&mut self, from: &End, words: Vec<Frame<'static>>) {
        for word in words {
            match word {
                Frame::BypassSeen(seen) => self.bypass.on_seen(from.node, seen),
                other => panic!("{other:?} is not said later"),
            }
        }
    }
}

/// Node 1 sends to node 2, whose way was tried by 5 ms.
fn open() -> (End, End) {
    let (mut one, mut two) = (End::new(1), End::new(2));
    let offer = two.offer(&one);
    one.bypass.on_offer(LINK, two.node, offer);
    one.work();
    assert!(!one.send(&two, b"early"), "nothing goes before the way was tried");
    one.poll(0);
    let probe = std::mem::take(&mut one.sent);
    assert_eq!(probe.len(), 1);
    two.receive(&probe);
    let (bodies, words) = two.poll(1);
    assert!(bodies.is_empty(), "a probe is nothing for anybody");
    one.poll(5);
    one.hear(&two, words);
    (one, two)
}

#[test]
fn frames_go_once_a_probe_was_seen() {
    let (mut one, mut two) = open();
    assert_eq!(one.counters.opened.get(), 1);
    assert!(one.send(&two, b"append"));
    let frames = std::mem::take(&mut one.sent);
    two.receive(&frames);
    two.receive(&frames);
    let (bodies, _) = two.poll(20);
    let head = PartitionMessage { partition: PartitionId::new(1) };
    let decoded: Vec<Frame<'_>> = bodies.iter().map(|body| Frame::decode(body).unwrap()).collect();
    assert_eq!(decoded, [Frame::Raft(head, b"append")], "it came twice and counts once");
    assert_eq!((one.counters.frames_out.get(), two.counters.frames_in.get()), (1, 1));
}

#[test]
fn what_is_seen_is_said_at_most_every_ten_milliseconds_and_at_last() {
    let (mut one, mut two) = open();
    for ms in 12..30 {
        assert!(one.send(&two, b"append"));
        let frames = std::mem::take(&mut one.sent);
        two.receive(&frames);
        let (_, words) = two.poll(ms);
        assert_eq!(words.len(), usize::from(ms == 12 || ms == 22), "at {ms}");
    }
    let (_, words) = two.poll(32);
    assert!(matches!(words[..], [Frame::BypassSeen(seen)] if seen.number == 19), "{words:?}");
}

#[test]
fn way_whose_frames_vanish_is_given_up_and_tried_again() {
    let (mut one, mut two) = open();
    one.poll(10);
    assert!(one.send(&two, b"vanishes"));
    one.sent.clear();
    one.poll(59);
    assert!(one.send(&two, b"vanishes too"));
    one.poll(60);
    assert_eq!(one.counters.fallen.get(), 1);
    assert!(!one.send(&two, b"over the link"));
    assert_eq!(one.counters.over_link.get(), 0, "a way that is not open is not asked");
    // The way is back: what was held up on it comes, and the probe.
    let frames = std::mem::take(&mut one.sent);
    two.receive(&frames);
    let (_, words) = two.poll(200);
    one.hear(&two, words);
    assert!(one.send(&two, b"again"));
    assert_eq!(one.counters.opened.get(), 2);
}

#[test]
fn thread_that_was_held_up_blames_no_peer() {
    let (mut one, mut two) = open();
    one.poll(10);
    assert!(one.send(&two, b"seen in time"));
    let frames = std::mem::take(&mut one.sent);
    two.receive(&frames);
    let (_, words) = two.poll(12);
    // What node 2 said waits in a socket while node 1's thread waits for a disk.
    one.poll(200);
    one.hear(&two, words);
    one.poll(201);
    assert_eq!(one.counters.fallen.get(), 0);
    assert!(one.send(&two, b"still open"));
}

#[test]
fn link_that_closes_takes_its_keys_along() {
    let (mut one, mut two) = open();
    assert!(one.send(&two, b"late"));
    let late = std::mem::take(&mut one.sent);
    two.bypass.on_close(LINK);
    two.work();
    assert!(two.openers.is_empty(), "a former life's frames open nowhere");
    two.receive(&late);
    assert!(two.poll(10).0.is_empty());
    one.bypass.on_close(LINK);
    one.work();
    assert!(one.sealers.is_empty() && !one.send(&two, b"nobody"));
}

#[test]
fn offer_made_twice_does_not_count_anew() {
    let (mut one, mut two) = (End::new(1), End::new(2));
    let offer = two.offer(&one);
    for _ in 0..2 {
        one.bypass.on_offer(LINK, two.node, offer);
        one.work();
    }
    assert_eq!(one.sealers.len(), 1, "one key, one count");
    let ipc = BypassOpen { bypass: 3, place: wire::link::Place::default(), ..offer };
    one.bypass.on_offer(LINK, two.node, ipc);
    one.work();
    assert_eq!(one.sealers.len(), 1, "another host's memory is out of reach");
}

#[test]
fn frame_that_is_too_long_goes_over_the_link() {
    let (mut one, two) = open();
    assert!(!one.send(&two, &vec![1; 600 * 1024]));
    assert_eq!(one.counters.over_link.get(), 1);
    assert!(one.send(&two, &vec![1; 500 * 1024]));
}

#[test]
fn ring_that_is_full_is_no_wait() {
    let (mut one, two) = open();
    let head = PartitionMessage { partition: PartitionId::new(1) };
    let taken = (0..20).filter(|_| one.bypass.send(two.node, &Frame::Raft(head, b"append"))).count();
    assert_eq!((taken, one.counters.over_link.get()), (16, 4));
    one.work();
    assert!(one.send(&two, b"room again"));
}

#[test]
fn addresses_that_peers_cannot_reach_and_memory_that_nobody_shares_are_refused() {
    let config = |at, driver| AeronConfig {
        node: NodeId::new(1),
        epoch: ClusterEpoch::new(1),
        at,
        driver,
        idle: AeronIdle::Spin,
        mtu: None,
        group: None,
    };
    let udp = |text: &str| AeronAt::Udp(text.parse().unwrap());
    let own = AeronDriver::Own("/nowhere".into());
    for at in [udp("0.0.0.0:7101"), udp("10.0.0.1:0"), AeronAt::Ipc] {
        assert!(bypass(config(at, own.clone()), Arc::default()).is_err(), "{at:?}");
    }
    assert!(bypass(config(AeronAt::Ipc, AeronDriver::Other("/dev/shm/aeron".into())), Arc::default()).is_ok());
    assert!(bypass(config(udp("[::1]:7101"), own), Arc::default()).is_ok());
}
