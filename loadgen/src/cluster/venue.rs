//! The market and the accounts of a closed loop.

use std::time::Duration;

use cluster_client::{Cluster, Patience, Session};
use wire::codec::v1::encode_command;
use wire::command::{Credit, DelistMarket, ListAsset, ListMarket, OpenAccount, Reply};
use wire::{
    AccountId, Amount, AssetId, Command, FeeRate, MarketId, MarketStatus, PartitionId, Price, Qty, RejectReason, Text,
};

use crate::api::timestamp_ms;
use crate::replay::venue::{Operator, VenueError, connect_with, open_session, rules};
use crate::state;

/// Every order's price: 1.00.
pub const PRICE: Price = match Price::new(100) {
    Some(price) => price,
    None => panic!("a hundred ticks are a price"),
};
/// Every order's quantity: 0.01.
pub const QTY: Qty = match Qty::new(1) {
    Some(qty) => qty,
    None => panic!("one unit is a quantity"),
};
/// Ledger decimals of its assets.
const DECIMALS: u8 = 8;
/// What either account has of what it gives: enough for a thousand million orders.
const FUNDS: i64 = 1_000_000_000_000_000;

/// Its assets, which every run uses.
const ASSETS: [&str; 2] = ["LOADBASE", "LOADQUOTE"];
/// The market that is kept for the next run.
const KEPT: &str = "LOADKEPT";
/// No cluster has more partitions.
const PARTITIONS_MAX: u16 = 256;
/// How long taking the market away may take.
const DELISTED_WITHIN: Duration = Duration::from_secs(10);

/// Where the loop trades.
pub struct Venue {
    pub link: Cluster,
    pub session: Session,
    pub ledger: PartitionId,
    pub market: MarketId,
    pub seller: AccountId,
    pub buyer: AccountId,
    symbol: String,
}

impl Venue {
    /// Opens its two accounts, if need be, and lists a market in the last market partition; where it may be kept, one that was
    /// kept is used. What is there already is named by the refusal of another, so no events of the past are read, which an
    /// old cluster has many of. `window` requests may be under way.
    pub async fn make(cluster: &state::Cluster, window: usize, may_be_kept: bool) -> Result<Venue, VenueError> {
        let patience = Patience::default();
        let link = connect_with(cluster, Patience { window: window.max(patience.window), ..patience })?;
        let ledger = PartitionId::new(cluster.ledger);
        let operator = Operator { session: open_session(&link, ledger).await? };
        let mut assets = Vec::new();
        for name in ASSETS {
            let symbol = Text::new(name.as_bytes()).map_err(|_| VenueError::BadSymbol(name.to_owned()))?;
            let list = Command::ListAsset(ListAsset { symbol, ledger_decimals: DECIMALS });
            let doing = format!("list the asset {name}");
            assets.push(AssetId::new(operator.ask_for(&doing, list, RejectReason::AssetExists).await? as u16));
        }
        let mut accounts = Vec::new();
        for (name, asset) in [("load-seller", assets[0]), ("load-buyer", assets[1])] {
            let doing = format!("open the account {name}");
            let open = OpenAccount {
                name: Text::new(name.as_bytes()).map_err(|_| VenueError::BadSymbol(name.to_owned()))?,
                maker_fee: FeeRate::ZERO,
                taker_fee: FeeRate::ZERO,
            };
            let opened = operator.ask_for(&doing, Command::OpenAccount(open), RejectReason::AccountExists).await?;
            let account = AccountId::new(opened as u32);
            let amount = Amount::new(FUNDS).expect("the funds are an amount");
            let credit = Credit { account, asset, amount };
            operator.ask("fund an account", Command::Credit(credit)).await?;
            accounts.push(account);
        }
        // Last of all: whatever fails before it leaves nothing that everybody sees.
        let symbol = if may_be_kept { KEPT.to_owned() } else { format!("LOAD{:X}", timestamp_ms()) };
        let list = ListMarket {
            symbol: Text::new(symbol.as_bytes()).map_err(|_| VenueError::BadSymbol(symbol.clone()))?,
            base: assets[0],
            quote: assets[1],
            partition: last_partition(cluster, &link),
            price_decimals: 2,
            qty_decimals: 2,
            rules: rules(),
            status: MarketStatus::Trading,
        };
        let (doing, list) = (format!("list the market {symbol}"), Command::ListMarket(Box::new(list)));
        let listed = match may_be_kept {
            true => operator.ask_for(&doing, list, RejectReason::MarketExists).await?,
            false => operator.ask(&doing, list).await?,
        };
        let market = MarketId::new(listed as u16);
        let Operator { session } = operator;
        Ok(Venue { link, session, ledger, market, seller: accounts[0], buyer: accounts[1], symbol })
    }

    /// Takes the market away, and says so where that cannot be done.
    pub async fn delist(&self) {
        let mut payload = Vec::new();
        encode_command(&Command::DelistMarket(DelistMarket { market: self.market }), &mut payload);
        let why = match self.session.request(payload, DELISTED_WITHIN).await.map(|replied| replied.reply) {
            Ok(Reply::Accepted { .. }) => return,
            Ok(Reply::Rejected { reason, .. }) => format!("{reason:?}"),
            Err(error) => error.to_string(),
        };
        let symbol = &self.symbol;
        eprintln!(
            "the market {symbol} is still listed ({why}); take it away: mainstay ctl market delist {symbol} --confirm {symbol}"
        );
    }
}

/// The last partition, which is the ledger's own where that hosts everything: as the state file names them, or the nodes.
fn last_partition(cluster: &state::Cluster, link: &Cluster) -> PartitionId {
    let is_apart = |partition: &u16| *partition != cluster.ledger;
    let named = cluster.partitions.iter().copied().filter(is_apart).max();
    let is_led = |partition: &u16| is_apart(partition) && link.leader(PartitionId::new(*partition)).is_some();
    let led = || (1..=PARTITIONS_MAX).rev().find(is_led);
    PartitionId::new(named.or_else(led).unwrap_or(cluster.ledger))
}
