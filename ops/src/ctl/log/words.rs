//! A command of the log, or an event, in words: `new order: account alice, market BTCUSDT, side buy, price 59701.98, qty 0.001`.
//!
//! What a record is called and what it consists of is read from its own `Debug` text, so that a command which is new needs
//! nothing here. Numbers become decimals where the market or the asset that they are of is known, ids become names.

use std::collections::BTreeMap;
use std::fmt::Debug;

use engine::Listings;
use wire::event::MarketListed;
use wire::{AccountId, Timestamp, decimal};

use super::super::backup::text_of;
use crate::operator::Inventory;
use crate::spoken::spaced;

#[cfg(test)]
mod tests;

/// What ids and units mean, as far as the ledger's log says.
#[derive(Debug, Default)]
pub struct Names {
    accounts: BTreeMap<u64, String>,
    /// Symbol and ledger decimals.
    assets: BTreeMap<u64, (String, u8)>,
    markets: BTreeMap<u64, Market>,
}

#[derive(Debug, Clone)]
struct Market {
    symbol: String,
    price_decimals: u8,
    qty_decimals: u8,
    quote: u64,
}

/// What a `Debug` text says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// A number, a name, or whatever else.
    Plain(String),
    Text(String),
    Tuple(String, Vec<Value>),
    Record(String, Vec<(String, Value)>),
    List(Vec<Value>),
}

/// Of which market and asset the numbers of a record are.
#[derive(Clone, Copy, Default)]
struct Scope<'a> {
    market: Option<&'a Market>,
    asset: Option<u64>,
}

impl Market {
    fn of(listed: &MarketListed) -> Market {
        Market {
            symbol: listed.symbol.to_string(),
            price_decimals: listed.scale.price_decimals,
            qty_decimals: listed.scale.qty_decimals,
            quote: listed.quote.get().into(),
        }
    }
}

impl Names {
    /// As the ledger lists them.
    pub fn of(listings: &Listings) -> Names {
        let accounts = listings.accounts.iter().map(|it| (it.account.get().into(), it.name.to_string()));
        let assets = listings.assets.iter();
        let assets = assets.map(|it| (it.asset.get().into(), (it.symbol.to_string(), it.ledger_decimals)));
        let markets = listings.markets.iter().map(|it| (it.market.get().into(), Market::of(it)));
        Names { accounts: accounts.collect(), assets: assets.collect(), markets: markets.collect() }
    }

    /// As a session of an operator has read it.
    pub fn known(inventory: &Inventory) -> Names {
        let accounts = inventory.accounts.values().map(|it| (it.account.get().into(), it.name.to_string()));
        let assets = inventory.assets.values();
        let assets = assets.map(|it| (it.asset.get().into(), (it.symbol.to_string(), it.ledger_decimals)));
        let markets =
            inventory.markets.values().map(|known| (known.listed.market.get().into(), Market::of(&known.listed)));
        Names { accounts: accounts.collect(), assets: assets.collect(), markets: markets.collect() }
    }

    /// An account's name, or its number.
    pub fn account(&self, account: AccountId) -> String {
        self.accounts.get(&account.get().into()).cloned().unwrap_or_else(|| account.to_string())
    }

