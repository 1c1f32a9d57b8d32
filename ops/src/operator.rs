//! The operator's session with the ledger: what the ledger knows, and commands that change it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cluster_client::{Cluster, ClusterConfig, ClusterError, EventStream, Session, StreamItem};
use miette::{IntoDiagnostic, WrapErr};
use wire::codec::v1;
use wire::command::Reply;
use wire::event::{AccountOpened, ApiKeyAdded, AssetListed, MarketListed};
use wire::link::{ChangeMembers, MemberChange, MemberOutcome, Place, Role};
use wire::{
    AccountId, AssetId, ChainId, ClusterEpoch, Command, Event, LogPosition, MarketId, MarketProtection, MarketSchedule,
    MarketStatus, Networks, NodeId, PartitionId, RejectReason,
};

use crate::spoken::spaced;

/// How long one command may take. A failover takes well under a second.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a partition's leader may take to answer a wish.
const WISH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the cluster may take to be able to do anything at all.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(60);
/// After this it is said that it is waited for.
const LATE: Duration = Duration::from_secs(3);

mod reach;
mod settings;
mod withdrawing;

#[cfg(test)]
mod tests;

pub use reach::refused_by_all;
pub use settings::{Rates, Settings};
pub use withdrawing::{KnownChain, Withdrawing};

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

/// A market as it is now.
#[derive(Debug, Clone, Copy)]
pub struct KnownMarket {
    /// As it was listed, with its present filters.
    pub listed: MarketListed,
    /// Its phase, as orders are admitted by it.
    pub status: MarketStatus,
    /// Its price limits.
    pub protection: MarketProtection,
    /// What it follows.
    pub schedule: MarketSchedule,
    /// Decimals of the quote asset's ledger unit.
    pub quote_decimals: u8,
}

