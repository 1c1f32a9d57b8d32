//! Random plain orders, cancels and money, at the edges of every filter: much of it is refused. `flow.rs` has every kind of
//! command, mostly legal.

use wire::command::{CancelAll, CancelOrder, Credit, Debit, NewOrder, SetMarketStatus, Tick};
use wire::{
    AccountId, Amount, AssetId, CancelRestriction, ClientOrderId, Command, MarketId, MarketStatus, OrderId, OrderKind,
    Price, Qty, SelfTradePrevention, Side, TimeInForce,
};

use super::chance::Chance;
use super::pair::Pair;

const TIMES: [TimeInForce; 3] = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok];

/// Over accounts 1 to 3 and markets 1 and 2, of the usual filters.
pub struct Edges {
    chance: Chance,
    /// The last ones that are open, and whose they are.
    open: Vec<(AccountId, MarketId, OrderId)>,
}

impl Edges {
    /// What this seed says.
    pub fn new(seed: u64) -> Edges {
        Edges { chance: Chance::of_seed(seed), open: Vec::new() }
    }

    /// What is open: cancels aim better.
    pub fn learn_from(&mut self, pair: &Pair) {
        self.open.clone_from(&pair.open);
    }

    /// How long until the next command, in nanoseconds, and that command.
    pub fn draw(&mut self) -> (u64, Command) {
        let pause = match self.below(23) {
            0 => 20_000_000_000,
            1 | 2 => 100_000_000,
            _ => self.below(30_000_000),
        };
        (pause, self.command())
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.below(bound)
    }

    /// From the first to before the second.
    fn within(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from) as u64) as i64
    }

    fn command(&mut self) -> Command {
        let (account, market) = (self.account(), self.market());
        match self.below(86) {
            0..60 => Command::NewOrder(self.order(account, market)),
            60..70 => Command::CancelOrder(match self.open.len() as u64 {
                open @ 1.. if self.below(4) == 0 => {
                    let at = self.below(open) as usize;
                    let (account, market, order) = self.open[at];
                    self.cancel(account, market, order)
                }
                _ => {
                    let order = OrderId::new(self.below(120));
                    self.cancel(account, market, order)
                }
            }),
            70..76 => Command::CancelOrder(self.cancel(account, market, OrderId::ZERO)),
            76..78 => Command::CancelAll(CancelAll { account, market }),
            78 => Command::Credit(Credit { account, asset: self.asset(), amount: self.amount() }),
            79..81 => Command::Debit(Debit { account, asset: self.asset(), amount: self.amount() }),
            81..84 => {
                let shut = self.chance.one_of(&[MarketStatus::CancelOnly, MarketStatus::Halted, MarketStatus::Closed]);
                let status = if self.below(6) == 0 { shut } else { MarketStatus::Trading };
                Command::SetMarketStatus(SetMarketStatus { market, status })
            }
            _ => Command::Tick(Tick),
        }
    }

    /// Mostly legal orders around one price, on a coarse grid so that levels fill up; some beyond each filter.
    fn order(&mut self, account: AccountId, market: MarketId) -> NewOrder {
        let side = self.chance.one_of(&[Side::Buy, Side::Sell]);
        let kind = match self.below(10) {
            0..6 => OrderKind::Limit,
            6..9 => OrderKind::Market,
            _ => OrderKind::LimitMaker,
        };
        let any = self.chance.one_of(&TIMES);
        let time_in_force = match kind {
            OrderKind::Market if self.below(31) > 0 => TimeInForce::Ioc,
            OrderKind::LimitMaker if self.below(31) > 0 => TimeInForce::Gtc,
            _ => any,
        };
        let (has_qty, has_quote) = match (kind, self.below(10)) {
            (_, 0) => (false, false),
            (OrderKind::Market, 1) => (true, true),
            (OrderKind::Market, 2..=5) => (false, true),
            _ => (true, false),
        };
        NewOrder {
            account,
            market,
            side,
            kind,
            time_in_force,
            self_trade: self.chance.one_of(SelfTradePrevention::ALL),
            price: Price::new(self.price(side)).expect("a price"),
            qty: Qty::new(if has_qty { self.qty() } else { 0 }).expect("a quantity"),
            quote_qty: Amount::new(if has_quote { self.quote_qty() } else { 0 }).expect("an amount"),
            client_order_id: self.name(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        }
    }

    /// Buyers mostly offer less than sellers ask, so that the book fills up.
    fn price(&mut self, side: Side) -> i64 {
        const FAR: [i64; 7] = [5, 10, 400, 100_000, 5_000_000, 1_000_000_000, 1_000_000_005];
        let price = match self.below(45) {
            0 => self.within(990, 1_010),
            1..5 => self.chance.one_of(&FAR),
            _ => self.within(196, 204) * 5,
        };
        match side {
            _ if price < 30 => price,
            Side::Buy => price - 15,
            Side::Sell => price + 15,
        }
    }

    fn qty(&mut self) -> i64 {
        match self.below(46) {
            0..2 => self.chance.one_of(&[1, 2, 3, 5, 402]),
            2..6 => self.within(20, 160) * 2,
            _ => self.within(2, 20) * 2,
        }
    }

    fn quote_qty(&mut self) -> i64 {
        if self.below(2) == 0 { self.within(7_000, 300_000) } else { self.within(8, 400) * 1_000 }
    }

    fn cancel(&mut self, account: AccountId, market: MarketId, order: OrderId) -> CancelOrder {
        CancelOrder {
            account,
            market,
            order,
            client_order_id: self.name(),
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        }
    }

    fn account(&mut self) -> AccountId {
        AccountId::new(match self.below(32) {
            0 => 0,
            1 => 4,
            _ => self.below(3) as u32 + 1,
        })
    }

    /// Mostly one that is there.
    fn market(&mut self) -> MarketId {
        MarketId::new(match self.below(82) {
            0 => 0,
            1 => 3,
            2..22 => 2,
            _ => 1,
        })
    }

    fn asset(&mut self) -> AssetId {
        AssetId::new(match self.below(32) {
            0 => 0,
            1 => 4,
            _ => self.below(3) as u16 + 1,
        })
    }

    fn amount(&mut self) -> Amount {
        Amount::new(self.within(0, 30_000_000)).expect("an amount")
    }

    /// One of so few that many are taken.
    fn name(&mut self) -> ClientOrderId {
        let name = if self.below(41) == 0 { "no+pe".to_owned() } else { format!("n{}", self.below(100)) };
        ClientOrderId::new(name.as_bytes()).expect("a short name")
    }
}
