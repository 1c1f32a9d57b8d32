//! A market that is there already, for who is no operator: its book must be empty, its grid and limits must let the
//! recording through, and the accounts must be able to pay. All of it is looked at before the first order.

use rust_decimal::Decimal;

use super::book::Book;
use super::needs::{Budget, Needs};
use super::plan::maker_of;
use super::recording::Recording;
use super::venue::Venue;
use crate::api::ApiError;
use crate::api::message::{AccountInfo, Depth, TradeId};
use crate::api::rest::Rest;
use crate::api::sign::{Credentials, KeyError};
use crate::market::{Market, MarketError};
use crate::state::Account;

#[cfg(test)]
mod tests;

/// How long the exchange may take to answer a question.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Why a recording cannot be replayed on a market that is there.
#[derive(Debug, thiserror::Error)]
pub enum ListedError {
    /// The market is not there, or closed.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// An account's key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The exchange does not tell.
    #[error("cannot {doing}: {source}")]
    Api {
        /// What was asked for.
        doing: String,
        /// What it said.
        source: ApiError,
    },
    /// Nobody to trade with.
    #[error("a replay on a market that is listed takes two accounts at least: --account NAME:API_KEY:SECRET, twice")]
    Accounts,
    /// Somebody's orders rest in it.
    #[error("the book of {0} is not empty: a replay on it would not be the recorded book")]
    NotEmpty(String),
    /// Something recorded is no order there.
    #[error("line {line}: {what} is no order in {symbol}: {why}")]
    Grid {
        /// The recorded line.
        line: usize,
        /// Which quantity at which price.
        what: String,
        /// The market.
        symbol: String,
        /// Which limit it breaks.
        why: String,
    },
    /// More levels than a maker may have orders.
    #[error(
        "line {line}: {levels} levels of one maker, and {symbol} lets an account have {open_orders_max} orders open: take more \
         --account and --makers"
    )]
    Levels {
        /// The recorded line.
        line: usize,
        /// How many.
        levels: usize,
        /// The market.
        symbol: String,
        /// Its limit.
        open_orders_max: usize,
    },
    /// An account has too little.
    #[error("account {account} has {free} {asset} and needs {needed} for the recording")]
    Funds {
        /// Whose.
        account: String,
        /// Of what.
        asset: String,
        /// What may be used.
        free: Decimal,
        /// What it takes.
        needed: String,
    },
}

impl ListedError {
    /// Whether other flags are all it takes.
    pub(crate) fn is_of_arguments(&self) -> bool {
        match self {
            ListedError::Market(market) => market.is_of_arguments(),
            ListedError::Accounts => true,
            _ => false,
        }
    }
}

/// A market that is there, ready for a replay.
pub struct Listed {
    /// The market and who trades in it.
    pub venue: Venue,
    /// Its last trade up to now.
    pub last_trade: Option<u64>,
}

/// Looks at everything that a replay on the market `symbol` needs. The last account takes, up to `makers` others make.
pub async fn open(
    rest: &Rest,
    symbol: &str,
    accounts: &[Account],
    makers: usize,
    recording: &Recording,
) -> Result<Listed, ListedError> {
    let api = |doing: String| |source| ListedError::Api { doing, source };
    let (taker, others) =
        accounts.split_last().filter(|(_, others)| !others.is_empty()).ok_or(ListedError::Accounts)?;
    let makers = &others[..others.len().min(makers)];
    let market = Market::fetch(rest, &[symbol.to_owned()], PATIENCE).await?.remove(0);
    check(recording, &market, makers.len())?;

    let query = format!("symbol={symbol}&limit=5");
    let depth: Depth =
        rest.get("/api/v3/depth", &query, PATIENCE).await.map_err(api(format!("see the book of {symbol}")))?;
    if !depth.bids.is_empty() || !depth.asks.is_empty() {
        return Err(ListedError::NotEmpty(symbol.to_owned()));
    }
    let query = format!("symbol={symbol}&limit=1");
    let trades: Vec<TradeId> =
        rest.get("/api/v3/trades", &query, PATIENCE).await.map_err(api(format!("see the trades of {symbol}")))?;

    let budget = Budget::of(recording, makers.len());
    for (account, needs) in makers.iter().zip(&budget.makers).chain([(taker, &budget.taker)]) {
        let credentials = Credentials::of(account)?;
        let asked = rest.get_signed(&credentials, "/api/v3/account", "", PATIENCE).await;
        let info: AccountInfo = asked.map_err(api(format!("see what account {} has", account.name)))?;
        can_pay(&account.name, &info, needs, &market, recording)?;
    }
    let makers = makers.iter().map(Credentials::of).collect::<Result<_, _>>()?;
    let venue = Venue { symbol: symbol.to_owned(), makers, taker: Credentials::of(taker)? };
    Ok(Listed { venue, last_trade: trades.last().map(|trade| trade.id) })
}

