//! A value of each command and of each mail, and the parts that they are made of.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

pub(super) fn text<const N: usize>(characters: &str) -> crate::Text<N> {
    crate::Text::new(characters.as_bytes()).unwrap()
}

pub(super) fn price(units: i64) -> Price {
    Price::new(units).unwrap()
}

pub(super) fn qty(units: i64) -> Qty {
    Qty::new(units).unwrap()
}

pub(super) fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

pub(super) fn rules() -> MarketRules {
    MarketRules {
        tick: price(1),
        price_min: price(1),
        price_max: price(100_000_000),
        lot: qty(1),
        qty_min: qty(1),
        qty_max: qty(900_000_000),
        market_qty_max: qty(10_000_000),
        notional_min: amount(500_000_000),
        notional_max: amount(900_000_000_000_000_000),
        protection_ppm: 50_000,
        open_orders_max: 200,
        special: SpecialRules {
            iceberg_orders_max: 7,
            min_notional: amount(600_000),
            min_notional_of_market: true,
            ..SpecialRules::default()
        },
    }
}

pub(super) fn scale() -> MarketScale {
    MarketScale::new(2, 5, 10, 8).unwrap()
}

pub(super) fn tiers() -> FeeTiers {
    let tier = |volume, maker, taker| crate::FeeTier {
        volume_min: amount(volume),
        maker: SignedFeeRate::new(maker).unwrap(),
        taker: FeeRate::new(taker).unwrap(),
    };
    FeeTiers::new(&[tier(0, 1_000, 1_000), tier(1_000_000, -50, 500)]).unwrap()
}

pub(super) const MARKET: MarketId = MarketId::new(3);
pub(super) const ACCOUNT: AccountId = AccountId::new(7);
pub(super) const ORDER: OrderId = OrderId::new(1_000_001);
pub(super) const REQUEST: LogPosition = LogPosition::new(99);

pub(super) const LIST: ListId = ListId::new(12);
pub(super) const AT: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_001);

pub(super) fn terms() -> Terms {
    Terms {
        stop_price: Price::new(5_800_000),
        trailing_delta: BasisPoints::new(250).unwrap(),
        visible_qty: qty(10_000),
        expire_at: Some(AT),
        peg: Peg { side: PegSide::Market, levels: 5, has_price: true },
        qty_min: qty(20_000),
        strategy: StrategyLabel { id: Some(41), kind: Some(1_000_001) },
    }
}

pub(super) fn place() -> PlaceOrder {
    PlaceOrder {
        market: MARKET,
        order: ORDER,
        account: ACCOUNT,
        side: Side::Sell,
        kind: OrderKind::TakeProfitLimit,
        time_in_force: TimeInForce::Gtd,
        self_trade: SelfTradePrevention::None,
        group: crate::TradeGroupId::new(3),
        price: price(5_900_000),
        qty: qty(150_000),
        budget: Amount::MAX,
    }
}

pub(super) fn pair_leg(order: OrderId, kind: OrderKind) -> PairLeg {
    PairLeg {
        order,
        kind,
        time_in_force: TimeInForce::Gtc,
        price: price(6_100_000),
        budget: Amount::MAX,
        stop_price: None,
        trailing_delta: BasisPoints::ZERO,
        visible_qty: qty(10_000),
        peg: Peg { side: PegSide::Primary, levels: 0, has_price: false },
    }
}

pub(super) fn cancel() -> CancelOrder {
    CancelOrder {
        account: ACCOUNT,
        market: MARKET,
        order: ORDER,
        client_order_id: ClientOrderId::EMPTY,
        restriction: CancelRestriction::OnlyPartiallyFilled,
        new_client_order_id: text("my-cancel-2"),
        asked_us: 1_767_225_600_000_001,
    }
}