/// What the ledger knows, from its events.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Up to here.
    pub position: LogPosition,
    /// By symbol.
    pub assets: BTreeMap<String, AssetListed>,
    /// By symbol.
    pub markets: BTreeMap<String, KnownMarket>,
    /// By name.
    pub accounts: BTreeMap<String, AccountOpened>,
    /// By public text.
    pub api_keys: BTreeMap<String, KnownKey>,
    /// By symbol.
    pub chains: BTreeMap<String, ChainId>,
    /// What a chain's coin or token is credited as.
    pub chain_assets: BTreeSet<(ChainId, AssetId)>,
    /// As their chains print them.
    pub addresses: BTreeMap<(AccountId, ChainId), String>,
    /// What may be withdrawn, and what was.
    pub withdrawing: Withdrawing,
    /// What operators have set.
    pub settings: Settings,
    /// What accounts have, free and held, in ledger units.
    pub balances: BTreeMap<(AccountId, AssetId), i128>,
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

    /// As [`Operator::connect`], for somebody who looks on: told at once when no node is there, and then `help`, and soon that
    /// it is waited for.
    pub async fn reach(cluster: &loadgen::state::Cluster, help: &str) -> miette::Result<Operator> {
        let late = async {
            tokio::time::sleep(LATE).await;
            eprintln!("the ledger's partition has no leader yet: waiting for up to {} s", CLUSTER_TIMEOUT.as_secs());
            std::future::pending().await
        };
        tokio::select! {
            operator = Operator::connect(cluster) => operator,
            report = refused_by_all(&cluster.nodes, help) => Err(report),
            () = late => unreachable!("it waits for ever"),
        }
    }

    /// A partition's events from a position on.
    pub fn events(&self, partition: PartitionId, from: LogPosition) -> EventStream {
        self.cluster.subscribe(partition, from)
    }

    /// How far a partition's log is now.
    pub async fn present(&self, partition: PartitionId) -> miette::Result<LogPosition> {
        self.cluster.read_index(partition, CLUSTER_TIMEOUT).await.map_err(|error| match error {
            // What these say is said of commands.
            ClusterError::Timeout | ClusterError::Unavailable => {
                let seconds = CLUSTER_TIMEOUT.as_secs();
                miette::miette!("partition {partition} had no leader that answers for {seconds} s")
            }
            error => miette::miette!("partition {partition} cannot be asked: {error}"),
        })
    }

    /// Who leads a partition.
    pub fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        self.cluster.leader(partition)
    }

    /// Asks a partition's leader for another behaviour version. `None` when nobody answers.
    pub async fn set_version(&self, partition: PartitionId, version: u16) -> Option<MemberOutcome> {
        let (change, node) = (MemberChange::SetVersion, NodeId::default());
        let (place, instead_of) = (Place::default(), NodeId::default());
        let wish = ChangeMembers { partition, token: 0, change, node, place, instead_of, version };
        self.cluster.change_members(wish, WISH_TIMEOUT).await.ok()
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
        self.succeeded(self.execute(command).await?)
    }

    /// The id of what was accepted; everything else is an error.
    pub fn succeeded(&self, done: Done) -> miette::Result<u64> {
        match done {
            Done::Accepted(id) => Ok(id),
            Done::Rejected(reason, id) => Err(miette::miette!("the ledger refuses: {}", refusal(reason, id))),
            Done::Unknown => Err(miette::miette!(
                "no answer in time: whether the command was executed is unknown; look before you repeat it"
            )),
        }
    }

    /// Reads the ledger's events from the first on, until `is_enough` or the present.
    pub async fn inventory(&self, is_enough: impl Fn(&Inventory) -> bool) -> miette::Result<Inventory> {
        let mut inventory = Inventory::default();
        let present = self.present(self.ledger).await?;
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

/// Why, in words, and what it speaks of; its name is what logs and metrics have.
pub(crate) fn refusal(reason: RejectReason, id: u64) -> String {
    let why = why(reason).map_or_else(|| spaced(&format!("{reason:?}")), str::to_owned);
    match id {
        0 => format!("{why} ({reason:?})"),
        id => format!("{why} ({reason:?}: {id})"),
    }
}

/// What an operator can do about it.
fn why(reason: RejectReason) -> Option<&'static str> {
    Some(match reason {
        RejectReason::AccountExists => "there is an account of this name already",
        RejectReason::AssetExists => "there is an asset of this name already",
        RejectReason::MarketExists => "there is a market of this name already",
        RejectReason::TableFull => {
            "there is no room for more: mainstay ctl capacity; of markets and of assets there are 64 at most, delisted ones among them"
        }
        RejectReason::BadAsset => "an asset has a name, and at most 18 decimals",
        RejectReason::BadMarketScale => "trades would not be exact: too many decimals for the assets",
        RejectReason::ZeroAmount => "the amount is zero",
        RejectReason::MarketDelisted => "the market is gone for ever",
        RejectReason::MarketUnavailable => "too much waits for the market's partition; is its leader up?",
        RejectReason::BadPhase => "this phase is not entered so, or a duration is zero or longer than a week",
        RejectReason::BadSchedule => "the steps of the schedule contradict each other",
        RejectReason::BadProtection => "the price limits contradict each other",
        RejectReason::BadMarketRules => "the filters contradict each other",
        RejectReason::UnknownPartition => "the cluster has no such partition",
        RejectReason::UnknownWithdrawal => "there is no such withdrawal; mainstay ctl withdrawal list --all",
        RejectReason::WithdrawalNotOpen => {
            "it does not stand where this can be done; mainstay ctl withdrawal show tells where it stands"
        }
        RejectReason::AlreadyApproved => "you have approved it; another operator must, with --operator",
        RejectReason::WithdrawalsDisabled => "nothing may be withdrawn there; mainstay ctl withdrawal rules",
        RejectReason::WithdrawalTooSmall => "less than may be withdrawn; mainstay ctl withdrawal rules",
        RejectReason::WithdrawalTooLarge => "more than may be withdrawn at once; mainstay ctl withdrawal rules",
        RejectReason::WithdrawalLimitReached => {
            "the limit of 24 hours, of the account or of all, is reached; mainstay ctl withdrawal rules"
        }
        RejectReason::AddressNotAllowed => {
            "the address is not on the account's list; mainstay ctl withdrawal allow-list"
        }
        RejectReason::AddressOfExchange => {
            "the address is the exchange's own, the hot wallet's or a cold one: nothing would leave; another account's deposit \
             address is none of these"
        }
        RejectReason::BadWithdrawalAmount => "the chain has no such fraction of its smallest unit",
        RejectReason::BadWithdrawalRules => {
            "the rules contradict each other: 0 < min <= max, 1 to 3 approvals where any are needed, a delay of 30 days at \
             most, and a network fee above 0"
        }
        RejectReason::ReservesNotFound => {
            "they are not halted, or the chain still has less than it should; mainstay ctl chain status"
        }
        RejectReason::BadReserves => {
            "outputs that no deposit has made are not known: pay them in as a deposit of the house"
        }
        RejectReason::NeedsSecondOperator => "another operator must approve it; mainstay ctl loosening",
        RejectReason::SameOperator => "you have proposed it; another operator must approve, with --operator",
        RejectReason::UnknownLoosening => "it waits no more; mainstay ctl loosening list",
        RejectReason::TooManyLoosenings => "too many wait; drop some: mainstay ctl loosening list",
        RejectReason::WithdrawalsBlocked => "the account may withdraw nothing; mainstay ctl withdrawal unblock",
        RejectReason::AccountKilled => "the account's kill switch is engaged; mainstay ctl account release",
        RejectReason::InsufficientBalance => "the account's free balance does not cover amount and fee",
        _ => return None,
    })
}

