//! Random commands of every kind that changes a market or an account, from a seed: mostly legal, around one price, so
//! that books fill and orders meet. For checks that need no opinion on what is right, only that two ways agree.

use wire::command::*;
use wire::{
    AccountId, Amount, AssetId, BasisPoints, CancelRestriction, ClientOrderId, ClientSessionId, Command, FirmId,
    ListId, ListKind, MarketId, MarketProtection, MarketRules, MarketStatus, OrderId, OrderKind, Price, Qty,
    ReplaceMode, SelfTradePrevention, Side, Sides, Terms, TimeInForce, Timestamp, TradeGroupId,
};

/// xorshift64* over accounts 1 to `accounts` and markets 1 and 2.
pub struct Flow {
    state: u64,
    accounts: u64,
    rules: MarketRules,
    now: Timestamp,
    names: u64,
}

impl Flow {
    /// The rules are those that the markets were listed with.
    pub fn new(seed: u64, accounts: u32, rules: MarketRules, now: Timestamp) -> Flow {
        Flow { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, accounts: accounts.into(), rules, now, names: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24) % bound
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn account(&mut self) -> AccountId {
        AccountId::new(self.below(self.accounts) as u32 + 1)
    }

    fn market(&mut self) -> MarketId {
        MarketId::new(self.one_of(&[1, 1, 1, 2]))
    }

    /// One of the last orders, most of which still rest.
    fn recent_order(&mut self) -> OrderId {
        OrderId::new(self.names.saturating_sub(self.below(60)))
    }

    fn name(&mut self) -> ClientOrderId {
        self.names += 1;
        // Sometimes one that is taken.
        let n = self.names - if self.below(30) == 0 { self.below(20).min(self.names - 1) } else { 0 };
        ClientOrderId::new(format!("n{n}").as_bytes()).expect("a short name")
    }

    fn price(&mut self, side: Side, is_far: bool) -> Price {
        let spread = if is_far { 40 } else { 8 };
        let ticks = 200 + self.below(spread) as i64 - spread as i64 / 2;
        let lean = if side == Side::Buy { -3 } else { 3 };
        Price::new((ticks + lean) * self.rules.tick.units()).expect("a price")
    }

    fn qty(&mut self) -> Qty {
        Qty::new((self.below(20) as i64 + 2) * self.rules.lot.units()).expect("a quantity")
    }

    fn order(&mut self) -> NewOrder {
        let side = self.one_of(&[Side::Buy, Side::Sell]);
        let kind = self.one_of(&[
            OrderKind::Limit,
            OrderKind::Limit,
            OrderKind::Limit,
            OrderKind::Limit,
            OrderKind::Market,
            OrderKind::LimitMaker,
        ]);
        let time_in_force = match kind {
            OrderKind::Market => TimeInForce::Ioc,
            OrderKind::Limit => {
                self.one_of(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok])
            }
            _ => TimeInForce::Gtc,
        };
        let is_by_quote = kind == OrderKind::Market && self.below(2) == 0;
        let is_far = self.below(20) == 0;
        NewOrder {
            account: self.account(),
            market: self.market(),
            side,
            kind,
            time_in_force,
            self_trade: self.one_of(SelfTradePrevention::ALL),
            price: self.price(side, is_far),
            qty: if is_by_quote { Qty::ZERO } else { self.qty() },
            quote_qty: if is_by_quote { self.amount(300_000) } else { Amount::ZERO },
            client_order_id: self.name(),
            key: Default::default(),
            session: ClientSessionId::new(self.below(3)),
        }
    }

    fn on_terms(&mut self) -> NewOrderOnTerms {
        let mut order = self.order();
        let mut terms = Terms::NONE;
        let (is_stop, is_iceberg, is_dated) = (self.below(2) == 0, self.below(3) == 0, self.below(3) == 0);
        if is_stop {
            order.kind = self.one_of(OrderKind::ALL);
            terms.stop_price = Some(self.price(order.side.opposite(), false));
            if self.below(4) == 0 {
                terms.trailing_delta = BasisPoints::new(self.below(300) as u16 + 10).unwrap_or(BasisPoints::ZERO);
            }
        }
        if is_iceberg {
            terms.visible_qty = Qty::new(self.rules.lot.units() * 2).expect("a quantity");
        }
        if is_dated {
            order.time_in_force = self.one_of(TimeInForce::ALL);
            terms.expire_at = Some(self.now.plus_nanos(self.below(5_000_000_000)));
        }
        NewOrderOnTerms { order, terms }
    }

    fn amount(&mut self, bound: u64) -> Amount {
        Amount::new(self.below(bound) as i64).expect("an amount")
    }

    fn cancel(&mut self) -> CancelOrder {
        CancelOrder {
            account: self.account(),
            market: self.market(),
            order: self.recent_order(),
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
        }
    }

    /// How long until the next command, in nanoseconds, and that command.
    pub fn draw(&mut self) -> (u64, Command) {
        let pause = match self.below(40) {
            0 => 2_000_000_000,
            1 => 100_000_000,
            _ => self.below(20_000_000),
        };
        self.now = self.now.plus_nanos(pause);
        (pause, self.command())
    }