pub(super) fn new_order(client_order_id: &str) -> NewOrder {
    NewOrder {
        account: ACCOUNT,
        market: MARKET,
        side: Side::Sell,
        kind: OrderKind::StopLossLimit,
        time_in_force: TimeInForce::Day,
        self_trade: SelfTradePrevention::None,
        price: price(5_900_000),
        qty: qty(150_000),
        quote_qty: Amount::ZERO,
        key: crate::ApiKeyId::new(4),
        session: crate::ClientSessionId::new(8),
        client_order_id: text(client_order_id),
        asked_us: 1_767_225_600_000_002,
    }
}

pub(super) fn mails() -> Vec<Mail> {
    vec![
        Mail::CreateMarket(Box::new(CreateMarket {
            market: MARKET,
            scale: scale(),
            rules: rules(),
            ledger: PartitionId::new(1),
            accounts_max: 16_384,
            resting_orders_max: 131_072,
        })),
        Mail::ChangeMarketStatus(ChangeMarketStatus {
            market: MARKET,
            version: 5,
            status: crate::MarketStatus::CancelOnly,
            cancel_orders: false,
            auction_after_ns: 60_000_000_000,
            trading_after_ns: 660_000_000_000,
            is_quarantine: true,
        }),
        Mail::PlaceOrder(PlaceOrder {
            market: MARKET,
            order: ORDER,
            account: ACCOUNT,
            side: Side::Buy,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::ExpireMaker,
            price: price(6_000_000),
            qty: qty(150_000),
            budget: Amount::MAX,
            group: TradeGroupId::new(4),
        }),
        Mail::PullOrder(PullOrder { market: MARKET, order: ORDER, request: REQUEST, cause: CancelCause::Requested }),
        Mail::PullOrders(PullOrders {
            market: MARKET,
            account: ACCOUNT,
            sides: Sides::Sell,
            request: REQUEST,
            cause: CancelCause::Countdown,
        }),
        Mail::OrderRefused(OrderRefused { market: MARKET, order: ORDER, reason: RejectReason::WouldTake }),
        Mail::OrderFilled(OrderFilled {
            market: MARKET,
            order: ORDER,
            trade: TradeId::new(5),
            price: price(6_000_000),
            qty: qty(50_000),
            leaves: qty(100_000),
            is_maker: true,
            traded_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        }),
        Mail::OrderRested(OrderRested { market: MARKET, order: ORDER, leaves: qty(100_000) }),
        Mail::OrderEnded(OrderEnded {
            market: MARKET,
            order: ORDER,
            leaves: qty(100_000),
            cause: CancelCause::Requested,
            request: REQUEST,
        }),
        Mail::PullRefused(PullRefused { market: MARKET, order: ORDER, request: REQUEST }),
        Mail::OrdersPulled(OrdersPulled { market: MARKET, account: ACCOUNT, request: REQUEST, canceled: 12 }),
        Mail::TradePrevented(TradePrevented {
            market: MARKET,
            prevented: PreventedMatchId::new(6),
            taker: ORDER,
            maker: OrderId::new(1_000_000),
            group: TradeGroupId::new(4),
            mode: SelfTradePrevention::Decrement,
            price: price(6_000_000),
            taker_qty: qty(50_000),
            maker_qty: qty(50_000),
            prevented_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        }),
        Mail::MarketQuarantined(MarketQuarantined {
            market: MARKET,
            partition: PartitionId::new(2),
            position: REQUEST,
        }),
        Mail::PlaceOrderOnTerms(Box::new(PlaceOrderOnTerms { place: place(), terms: terms(), is_late: true })),
        Mail::PlacePair(Box::new(PlacePair {
            market: MARKET,
            account: ACCOUNT,
            list: LIST,
            side: Side::Sell,
            self_trade: SelfTradePrevention::ExpireTaker,
            group: crate::TradeGroupId::new(3),
            qty: qty(150_000),
            first: pair_leg(ORDER, OrderKind::StopLoss),
            second: pair_leg(ORDER.next(), OrderKind::LimitMaker),
            is_late: true,
        })),
        Mail::ReduceOrder(ReduceOrder { market: MARKET, order: ORDER, by: qty(5), request: REQUEST }),
        Mail::ReplaceResting(Box::new(ReplaceResting {
            old: ORDER,
            expected: qty(100_000),
            only_expected: true,
            request: REQUEST,
            place: place(),
            terms: Terms::NONE,
        })),
        Mail::StopArmed(StopArmed { market: MARKET, order: ORDER }),
        Mail::StopTracking(StopTracking { market: MARKET, order: ORDER, at: AT }),
        Mail::StopTriggered(StopTriggered { market: MARKET, order: ORDER, at: AT }),
        Mail::PegSet(PegSet { market: MARKET, order: ORDER, price: price(5_899_900) }),
        Mail::OrderReduced(OrderReduced {
            market: MARKET,
            order: ORDER,
            by: qty(5),
            leaves: qty(99_995),
            request: REQUEST,
        }),
        Mail::ReduceRefused(ReduceRefused { market: MARKET, order: ORDER, request: REQUEST }),
        Mail::ReplaceRefused(ReplaceRefused { market: MARKET, old: ORDER, order: ORDER.next(), request: REQUEST }),
    ]
    .into_iter()
    .chain(market::mails())
    .collect()
}

