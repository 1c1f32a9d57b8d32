//! Makes the market that a recording is replayed on, with accounts that can pay for it. The operator's
//! session lists and funds; the accounts then trade through the gateway like anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cluster_client::{Cluster, ClusterConfig, ClusterError, ConfigError, Patience, Session, StreamItem};
use ed25519_dalek::SigningKey;
use wire::codec::v1::encode_command;
use wire::command::{AddApiKey, ApiKeyKind, Command, Credit, ListAsset, ListMarket, OpenAccount, Permissions, Reply};
use wire::event::MarketListed;
use wire::link::Role;
use wire::{
    AccountId, Amount, AssetId, ClusterEpoch, Event, FeeRate, LogPosition, MarketId, MarketRules, MarketStatus, NodeId,
    PartitionId, Price, Qty, RejectReason, Secret, Symbol, Text,
};

use super::needs::{Budget, Needs};
use super::recording::Recording;
use crate::api::sign::Credentials;
use crate::state;

#[cfg(test)]
mod tests;

/// How long the cluster may take over one command.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest name of a market or an asset.
const SYMBOL_MAX: usize = 20;
/// What the demo's accounts pay as well.
const FEE_PPM: u32 = 1_000;
/// Ledger decimals of an asset that is listed for a recording, unless it needs more, or is counted in numbers so
/// great that there is no room for them.
const ASSET_DECIMALS: u8 = 8;

/// A ledger counts all of an asset in one amount; a replay takes less than an eighth of it, in ledger units.
const TOTAL_MAX: i64 = Amount::MAX.units() / 8;

/// Why there is no market to replay on.
#[derive(Debug, thiserror::Error)]
pub enum VenueError {
    /// Neither the state file nor flags name the operator.
    #[error(
        "making a market needs the operator's certificate: pass --state FILE of a running demo, or --node ID=HOST:PORT, --ca, \
         --cert and --key; a replay may also use --symbol of a market that is listed and empty, with accounts that can pay"
    )]
    NoOperator,
    /// A file of the operator cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The operator's identity is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cluster does not answer.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was tried.
        doing: String,
        /// What went wrong.
        source: ClusterError,
    },
    /// The cluster refused.
    #[error("cannot {doing}: the exchange refused, {reason:?}{}", hint(*reason))]
    Refused {
        /// What was tried.
        doing: String,
        /// Why not.
        reason: RejectReason,
    },
    /// The name is taken.
    #[error("a market {0} exists already; name another with --symbol")]
    SymbolTaken(String),
    /// Not a name of a market.
    #[error("{0:?} is no name of a market: use 1 to 20 of A-Z and 0-9")]
    BadSymbol(String),
    /// The recording is worth more than the ledger can count.
    #[error("the recording needs more {0} than the ledger can count")]
    TooMuch(String),
    /// The same, and which lines ask for so many decimals.
    #[error(
        "the recording needs more {asset} than the ledger can count: prices have {} decimals (line {}), quantities {} (line {})",
        .price.0, .price.1, .qty.0, .qty.1
    )]
    TooFine {
        /// Which asset.
        asset: String,
        /// The most decimals of a price, and where.
        price: (u8, usize),
        /// The most decimals of a quantity, and where.
        qty: (u8, usize),
    },
}

impl VenueError {
    /// Whether other flags are all it takes.
    pub(crate) fn is_of_arguments(&self) -> bool {
        matches!(self, VenueError::NoOperator)
    }
}

/// What is to be said beside the reason.
fn hint(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::TableFull => {
            "; accounts have as much room as `mainstay ctl capacity` says, markets 64 in all, delisted ones among them: --keep-market keeps \
             one of `loadgen cluster` for further runs"
        }
        _ => "",
    }
}

/// A market made for a recording.
pub struct Venue {
    /// Its name.
    pub symbol: String,
    /// Accounts that provide the book.
    pub makers: Vec<Credentials>,
    /// The account that takes.
    pub taker: Credentials,
}

/// What the ledger has told so far.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    assets: BTreeMap<String, (AssetId, u8)>,
    /// Of every market that ever was: names stay taken.
    symbols: BTreeSet<String>,
    /// Those that are not delisted.
    markets: BTreeMap<MarketId, MarketListed>,
}

/// The operator's session with the ledger.
pub(crate) struct Operator {
    pub session: Session,
}

/// An asset of the new market.
pub(crate) struct Asset {
    pub id: AssetId,
    name: String,
    decimals: u8,
}