impl Inventory {
    /// Whether the ledger was never told anything that it keeps.
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty() && self.markets.is_empty() && self.accounts.is_empty() && self.chains.is_empty()
    }

    /// What is known after these.
    #[cfg(test)]
    pub fn told(events: impl IntoIterator<Item = Event>) -> Inventory {
        let mut inventory = Inventory::default();
        events.into_iter().for_each(|event| inventory.apply(event));
        inventory
    }

    fn apply(&mut self, event: Event) {
        self.withdrawing.apply(&event);
        self.settings.apply(&event);
        match event {
            Event::AssetListed(listed) => {
                self.assets.insert(listed.symbol.to_string(), listed);
            }
            Event::MarketListed(listed) => {
                let quote = self.assets.values().find(|asset| asset.asset == listed.quote);
                let known = KnownMarket {
                    listed: *listed,
                    status: MarketStatus::Trading,
                    protection: MarketProtection::NONE,
                    schedule: MarketSchedule::EMPTY,
                    quote_decimals: quote.map_or(0, |asset| asset.ledger_decimals),
                };
                self.markets.insert(listed.symbol.to_string(), known);
            }
            Event::MarketStatusChanged(changed) => {
                self.change(changed.market, |known| known.status = changed.status);
            }
            Event::MarketRulesChanged(changed) => {
                self.change(changed.market, |known| known.listed.rules = changed.rules);
            }
            Event::MarketProtectionChanged(changed) => {
                self.change(changed.market, |known| known.protection = changed.protection);
            }
            Event::MarketScheduleChanged(changed) => {
                self.change(changed.market, |known| known.schedule = changed.schedule);
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
            Event::ChainListed(listed) => {
                self.chains.insert(listed.symbol.to_string(), listed.chain);
            }
            Event::ChainAssetListed(listed) => {
                self.chain_assets.insert((listed.chain, listed.asset));
            }
            Event::AddressBound(bound) if bound.index != 0 => {
                self.addresses.insert((bound.account, bound.chain), bound.address.to_string());
            }
            Event::BalanceChanged(changed) => {
                let both = changed.free.wide() + changed.held.wide();
                self.balances.insert((changed.account, changed.asset), both);
            }
            Event::Credited(credited) => {
                self.credited.insert((credited.account, credited.asset));
            }
            _ => {}
        }
    }

    fn change(&mut self, market: MarketId, change: impl FnOnce(&mut KnownMarket)) {
        if let Some(known) = self.markets.values_mut().find(|known| known.listed.market == market) {
            change(known);
        }
    }
}
