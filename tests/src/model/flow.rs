//! Random commands of every kind that changes a market or an account, from a seed or from a fuzzer's bytes: mostly legal,
//! around one price, so that books fill and orders meet. For checks that need no opinion on what is right, only that two
//! ways agree.

mod aim;
mod changes;
mod deposits;
mod lists;
mod operators;
mod withdrawals;

use wire::command::*;
use wire::event::{LooseningProposed, WithdrawalChanged};
use wire::{
    AccountId, Amount, ApiKeyText, AssetId, BasisPoints, Capacity, ChainHash, ChainId, ClientOrderId, ClientSessionId,
    Command, FirmId, ListId, ListKind, MarketId, MarketProtection, MarketRules, MarketStatus, OrderId, OrderKind,
    Price, Qty, SelfTradePrevention, Side, Sides, SpecialRules, Terms, TimeInForce, Timestamp, TradeGroupId,
};

use super::chance::Chance;
use super::pair::Pair;

/// What of chains comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chains {
    None,
    Deposits,
    Withdrawals,
}

const HOUR_NS: u64 = 3_600_000_000_000;

/// Over accounts 1 to `accounts` and markets 1 and 2.
pub struct Flow {
    chance: Chance,
    accounts: u64,
    rules: MarketRules,
    now: Timestamp,
    names: u64,
    /// How many API keys were asked for at most.
    keys: u32,
    /// The newest order, if anybody tells.
    newest: Option<u64>,
    /// The last ones that are open, and whose they are.
    open: Vec<(AccountId, MarketId, OrderId)>,
    /// The last deposit that was put aside.
    quarantined: Option<(ChainId, ChainHash, u32)>,
    /// What of chains comes up as well, and what comes before all else then, each after a pause, the first one last.
    chains: Chains,
    queued: Vec<(u64, Command)>,
    /// Whether what takes many steps has begun: so many deposits in no block that an account is told of no more, or gas that is
    /// forgotten.
    has_told: bool,
    /// How far each withdrawal or move may have come: the next step, and which attempt it is.
    payments: Vec<(u8, u8)>,
    /// How each of them has begun.
    begun: Vec<WithdrawalChanged>,
    /// The last loosenings that were proposed.
    proposed: Vec<LooseningProposed>,
}

impl Flow {
    /// The rules are those that the markets were listed with.
    pub fn new(seed: u64, accounts: u32, rules: MarketRules, now: Timestamp) -> Flow {
        Flow::from(Chance::of_seed(seed), accounts, rules, now)
    }

    /// Every third command is about chains and deposits.
    pub fn with_deposits(self) -> Flow {
        let founding = deposits::founding(self.accounts as u32);
        self.with_chains(Chains::Deposits, founding)
    }

    /// Every second command is about withdrawals, or about the chains that they go by.
    pub fn with_withdrawals(self) -> Flow {
        let mut founding = deposits::founding(self.accounts as u32);
        founding.iter_mut().for_each(withdrawals::pays_outputs);
        founding.extend(withdrawals::founding(self.accounts as u32));
        // What only later versions do is walked as well; the other walks are of the first one.
        founding.push(Command::SetVersion(SetVersion { version: *engine::VERSIONS.end() }));
        self.with_chains(Chains::Withdrawals, founding)
    }

    fn with_chains(self, chains: Chains, founding: Vec<Command>) -> Flow {
        let queued = founding.into_iter().rev().map(|command| (1_000_000, command)).collect();
        Flow { chains, queued, ..self }
    }

    /// The bytes choose.
    pub fn of_bytes(bytes: Vec<u8>, accounts: u32, rules: MarketRules, now: Timestamp) -> Flow {
        Flow::from(Chance::of_bytes(bytes), accounts, rules, now)
    }