impl Venue {
    /// Lists the market, opens and funds the accounts.
    pub async fn make(
        cluster: &state::Cluster,
        recording: &Recording,
        symbol: Option<&str>,
        makers: usize,
        run: &str,
    ) -> Result<Venue, VenueError> {
        let link = connect_with(cluster, Patience::default())?;
        let ledger = PartitionId::new(cluster.ledger);
        let mut directory = Directory::read(&link, ledger).await?;
        let operator = Operator { session: open_session(&link, ledger).await? };

        let (price, qty) = (recording.price_decimals, recording.qty_decimals);
        let (base_name, quote_name) = directory.split(&recording.symbol);
        let budget = Budget::of(recording, makers);
        let total = budget.total();
        let holds = |amount: Option<Amount>| amount.is_some_and(|amount| amount.units() < TOTAL_MAX);
        let base = |decimals| holds(total.base_amount(recording, decimals));
        let told = |error| match error {
            VenueError::TooMuch(asset) => {
                VenueError::TooFine { asset, price: (price, recording.finest.0), qty: (qty, recording.finest.1) }
            }
            error => error,
        };
        let base = operator.asset(&directory, &base_name, qty, base).await.map_err(told)?;
        let quote = |decimals| holds(total.quote_amount(recording, decimals));
        let quote = operator.asset(&directory, &quote_name, price + qty, quote).await.map_err(told)?;
        let partition = directory.emptiest(cluster);
        let symbol = loop {
            let name = directory.name_market(symbol, &recording.symbol)?;
            let market = ListMarket {
                symbol: text(&name)?,
                base: base.id,
                quote: quote.id,
                partition,
                price_decimals: price,
                qty_decimals: qty,
                rules: rules(),
                status: wire::MarketStatus::Trading,
            };
            match operator.ask(&format!("list the market {name}"), Command::ListMarket(Box::new(market))).await {
                Ok(_) => break name,
                // Another replay was faster.
                Err(VenueError::Refused { reason: RejectReason::MarketExists, .. }) => directory.symbols.insert(name),
                Err(error) => return Err(error),
            };
        };
        let mut accounts = Vec::new();
        let roles = (1..=makers).map(|number| format!("maker-{number}")).chain(["taker".to_owned()]);
        for (role, needs) in roles.zip(budget.makers.iter().chain([&budget.taker])) {
            let (account, credentials) = operator.account(&format!("replay-{run}-{role}")).await?;
            operator.fund(account, needs, recording, &base, &quote).await?;
            accounts.push(credentials);
        }
        let taker = accounts.pop().expect("the taker was opened last");
        Ok(Venue { symbol, makers: accounts, taker })
    }
}

/// Connects as the operator.
pub(crate) fn connect_with(cluster: &state::Cluster, patience: Patience) -> Result<Cluster, VenueError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| VenueError::File { path: path.display().to_string(), source })
    };
    let operator = &cluster.operator;
    let config = ClusterConfig {
        epoch: ClusterEpoch::new(cluster.epoch),
        nodes: cluster.nodes.iter().map(|node| (NodeId::new(node.id), node.addr)).collect(),
        role: Role::Operator,
        name: operator.name.clone(),
        ca: read(&operator.ca)?,
        cert: read(&operator.cert)?,
        key: read(&operator.key)?,
    };
    Ok(Cluster::connect_with(config, patience)?)
}

/// Opens a session, if the ledger's partition has a leader in time.
pub(crate) async fn open_session(link: &Cluster, ledger: PartitionId) -> Result<Session, VenueError> {
    let unavailable = |_| cluster_error("open a session with the ledger's leader", ClusterError::Unavailable);
    tokio::time::timeout(PATIENCE, link.session(ledger)).await.map_err(unavailable)
}

fn cluster_error(doing: &str, source: ClusterError) -> VenueError {
    VenueError::Cluster { doing: doing.to_owned(), source }
}

fn text(symbol: &str) -> Result<Symbol, VenueError> {
    let legal = !symbol.is_empty() && symbol.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    Text::new(symbol.as_bytes()).ok().filter(|_| legal).ok_or_else(|| VenueError::BadSymbol(symbol.to_owned()))
}

/// Everything that a recorded market may contain.
pub(crate) fn rules() -> MarketRules {
    let one = Qty::new(1).expect("one unit is a quantity");
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::MAX,
        lot: one,
        qty_min: one,
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 100_000,
        open_orders_max: 100_000,
        special: wire::SpecialRules::default(),
    }
}