pub(super) fn networks() -> Networks {
    let network = |text: &str| text.parse().unwrap();
    Networks::new(&[network("192.0.2.0/24"), network("2001:db8::1")]).unwrap()
}

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::ListAsset(ListAsset { symbol: text("USDT"), ledger_decimals: 8 }),
        Command::ListMarket(Box::new(ListMarket {
            symbol: text("BTCUSDT"),
            base: AssetId::new(1),
            quote: AssetId::new(3),
            partition: PartitionId::new(2),
            price_decimals: 2,
            qty_decimals: 5,
            rules: rules(),
            status: MarketStatus::PreOpen,
        })),
        Command::SetMarketStatus(SetMarketStatus { market: MARKET, status: crate::MarketStatus::CancelOnly }),
        Command::OpenAccount(OpenAccount {
            name: text("alice"),
            maker_fee: FeeRate::new(1_000).unwrap(),
            taker_fee: FeeRate::new(2_000).unwrap(),
        }),
        Command::AddApiKey(Box::new(AddApiKey {
            account: ACCOUNT,
            key: text("key-of-alice"),
            kind: ApiKeyKind::Ed25519,
            permissions: Permissions::READ_AND_TRADE,
            secret: Secret::new(&[1, 2, 3]).unwrap(),
        })),
        Command::RevokeApiKey(RevokeApiKey { key: text("key-of-alice") }),
        Command::RestrictApiKey(Box::new(RestrictApiKey { key: text("key-of-alice"), networks: networks() })),
        Command::ExtendApiKey(Box::new(ExtendApiKey {
            key: text("key-of-alice"),
            part: 1,
            material: Secret::new(&[4, 5, 6]).unwrap(),
        })),
        Command::Credit(Credit { account: ACCOUNT, asset: AssetId::new(3), amount: amount(1_000) }),
        Command::Debit(Debit { account: ACCOUNT, asset: AssetId::new(3), amount: amount(999) }),
        Command::NewOrder(NewOrder {
            account: ACCOUNT,
            market: MARKET,
            side: Side::Sell,
            kind: OrderKind::Market,
            time_in_force: TimeInForce::Ioc,
            self_trade: SelfTradePrevention::None,
            price: price(5_900_000),
            qty: Qty::ZERO,
            quote_qty: amount(600_000_000_000),
            client_order_id: text("my-order-1"),
            key: ApiKeyId::new(9),
            session: ClientSessionId::new(8),
            asked_us: 1_767_225_600_000_003,
        }),
        Command::CancelOrder(CancelOrder {
            account: ACCOUNT,
            market: MARKET,
            order: ORDER,
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::OnlyNew,
            new_client_order_id: text("my-cancel-1"),
            asked_us: 1_767_225_600_000_004,
        }),
        Command::CancelAll(CancelAll { account: ACCOUNT, market: MARKET }),
        Command::DeliverMail(DeliverMail {
            from: PartitionId::new(1),
            incarnation: Incarnation::new(1),
            first: MailSequence::new(41),
            acknowledged: MailSequence::new(17),
            mail: mails(),
        }),
        Command::AckMail(AckMail {
            from: PartitionId::new(2),
            incarnation: Incarnation::new(1),
            acknowledged: MailSequence::new(51),
        }),
        Command::Tick(Tick),
        Command::SetVersion(SetVersion { version: 2 }),
        Command::AssignAccount(AssignAccount {
            account: ACCOUNT,
            group: TradeGroupId::new(4),
            firm: FirmId::new(70_000),
        }),
        Command::SetFeeSchedule(Box::new(SetFeeSchedule { valuation: AssetId::new(3), tiers: tiers() })),
        Command::SetFees(SetFees {
            account: ACCOUNT,
            market: MARKET,
            maker: SignedFeeRate::new(-100).unwrap(),
            taker: FeeRate::new(300).unwrap(),
            is_set: true,
        }),
        Command::SetAccountLimits(SetAccountLimits {
            account: ACCOUNT,
            open_orders_max: 100,
            stop_orders_max: 20,
            iceberg_orders_max: 30,
            order_lists_max: 40,
            order_rate_max: 50,
            order_rate_window_ms: 10_000,
        }),
        Command::RaiseCapacity(Box::new(RaiseCapacity { capacity: Capacity::of_rows([1, 2, 3, 4, 5, 6, 7, 8]) })),
        Command::SetOrderLimits(SetOrderLimits {
            account: ACCOUNT,
            market: MARKET,
            qty_max: qty(1_000_000),
            notional_max: amount(2_000_000),
            position_max: amount(3_000_000),
        }),
        Command::SetAssetLimit(SetAssetLimit {
            account: ACCOUNT,
            asset: AssetId::new(3),
            order_max: amount(4_000_000),
        }),
        Command::SetKillSwitch(SetKillSwitch { account: ACCOUNT, key: text("key-of-alice"), is_engaged: true }),
        Command::MassCancel(MassCancel {
            account: ACCOUNT,
            market: MARKET,
            sides: Sides::Buy,
            session: ClientSessionId::new(8),
        }),
        Command::RenewLease(RenewLease {
            account: ACCOUNT,
            session: ClientSessionId::new(8),
            holder: 77,
            takes_over: true,
            lease_ms: 30_000,
        }),
        Command::EndLease(EndLease { account: ACCOUNT, session: ClientSessionId::new(8), holder: 77 }),
        Command::CountdownCancel(CountdownCancel { account: ACCOUNT, market: MARKET, countdown_ms: 120_000 }),
        Command::SealName(SealName {
            account: ACCOUNT,
            client_order_id: ClientOrderId::new(b"in-doubt").unwrap(),
            asked_us: 1_767_225_600_000_000,
            is_list: true,
        }),
        Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order: new_order("my-order-2"), terms: terms() })),
        Command::AmendOrder(Box::new(AmendOrder {
            account: ACCOUNT,
            market: MARKET,
            order: OrderId::ZERO,
            client_order_id: text("my-order-2"),
            qty: qty(100_000),
            new_client_order_id: text("my-order-3"),
            asked_us: 1_767_225_600_000_005,
        })),
        Command::ReplaceOrder(Box::new(ReplaceOrder {
            cancel: cancel(),
            mode: ReplaceMode::AllowFailure,
            order: new_order("my-order-4"),
            terms: Terms::NONE,
        })),
        Command::NewOrderList(NewOrderList {
            kind: ListKind::Otoco,
            list_client_order_id: text("my-list-1"),
            legs: ["my-order-5", "my-order-6", "my-order-7"]
                .map(|name| NewOrderOnTerms { order: new_order(name), terms: terms() })
                .to_vec(),
        }),
        Command::CancelOrderList(CancelOrderList {
            account: ACCOUNT,
            market: MARKET,
            list: LIST,
            list_client_order_id: ClientOrderId::EMPTY,
            new_client_order_id: text("my-cancel-3"),
            asked_us: 1_767_225_600_000_006,
        }),
    ]
    .into_iter()
    .chain(market::commands())
    .chain(chain::commands())
    .chain(withdrawal::commands())
    .collect()
}
