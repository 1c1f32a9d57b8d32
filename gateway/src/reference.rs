//! Reference data of the ledger's events: assets, and markets with their rules and status.
//!
//! It changes rarely and is read by every request, so readers share an immutable copy.

use std::collections::HashMap;
use std::sync::Arc;

use wire::{
    AssetId, Event, MarketId, MarketProtection, MarketRules, MarketScale, MarketStatus, PartitionId, Symbol, decimal,
};

/// An asset of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// Its name, `BTC`.
    pub symbol: Symbol,
    /// Decimals of one ledger unit.
    pub ledger_decimals: u8,
}

impl Asset {
    /// An amount as text: exact, with at least 8 decimals.
    pub fn show(&self, units: i64) -> String {
        decimal::format(units, self.ledger_decimals, 8)
    }
}

/// A market: its permanent scale and its present rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// Its id.
    pub id: MarketId,
    /// Its name, `BTCUSDT`.
    pub symbol: Symbol,
    /// What is traded.
    pub base: Asset,
    /// What it is paid with.
    pub quote: Asset,
    /// Where its cell lives: whose events carry its trades and levels.
    pub partition: PartitionId,
    /// Permanent scale.
    pub scale: MarketScale,
    /// Filters.
    pub rules: MarketRules,
    /// Price limits.
    pub protection: MarketProtection,
    /// What it accepts now.
    pub status: MarketStatus,
}

impl Market {
    /// A price as text, with at least 8 decimals.
    pub fn show_price(&self, units: i64) -> String {
        decimal::format(units, self.scale.price_decimals, 8)
    }

    /// A quantity as text, with at least 8 decimals.
    pub fn show_qty(&self, units: i64) -> String {
        decimal::format(units, self.scale.qty_decimals, 8)
    }
}

/// Every asset and market, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    assets: Vec<Asset>,
    markets: Vec<Arc<Market>>,
    by_symbol: HashMap<Symbol, usize>,
}

impl Reference {
    /// Every asset, in the order of listing.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// Every market, in the order of listing.
    pub fn markets(&self) -> &[Arc<Market>] {
        &self.markets
    }

    /// An asset by its id.
    pub fn asset(&self, id: AssetId) -> Option<&Asset> {
        self.assets.get(usize::from(id.get()).checked_sub(1)?)
    }

    /// A market by its id.
    pub fn market(&self, id: MarketId) -> Option<&Arc<Market>> {
        self.markets.get(usize::from(id.get()).checked_sub(1)?)
    }

    /// A market by its name.
    pub fn market_named(&self, symbol: &str) -> Option<&Arc<Market>> {
        let symbol = Symbol::new(symbol.as_bytes()).ok()?;
        self.by_symbol.get(&symbol).map(|index| &self.markets[*index])
    }

    /// Whether `event` is one that [`Reference::apply`] acts on.
    pub(crate) fn concerns(event: &Event) -> bool {
        matches!(
            event,
            Event::AssetListed(_)
                | Event::MarketListed(_)
                | Event::MarketStatusChanged(_)
                | Event::MarketRulesChanged(_)
                | Event::MarketProtectionChanged(_)
        )
    }

    /// Takes an event of the ledger in. Ids are dense from 1 in the order of listing, and a market comes
    /// after its assets; anything else is a broken log.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::AssetListed(listed) => {
                assert_eq!(usize::from(listed.asset.get()), self.assets.len() + 1, "asset ids are dense");
                self.assets.push(Asset {
                    id: listed.asset,
                    symbol: listed.symbol,
                    ledger_decimals: listed.ledger_decimals,
                });
            }
            Event::MarketListed(listed) => {
                assert_eq!(usize::from(listed.market.get()), self.markets.len() + 1, "market ids are dense");
                let base = *self.asset(listed.base).expect("a market's base is listed before it");
                let quote = *self.asset(listed.quote).expect("a market's quote is listed before it");
                self.by_symbol.insert(listed.symbol, self.markets.len());
                self.markets.push(Arc::new(Market {
                    id: listed.market,
                    symbol: listed.symbol,
                    base,
                    quote,
                    partition: listed.partition,
                    scale: listed.scale,
                    rules: listed.rules,
                    protection: MarketProtection::NONE,
                    status: MarketStatus::Trading,
                }));
            }
            Event::MarketStatusChanged(changed) => {
                self.known(changed.market).status = changed.status;
            }
            Event::MarketRulesChanged(changed) => self.known(changed.market).rules = changed.rules,
            Event::MarketProtectionChanged(changed) => self.known(changed.market).protection = changed.protection,
            _ => {}
        }
    }

    /// A market that was listed, to be changed.
    fn known(&mut self, market: MarketId) -> &mut Market {
        Arc::make_mut(&mut self.markets[usize::from(market.get()) - 1])
    }
}
