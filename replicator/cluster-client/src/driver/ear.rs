//! The seam for casts: what takes them, for the streams of a cluster's client. The default build has none; with the feature
//! `aeron` there is [`crate::aeron`].

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;
use wire::NodeId;
use wire::link::{CastOpen, Place};

use crate::subscription::CastCounters;

/// Messages of one stream's casts that may wait for it; of more, its link has the events.
const WAITING_MAX: usize = 1_024;

/// A message that was opened.
pub type CastBytes = Arc<[u8]>;

/// Takes casts. None of its functions may block.
pub trait Ear: Send + Sync + fmt::Debug {
    /// Where nodes send them.
    fn place(&self) -> Place;

    /// What is counted.
    fn counters(&self) -> Arc<CastCounters>;

    /// Hands what comes by a cast of this node's to a stream's end; what finds no room there is dropped and counted. Of one
    /// stream there may be several, and of one cast several streams.
    fn listen(&self, stream: u64, node: NodeId, open: CastOpen, to: mpsc::Sender<CastBytes>);

    /// The stream listens no longer.
    fn forget(&self, stream: u64);
}

/// The casts of one stream.
pub(super) struct Listening {
    ear: Option<Arc<dyn Ear>>,
    stream: u64,
    /// `None` while there is no cast to listen to.
    heard: Option<(mpsc::Sender<CastBytes>, mpsc::Receiver<CastBytes>)>,
}

impl Listening {
    pub(super) fn new(ear: Option<Arc<dyn Ear>>) -> Listening {
        Listening { ear, stream: rand::random(), heard: None }
    }

    pub(super) fn listen(&mut self, node: NodeId, open: CastOpen) {
        let Some(ear) = &self.ear else { return };
        let (to, _) = self.heard.get_or_insert_with(|| mpsc::channel(WAITING_MAX));
        ear.listen(self.stream, node, open, to.clone());
    }

    /// To nothing any more; what has come and was not taken is of no use.
    pub(super) fn end(&mut self) {
        if let (Some(ear), Some(_)) = (&self.ear, self.heard.take()) {
            ear.forget(self.stream);
        }
    }

    /// The next message; waits for ever while there is none.
    pub(super) async fn next(&mut self) -> CastBytes {
        match &mut self.heard {
            // One of its senders is here.
            Some((_, heard)) => match heard.recv().await {
                Some(message) => message,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end();
    }
}
