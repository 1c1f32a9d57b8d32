//! History from the projections in memory: the latest of each kind, within [`crate::Limits`].

use std::sync::Arc;

use wire::event::WithdrawalChanged;
use wire::{AccountId, ListId, MarketId, OrderId, TradeId};

use super::{DepositsWanted, FillsWanted, ListedOrders, Page, PreventedWanted, WithdrawalsWanted};
use crate::accounts::{Account, Amendment, Deposit, Fill, Order, PreventedMatch};
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;
use crate::market_data::Market;
use crate::names;

/// Reads an account as the cluster has committed it when this was called. What is read is copied: JSON is written while
/// the feed goes on.
async fn read<T>(
    gateway: &Gateway,
    account: AccountId,
    read: impl FnOnce(&Account) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    gateway.up_to_date().await?;
    read_known(gateway, account, read)
}

/// Reads an account as it is known.
fn read_known<T>(
    gateway: &Gateway,
    account: AccountId,
    read: impl FnOnce(&Account) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let accounts = gateway.exchange.accounts();
    read(accounts.get(account).ok_or(errors::NOT_PERMITTED)?)
}

/// The first of `items`, or the last ones in the same order.
fn cut<T>(items: impl DoubleEndedIterator<Item = T>, page: &Page) -> Vec<T> {
    if page.is_from_the_start() {
        return items.take(page.limit).collect();
    }
    let mut last: Vec<T> = items.rev().take(page.limit).collect();
    last.reverse();
    last
}

/// As they are known: who asks for them is up to date.
pub(super) fn orders(
    gateway: &Gateway,
    account: AccountId,
    market: MarketId,
    page: &Page,
) -> Result<Vec<Order>, ApiError> {
    read_known(gateway, account, |account| {
        let orders = account.orders.in_market(market, OrderId::new(page.from.unwrap_or(0)));
        let orders = orders.filter(|order| order.was_not_refused() && page.holds(order.created.millis()));
        Ok(cut(orders.cloned(), page))
    })
}

pub(super) async fn fills(
    gateway: &Gateway,
    account: AccountId,
    market: MarketId,
    wanted: &FillsWanted,
) -> Result<Vec<(Fill, ListId)>, ApiError> {
    let page = &wanted.page;
    let first = TradeId::new(page.from.unwrap_or(0));
    gateway.orders_up_to_date(account, |order| order.market == market).await?;
    read_known(gateway, account, |account| {
        let fills: Vec<Fill> = match wanted.order {
            Some(id) => {
                let order = account.orders.get(market, id);
                let fills = order.map(|order| account.fills_of(order)).unwrap_or_default().into_iter();
                fills.filter(|fill| fill.trade >= first && page.holds(fill.time.millis())).take(page.limit).collect()
            }
            None => {
                let fills = account.fills.in_market(market, first);
                cut(fills.filter(|fill| page.holds(fill.time.millis())).copied(), page)
            }
        };
        let list = |fill: &Fill| account.orders.get(market, fill.order).map_or(ListId::ZERO, |order| order.list());
        Ok(fills.into_iter().map(|fill| (fill, list(&fill))).collect())
    })
}

pub(super) async fn amendments(
    gateway: &Gateway,
    account: AccountId,
    market: MarketId,
    order: OrderId,
    from: u64,
    limit: usize,
) -> Result<(Order, Vec<Amendment>), ApiError> {
    read(gateway, account, |account| {
        let order = account.orders.get(market, order).ok_or(errors::NO_SUCH_ORDER)?;
        let amendments = order.amendments().iter().filter(|amendment| amendment.execution >= from);
        Ok((order.without_history(), amendments.take(limit).copied().collect()))
    })
    .await
}

pub(super) async fn lists(gateway: &Gateway, account: AccountId, page: &Page) -> Result<Vec<ListedOrders>, ApiError> {
    read(gateway, account, |account| {
        let lists = account.lists.from(ListId::new(page.from.unwrap_or(0)));
        let lists = cut(lists.filter(|list| page.holds(list.created.millis())), page);
        Ok(lists.into_iter().map(|list| account.listed(list)).collect())
    })
    .await
}

pub(super) async fn prevented(
    gateway: &Gateway,
    account: AccountId,
    market: MarketId,
    wanted: &PreventedWanted,
) -> Result<Vec<PreventedMatch>, ApiError> {
    gateway.orders_up_to_date(account, |order| order.market == market).await?;
    read_known(gateway, account, |account| {
        let all = account.prevented.iter().filter(|prevented| {
            prevented.market == market
                && wanted.id.is_none_or(|id| prevented.id.get() == id)
                && wanted.order.is_none_or(|order| prevented.taker == order || prevented.maker == order)
                && wanted.from.is_none_or(|from| prevented.id.get() >= from)
        });
        Ok(all.take(wanted.limit).copied().collect())
    })
}

pub(super) fn deposits(gateway: &Gateway, account: AccountId, wanted: &DepositsWanted) -> Vec<Deposit> {
    let accounts = gateway.exchange.accounts();
    let deposits = accounts.chains().deposits(account).filter(|deposit| {
        let changed = &deposit.changed;
        wanted.asset.is_none_or(|asset| asset == changed.asset)
            && wanted.status.is_none_or(|status| status == names::deposit_status(changed.stage))
            && wanted.tx.is_none_or(|tx| tx == changed.tx)
            && wanted.page.holds(deposit.inserted.millis())
    });
    paged(deposits, wanted.offset, wanted.page.limit)
}

pub(super) fn withdrawals(gateway: &Gateway, account: AccountId, wanted: &WithdrawalsWanted) -> Vec<WithdrawalChanged> {
    let accounts = gateway.exchange.accounts();
    let withdrawals = accounts.withdrawals().of(account).filter(|row| {
        wanted.asset.is_none_or(|asset| asset == row.asset)
            && wanted.status.is_none_or(|status| status == names::withdrawal_status(row.stage, row.cause))
            && wanted.name.is_none_or(|name| name == row.name)
            && wanted.ids.as_ref().is_none_or(|ids| ids.contains(&row.withdrawal))
            && wanted.page.holds(row.requested_at.millis())
    });
    paged(withdrawals, wanted.offset, wanted.page.limit)
}

fn paged<'a, T: Copy + 'a>(items: impl Iterator<Item = &'a T>, offset: u64, limit: usize) -> Vec<T> {
    items.skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit).copied().collect()
}

pub(super) fn market(gateway: &Gateway, market: MarketId) -> Result<Arc<Market>, ApiError> {
    gateway.exchange.market_data().market_by_id(market).ok_or(errors::INVALID_SYMBOL)
}

impl Account {
    /// A list with its orders' names.
    pub(crate) fn listed(&self, list: &crate::accounts::OrderList) -> ListedOrders {
        let name = |id: &OrderId| self.orders.get(list.market, *id).map(|order| order.client_order_id);
        ListedOrders { list: list.clone(), names: list.orders.iter().map(|id| name(id).unwrap_or_default()).collect() }
    }
}