impl Directory {
    /// Follows the ledger's events from the first to the latest.
    pub(crate) async fn read(link: &Cluster, ledger: PartitionId) -> Result<Directory, VenueError> {
        let read = "read the ledger's assets and markets";
        let until = link.read_index(ledger, PATIENCE).await.map_err(|source| cluster_error(read, source))?;
        let mut directory = Directory::default();
        let mut events = link.subscribe(ledger, LogPosition::new(1));
        loop {
            let next = tokio::time::timeout(PATIENCE, events.next()).await;
            let reached = match next.map_err(|_| cluster_error(read, ClusterError::Timeout))? {
                Some(StreamItem::Events { position, events, .. }) => {
                    events.iter().for_each(|event| directory.note(event));
                    position
                }
                Some(StreamItem::Progress { position }) => position,
                None => return Err(cluster_error(read, ClusterError::Closed)),
            };
            if reached >= until {
                return Ok(directory);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::AssetListed(listed) => {
                self.assets.insert(listed.symbol.to_string(), (listed.asset, listed.ledger_decimals));
            }
            Event::MarketListed(listed) => {
                self.symbols.insert(listed.symbol.to_string());
                self.markets.insert(listed.market, **listed);
            }
            Event::MarketStatusChanged(changed) if changed.status == MarketStatus::Delisted => {
                self.markets.remove(&changed.market);
            }
            _ => {}
        }
    }

    /// The wished-for name, or the first free one of the form `RPLAYBTCUSDT`, `RPLAYBTCUSDT2`, ...
    fn name_market(&self, wished: Option<&str>, recorded: &str) -> Result<String, VenueError> {
        if let Some(wished) = wished {
            text(wished)?;
            let taken = self.symbols.contains(wished);
            return if taken { Err(VenueError::SymbolTaken(wished.to_owned())) } else { Ok(wished.to_owned()) };
        }
        let recorded: String = recorded.chars().filter(char::is_ascii_alphanumeric).collect();
        let recorded = recorded.to_ascii_uppercase();
        let name = |number: usize| {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            let room = SYMBOL_MAX - "RPLAY".len() - suffix.len();
            format!("RPLAY{}{suffix}", &recorded[..recorded.len().min(room)])
        };
        Ok((1..).map(name).find(|name| !self.symbols.contains(name)).expect("names do not run out"))
    }

    /// Base and quote of a recorded symbol: the longest known quote asset that it ends with, else of the usual
    /// ones, else its last letters.
    fn split(&self, symbol: &str) -> (String, String) {
        const USUAL: [&str; 12] =
            ["FDUSD", "USDT", "USDC", "BUSD", "TUSD", "DAI", "USD", "EUR", "TRY", "BTC", "ETH", "BNB"];
        let symbol: String = symbol.chars().filter(char::is_ascii_alphanumeric).collect();
        let symbol = symbol.to_ascii_uppercase();
        let mut quotes: Vec<&str> = self.assets.keys().map(String::as_str).collect();
        quotes.sort_by_key(|quote| std::cmp::Reverse(quote.len()));
        let mut quotes = quotes.into_iter().chain(USUAL);
        let quote = quotes.find(|quote| symbol.ends_with(quote) && symbol.len() > quote.len());
        let half = symbol.len() - symbol.len().saturating_sub(1).min(3);
        let at = quote.map_or(half, |quote| symbol.len() - quote.len());
        (symbol[..at].to_owned(), symbol[at..].to_owned())
    }

    /// The market partition with the fewest markets, of those that are known or have any; the ledger's own where it
    /// hosts everything.
    pub(crate) fn emptiest(&self, cluster: &state::Cluster) -> PartitionId {
        let known = cluster.partitions.iter().map(|partition| PartitionId::new(*partition));
        let used = self.markets.values().map(|market| market.partition);
        let apart = known.chain(used.clone()).filter(|partition| partition.get() != cluster.ledger);
        let emptiest =
            apart.min_by_key(|partition| (used.clone().filter(|used| used == partition).count(), *partition));
        emptiest.unwrap_or(PartitionId::new(cluster.ledger))
    }
}

impl Operator {
    /// Sends a command; returns the id in the reply.
    pub(crate) async fn ask(&self, doing: &str, command: Command) -> Result<u64, VenueError> {
        match self.reply(doing, command).await? {
            Reply::Accepted { id } => Ok(id),
            Reply::Rejected { reason, .. } => Err(VenueError::Refused { doing: doing.to_owned(), reason }),
        }
    }

