//! Scenarios in words: what a trader, an operator or the clock does, an arrow, and what came of it.
//!
//! ```text
//! alice has 100 BTC, 0 USD
//! alice sell 5 @ 100            -> accepted 1
//! bob   buy 8 @ 101 ioc         -> fill 1 5@100, canceled 2 leaves 3
//! alice owns 95 BTC, 500 USD
//! ```
//!
//! | line | meaning |
//! |---|---|
//! | `NAME has N ASSET, ...` | opens the account (fees in parts per million may follow: `fees 1000 2000`), pays in |
//! | `NAME buy\|sell N @ PRICE [gtc\|ioc\|fok\|post-only] [stp MODE]` | a limit order |
//! | `NAME buy\|sell N market PRICE [stp MODE]` | a market order with its protection price |
//! | `NAME buy\|sell for N market PRICE` | the same, by quote quantity |
//! | `... stop-loss PRICE`, `... take-profit PRICE`, then perhaps `@ LIMIT`; `trail POINTS` | stop orders |
//! | `... show N`, `day`, `for-ms N`, `least N`, `session N` | icebergs, orders for a time, minimum quantity, of a client session |
//! | `... peg primary\|market [deeper N]`, then `@ LIMIT` or `protected PRICE` | pegged orders |
//! | `NAME oco\|oto\|otoco ORDER \| ORDER [\| ORDER]` | an order list |
//! | `NAME amend ID to N`, `NAME replace ID by\|or-add ORDER` | changes |
//! | `NAME cancel ID`, `NAME cancel all` | cancels |
//! | `NAME joins group N` | from now on its orders are of this trade group |
//! | `NAME may-order N`, `may-spend N`, `may-hold N`, `may-open N and-place N per MS` | limits of an account |
//! | `NAME is-killed`, `is-released`, `NAME key KEY is-killed` | kill switches |
//! | `NAME gets-key KEY`, `... with-key KEY` | an API key; an order that is asked with it |
//! | `NAME pays MAKER TAKER`, `pays-here MAKER TAKER`, `market pays MAKER TAKER`, `fees by-volume-of ASSET VOLUME MAKER TAKER ...` | rates of an account, of an account in the market, of the market; tiers |
//! | `NAME counts-down MS`, `NAME connects N for MS`, `NAME leaves N` | a countdown; the lease of a client session |
//! | `market PHASE` | an operator moves the market: `trading`, `cancel-only`, `halted`, `pre-open`, ... |
//! | `market bands STATIC DYNAMIC for MS`, `market limits-of last LOW HIGH` | price limits, in percent |
//! | `market rules tick N lot N notional N`, `reopens MS MS`, `killed`, `delisted` | what else an operator does with it |
//! | `market follows HH:MM PHASE ...`, `market may-hold N` | a schedule of every day; the position of every account |
//! | `wait N ms`, `clock HH:MM` | time passes, until it is so late |
//! | `exchange earned N ASSET, ...` | fees less rebates must be so |
//! | `NAME owns N ASSET [(N held)], ...` | must be so |
//!
//! What may come of a line, in this order: public facts (`fill MAKER QTY@PRICE`, `phase NAME`, `auction QTY@PRICE`),
//! then the ledger's (`accepted ID` when it rests, `armed ID`, `triggered ID`, `pegged ID@PRICE`, `amended ID to N`, `list N done`, `NAME in tier N`, `canceled ID leaves N [CAUSE]`, `prevented ID`, `not replaced REASON`, `rejected REASON`). Numbers are
//! units of the market and the ledger: there are no decimals here.

mod operators;
mod orders;

use std::collections::BTreeMap;

use engine::Limits;
use wire::command::{AssignAccount, CancelAll, Credit, ListAsset, ListMarket, OpenAccount, Reply, Tick};
use wire::{
    AccountId, AccountName, Amount, ApiKeyId, AssetId, CancelCause, Command, Event, FeeRate, FirmId, MarketId,
    MarketRules, MarketStatus, Price, Qty, Symbol, Timestamp, TradeGroupId,
};

use crate::model::layout::{Engine, Layout, Told};

const MARKET: MarketId = MarketId::new(1);
const ASSETS: [&str; 2] = ["BTC", "USD"];

/// Plays a scenario in a layout. An error names the line, what it wanted and what came.
pub fn play(text: &str, layout: Layout) -> Result<(), String> {
    let mut stage = Stage::new(layout);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (done, wanted) = line.split_once("->").unwrap_or((line, ""));
        let told = stage.act(done.trim()).map_err(|error| format!("line {number}: {line}: {error}"))?;
        let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = told.join(", ");
        if told != wanted {
            return Err(format!("line {number} in {layout:?}: {line}\n   wanted: {wanted}\n   came:   {told}"));
        }
    }
    Ok(())
}

struct Stage {
    engine: Engine,
    now: Timestamp,
    accounts: BTreeMap<String, AccountId>,
    groups: BTreeMap<AccountId, TradeGroupId>,
    balances: BTreeMap<(AccountId, AssetId), (i64, i64)>,
    names: u64,
    keys: BTreeMap<String, ApiKeyId>,
}