    fn command(&mut self) -> Command {
        let (account, market) = (self.account(), self.market());
        match self.below(400) {
            0..220 => Command::NewOrder(self.order()),
            220..270 => Command::CancelOrder(self.cancel()),
            270..280 => Command::CancelAll(CancelAll { account, market }),
            280..300 => Command::NewOrderOnTerms(Box::new(self.on_terms())),
            300..308 => {
                let kind = self.one_of(ListKind::ALL);
                let mut legs: Vec<NewOrderOnTerms> = (0..kind.legs()).map(|_| self.on_terms()).collect();
                for leg in &mut legs {
                    (leg.order.account, leg.order.market) = (account, market);
                }
                Command::NewOrderList(NewOrderList { kind, list_client_order_id: self.name(), legs })
            }
            308..311 => Command::CancelOrderList(CancelOrderList {
                account,
                market,
                list: ListId::new(self.below(10)),
                list_client_order_id: ClientOrderId::EMPTY,
                new_client_order_id: ClientOrderId::EMPTY,
            }),
            311..320 => Command::AmendOrder(Box::new(AmendOrder {
                account,
                market,
                order: self.recent_order(),
                client_order_id: ClientOrderId::EMPTY,
                qty: self.qty(),
                new_client_order_id: ClientOrderId::EMPTY,
            })),
            320..330 => {
                let (cancel, mut order) = (self.cancel(), self.order());
                (order.account, order.market) = (cancel.account, cancel.market);
                let mode = self.one_of(ReplaceMode::ALL);
                Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms: Terms::NONE }))
            }
            330..338 => {
                let status = self.one_of(&[MarketStatus::CancelOnly, MarketStatus::PreOpen, MarketStatus::Auction]);
                let other = self.one_of(&[MarketStatus::PostOnly, MarketStatus::Halted, status]);
                Command::SetMarketStatus(SetMarketStatus { market, status: other })
            }
            338..354 => Command::SetMarketStatus(SetMarketStatus { market, status: MarketStatus::Trading }),
            354..356 => Command::ReopenMarket(ReopenMarket {
                market,
                cancel_only_ns: self.below(500_000_000),
                auction_ns: self.below(500_000_000) + 1,
            }),
            356 => Command::KillMarket(KillMarket { market, cancel_orders: self.below(2) == 0 }),
            357 => Command::SetMarketProtection(SetMarketProtection {
                market,
                protection: MarketProtection {
                    static_band_ppm: self.one_of(&[0, 50_000, 20_000]),
                    dynamic_band_ppm: self.one_of(&[0, 30_000, 10_000]),
                    volatility_auction_ns: self.below(400_000_000),
                    ..MarketProtection::NONE
                },
            }),
            358 => {
                let qty_max = Qty::new(self.rules.lot.units() * self.one_of(&[8, 20, 1_000])).expect("a quantity");
                Command::SetMarketRules(Box::new(SetMarketRules {
                    market,
                    rules: MarketRules { qty_max, ..self.rules },
                }))
            }
            359..363 => Command::AssignAccount(AssignAccount {
                account,
                group: TradeGroupId::new(self.below(3) as u16),
                firm: FirmId::new(self.below(2) as u32),
            }),
            363..365 => Command::SetAccountLimits(SetAccountLimits {
                account,
                open_orders_max: self.one_of(&[0, 5, 50]),
                order_rate_max: self.one_of(&[0, 20]),
                order_rate_window_ms: 1_000,
            }),
            365..367 => Command::SetOrderLimits(SetOrderLimits {
                account,
                market,
                qty_max: Qty::new(self.one_of(&[0, 30])).expect("a quantity"),
                notional_max: Amount::ZERO,
                position_max: Amount::ZERO,
            }),
            367..370 => Command::MassCancel(MassCancel {
                account,
                market: MarketId::new(self.one_of(&[0, 1, 2])),
                sides: self.one_of(Sides::ALL),
                session: ClientSessionId::new(self.below(3)),
            }),
            370..373 => Command::RenewLease(RenewLease {
                account,
                session: ClientSessionId::new(self.below(2) + 1),
                holder: self.below(2),
                takes_over: self.below(2) == 0,
                lease_ms: 500,
            }),
            373 => Command::EndLease(EndLease {
                account,
                session: ClientSessionId::new(self.below(2) + 1),
                holder: self.below(2),
            }),
            374..376 => Command::CountdownCancel(CountdownCancel {
                account,
                market,
                countdown_ms: self.one_of(&[0, 300, 1_000]),
            }),
            376..382 => {
                let asset = AssetId::new(self.one_of(&[1, 2, 3]));
                Command::Credit(Credit { account, asset, amount: self.amount(1_000_000) })
            }
            382..384 => {
                let asset = AssetId::new(self.one_of(&[1, 2, 3]));
                Command::Debit(Debit { account, asset, amount: self.amount(10_000) })
            }
            _ => Command::Tick(Tick),
        }
    }
}
