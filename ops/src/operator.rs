//! The operator's session with the ledger: what the ledger knows, and commands that change it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterConfig, ClusterError, Session, StreamItem};
use miette::{IntoDiagnostic, WrapErr};
use wire::codec::v1;
use wire::command::Reply;
use wire::event::{AccountOpened, ApiKeyAdded, AssetListed, MarketListed};
use wire::link::Role;
use wire::{
    AccountId, AssetId, ClusterEpoch, Command, Event, LogPosition, MarketStatus, Networks, NodeId, PartitionId,
    RejectReason,
};

/// How long one command may take. A failover takes well under a second.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the cluster may take to be able to do anything at all.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to the cluster as its operator.
pub struct Operator {
    cluster: Cluster,
    session: Session,
    ledger: PartitionId,
}

/// What a command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was executed; the id that it made or named.
    Accepted(u64),
    /// The ledger refused it; what the reason speaks of.
    Rejected(RejectReason, u64),
    /// It may have been executed.
    Unknown,
}

/// What the ledger knows, from its events.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Up to here.
    pub position: LogPosition,
    /// By symbol.
    pub assets: BTreeMap<String, AssetListed>,
    /// By symbol.
    pub markets: BTreeMap<String, (MarketListed, MarketStatus)>,
    /// By name.
    pub accounts: BTreeMap<String, AccountOpened>,
    /// By public text.
    pub api_keys: BTreeMap<String, KnownKey>,
    /// Who was credited with what, ever.
    pub credited: BTreeSet<(AccountId, AssetId)>,
}

/// An API key.
#[derive(Debug, Clone, Copy)]
pub struct KnownKey {
    /// As it was added.
    pub added: ApiKeyAdded,
    /// From where it may be used.
    pub networks: Networks,
}

/// Where the cluster is, from a state file.
pub fn cluster_config(cluster: &loadgen::state::Cluster) -> miette::Result<ClusterConfig> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))
    };
    Ok(ClusterConfig {
        epoch: ClusterEpoch::new(cluster.epoch),
        nodes: cluster.nodes.iter().map(|node| (NodeId::new(node.id), node.addr)).collect(),
        role: Role::Operator,
        name: cluster.operator.name.clone(),
        ca: read(&cluster.operator.ca)?,
        cert: read(&cluster.operator.cert)?,
        key: read(&cluster.operator.key)?,
    })
}

impl Operator {
    /// Connects, and waits until the ledger's partition has a leader.
    pub async fn connect(cluster: &loadgen::state::Cluster) -> miette::Result<Operator> {
        let connected = Cluster::connect(cluster_config(cluster)?).into_diagnostic()?;
        let ledger = PartitionId::new(cluster.ledger);
        let session = tokio::time::timeout(CLUSTER_TIMEOUT, connected.session(ledger))
            .await
            .map_err(|_| miette::miette!("the ledger's partition had no leader for {} s", CLUSTER_TIMEOUT.as_secs()))?;
        Ok(Operator { cluster: connected, session, ledger })
    }

    /// Who leads a partition.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        self.cluster.leader(partition)
    }

    /// Executes a command, trying again while it certainly was not executed.
    pub async fn execute(&self, command: &Command) -> miette::Result<Done> {
        let mut payload = Vec::new();
        v1::encode_command(command, &mut payload);
        let deadline = Instant::now() + CLUSTER_TIMEOUT;
        loop {
            match self.session.request(payload.clone(), COMMAND_TIMEOUT).await {
                Ok(replied) => {
                    return Ok(match replied.reply {
                        Reply::Accepted { id } => Done::Accepted(id),
                        Reply::Rejected { reason: RejectReason::Busy, .. } if Instant::now() < deadline => {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                        Reply::Rejected { reason, id } => Done::Rejected(reason, id),
                    });
                }
                Err(error) if error.is_outcome_unknown() => return Ok(Done::Unknown),
                Err(ClusterError::Busy | ClusterError::Unavailable) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error).into_diagnostic(),
            }
        }
    }

    /// As [`Operator::execute`], for one person's one command: everything but success is an error.
    pub async fn must(&self, command: &Command) -> miette::Result<u64> {
        match self.execute(command).await? {
            Done::Accepted(id) => Ok(id),
            Done::Rejected(reason, 0) => Err(miette::miette!("the ledger refuses: {reason:?}")),
            Done::Rejected(reason, id) => Err(miette::miette!("the ledger refuses: {reason:?} ({id})")),
            Done::Unknown => Err(miette::miette!(
                "no answer in time: whether the command was executed is unknown; look before you repeat it"
            )),
        }
    }

    /// Reads the ledger's events from the first on, until `is_enough` or the present.
    pub async fn inventory(&self, is_enough: impl Fn(&Inventory) -> bool) -> miette::Result<Inventory> {
        let mut inventory = Inventory::default();
        let present = self.cluster.read_index(self.ledger, CLUSTER_TIMEOUT).await.into_diagnostic()?;
        let mut stream = self.cluster.subscribe(self.ledger, LogPosition::ZERO.next());
        while inventory.position < present {
            let item = tokio::time::timeout(CLUSTER_TIMEOUT, stream.next()).await;
            match item.ok().flatten() {
                Some(StreamItem::Events { position, events, .. }) => {
                    inventory.position = position;
                    events.into_iter().for_each(|event| inventory.apply(event));
                    if is_enough(&inventory) {
                        break;
                    }
                }
                Some(StreamItem::Progress { position }) => inventory.position = position,
                None => miette::bail!("the ledger's events stopped at position {}", inventory.position),
            }
        }
        Ok(inventory)
    }
}

impl Inventory {
    fn apply(&mut self, event: Event) {
        match event {
            Event::AssetListed(listed) => {
                self.assets.insert(listed.symbol.to_string(), listed);
            }
            Event::MarketListed(listed) => {
                self.markets.insert(listed.symbol.to_string(), (*listed, MarketStatus::Trading));
            }
            Event::MarketStatusChanged(changed) => {
                let mut markets = self.markets.values_mut();
                if let Some((_, status)) = markets.find(|(listed, _)| listed.market == changed.market) {
                    *status = changed.status;
                }
            }
            Event::AccountOpened(opened) => {
                self.accounts.insert(opened.name.to_string(), opened);
            }
            Event::ApiKeyAdded(added) => {
                self.api_keys.insert(added.key.to_string(), KnownKey { added: *added, networks: Networks::NONE });
            }
            Event::ApiKeyRestricted(restricted) => {
                if let Some(known) = self.api_keys.get_mut(restricted.key.as_str()) {
                    known.networks = restricted.networks;
                }
            }
            Event::ApiKeyRevoked(revoked) => {
                self.api_keys.remove(revoked.key.as_str());
            }
            Event::Credited(credited) => {
                self.credited.insert((credited.account, credited.asset));
            }
            _ => {}
        }
    }
}
