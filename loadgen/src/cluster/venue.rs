//! The market and the accounts of a closed loop.

use cluster_client::{Cluster, Patience, Session};
use wire::command::{Credit, ListMarket, OpenAccount};
use wire::{AccountId, Amount, Command, FeeRate, MarketId, MarketStatus, PartitionId, Price, Qty, Text};

use crate::replay::venue::{Directory, Operator, VenueError, connect_with, open_session, rules};
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

/// Where the loop trades.
pub struct Venue {
    pub link: Cluster,
    pub session: Session,
    pub ledger: PartitionId,
    pub market: MarketId,
    pub seller: AccountId,
    pub buyer: AccountId,
}

impl Venue {
    /// Lists a market in the market partition with the fewest, and opens its two accounts. `window` requests may be
    /// under way.
    pub async fn make(cluster: &state::Cluster, window: usize, run: &str) -> Result<Venue, VenueError> {
        let patience = Patience::default();
        let link = connect_with(cluster, Patience { window: window.max(patience.window), ..patience })?;
        let ledger = PartitionId::new(cluster.ledger);
        let directory = Directory::read(&link, ledger).await?;
        let operator = Operator { session: open_session(&link, ledger).await? };
        let base = operator.asset(&directory, "LOADBASE", DECIMALS, |_| true).await?;
        let quote = operator.asset(&directory, "LOADQUOTE", DECIMALS, |_| true).await?;
        let symbol = format!("L{}", run.to_ascii_uppercase());
        let list = ListMarket {
            symbol: Text::new(symbol.as_bytes()).map_err(|_| VenueError::BadSymbol(symbol.clone()))?,
            base: base.id,
            quote: quote.id,
            partition: directory.emptiest(cluster),
            price_decimals: 2,
            qty_decimals: 2,
            rules: rules(),
            status: MarketStatus::Trading,
        };
        let doing = format!("list the market {symbol}");
        let market = MarketId::new(operator.ask(&doing, Command::ListMarket(Box::new(list))).await? as u16);
        let mut accounts = Vec::new();
        for (role, asset) in [("seller", &base), ("buyer", &quote)] {
            let name = format!("load-{run}-{role}");
            let doing = format!("open the account {name}");
            let open = OpenAccount {
                name: Text::new(name.as_bytes()).map_err(|_| VenueError::BadSymbol(name.clone()))?,
                maker_fee: FeeRate::ZERO,
                taker_fee: FeeRate::ZERO,
            };
            let account = AccountId::new(operator.ask(&doing, Command::OpenAccount(open)).await? as u32);
            let amount = Amount::new(FUNDS).expect("the funds are an amount");
            let credit = Credit { account, asset: asset.id, amount };
            operator.ask("fund an account", Command::Credit(credit)).await?;
            accounts.push(account);
        }
        let Operator { session } = operator;
        Ok(Venue { link, session, ledger, market, seller: accounts[0], buyer: accounts[1] })
    }
}
