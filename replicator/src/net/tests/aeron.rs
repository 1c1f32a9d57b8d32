//! Nodes whose Raft messages go by Aeron, through real media drivers.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::*;
use crate::net::aeron::driver::MediaDriver;
use crate::net::aeron::{AeronAt, AeronConfig, AeronCounters, AeronDriver, AeronIdle, CastPort, bypass};

/// Names the directory of the driver that this process is to be, see [`media_driver_of_other_tests`].
const DRIVER_DIR: &str = "MAINSTAY_TEST_MEDIA_DRIVER";

/// A directory in memory that goes with its owner.
struct Memory(PathBuf);

impl Memory {
    fn new(name: &str) -> Memory {
        Memory(Path::new("/dev/shm").join(format!("mainstay-test-{}-{name}", std::process::id())))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A media driver that is a process, and can be killed.
struct DriverProcess(Child);

impl DriverProcess {
    fn start(directory: &Path) -> DriverProcess {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "net::tests::aeron::media_driver_of_other_tests", "--ignored"]);
        command.env(DRIVER_DIR, directory).stdin(Stdio::null()).stdout(Stdio::null());
        DriverProcess(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for DriverProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No test: the process that [`DriverProcess`] starts.
#[test]
#[ignore = "it is the media driver of other tests, in a process of its own"]
fn media_driver_of_other_tests() {
    let Some(directory) = std::env::var_os(DRIVER_DIR) else { return };
    let driver = MediaDriver::start(Path::new(&directory)).unwrap();
    let parent = std::os::unix::process::parent_id();
    // Should the test die, nobody else ends it.
    driver.run(AeronIdle::BackOff, || std::os::unix::process::parent_id() == parent).unwrap();
}

struct AeronNode {
    node: Node,
    counters: Arc<AeronCounters>,
    _casts: CastPort,
}

impl AeronNode {
    fn send(&self, to: u64, payload: &[u8]) {
        self.node.wish(Do::Raft(NodeId::new(to), payload.to_vec()));
    }

    #[track_caller]
    fn expect(&self, from: u64, payload: &[u8]) {
        assert_eq!(self.node.next(), Told::Raft(NodeId::new(from), payload.to_vec()));
    }
}

/// Nodes 1, 2 and 3, each with both links to the others open.
fn three(at: impl Fn(u64) -> AeronAt, driver: impl Fn(u64) -> AeronDriver) -> Vec<AeronNode> {
    let authority = Authority::new();
    let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let peers: Vec<(u64, SocketAddr)> =
        (1..).zip(&listeners).map(|(id, listener)| (id, listener.local_addr().unwrap())).collect();
    let start = |(id, listener): (u64, TcpListener)| {
        let counters = Arc::new(AeronCounters::default());
        let config = AeronConfig {
            node: NodeId::new(id),
            epoch: EPOCH,
            at: at(id),
            driver: driver(id),
            idle: AeronIdle::BackOff,
            mtu: None,
            group: None,
        };
        let (maker, casts) = bypass(config, Arc::clone(&counters)).unwrap();
        let node = Node::start_beside(&authority, id, listener, &peers, NetLimits::default(), Some(maker));
        AeronNode { node, counters, _casts: casts }
    };
    let nodes: Vec<AeronNode> = (1..).zip(listeners).map(start).collect();
    for node in &nodes {
        for _ in 0..4 {
            node.node.opened();
        }
    }
    nodes
}

/// An address that nobody has now.
fn udp() -> AeronAt {
    AeronAt::Udp(UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[track_caller]
fn wait_for_ways(nodes: &[AeronNode]) {
    wait_until(
        || nodes.iter().all(|node| ways(node) == 2),
        || format!("not all ways open: {:?}", nodes.iter().map(|node| &node.counters).collect::<Vec<_>>()),
    );
}

/// Ways that are open: of each that fell or whose link was replaced another may be open again.
fn ways(node: &AeronNode) -> u64 {
    node.counters.opened.get().saturating_sub(node.counters.fallen.get()).min(2)
}

/// Everybody sends to everybody, `rounds` times, one message after another, some of them of many datagrams.
fn talk_all_round(nodes: &[AeronNode], rounds: usize) {
    for round in 0..rounds {
        let payload = vec![round as u8; if round % 10 == 9 { 200_000 } else { 100 + round }];
        for (from, sender) in (1..).zip(nodes) {
            for (to, receiver) in (1..).zip(nodes).filter(|(to, _)| *to != from) {
                sender.send(to, &payload);
                receiver.expect(from, &payload);
            }
        }
    }
}

#[test]
fn raft_messages_of_three_nodes_go_by_udp_through_drivers_of_their_own() {
    let memory: Vec<Memory> = (0..4).map(|id| Memory::new(&format!("own-{id}"))).collect();
    let addresses = [udp(), udp(), udp()];
    let nodes = three(|id| addresses[id as usize - 1], |id| AeronDriver::Own(memory[id as usize].0.clone()));
    wait_for_ways(&nodes);
    talk_all_round(&nodes, 50);
    for node in &nodes {
        let (out, came) = (node.counters.frames_out.get(), node.counters.frames_in.get());
        // On a loaded machine a way may fall now and then; then the link has it, and nothing is lost.
        assert!(out >= 50 && came >= 50, "of 100 messages each way {out} went and {came} came by Aeron");
        assert_eq!(node.counters.refused.get(), 0);
    }
}

#[test]
fn driver_that_is_killed_costs_no_message_that_is_sent_after_that_is_noticed_and_its_return_is_used() {
    let memory = Memory::new("shared");
    let mut driver = DriverProcess::start(&memory.0);
    let nodes = three(|_| AeronAt::Ipc, |_| AeronDriver::Other(memory.0.clone()));
    wait_for_ways(&nodes);
    talk_all_round(&nodes, 3);

    driver.kill();
    // What goes now is lost, as Raft may lose it, until nobody has seen it for a while.
    let began = Instant::now();
    while nodes.iter().any(|node| ways(node) > 0) {
        assert!(began.elapsed() < PATIENCE, "the death of a driver is not noticed");
        for (from, sender) in (1..).zip(&nodes) {
            (1..=3).filter(|to| *to != from).for_each(|to| sender.send(to, b"lost"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let noticed_after = began.elapsed();
    for node in &nodes {
        while node.node.told.recv_timeout(Duration::from_millis(50)).is_ok() {}
    }
    let by_aeron: Vec<u64> = nodes.iter().map(|node| node.counters.frames_in.get()).collect();
    talk_all_round(&nodes, 20);
    let after: Vec<u64> = nodes.iter().map(|node| node.counters.frames_in.get()).collect();
    assert_eq!(by_aeron, after, "everything came over the links");
    // Through shared memory messages still pass without the driver: what ends a way is that the client library misses it, after
    // the two seconds of its time-out and at its next look.
    assert!(noticed_after < Duration::from_secs(4), "noticed only after {noticed_after:?}");
    wait_until(
        || nodes.iter().all(|node| node.counters.driver_lost.get() > 0),
        || "the loss of the driver is counted".to_owned(),
    );

    let _driver = DriverProcess::start(&memory.0);
    wait_for_ways(&nodes);
    let before: Vec<u64> = nodes.iter().map(|node| node.counters.frames_in.get()).collect();
    talk_all_round(&nodes, 20);
    for (node, before) in nodes.iter().zip(before) {
        assert!(node.counters.frames_in.get() > before, "Aeron is used again");
    }
}

#[test]
fn without_a_driver_everything_goes_over_the_links() {
    let memory = Memory::new("none");
    let nodes = three(|_| AeronAt::Ipc, |_| AeronDriver::Other(memory.0.clone()));
    talk_all_round(&nodes, 5);
    for node in &nodes {
        assert_eq!((node.counters.frames_out.get(), node.counters.opened.get()), (0, 0));
        wait_until(|| node.counters.driver_lost.get() == 1, || "the want of a driver is counted once".to_owned());
    }
}

#[test]
fn what_strangers_send_to_the_port_reaches_nobody() {
    let memory: Vec<Memory> = (0..4).map(|id| Memory::new(&format!("stranger-{id}"))).collect();
    let addresses = [udp(), udp(), udp()];
    let nodes = three(|id| addresses[id as usize - 1], |id| AeronDriver::Own(memory[id as usize].0.clone()));
    wait_for_ways(&nodes);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut junk = 1_u64;
    for at in 0..3_000 {
        // No randomness is needed: what counts is that most lengths and first bytes occur.
        junk = junk.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let datagram: Vec<u8> = (0..at % 1_400).map(|byte| (junk >> (byte % 57)) as u8).collect();
        for address in addresses {
            let AeronAt::Udp(address) = address else { unreachable!("they are") };
            let _ = stranger.send_to(&datagram, address);
        }
    }
    talk_all_round(&nodes, 10);
    for node in &nodes {
        assert!(node.node.told.is_empty());
    }
}
