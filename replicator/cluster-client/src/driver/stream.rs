//! The task of one stream of events: it owns the stream's connection, and does not read from it while the
//! consumer has no room.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wire::NodeId;

use super::dial::{Dialer, Link};
use super::ear::Listening;
use crate::StreamItem;
use crate::subscription::{Output, Subscription};

const READ_BUFFER_LEN: usize = 64 * 1024;

/// What others have learned of the cluster.
pub(super) struct News {
    /// Who leads the stream's partition.
    pub(super) leader: watch::Receiver<Option<NodeId>>,
    /// The nodes to stream from.
    pub(super) sources: watch::Receiver<Vec<NodeId>>,
}

/// The connection of a stream, and the one that is being made to take its place.
struct Links {
    present: Option<Link>,
    beside: Option<(NodeId, Dialing)>,
}

/// A task of its own, which ends with this: a handshake does not wait for a consumer without room.
type Dialing = JoinSet<io::Result<Link>>;

impl News {
    /// Waits for the next and passes it on; `false` when none will come.
    async fn next(&mut self, subscription: &mut Subscription) -> bool {
        tokio::select! {
            changed = self.leader.changed() => {
                let known = *self.leader.borrow_and_update();
                subscription.on_leader(known, Instant::now());
                changed.is_ok()
            }
            changed = self.sources.changed() => {
                let known = self.sources.borrow_and_update().clone();
                subscription.on_nodes(known, Instant::now());
                changed.is_ok()
            }
        }
    }
}

pub(super) async fn run(
    mut subscription: Subscription,
    mut listening: Listening,
    dialer: Arc<Dialer>,
    mut news: News,
    items: mpsc::Sender<StreamItem>,
) {
    let mut buffer = vec![0; READ_BUFFER_LEN];
    let mut links = Links { present: None, beside: None };
    let known = *news.leader.borrow_and_update();
    subscription.on_leader(known, Instant::now());
    loop {
        if !deliver(&mut subscription, &items).await {
            return;
        }
        if !subscription.is_listening() {
            listening.end();
        }
        if let Some(output) = subscription.poll_output() {
            perform(output, &mut subscription, &mut listening, &dialer, &mut links, &mut news).await;
            continue;
        }
        let now = Instant::now();
        let due = subscription.next_timeout().unwrap_or(now + std::time::Duration::from_secs(1));
        tokio::select! {
            biased;
            (node, dialed) = dialed(&mut links.beside) => {
                links.beside = None;
                match dialed {
                    Ok(dialed) if subscription.on_beside(node, Instant::now()) => links.present = Some(dialed),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%node, %error, "cannot connect a stream");
                        subscription.on_not_beside(node, Instant::now());
                    }
                }
            },
            read = read(&mut links.present, &mut buffer) => match read {
                Ok(len) if len > 0 => subscription.on_bytes(&buffer[..len], Instant::now()),
                _ => {
                    links.present = None;
                    subscription.on_closed(Instant::now());
                }
            },
            // Before the time: what waits here was not lost.
            message = listening.next() => subscription.on_cast(&message, Instant::now()),
            is_news = news.next(&mut subscription) => {
                if !is_news {
                    return;
                }
            }
            () = tokio::time::sleep_until(due.into()) => subscription.on_timeout(Instant::now()),
            () = items.closed() => return,
        }
    }
}

/// Hands every item to the consumer, waiting for room; whether the consumer is still there.
async fn deliver(subscription: &mut Subscription, items: &mpsc::Sender<StreamItem>) -> bool {
    while let Some(item) = subscription.poll_item() {
        match items.try_send(item) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(item)) => {
                if items.send(item).await.is_err() {
                    return false;
                }
                subscription.on_resumed();
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
        }
    }
    true
}

async fn perform(
    output: Output,
    subscription: &mut Subscription,
    listening: &mut Listening,
    dialer: &Arc<Dialer>,
    links: &mut Links,
    news: &mut News,
) {
    match output {
        Output::Listen { node, open } => listening.listen(node, open),
        Output::Close => links.present = None,
        Output::Connect(node) => {
            *links = Links { present: None, beside: None };
            dial(node, subscription, dialer, &mut links.present, news).await;
        }
        Output::ConnectBeside(node) => {
            let (dialer, mut dialing) = (dialer.clone(), JoinSet::new());
            dialing.spawn(async move { dialer.dial(node).await });
            links.beside = Some((node, dialing));
        }
        Output::Send(bytes) => {
            if let Some(to) = &mut links.present
                && write(to, &bytes).await.is_err()
            {
                links.present = None;
                subscription.on_closed(Instant::now());
            }
        }
    }
}

/// Dials the node until the subscription wants another: a new leader is better news than a node that may
/// not even answer.
async fn dial(
    node: NodeId,
    subscription: &mut Subscription,
    dialer: &Dialer,
    stream: &mut Option<Link>,
    news: &mut News,
) {
    let mut dialing = std::pin::pin!(dialer.dial(node));
    while subscription.is_connecting_to(node) {
        tokio::select! {
            dialed = &mut dialing => match dialed {
                Ok(dialed) => {
                    *stream = Some(dialed);
                    subscription.on_connected(Instant::now());
                }
                Err(error) => {
                    tracing::debug!(%node, %error, "cannot connect a stream");
                    subscription.on_closed(Instant::now());
                }
            },
            is_news = news.next(subscription) => {
                if !is_news {
                    return subscription.on_closed(Instant::now());
                }
            }
        }
    }
}

/// The end of an attempt, with the node that it was to reach; of none it never comes.
async fn dialed(beside: &mut Option<(NodeId, Dialing)>) -> (NodeId, io::Result<Link>) {
    match beside {
        Some((node, dialing)) => {
            let dialed = dialing.join_next().await;
            (*node, dialed.and_then(Result::ok).unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into())))
        }
        None => std::future::pending().await,
    }
}

async fn write(to: &mut Link, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

async fn read(stream: &mut Option<Link>, buffer: &mut [u8]) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.read(buffer).await,
        None => std::future::pending().await,
    }
}
