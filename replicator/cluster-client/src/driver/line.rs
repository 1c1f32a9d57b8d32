//! Many requests of one caller under way in a session, and their replies taken as many at a time as have come: what each of
//! them costs beside the protocol is a place in a list.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Asker, Session};
use crate::{ClusterError, Replied};

/// The mark that a request was made with, and what became of it. See [`ClusterError`] for what is known after an error.
pub type LineReply = (u64, Result<Replied, ClusterError>);

/// Requests of one session whose replies are taken together. Those of a dropped line still execute.
pub struct Line {
    session: Session,
    key: LineKey,
    changed: Arc<Notify>,
}

/// A [`Line`] of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey(u64);

/// The replies of one line that were not taken.
pub(super) struct Replies {
    replies: Vec<LineReply>,
    changed: Arc<Notify>,
}

impl Replies {
    pub(super) fn add(&mut self, reply: LineReply) {
        if self.replies.is_empty() {
            self.changed.notify_one();
        }
        self.replies.push(reply);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.replies.len()
    }
}

impl Line {
    pub(super) fn new(session: Session) -> Line {
        let changed = Arc::new(Notify::new());
        let key = {
            let mut core = session.inner.cluster.inner.shared.lock();
            core.lines_made += 1;
            let key = LineKey(core.lines_made);
            core.lines.insert(key, Replies { replies: Vec::new(), changed: changed.clone() });
            key
        };
        Line { session, key, changed }
    }

    /// Has encoded [`wire::Command`]s sequenced, in this order, as [`Session::request`] does with one; each has a mark, with which
    /// its reply comes. Those that were not taken are answered here, `Busy` where as many replies wait to be taken as the
    /// session's window has room for, too.
    pub fn request_many(
        &mut self,
        requests: impl IntoIterator<Item = (u64, Vec<u8>)>,
        timeout: Duration,
    ) -> Vec<LineReply> {
        let shared = &self.session.inner.cluster.inner.shared;
        let session = self.session.inner.key;
        let mut refused = Vec::new();
        // Whatever makes them may use the cluster itself.
        let requests: Vec<(u64, Vec<u8>)> = requests.into_iter().collect();
        let mut core = shared.lock();
        let now = Instant::now();
        let waiting = core.lines.get(&self.key).map_or(0, |line| line.replies.len());
        let has_room = waiting < self.session.inner.cluster.inner.patience.window;
        for (mark, payload) in requests {
            let offered = match has_room {
                true => core.client.offer(session, payload, now, timeout),
                false => Err(ClusterError::Busy),
            };
            match offered {
                Ok(key) => _ = core.requests.insert(key, Asker::Line(self.key, mark)),
                Err(error) => refused.push((mark, Err(error))),
            }
        }
        core.client.flush(session, now);
        core.settle(&shared.timer);
        refused
    }

    /// The replies that have come, appended in the order in which they came. Waits for the first, for ever if nothing waits for one.
    pub async fn next_many(&mut self, into: &mut Vec<LineReply>) {
        loop {
            if let Some(line) = self.session.inner.cluster.inner.shared.lock().lines.get_mut(&self.key)
                && !line.replies.is_empty()
            {
                into.append(&mut line.replies);
                return;
            }
            self.changed.notified().await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.session.inner.cluster.inner.shared.lock().lines.remove(&self.key);
    }
}
