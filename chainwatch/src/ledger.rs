//! The way to the ledger: propose, and read what was decided.

use std::time::Duration;

use cluster_client::{Cluster, ClusterError, EventStream, Session, StreamItem};
use wire::codec::v1;
use wire::command::Reply;
use wire::{Command, Event, LogPosition, PartitionId};

/// How long a proposal may take. A failover is over long before.
const PROPOSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The ledger did not answer, and nothing is known of what was asked. Everything that chainwatch proposes may be
/// proposed again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger does not answer: {0}")]
pub struct Unanswered(pub String);

/// A ledger, as chainwatch needs it.
pub trait Ledger: Send {
    /// Has a command sequenced and waits for the answer.
    fn propose(&mut self, command: &Command) -> impl Future<Output = Result<Reply, Unanswered>> + Send;

    /// The ledger's events since the last call, from its first on: at least all up to the last answer.
    fn events(&mut self) -> impl Future<Output = Result<Vec<Event>, Unanswered>> + Send;

    /// The position up to which events were handed out.
    fn position(&self) -> LogPosition;
}

/// The ledger partition of a cluster. Tells nothing of trading, whatever happens there.
pub struct ClusterLedger {
    session: Session,
    stream: EventStream,
    seen: LogPosition,
    needed: LogPosition,
}

impl ClusterLedger {
    /// Waits until the partition has a leader.
    pub async fn connect(cluster: &Cluster, ledger: PartitionId) -> Result<ClusterLedger, ClusterError> {
        let session = cluster.session(ledger).await;
        let needed = cluster.read_index(ledger, PROPOSAL_TIMEOUT).await?;
        let stream = cluster.subscribe(ledger, LogPosition::ZERO.next());
        Ok(ClusterLedger { session, stream, seen: LogPosition::ZERO, needed })
    }

    fn take(&mut self, item: StreamItem, events: &mut Vec<Event>) {
        match item {
            StreamItem::Events { position, events: more, .. } => {
                self.seen = position;
                events.extend(more.into_iter().filter(is_of_chains));
            }
            StreamItem::Progress { position } => self.seen = self.seen.max(position),
        }
    }
}

/// Trading is most of what a ledger tells, and nothing of it is kept here: a start reads all that was ever told.
fn is_of_chains(event: &Event) -> bool {
    !matches!(
        event,
        Event::BalanceChanged(_)
            | Event::OrderPending(_)
            | Event::OrderAccepted(_)
            | Event::OrderRejected(_)
            | Event::OrderExecuted(_)
            | Event::OrderResting(_)
            | Event::OrderCanceled(_)
            | Event::CancelRejected(_)
            | Event::Traded(_)
            | Event::LevelChanged(_)
            | Event::DepthWindowClosed(_)
            | Event::OrderShown(_)
            | Event::OrderTerms(_)
    )
}

impl Ledger for ClusterLedger {
    async fn propose(&mut self, command: &Command) -> Result<Reply, Unanswered> {
        let mut payload = Vec::new();
        v1::encode_command(command, &mut payload);
        let replied = self.session.request(payload, PROPOSAL_TIMEOUT).await;
        let replied = replied.map_err(|error| Unanswered(error.to_string()))?;
        self.needed = self.needed.max(replied.position);
        Ok(replied.reply)
    }

    async fn events(&mut self) -> Result<Vec<Event>, Unanswered> {
        let mut events = Vec::new();
        while self.seen < self.needed {
            let item = tokio::time::timeout(PROPOSAL_TIMEOUT, self.stream.next()).await;
            match item.ok().flatten() {
                Some(item) => self.take(item, &mut events),
                // What was taken must not be lost: it is handed out, and the rest is waited for at the next call.
                None if !events.is_empty() => return Ok(events),
                None => return Err(Unanswered(format!("no events after position {}", self.seen))),
            }
        }
        while let Ok(Some(item)) = tokio::time::timeout(Duration::ZERO, self.stream.next()).await {
            self.take(item, &mut events);
        }
        Ok(events)
    }

    fn position(&self) -> LogPosition {
        self.seen
    }
}