    /// As [`Operator::ask`], for what may be there already, which the refusal names.
    pub(crate) async fn ask_for(
        &self,
        doing: &str,
        command: Command,
        is_there: RejectReason,
    ) -> Result<u64, VenueError> {
        match self.reply(doing, command).await? {
            Reply::Accepted { id } => Ok(id),
            Reply::Rejected { reason, id } if reason == is_there => Ok(id),
            Reply::Rejected { reason, .. } => Err(VenueError::Refused { doing: doing.to_owned(), reason }),
        }
    }

    async fn reply(&self, doing: &str, command: Command) -> Result<Reply, VenueError> {
        let mut payload = Vec::new();
        encode_command(&command, &mut payload);
        let replied = self.session.request(payload, PATIENCE).await;
        replied.map(|replied| replied.reply).map_err(|source| cluster_error(doing, source))
    }

    /// The asset of this name, or one like it. It must have at least `decimals` and not so many that what the
    /// replay needs does not fit the ledger any more; one that does is listed if need be.
    pub(crate) async fn asset(
        &self,
        directory: &Directory,
        name: &str,
        decimals: u8,
        fits: impl Fn(u8) -> bool,
    ) -> Result<Asset, VenueError> {
        let fitting = (decimals..=decimals.max(ASSET_DECIMALS)).rev().find(|decimals| fits(*decimals));
        let fitting = fitting.ok_or_else(|| VenueError::TooMuch(name.to_owned()))?;
        let other = format!("R{fitting}{name}");
        for name in [name, &other[..other.len().min(SYMBOL_MAX)]] {
            match directory.assets.get(name) {
                Some((id, decimals)) if fits(*decimals) => {
                    return Ok(Asset { id: *id, name: name.to_owned(), decimals: *decimals });
                }
                Some(_) => continue,
                None => {}
            }
            let list = ListAsset { symbol: text(name)?, ledger_decimals: fitting };
            let id = self.ask(&format!("list the asset {name}"), Command::ListAsset(list)).await?;
            return Ok(Asset { id: AssetId::new(id as u16), name: name.to_owned(), decimals: fitting });
        }
        let doing = format!("find an asset like {name} with {decimals} decimals");
        Err(VenueError::Refused { doing, reason: RejectReason::BadAsset })
    }

    async fn fund(
        &self,
        account: AccountId,
        needs: &Needs,
        recording: &Recording,
        base: &Asset,
        quote: &Asset,
    ) -> Result<(), VenueError> {
        let base_amount = needs.base_amount(recording, base.decimals);
        let quote_amount = needs.quote_amount(recording, quote.decimals);
        for (asset, amount) in [(base, base_amount), (quote, quote_amount)] {
            let amount = amount.ok_or_else(|| VenueError::TooMuch(asset.name.clone()))?;
            let credit = Credit { account, asset: asset.id, amount };
            self.ask(&format!("fund an account with {}", asset.name), Command::Credit(credit)).await?;
        }
        Ok(())
    }

    /// Opens an account with an Ed25519 key of its own: no secret leaves this process.
    async fn account(&self, name: &str) -> Result<(AccountId, Credentials), VenueError> {
        let fee = FeeRate::new(FEE_PPM).expect("the fee is a legal rate");
        let open = OpenAccount {
            name: Text::new(name.as_bytes()).map_err(|_| VenueError::BadSymbol(name.to_owned()))?,
            maker_fee: fee,
            taker_fee: fee,
        };
        let doing = format!("open the account {name}");
        let account = AccountId::new(self.ask(&doing, Command::OpenAccount(open)).await? as u32);
        let key = SigningKey::from_bytes(&rand::random());
        let api_key = hex::encode(rand::random::<[u8; 32]>());
        let add = AddApiKey {
            account,
            key: Text::new(api_key.as_bytes()).expect("64 hexadecimal digits are an API key"),
            kind: ApiKeyKind::Ed25519,
            permissions: Permissions::READ_AND_TRADE,
            secret: Secret::new(key.verifying_key().as_bytes()).expect("a public key fits"),
        };
        self.ask(&doing, Command::AddApiKey(Box::new(add))).await?;
        Ok((account, Credentials::ed25519(&api_key, key)))
    }
}