fn rules() -> MarketRules {
    let (price, qty, amount) = (Price::new, Qty::new, Amount::new);
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: price(1_000_000).expect("a price"),
        lot: qty(1).expect("a quantity"),
        qty_min: qty(1).expect("a quantity"),
        qty_max: qty(1_000_000).expect("a quantity"),
        market_qty_max: qty(1_000_000).expect("a quantity"),
        notional_min: amount(1).expect("an amount"),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 1_000,
        special: Default::default(),
    }
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Result<T, String> {
    let text = text.ok_or("a number is missing")?;
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// `WouldTake` is `would-take`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn variant<T: Copy + std::fmt::Debug>(all: &[T], words: &str) -> Result<T, String> {
    all.iter().copied().find(|one| in_words(&format!("{one:?}")) == words).ok_or(format!("what is {words}?"))
}

/// What comes after whose it is.
fn words_of(line: &str) -> Vec<&str> {
    line.split_whitespace().skip(1).collect()
}

fn asset(name: &str) -> Result<AssetId, String> {
    let at = ASSETS.iter().position(|asset| *asset == name).ok_or(format!("there is no asset {name}"))?;
    Ok(AssetId::new(at as u16 + 1))
}

impl Stage {
    fn new(layout: Layout) -> Stage {
        let limits =
            Limits { accounts_max: 32, open_orders_max: 1_024, resting_orders_max: 1_024, ..Limits::default() };
        let mut stage = Stage {
            engine: Engine::new(layout, limits),
            now: Timestamp::from_nanos(1_700_000_000_000_000_000),
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            balances: BTreeMap::new(),
            names: 0,
            keys: BTreeMap::new(),
        };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).expect("a short symbol");
        for name in ASSETS {
            stage.apply(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 0 }));
        }
        stage.apply(&Command::ListMarket(Box::new(ListMarket {
            symbol: symbol("BTCUSD"),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: layout.partition(0),
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status: MarketStatus::Trading,
        })));
        stage
    }

    fn apply(&mut self, command: &Command) -> Told {
        let told = self.engine.apply(self.now, command);
        assert!(self.engine.is_conserved(), "money is conserved after {command:?}");
        for event in &told.events {
            if let Event::BalanceChanged(e) = event {
                self.balances.insert((e.account, e.asset), (e.free.units(), e.held.units()));
            }
        }
        told
    }

    /// What came of it, in words.
    fn say(&mut self, command: &Command) -> Vec<String> {
        let told = self.apply(command);
        let mut said: Vec<String> = told.events.iter().filter_map(public).collect();
        said.extend(told.events.iter().filter_map(|event| self.tier(event).or_else(|| private(event))));
        if let Reply::Rejected { reason, .. } = told.reply {
            said.push(format!("rejected {}", in_words(&format!("{reason:?}"))));
        }
        said
    }

    fn tier(&self, event: &Event) -> Option<String> {
        let Event::FeeTierChanged(told) = event else { return None };
        let (name, _) = self.accounts.iter().find(|(_, account)| **account == told.account)?;
        Some(format!("{name} in tier {}", told.tier))
    }

    /// Lets time pass until the clock shows it next.
    fn wait_until(&mut self, time: &str) -> Result<Vec<String>, String> {
        let day_ns = 86_400_000_000_000;
        let wanted = u64::from(operators::time_of_day(time)?) * 1_000_000_000;
        let passed = self.now.nanos() % day_ns;
        let ahead = if wanted > passed { wanted - passed } else { wanted + day_ns - passed };
        self.now = self.now.plus_nanos(ahead);
        Ok(self.say(&Command::Tick(Tick)))
    }

    fn act(&mut self, line: &str) -> Result<Vec<String>, String> {
        let mut words = line.split_whitespace();
        let (who, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest: Vec<&str> = words.collect();
        if who == "wait" {
            let ms: u64 = number(Some(verb))?;
            self.now = self.now.plus_nanos(ms * 1_000_000);
            return Ok(self.say(&Command::Tick(Tick)));
        }
        match who {
            "clock" => return self.wait_until(verb),
            "fees" => return self.fee_schedule(&words_of(line)),
            "exchange" => return self.check_earned(&rest.join(" ")),
            _ => {}
        }
        if who == "market" {
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            return self.market(&words);
        }
        if verb == "has" {
            return self.endow(who, &rest.join(" "));
        }
        let account = *self.accounts.get(who).ok_or(format!("{who} has no account"))?;
        match verb {
            "buy" | "sell" => self.new_order(account, &words_of(line)),
            "oco" | "oto" | "otoco" => self.new_list(account, &words_of(line)),
            "amend" => self.amend(account, &rest),
            "replace" => self.replace(account, &rest),
            "cancel" if rest == ["all"] => Ok(self.say(&Command::CancelAll(CancelAll { account, market: MARKET }))),
            "cancel" => {
                let cancel = self.cancel(account, number(rest.first().copied())?);
                Ok(self.say(&Command::CancelOrder(cancel)))
            }
            "joins" => {
                let group = TradeGroupId::new(number(rest.get(1).copied())?);
                self.groups.insert(account, group);
                Ok(self.say(&Command::AssignAccount(AssignAccount { account, group, firm: FirmId::new(0) })))
            }
            "owns" => self.check_owned(account, &rest.join(" ")),
            _ => self.bound(account, &words_of(line)),
        }
    }

    /// `N ASSET, N ASSET [fees MAKER TAKER]`.
    fn endow(&mut self, who: &str, line: &str) -> Result<Vec<String>, String> {
        let (amounts, fees) = line.split_once(" fees ").unwrap_or((line, "0 0"));
        let mut fees = fees.split_whitespace();
        let mut fee = || FeeRate::new(number(fees.next())?).ok_or("a fee that high is not possible".to_owned());
        let (maker_fee, taker_fee) = (fee()?, fee()?);
        let name = AccountName::new(who.as_bytes()).map_err(|_| "a name that long is not possible")?;
        let account = match self.apply(&Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee })).reply {
            Reply::Accepted { id } => AccountId::new(id as u32),
            Reply::Rejected { reason, .. } => return Err(format!("{reason:?}")),
        };
        self.accounts.insert(who.to_owned(), account);
        for amount in amounts.split(',') {
            let mut words = amount.split_whitespace();
            let units: i64 = number(words.next())?;
            let asset = asset(words.next().unwrap_or_default())?;
            self.balances.insert((account, asset), (0, 0));
            let amount = Amount::new(units).ok_or("an amount is not negative")?;
            if units > 0 {
                self.apply(&Command::Credit(Credit { account, asset, amount }));
            }
        }
        Ok(Vec::new())
    }

    /// `N ASSET, ...`.
    fn check_earned(&self, line: &str) -> Result<Vec<String>, String> {
        for wanted in line.split(',') {
            let mut words = wanted.split_whitespace();
            let (units, name): (i128, _) = (number(words.next())?, words.next().unwrap_or_default());
            let earned = self.engine.fees(asset(name)?);
            if earned != units {
                return Err(format!("earned {earned} {name}"));
            }
        }
        Ok(Vec::new())
    }

    /// `N ASSET [(N held)], ...`.
    fn check_owned(&self, account: AccountId, line: &str) -> Result<Vec<String>, String> {
        for wanted in line.split(',') {
            let mut words = wanted.split_whitespace();
            let free: i64 = number(words.next())?;
            let name = words.next().unwrap_or_default();
            let held = words.next().map_or(Ok(0), |held| number(Some(held.trim_start_matches('('))))?;
            let owned = self.balances.get(&(account, asset(name)?)).copied().unwrap_or_default();
            if owned != (free, held) {
                return Err(format!("owns {} {name} ({} held)", owned.0, owned.1));
            }
        }
        Ok(Vec::new())
    }
}