/// Whether everything recorded may stand in the market's book.
fn check(recording: &Recording, market: &Market, makers: usize) -> Result<(), ListedError> {
    let mut book = Book::default();
    let mut levels = vec![0_usize; makers];
    for update in &recording.updates {
        for trade in &update.trades {
            fits(recording, market, update.line, trade.price, trade.qty)?;
        }
        for level in &update.levels {
            let maker = &mut levels[maker_of(level.price, makers)];
            *maker -= usize::from(book.qty(level.side, level.price) > 0);
            *maker += usize::from(level.qty > 0);
            if level.qty > 0 {
                fits(recording, market, update.line, level.price, level.qty)?;
            }
            book.set(*level);
        }
        let most = levels.iter().copied().max().unwrap_or(0);
        if most > market.open_orders_max {
            let (symbol, open_orders_max) = (market.symbol.clone(), market.open_orders_max);
            return Err(ListedError::Levels { line: update.line, levels: most, symbol, open_orders_max });
        }
    }
    Ok(())
}

fn fits(recording: &Recording, market: &Market, line: usize, price: i64, qty: i64) -> Result<(), ListedError> {
    let price = Decimal::new(price, recording.price_decimals.into());
    let qty = Decimal::new(qty, recording.qty_decimals.into());
    let why = if !(price % market.tick).is_zero() {
        format!("prices are multiples of {}", market.tick)
    } else if !(qty % market.step).is_zero() {
        format!("quantities are multiples of {}", market.step)
    } else if qty < market.qty_min {
        format!("quantities are at least {}", market.qty_min)
    } else if price.checked_mul(qty).is_some_and(|notional| notional < market.notional_min) {
        format!("orders are worth at least {} {}", market.notional_min, market.quote)
    } else {
        return Ok(());
    };
    let what = format!("{} at {}", qty.normalize(), price.normalize());
    Err(ListedError::Grid { line, what, symbol: market.symbol.clone(), why })
}

fn can_pay(
    account: &str,
    info: &AccountInfo,
    needs: &Needs,
    market: &Market,
    recording: &Recording,
) -> Result<(), ListedError> {
    let (price, qty) = (u32::from(recording.price_decimals), u32::from(recording.qty_decimals));
    for (asset, units, decimals) in [(&market.base, needs.base, qty), (&market.quote, needs.quote, price + qty)] {
        let balance = info.balances.iter().find(|balance| balance.asset == *asset);
        let free = balance.map_or(Decimal::ZERO, |balance| balance.free);
        // What no decimal can hold nobody has.
        let needed = Decimal::try_from_i128_with_scale(units, decimals).ok();
        if needed.is_none_or(|needed| needed > free) {
            let needed = needed.map_or_else(|| "more than can be counted".to_owned(), |it| it.normalize().to_string());
            return Err(ListedError::Funds { account: account.to_owned(), asset: asset.clone(), free, needed });
        }
    }
    Ok(())
}
