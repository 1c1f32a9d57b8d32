//! Steps of a scenario in words: what a trader, an operator or the clock does.

use wire::command::{
    AmendOrder, AssignAccount, CancelAll, CancelOrder, CancelOrderList, DelistMarket, NewOrder, NewOrderList,
    NewOrderOnTerms, ReplaceOrder, Reply, SetMarketProtection, SetMarketRules, SetMarketStatus,
};
use wire::{
    Amount, BasisPoints, ClientOrderId, Command, FirmId, ListId, ListKind, MarketProtection, MarketRules, MarketStatus,
    OrderId, OrderKind, Peg, PegSide, Price, Qty, ReplaceMode, SelfTradePrevention, Side, Terms, TimeInForce,
    TradeGroupId,
};

use super::told::tell;
use super::{MARKET, World, amount, price, qty, rules};

const NO_LIMITS: MarketProtection = MarketProtection::NONE;

impl World {
    /// [`World::play`] without the ticks that come after it.
    pub(in super::super) fn play_at_once(&mut self, step: &str) -> String {
        self.is_ticking = false;
        let told = self.play(step);
        self.is_ticking = true;
        told
    }

    /// Plays one step of a scenario and says what the ledger told.
    pub(in super::super) fn play(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split_whitespace().collect();
        self.private.clear();
        let reply = match words[..] {
            ["status", status] => {
                let status = if status == "open" { MarketStatus::Trading } else { MarketStatus::CancelOnly };
                self.settle(Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }))
            }
            ["phase", name] => {
                let is_named = |status: &&MarketStatus| format!("{status:?}").eq_ignore_ascii_case(name);
                let status = *MarketStatus::ALL.iter().find(is_named).expect("a phase");
                self.settle(Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }))
            }
            // `bands STATIC% DYNAMIC%`: volatility auctions last ten seconds.
            ["bands", fixed, moving] => {
                let ppm = |percent: &str| percent.parse::<u32>().expect("a percentage") * 10_000;
                let (static_band_ppm, dynamic_band_ppm) = (ppm(fixed), ppm(moving));
                let volatility_auction_ns = 10_000_000_000;
                let bands = MarketProtection { static_band_ppm, dynamic_band_ppm, volatility_auction_ns, ..NO_LIMITS };
                self.settle(Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection: bands }))
            }
            // `rules tick T lot L`.
            ["rules", "tick", tick, "lot", lot] => {
                let (tick, lot) = (price(tick.parse().unwrap()), qty(lot.parse().unwrap()));
                let rules = MarketRules { tick, lot, price_min: tick, qty_min: lot, ..rules() };
                self.settle(Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules })))
            }
            ["delist"] => self.settle(Command::DelistMarket(DelistMarket { market: MARKET })),
            ["wait", seconds] => {
                self.now = self.now.plus_nanos(seconds.parse::<u64>().unwrap() * 1_000_000_000);
                return String::new();
            }
            ["tick"] => {
                self.pass_time();
                Reply::Accepted { id: 0 }
            }
            [who, "group", group] => {
                let (group, firm) = (TradeGroupId::new(group.parse().unwrap()), FirmId::default());
                self.settle(Command::AssignAccount(AssignAccount { account: World::account(who), group, firm }))
            }
            [who, "has"] => return self.balance(World::account(who)),
            [who, "cancel", "all"] => {
                let account = World::account(who);
                self.settle(Command::CancelAll(CancelAll { account, market: MARKET }))
            }
            [who, "amend", which, "to", units, ..] => {
                let name = words.get(6).copied().unwrap_or("");
                let order = OrderId::new(which.parse().unwrap());
                let account = World::account(who);
                let present = self.partitions[0].client_order_id(order);
                let new_name = if name.is_empty() { present } else { ClientOrderId::new(name.as_bytes()).unwrap() };
                self.settle(Command::AmendOrder(Box::new(AmendOrder {
                    account,
                    market: MARKET,
                    order,
                    client_order_id: ClientOrderId::EMPTY,
                    qty: qty(units.parse().unwrap()),
                    new_client_order_id: new_name,
                    asked_us: 0,
                })))
            }
            [who, "replace", which, mode, ..] => {
                let mut new = vec![who];
                new.extend(&words[4..]);
                let (order, terms) = self.parse_order_on_terms(&new);
                let cancel = CancelOrder {
                    account: World::account(who),
                    market: MARKET,
                    order: OrderId::new(which.parse().unwrap()),
                    client_order_id: ClientOrderId::EMPTY,
                    restriction: wire::CancelRestriction::None,
                    new_client_order_id: ClientOrderId::new(b"bye").unwrap(),
                    asked_us: 0,
                };
                let mode = if mode == "or-stop" { ReplaceMode::StopOnFailure } else { ReplaceMode::AllowFailure };
                self.settle(Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms })))
            }
            [who, "cancel", "list", which] => self.settle(Command::CancelOrderList(CancelOrderList {
                account: World::account(who),
                market: MARKET,
                list: ListId::new(which.parse().unwrap()),
                list_client_order_id: ClientOrderId::EMPTY,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            })),
            [who, kind @ ("oco" | "oto" | "otoco"), name, ..] => {
                let list = self.parse_list(who, kind, name, &words[4..]);
                self.settle(Command::NewOrderList(list))
            }
            [who, "cancel", which] => {
                let (order, name) = match which.parse() {
                    Ok(id) => (OrderId::new(id), ClientOrderId::EMPTY),
                    Err(_) => (OrderId::ZERO, ClientOrderId::new(which.as_bytes()).unwrap()),
                };
                let (account, client_order_id) = (World::account(who), name);
                self.settle(Command::CancelOrder(CancelOrder {
                    account,
                    market: MARKET,
                    order,
                    client_order_id,
                    restriction: wire::CancelRestriction::None,
                    new_client_order_id: ClientOrderId::EMPTY,
                    asked_us: 0,
                }))
            }
            ["level", side, at] => return self.level(side, at),
            _ => {
                let (order, terms) = self.parse_order_on_terms(&words);
                if terms == Terms::NONE {
                    self.settle(Command::NewOrder(order))
                } else {
                    self.settle(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })))
                }
            }
        };
        let mut told: Vec<String> = self.private.iter().filter_map(tell).collect();
        if let Reply::Rejected { reason, id } = reply {
            told.push(if id == 0 { format!("no {reason:?}") } else { format!("no {reason:?} {id}") });
        }
        told.join(", ")
    }

    /// `oco NAME | sell 5 stop-loss 90 | sell 5 @ 110 maker-only`, and so on: the legs between bars.
    pub(in super::super) fn parse_list(&mut self, who: &str, kind: &str, name: &str, words: &[&str]) -> NewOrderList {
        let kind = match kind {
            "oco" => ListKind::Oco,
            "oto" => ListKind::Oto,
            _ => ListKind::Otoco,
        };
        let legs = words.split(|word| *word == "|").map(|leg| {
            let mut words = vec![who];
            words.extend(leg);
            let (order, terms) = self.parse_order_on_terms(&words);
            NewOrderOnTerms { order, terms }
        });
        let legs = legs.collect();
        NewOrderList { kind, list_client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(), legs }
    }

    pub(in super::super) fn parse_order(&mut self, words: &[&str]) -> NewOrder {
        self.parse_order_on_terms(words).0
    }

    /// `alice buy 5 @ 100 gtc`, `alice buy 5 market 110`, `alice buy quote 500 market 110`, then any of
    /// `maker-only`, `stp-taker`, `stp-maker`, `stp-both`, `stp-decrement`, `as NAME`; and the terms `stop-loss [PRICE]`,
    /// `take-profit [PRICE]` (before any limit), `trail POINTS`, `show QTY`, `day`, `gtd SECONDS`, `min QTY`,
    /// `peg primary|market [LEVELS]`, with `~ PRICE` for the protection price of a client that names none.
    pub(in super::super) fn parse_order_on_terms(&mut self, words: &[&str]) -> (NewOrder, Terms) {
        self.next_name += 1;
        let mut terms = Terms::NONE;
        let mut order = NewOrder {
            account: World::account(words[0]),
            market: MARKET,
            side: if words[1] == "buy" { Side::Buy } else { Side::Sell },
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::MIN,
            qty: Qty::ZERO,
            quote_qty: Amount::ZERO,
            client_order_id: ClientOrderId::new(format!("c{}", self.next_name).as_bytes()).unwrap(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        let mut rest = words[2..].iter().peekable();
        while let Some(word) = rest.next() {
            if let "stop-loss" | "take-profit" = *word {
                let is_loss = *word == "stop-loss";
                order.kind = if is_loss { OrderKind::StopLoss } else { OrderKind::TakeProfit };
                order.time_in_force = TimeInForce::Ioc;
                terms.stop_price =
                    rest.next_if(|word| word.parse::<i64>().is_ok()).map(|at| price(at.parse().unwrap()));
                continue;
            }
            let mut next = || rest.next().expect("a word after this one");
            match *word {
                word @ ("@" | "~" | "peg") => {
                    if word == "peg" {
                        let is_primary = next() == &"primary";
                        terms.peg.side = if is_primary { PegSide::Primary } else { PegSide::Market };
                        let levels = rest.next_if(|word| word.parse::<u8>().is_ok());
                        terms.peg.levels = levels.map_or(0, |levels| levels.parse().unwrap());
                    } else {
                        order.price = price(next().parse().unwrap());
                        terms.peg.has_price |= word == "@";
                    }
                    (order.kind, order.time_in_force) = match order.kind {
                        OrderKind::StopLoss => (OrderKind::StopLossLimit, TimeInForce::Gtc),
                        OrderKind::TakeProfit => (OrderKind::TakeProfitLimit, TimeInForce::Gtc),
                        kind => (kind, order.time_in_force),
                    };
                }
                "min" => terms.qty_min = qty(next().parse().unwrap()),
                "trail" => terms.trailing_delta = BasisPoints::new(next().parse().unwrap()).unwrap(),
                "show" => terms.visible_qty = qty(next().parse().unwrap()),
                "day" => order.time_in_force = TimeInForce::Day,
                "gtd" => {
                    order.time_in_force = TimeInForce::Gtd;
                    let seconds: u64 = next().parse().unwrap();
                    terms.expire_at = Some(self.now.plus_nanos(seconds * 1_000_000_000));
                }
                "market" => {
                    order.kind = OrderKind::Market;
                    order.time_in_force = TimeInForce::Ioc;
                    order.price = price(next().parse().unwrap());
                }
                "quote" => order.quote_qty = amount(next().parse().unwrap()),
                "gtc" => order.time_in_force = TimeInForce::Gtc,
                "ioc" => order.time_in_force = TimeInForce::Ioc,
                "fok" => order.time_in_force = TimeInForce::Fok,
                "maker-only" => order.kind = OrderKind::LimitMaker,
                "stp-taker" => order.self_trade = SelfTradePrevention::ExpireTaker,
                "stp-maker" => order.self_trade = SelfTradePrevention::ExpireMaker,
                "stp-decrement" => order.self_trade = SelfTradePrevention::Decrement,
                "stp-both" => order.self_trade = SelfTradePrevention::ExpireBoth,
                "as" => order.client_order_id = ClientOrderId::new(next().as_bytes()).unwrap(),
                number => order.qty = qty(number.parse().expect("a quantity")),
            }
        }
        if terms.peg.is_none() {
            terms.peg = Peg::NONE;
        }
        (order, terms)
    }
}