    /// The words of a command or an event, and a line for each of the things that it carries.
    pub fn lines(&self, said: &impl Debug) -> Vec<String> {
        let text = format!("{said:?}");
        let mut rest = text.as_str();
        let value = value(&mut rest);
        if !rest.is_empty() {
            return vec![text];
        }
        let (name, fields) = match unwrapped(&value) {
            Value::Record(name, fields) => (name, fields.as_slice()),
            Value::Plain(name) | Value::Tuple(name, _) => (name, [].as_slice()),
            _ => return vec![text],
        };
        let scope = self.scope(fields, Scope::default());
        let is_carried = |value: &Value| matches!(value, Value::List(list) if list.iter().any(is_record));
        let (carried, said): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| is_carried(value));
        let mut lines = vec![headed(name, &self.fields(said, scope))];
        for (field, value) in carried {
            let Value::List(list) = value else { continue };
            let first = fields.iter().find(|(field, _)| field == "first").and_then(|(_, value)| number(value));
            for (at, value) in list.iter().enumerate() {
                let number = first.map_or(at as i128 + 1, |first| first + at as i128);
                lines.push(format!("{} {number}: {}", spaced(field), self.shown("", value, scope)));
            }
        }
        lines
    }

    fn scope<'a>(&'a self, fields: &[(String, Value)], outer: Scope<'a>) -> Scope<'a> {
        let id = |name| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| number(value));
        let id = |name| id(name).and_then(|id| u64::try_from(id).ok());
        let market = id("market").and_then(|market| self.markets.get(&market));
        Scope { market: market.or(outer.market), asset: id("asset").or(outer.asset) }
    }

    fn fields<'v>(&self, fields: impl IntoIterator<Item = &'v (String, Value)>, scope: Scope<'_>) -> String {
        let shown = fields.into_iter().filter(|(_, value)| !is_nothing(value)).map(|(field, value)| match value {
            Value::Plain(yes) if yes == "true" => spaced(field),
            value => format!("{} {}", spaced(field), self.shown(field, value, scope)),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// A value of the field of this name.
    fn shown(&self, field: &str, value: &Value, scope: Scope<'_>) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Plain(word) => spaced(word),
            Value::List(list) => {
                let list: Vec<String> = list.iter().map(|value| self.shown(field, value, scope)).collect();
                format!("[{}]", list.join(", "))
            }
            Value::Record(name, fields) => {
                let said = self.fields(fields, self.scope(fields, scope));
                // What it is called says nothing where the field says it.
                if field.is_empty() { headed(name, &said) } else { format!("({said})") }
            }
            Value::Tuple(name, values) => match (name.as_str(), values.as_slice()) {
                ("Some", [value]) => self.shown(field, value, scope),
                (_, [value]) if number(value).is_some() => self.unit(name, number(value).unwrap_or(0), field, scope),
                (name, [Value::Record(inner, _)]) if name == inner => self.shown(field, &values[0], scope),
                (name, values) => {
                    let values: Vec<String> = values.iter().map(|value| self.shown(field, value, scope)).collect();
                    format!("{} {}", spaced(name), values.join(" "))
                }
            },
        }
    }

    /// A number that is a type of its own.
    fn unit(&self, name: &str, units: i128, field: &str, scope: Scope<'_>) -> String {
        let id = u64::try_from(units).unwrap_or(0);
        let scaled = |decimals: u8| i64::try_from(units).ok().map(|units| decimal::format(units, decimals, 0));
        let of_asset = |asset: u64| {
            let (symbol, decimals) = self.assets.get(&asset)?;
            Some(format!("{} {symbol}", scaled(*decimals)?))
        };
        let known = match name {
            "Price" | "Qty" | "Amount" if units == i128::from(i64::MAX) => Some("unlimited".to_owned()),
            "AccountId" => self.accounts.get(&id).cloned(),
            "AssetId" => self.assets.get(&id).map(|(symbol, _)| symbol.clone()),
            "MarketId" => self.markets.get(&id).map(|market| market.symbol.clone()),
            "Price" => scope.market.and_then(|market| scaled(market.price_decimals)),
            "Qty" => scope.market.and_then(|market| scaled(market.qty_decimals)),
            "Amount" => match (scope.asset, scope.market) {
                (Some(asset), _) => of_asset(asset),
                (None, Some(market)) if of_quote(field) => of_asset(market.quote),
                _ => None,
            },
            "Timestamp" => Some(text_of(Timestamp::from_nanos(id))),
            _ => return units.to_string(),
        };
        // A number of units is told apart from a decimal.
        let unknown = || if name.ends_with("Id") { units.to_string() } else { format!("{units} units") };
        known.unwrap_or_else(unknown)
    }
}

/// Nothing is said by it: no name, no quantity, not so.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Plain(word) => matches!(word.as_str(), "None" | "false" | "0" | ""),
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Tuple(name, values) => {
            name != "Some" && matches!(values.as_slice(), [value] if number(value) == Some(0))
        }
        Value::Record(..) => false,
    }
}

/// Whether an amount of a field of this name is of the market's quote asset.
fn of_quote(field: &str) -> bool {
    field == "budget" || field.contains("quote") || field.contains("notional")
}

fn is_record(value: &Value) -> bool {
    matches!(unwrapped(value), Value::Record(..))
}

/// `Name(Name { .. })` is `Name { .. }`.
fn unwrapped(value: &Value) -> &Value {
    match value {
        Value::Tuple(name, values) => match values.as_slice() {
            [inner @ Value::Record(of, _)] if of == name => inner,
            _ => value,
        },
        _ => value,
    }
}

fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Plain(word) => word.parse().ok(),
        Value::Tuple(_, values) => match values.as_slice() {
            [value] => number(value),
            _ => None,
        },
        _ => None,
    }
}

fn headed(name: &str, said: &str) -> String {
    if said.is_empty() { spaced(name) } else { format!("{}: {said}", spaced(name)) }
}

/// Reads one value and leaves what is behind it.
fn value(rest: &mut &str) -> Value {
    if let Some(behind) = rest.strip_prefix('[') {
        *rest = behind;
        return Value::List(until(rest, "]", value));
    }
    if rest.starts_with('"') {
        return Value::Text(text(rest));
    }
    let end = rest.find([',', '(', ')', '[', ']', '{', '}']).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    let name = word.trim_end().to_owned();
    if let Some(behind) = behind.strip_prefix('(') {
        *rest = behind;
        return Value::Tuple(name, until(rest, ")", value));
    }
    if let Some(behind) = behind.strip_prefix("{ ") {
        *rest = behind;
        let field = |rest: &mut &str| {
            let (name, behind) = rest.split_once(": ").unwrap_or((rest, ""));
            *rest = behind;
            (name.to_owned(), value(rest))
        };
        return Value::Record(name, until(rest, " }", field));
    }
    // What is behind it may close a record, with a space.
    *rest = &rest[name.len()..];
    Value::Plain(name)
}

/// What is separated by commas, up to `close`.
fn until<T>(rest: &mut &str, close: &str, read: impl Fn(&mut &str) -> T) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix(close) {
            *rest = behind;
            return all;
        }
        let before = rest.len();
        all.push(read(rest));
        *rest = rest.strip_prefix(", ").unwrap_or(rest);
        if rest.len() == before {
            // No `Debug` text of ours: what is left tells the caller.
            return all;
        }
    }
}

/// Reads text between quotation marks.
fn text(rest: &mut &str) -> String {
    let mut said = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                *rest = &rest[at + 1..];
                return said;
            }
            '\\' => said.extend(letters.next().map(|(_, letter)| letter)),
            letter => said.push(letter),
        }
    }
    *rest = "";
    said
}
