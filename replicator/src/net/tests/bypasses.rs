//! What may go beside a link, with a way that is a ring in memory.

use std::sync::Mutex;

use wire::link::{BypassKey, BypassOpen, BypassSeen, Place};

use super::*;
use crate::net::{Arrivals, Bypass, BypassMaker};

/// What a way in memory was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Noted {
    Opened(NodeId),
    Closed,
    Offered(NodeId, u64),
    Seen(NodeId, u64),
    Sent(NodeId, Vec<u8>),
}

/// A way whose other end is the test.
#[derive(Debug)]
struct Ring {
    noted: Sender<Noted>,
    /// Bodies that come, with their senders.
    came: Receiver<(NodeId, Vec<u8>)>,
    takes: std::sync::Arc<Mutex<bool>>,
}

impl Bypass for Ring {
    fn poll(&mut self, _: Timestamp, arrivals: &mut Arrivals) -> usize {
        let came: Vec<_> = self.came.try_iter().collect();
        for (from, body) in &came {
            arrivals.push(*from, body);
        }
        came.len()
    }

    fn on_open(&mut self, _: LinkId, node: NodeId) -> Option<BypassOpen> {
        self.noted.send(Noted::Opened(node)).unwrap();
        let (key, place) = (BypassKey::new([1; 32]), Place::default());
        Some(BypassOpen { bypass: 7, key, place, stream: 8 })
    }

    fn on_close(&mut self, _: LinkId) {
        let _ = self.noted.send(Noted::Closed);
    }

    fn on_offer(&mut self, _: LinkId, node: NodeId, open: BypassOpen) {
        self.noted.send(Noted::Offered(node, open.bypass)).unwrap();
    }

    fn on_seen(&mut self, node: NodeId, seen: BypassSeen) {
        self.noted.send(Noted::Seen(node, seen.number)).unwrap();
    }

    fn send(&mut self, node: NodeId, frame: &Frame<'_>) -> bool {
        let takes = *self.takes.lock().unwrap();
        if takes {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            self.noted.send(Noted::Sent(node, bytes.split_off(HEADER_LEN))).unwrap();
        }
        takes
    }
}

/// A node with a way in memory, and a peer without one.
struct Beside {
    node: Node,
    plain: Node,
    noted: Receiver<Noted>,
    comes: Sender<(NodeId, Vec<u8>)>,
    takes: std::sync::Arc<Mutex<bool>>,
}

fn beside() -> Beside {
    let authority = Authority::new();
    let [one, two] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let (one_at, two_at) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let (note, noted) = unbounded();
    let (comes, came) = unbounded();
    let takes = std::sync::Arc::new(Mutex::new(true));
    let ring = Ring { noted: note, came, takes: takes.clone() };
    let maker = BypassMaker::new(move |_| Ok(Box::new(ring)));
    let node = Node::start_beside(&authority, 1, one, &[(2, two_at)], NetLimits::default(), Some(maker));
    let plain = Node::start_as(&authority, 2, two, &[(1, one_at)], NetLimits::default());
    for node in [&node, &plain] {
        node.opened();
        node.opened();
    }
    let two = NodeId::new(2);
    assert_eq!([next(&noted), next(&noted)], [Noted::Opened(two), Noted::Opened(two)], "each link opens it anew");
    Beside { node, plain, noted, comes, takes }
}

fn next(noted: &Receiver<Noted>) -> Noted {
    noted.recv_timeout(PATIENCE).expect("the way is told something")
}

fn body(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes.split_off(HEADER_LEN)
}

#[test]
fn raft_messages_go_beside_the_link_while_the_way_takes_them_and_nothing_else_does() {
    let Beside { node, plain, noted, takes, comes: _comes } = beside();
    let two = NodeId::new(2);
    node.wish(Do::Raft(two, b"beside".to_vec()));
    assert_eq!(next(&noted), Noted::Sent(two, body(&raft(b"beside"))));
    node.wish(Do::Mail(two, b"mail".to_vec()));
    assert_eq!(plain.next(), Told::Mail(NodeId::new(1), b"mail".to_vec()));
    *takes.lock().unwrap() = false;
    node.wish(Do::Raft(two, b"over it".to_vec()));
    assert_eq!(plain.next(), Told::Raft(NodeId::new(1), b"over it".to_vec()), "a peer without a way ignores one");
    assert!(noted.is_empty());
}

#[test]
fn what_comes_beside_a_link_is_as_if_it_had_come_over_it() {
    let Beside { node, comes, plain: _plain, noted: _noted, .. } = beside();
    let two = NodeId::new(2);
    comes.send((two, body(&raft(b"append")))).unwrap();
    node.handle.waker().wake();
    assert_eq!(node.next(), Told::Raft(two, b"append".to_vec()));
    // Nobody is connected as node 3.
    comes.send((NodeId::new(3), body(&raft(b"lost")))).unwrap();
    comes.send((two, body(&raft(b"next")))).unwrap();
    node.handle.waker().wake();
    assert_eq!(node.next(), Told::Raft(two, b"next".to_vec()));
}

#[test]
fn who_sends_what_may_not_go_beside_a_link_loses_it() {
    let mail = body(&Frame::Mail(PartitionMessage { partition: PartitionId::new(1) }, b"mail"));
    for (bad, reason) in [(mail, CloseReason::ForbiddenFrame), (vec![255, 1], CloseReason::MalformedFrame)] {
        let Beside { node, noted, comes, plain: _plain, .. } = beside();
        comes.send((NodeId::new(2), bad)).unwrap();
        node.handle.waker().wake();
        node.expect_closed(reason);
        assert_eq!(next(&noted), Noted::Closed);
    }
}

#[test]
fn peers_speak_of_ways_and_nobody_else_may() {
    let authority = Authority::new();
    let (note, noted) = unbounded();
    let ring = Ring { noted: note, came: unbounded().1, takes: std::sync::Arc::default() };
    let maker = BypassMaker::new(move |_| Ok(Box::new(ring)));
    let listen = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = Node::start_beside(&authority, 1, listen, &[], NetLimits::default(), Some(maker));
    let words = [
        Frame::BypassOpen(BypassOpen { bypass: 5, key: BypassKey::new([2; 32]), place: Place::default(), stream: 3 }),
        Frame::BypassSeen(BypassSeen { bypass: 7, number: 9 }),
    ];
    let mut peer = Client::welcomed(&node, &authority, Role::Node, "node-2");
    words.iter().for_each(|word| peer.send(word).unwrap());
    let two = NodeId::new(2);
    assert_eq!(
        [next(&noted), next(&noted), next(&noted)],
        [Noted::Opened(two), Noted::Offered(two, 5), Noted::Seen(two, 9)]
    );
    for (count, word) in words.iter().enumerate() {
        let mut gateway = Client::welcomed(&node, &authority, Role::Gateway, "gateway-1");
        gateway.send(word).unwrap();
        wait_until(
            || node.closed(CloseReason::ForbiddenFrame) == count as u64 + 1,
            || "a gateway that speaks of ways is closed".to_owned(),
        );
    }
}