/// What everybody hears.
fn public(event: &Event) -> Option<String> {
    match event {
        Event::Traded(e) => Some(format!("fill {} {}@{}", e.maker, e.qty.units(), e.price.units())),
        Event::PhaseChanged(e) => Some(format!("phase {}", in_words(&format!("{:?}", e.status)))),
        Event::AuctionCompleted(e) => Some(format!("auction {}@{}", e.qty.units(), e.price.units())),
        _ => None,
    }
}

/// What an account hears.
fn private(event: &Event) -> Option<String> {
    match event {
        Event::OrderResting(e) => Some(format!("accepted {}", e.order)),
        Event::OrderRejected(e) => Some(format!("rejected {}", in_words(&format!("{:?}", e.reason)))),
        Event::OrderArmed(e) => Some(format!("armed {}", e.order)),
        Event::OrderTriggered(e) => Some(format!("triggered {}", e.order)),
        Event::OrderPegged(e) => Some(format!("pegged {}@{}", e.order, e.price.units())),
        Event::OrderAmended(e) => Some(format!("amended {} to {}", e.order, e.qty.units())),
        Event::ReplacementRefused(e) => Some(format!("not replaced {}", in_words(&format!("{:?}", e.reason)))),
        Event::AmendRejected(e) => Some(format!("rejected {}", in_words(&format!("{:?}", e.reason)))),
        Event::ListEnded(e) => Some(format!("list {} done", e.list)),
        Event::ListRejected(e) => Some(format!("list {} rejected {}", e.list, in_words(&format!("{:?}", e.reason)))),
        Event::MatchPrevented(e) => Some(format!("prevented {}", e.maker)),
        Event::OrderCanceled(e) => {
            let because = match e.cause {
                CancelCause::Requested | CancelCause::TimeInForce => String::new(),
                cause => format!(" {}", in_words(&format!("{cause:?}"))),
            };
            Some(format!("canceled {} leaves {}{because}", e.order, e.leaves.units()))
        }
        _ => None,
    }
}
