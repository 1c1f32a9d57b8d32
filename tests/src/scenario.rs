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
//! | `NAME cancel ID`, `NAME cancel all` | cancels |
//! | `NAME joins group N` | from now on its orders are of this trade group |
//! | `market PHASE` | an operator moves the market: `trading`, `cancel-only`, `halted`, `pre-open`, ... |
//! | `wait N ms` | time passes |
//! | `NAME owns N ASSET [(N held)], ...` | must be so |
//!
//! What may come of a line, in this order: public facts (`fill MAKER QTY@PRICE`, `phase NAME`, `auction QTY@PRICE`),
//! then the ledger's (`accepted ID` when it rests, `canceled ID leaves N [CAUSE]`, `prevented ID`, `rejected REASON`). Numbers are
//! units of the market and the ledger: there are no decimals here.

use std::collections::BTreeMap;

use engine::Limits;
use wire::command::{
    AssignAccount, CancelAll, CancelOrder, Credit, ListAsset, ListMarket, NewOrder, OpenAccount, Reply,
    SetMarketStatus, Tick,
};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelCause, CancelRestriction, ClientOrderId, Command, Event, FeeRate,
    FirmId, MarketId, MarketRules, MarketStatus, OrderId, OrderKind, Price, Qty, SelfTradePrevention, Side, Symbol,
    TimeInForce, Timestamp, TradeGroupId,
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
        said.extend(told.events.iter().filter_map(private));
        if let Reply::Rejected { reason, .. } = told.reply {
            said.push(format!("rejected {}", in_words(&format!("{reason:?}"))));
        }
        said
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
        if who == "market" {
            let status = variant(MarketStatus::ALL, verb)?;
            return Ok(self.say(&Command::SetMarketStatus(SetMarketStatus { market: MARKET, status })));
        }
        if verb == "has" {
            return self.endow(who, &rest.join(" "));
        }
        let account = *self.accounts.get(who).ok_or(format!("{who} has no account"))?;
        match verb {
            "buy" | "sell" => self.order(account, if verb == "buy" { Side::Buy } else { Side::Sell }, &rest),
            "cancel" if rest == ["all"] => Ok(self.say(&Command::CancelAll(CancelAll { account, market: MARKET }))),
            "cancel" => Ok(self.say(&Command::CancelOrder(CancelOrder {
                account,
                market: MARKET,
                order: OrderId::new(number(rest.first().copied())?),
                client_order_id: ClientOrderId::EMPTY,
                restriction: CancelRestriction::None,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }))),
            "joins" => {
                let group = TradeGroupId::new(number(rest.get(1).copied())?);
                self.groups.insert(account, group);
                Ok(self.say(&Command::AssignAccount(AssignAccount { account, group, firm: FirmId::new(0) })))
            }
            "owns" => self.check_owned(account, &rest.join(" ")),
            _ => Err(format!("what is {verb}?")),
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

    /// `N @ PRICE ...`, `N market PRICE ...`, `for N market PRICE ...`.
    fn order(&mut self, account: AccountId, side: Side, words: &[&str]) -> Result<Vec<String>, String> {
        let is_by_quote = words.first() == Some(&"for");
        let mut words = words.iter().copied().skip(usize::from(is_by_quote));
        let size: i64 = number(words.next())?;
        let is_market = words.next() == Some("market");
        let price: i64 = number(words.next())?;
        let mut kind = if is_market { OrderKind::Market } else { OrderKind::Limit };
        let mut time_in_force = if is_market { TimeInForce::Ioc } else { TimeInForce::Gtc };
        let mut self_trade = SelfTradePrevention::None;
        while let Some(word) = words.next() {
            match word {
                "stp" => self_trade = variant(SelfTradePrevention::ALL, words.next().unwrap_or_default())?,
                "post-only" => kind = OrderKind::LimitMaker,
                _ => time_in_force = variant(TimeInForce::ALL, word)?,
            }
        }
        self.names += 1;
        let (qty, quote) = if is_by_quote { (0, size) } else { (size, 0) };
        Ok(self.say(&Command::NewOrder(NewOrder {
            account,
            market: MARKET,
            side,
            kind,
            time_in_force,
            self_trade,
            price: Price::new(price).ok_or("a price is positive")?,
            qty: Qty::new(qty).ok_or("a quantity is not negative")?,
            quote_qty: Amount::new(quote).ok_or("an amount is not negative")?,
            client_order_id: ClientOrderId::new(format!("order-{}", self.names).as_bytes()).expect("a short name"),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        })))
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