    fn from(chance: Chance, accounts: u32, rules: MarketRules, now: Timestamp) -> Flow {
        Flow {
            chance,
            accounts: accounts.into(),
            rules,
            now,
            names: 0,
            keys: 0,
            newest: None,
            open: Vec::new(),
            quarantined: None,
            chains: Chains::None,
            queued: Vec::new(),
            has_told: false,
            payments: Vec::new(),
            begun: Vec::new(),
            proposed: Vec::new(),
        }
    }

    /// Whether the bytes were too few for the last command.
    pub fn is_over(&self) -> bool {
        self.chance.is_over()
    }

    /// What has come in: cancels, changes and next steps aim better.
    pub fn learn_from(&mut self, pair: &Pair) {
        self.newest = pair.newest.map(OrderId::get).or(self.newest);
        self.open.clone_from(&pair.open);
        self.quarantined = pair.quarantined;
        self.payments.resize(pair.payments.len(), (0, 1));
        self.begun.extend_from_slice(&pair.payments[self.begun.len()..]);
        let is_known = |newest: &LooseningProposed| self.proposed.last().is_some_and(|last| last.id == newest.id);
        if let Some(newest) = pair.proposed.as_ref().filter(|newest| !is_known(newest)) {
            self.proposed.push(newest.clone());
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.below(bound)
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        self.chance.one_of(from)
    }

    fn account(&mut self) -> AccountId {
        AccountId::new(self.below(self.accounts) as u32 + 1)
    }

    fn market(&mut self) -> MarketId {
        MarketId::new(self.one_of(&[1, 1, 1, 2]))
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
        let self_trade = match self.below(3) {
            0 => self.one_of(SelfTradePrevention::ALL),
            _ => SelfTradePrevention::None,
        };
        let is_far = self.below(20) == 0;
        NewOrder {
            account: self.account(),
            market: self.market(),
            side,
            kind,
            time_in_force,
            self_trade,
            price: self.price(side, is_far),
            qty: if is_by_quote { Qty::ZERO } else { self.qty() },
            quote_qty: if is_by_quote { self.amount(300_000) } else { Amount::ZERO },
            client_order_id: self.name(),
            key: self.key_id(),
            session: ClientSessionId::new(if self.below(8) == 0 { self.below(2) + 1 } else { 0 }),
            asked_us: self.names % 100,
        }
    }

    /// Mostly an order that comes in.
    fn on_terms(&mut self) -> NewOrderOnTerms {
        let mut order = self.order();
        let mut terms = Terms::NONE;
        let (is_stop, is_iceberg, is_dated) = (self.below(2) == 0, self.below(3) == 0, self.below(3) == 0);
        if is_stop {
            const STOPS: [OrderKind; 4] =
                [OrderKind::StopLoss, OrderKind::StopLossLimit, OrderKind::TakeProfit, OrderKind::TakeProfitLimit];
            order.kind = if self.below(8) == 0 { self.one_of(OrderKind::ALL) } else { self.one_of(&STOPS) };
            order.time_in_force = if order.kind.is_market() { TimeInForce::Ioc } else { TimeInForce::Gtc };
            if order.qty.is_zero() {
                (order.qty, order.quote_qty) = (self.qty(), Amount::ZERO);
            }
            let trails = self.below(3) == 0;
            if trails {
                terms.trailing_delta = BasisPoints::new(self.below(100) as u16 + 10).unwrap_or(BasisPoints::ZERO);
            }
            if !trails || self.below(2) == 0 {
                terms.stop_price = Some(self.price(order.side.opposite(), false));
            }
        }
        if is_iceberg {
            let lots = self.one_of(&[2, 2, 3, 5]);
            terms.visible_qty = Qty::new(self.rules.lot.units() * lots).expect("a quantity");
        }
        if is_dated && !order.kind.is_market() {
            order.time_in_force =
                self.one_of(&[TimeInForce::Gtd, TimeInForce::Gtd, TimeInForce::Day, TimeInForce::Fok]);
        }
        if self.below(4) == 0 {
            terms.peg = self.peg(&mut order);
        }
        if self.below(8) == 0 {
            terms.qty_min = Qty::new(self.rules.lot.units() * self.one_of(&[1, 4, 9])).expect("a quantity");
        }
        if order.time_in_force == TimeInForce::Gtd || self.below(30) == 0 {
            terms.expire_at = Some(self.now.plus_nanos(self.below(1_000_000_000)));
        }
        if self.below(4) == 0 {
            terms.strategy.id = Some(self.below(3));
            terms.strategy.kind = (self.below(2) == 0).then_some(1_000_000);
        }
        NewOrderOnTerms { order, terms }
    }

    /// Mostly none.
    fn amount(&mut self, bound: u64) -> Amount {
        Amount::new(self.below(bound) as i64).expect("an amount")
    }

    /// How long until the next command, in nanoseconds, and that command.
    pub fn draw(&mut self) -> (u64, Command) {
        let (pause, command) = match self.queued.pop() {
            Some(queued) => queued,
            None => {
                let pause = self.pause();
                (pause, self.command())
            }
        };
        self.now = self.now.plus_nanos(pause);
        (pause, command)
    }

    fn pause(&mut self) -> u64 {
        match self.below(40) {
            0 => 2_000_000_000,
            1 => 100_000_000,
            // What is remembered of chains is so for an hour, a day, or thirty days.
            2 if self.chains != Chains::None && self.below(6) == 0 => self.one_of(&[1, 24, 31 * 24]) * HOUR_NS,
            _ => self.below(20_000_000),
        }
    }

    fn command(&mut self) -> Command {
        let (account, market) = (self.account(), self.market());
        if self.chains != Chains::None && !self.has_told && self.below(200) == 0 {
            self.has_told = true;
            match (self.chains, self.below(4)) {
                (Chains::Deposits, _) => self.storm(),
                (_, 0) => self.child_that_helps(),
                (_, 1 | 2) => self.several_at_once(),
                _ => self.gas_that_is_forgotten(),
            }
        }
        match self.chains {
            Chains::None => {}
            Chains::Deposits => {
                if self.below(3) == 0 {
                    return self.chain_command(account);
                }
            }
            Chains::Withdrawals => match self.below(32) {
                0..2 => return self.chain_command(account),
                2..16 => return self.withdrawal_command(account),
                _ => {}
            },
        }
        match self.below(432) {
            420..432 => self.key_command(account),
            0..180 => Command::NewOrder(self.order()),
            220..270 => Command::CancelOrder(self.cancel()),
            270..280 => Command::CancelAll(CancelAll { account, market }),
            180..220 | 280..300 => Command::NewOrderOnTerms(Box::new(self.on_terms())),
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
                asked_us: 0,
            }),
            311..320 | 410..416 => Command::AmendOrder(Box::new(self.amend())),
            320..330 => Command::ReplaceOrder(Box::new(self.replacement())),
            330..338 => {
                let status = self.one_of(&[MarketStatus::CancelOnly, MarketStatus::PreOpen, MarketStatus::Auction]);
                let other = self.one_of(&[MarketStatus::PostOnly, MarketStatus::Halted, status]);
                Command::SetMarketStatus(SetMarketStatus { market, status: other })
            }
            338..354 | 416 => Command::SetMarketStatus(SetMarketStatus { market, status: MarketStatus::Trading }),
            354..356 => Command::ReopenMarket(ReopenMarket {
                market,
                cancel_only_ns: self.below(500_000_000),
                auction_ns: self.below(500_000_000) + 1,
            }),
            356 => Command::KillMarket(KillMarket { market, cancel_orders: self.below(2) == 0 }),
            357 | 417 => Command::SetMarketProtection(SetMarketProtection {
                market,
                protection: MarketProtection {
                    static_band_ppm: self.one_of(&[50_000, 50_000, 20_000]),
                    dynamic_band_ppm: self.one_of(&[0, 30_000, 10_000]),
                    volatility_auction_ns: if self.below(6) == 0 { 0 } else { self.below(400_000_000) + 1 },
                    bid_up_ppm: self.one_of(&[0, 0, 1_050_000]),
                    bid_down_ppm: self.one_of(&[0, 0, 900_000]),
                    ask_up_ppm: self.one_of(&[0, 0, 1_050_000]),
                    ask_down_ppm: self.one_of(&[0, 0, 970_000]),
                    up_ppm: self.one_of(&[0, 0, 1_040_000]),
                    down_ppm: self.one_of(&[0, 0, 960_000]),
                },
            }),
            358 => {
                let tick = Price::new(self.rules.tick.units() * self.one_of(&[1, 1, 1, 2])).expect("a tick");
                let order_lists_max = self.one_of(&[1, 3, 20]);
                let order_amends_max = self.one_of(&[0, 1, 2, 10]);
                let takes_pegged = self.below(4) > 0;
                let min_notional = Amount::new(self.one_of(&[0, 60_000, 150_000])).expect("an amount");
                let special = SpecialRules {
                    order_lists_max,
                    order_amends_max,
                    takes_pegged,
                    iceberg_orders_max: self.one_of(&[0, 1, 2, 4]),
                    min_notional,
                    min_notional_of_market: !min_notional.is_zero() && self.below(2) == 0,
                    ..self.rules.special
                };
                let qty_max = Qty::new(self.rules.lot.units() * self.one_of(&[8, 20, 1_000])).expect("a quantity");
                Command::SetMarketRules(Box::new(SetMarketRules {
                    market,
                    rules: MarketRules { qty_max, tick, special, ..self.rules },
                }))
            }
            359..363 => Command::AssignAccount(AssignAccount {
                account,
                group: TradeGroupId::new(self.below(3) as u16),
                firm: FirmId::new(self.below(2) as u32),
            }),
            363..365 => Command::SetAccountLimits(self.account_limits(account)),
            365 if self.below(4) == 0 => {
                // Mostly what may be; sometimes too little, sometimes too much.
                let mut rows = [0; 8];
                rows[self.below(8) as usize] = self.one_of(&[5, 6, 260, 300, 4_100, u32::MAX]);
                Command::RaiseCapacity(Box::new(RaiseCapacity { capacity: Capacity::of_rows(rows) }))
            }
            365 => Command::SetAssetLimit(self.asset_limit(account)),
            366 => Command::SetOrderLimits(self.order_limits(account, market)),
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
                lease_ms: self.one_of(&[500, 500, 5_000]),
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
            384..388 => {
                let is_engaged = self.below(8) == 0;
                let key = if self.below(2) == 0 { self.key() } else { ApiKeyText::EMPTY };
                Command::SetKillSwitch(SetKillSwitch { account, key, is_engaged })
            }
            388..392 => Command::SetFees(self.fees(account, market)),
            392 => Command::SetFeeSchedule(Box::new(self.fee_schedule())),
            393 => Command::SetMarketSchedule(SetMarketSchedule { market, schedule: self.schedule() }),
            394..410 => {
                let kind = self.one_of(ListKind::ALL);
                Command::NewOrderList(self.list(kind, account, market))
            }
            419 => {
                // A name to come, or one that has been.
                let n = (self.names + self.below(12)).saturating_sub(4);
                let client_order_id = ClientOrderId::new(format!("n{n}").as_bytes()).expect("a short name");
                let asked_us = self.below(100) + 1;
                match self.below(2) {
                    0 => Command::SealName(SealName { account, client_order_id, asked_us, is_list: false }),
                    _ => {
                        let order = OrderId::ZERO;
                        Command::CancelOrder(CancelOrder { order, client_order_id, asked_us, ..self.cancel() })
                    }
                }
            }
            418 if self.below(20) == 0 => Command::DelistMarket(DelistMarket { market }),
            _ => Command::Tick(Tick),
        }
    }
}
