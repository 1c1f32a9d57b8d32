//! The network thread that has the partitions as well: what a link brings reaches its partition, and what the
//! partition answers reaches the link, in one cycle and without another thread.

use std::time::Duration;

use crossbeam::channel::Sender;
use replicator::net::{Handler, LinkId, Links, PeerIdentity};
use wire::link::Frame;
use wire::{NodeId, Timestamp};

use crate::group::PartitionGroup;
use crate::router::Router;

/// See the module.
pub struct SharedThread {
    node: NodeId,
    router: Router,
    /// `None` once it has failed: then the node ends.
    group: Option<PartitionGroup>,
    failed: Sender<String>,
}

impl SharedThread {
    /// Tells `failed` why the node cannot go on.
    pub fn new(node: NodeId, router: Router, group: PartitionGroup, failed: Sender<String>) -> SharedThread {
        SharedThread { node, router, group: Some(group), failed }
    }

    fn poll_group(&mut self, out: &mut Links) -> usize {
        let Some(group) = &mut self.group else { return 0 };
        let router = &mut self.router;
        match group.poll(&mut |output| router.on_output(output, out)) {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(node = %self.node, %error, "the node cannot go on");
                self.group = None;
                // Full: an earlier failure is enough.
                let _ = self.failed.try_send(format!("{error} (node {})", self.node));
                1
            }
        }
    }
}

impl Handler for SharedThread {
    fn on_open(&mut self, link: LinkId, peer: &PeerIdentity, out: &mut Links) {
        self.router.on_open(link, peer, out);
    }

    fn on_frame(&mut self, link: LinkId, frame: Frame<'_>, out: &mut Links) {
        self.router.on_frame(link, frame, out);
    }

    fn on_close(&mut self, link: LinkId, out: &mut Links) {
        self.router.on_close(link, out);
    }

    fn on_peer_refused(&mut self, node: NodeId, out: &mut Links) {
        self.router.on_peer_refused(node, out);
    }

    fn poll(&mut self, now: Timestamp, out: &mut Links) -> usize {
        self.poll_group(out) + self.router.poll(now, out)
    }

    fn poll_slow(&mut self) -> usize {
        self.group.as_mut().map_or(0, PartitionGroup::flush)
    }

    fn is_slow_due(&self) -> bool {
        self.group.as_ref().is_some_and(PartitionGroup::is_flush_due)
    }

    fn idle_wait(&self) -> Duration {
        self.group.as_ref().map_or(Duration::MAX, PartitionGroup::idle_wait)
    }
}
