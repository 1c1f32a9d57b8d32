use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::event::*;
use crate::*;

mod chain;
mod market;
mod withdrawal;

fn text<const N: usize>(characters: &str) -> crate::Text<N> {
    crate::Text::new(characters.as_bytes()).unwrap()
}

fn price(units: i64) -> Price {
    Price::new(units).unwrap()
}

fn qty(units: i64) -> Qty {
    Qty::new(units).unwrap()
}

fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

fn rules() -> MarketRules {
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
        special: SpecialRules::default(),
    }
}

fn scale() -> MarketScale {
    MarketScale::new(2, 5, 10, 8).unwrap()
}

fn tiers() -> FeeTiers {
    let tier = |volume, maker, taker| crate::FeeTier {
        volume_min: amount(volume),
        maker: SignedFeeRate::new(maker).unwrap(),
        taker: FeeRate::new(taker).unwrap(),
    };
    FeeTiers::new(&[tier(0, 1_000, 1_000), tier(1_000_000, -50, 500)]).unwrap()
}

const MARKET: MarketId = MarketId::new(3);
const ACCOUNT: AccountId = AccountId::new(7);
const ORDER: OrderId = OrderId::new(1_000_001);
const REQUEST: LogPosition = LogPosition::new(99);

const LIST: ListId = ListId::new(12);
const AT: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_001);

fn terms() -> Terms {
    Terms {
        stop_price: Price::new(5_800_000),
        trailing_delta: BasisPoints::new(250).unwrap(),
        visible_qty: qty(10_000),
        expire_at: Some(AT),
    }
}

fn place() -> PlaceOrder {
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

fn pair_leg(order: OrderId, kind: OrderKind) -> PairLeg {
    PairLeg {
        order,
        kind,
        time_in_force: TimeInForce::Gtc,
        price: price(6_100_000),
        budget: Amount::MAX,
        stop_price: None,
        trailing_delta: BasisPoints::ZERO,
        visible_qty: qty(10_000),
    }
}

fn cancel() -> CancelOrder {
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

fn new_order(client_order_id: &str) -> NewOrder {
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

fn mails() -> Vec<Mail> {
    vec![
        Mail::CreateMarket(Box::new(CreateMarket {
            market: MARKET,
            scale: scale(),
            rules: rules(),
            ledger: PartitionId::new(1),
        })),
        Mail::ChangeMarketStatus(ChangeMarketStatus {
            market: MARKET,
            version: 5,
            status: crate::MarketStatus::CancelOnly,
            cancel_orders: false,
            auction_after_ns: 60_000_000_000,
            trading_after_ns: 660_000_000_000,
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
        Mail::WithdrawOrder(WithdrawOrder {
            market: MARKET,
            order: ORDER,
            request: REQUEST,
            cause: CancelCause::Requested,
        }),
        Mail::WithdrawAll(WithdrawAll {
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
        Mail::WithdrawRefused(WithdrawRefused { market: MARKET, order: ORDER, request: REQUEST }),
        Mail::AllWithdrawn(AllWithdrawn { market: MARKET, account: ACCOUNT, request: REQUEST, canceled: 12 }),
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
        })),
        Mail::ReduceOrder(ReduceOrder { market: MARKET, order: ORDER, by: qty(5), request: REQUEST }),
        Mail::ReplaceResting(Box::new(ReplaceResting {
            old: ORDER,
            expected: qty(100_000),
            request: REQUEST,
            place: place(),
            terms: Terms::NONE,
        })),
        Mail::StopArmed(StopArmed { market: MARKET, order: ORDER }),
        Mail::StopTracking(StopTracking { market: MARKET, order: ORDER, at: AT }),
        Mail::StopTriggered(StopTriggered { market: MARKET, order: ORDER, at: AT }),
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

fn networks() -> Networks {
    let network = |text: &str| text.parse().unwrap();
    Networks::new(&[network("192.0.2.0/24"), network("2001:db8::1")]).unwrap()
}

fn commands() -> Vec<Command> {
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
            order_rate_max: 50,
            order_rate_window_ms: 10_000,
        }),
        Command::SetOrderLimits(SetOrderLimits {
            account: ACCOUNT,
            market: MARKET,
            qty_max: qty(1_000_000),
            notional_max: amount(2_000_000),
            position_max: amount(3_000_000),
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

fn events() -> Vec<Event> {
    vec![
        Event::AssetListed(AssetListed { asset: AssetId::new(3), symbol: text("USDT"), ledger_decimals: 8 }),
        Event::MarketListed(Box::new(MarketListed {
            market: MARKET,
            symbol: text("BTCUSDT"),
            base: AssetId::new(1),
            quote: AssetId::new(3),
            partition: PartitionId::new(2),
            scale: scale(),
            rules: rules(),
        })),
        Event::MarketStatusChanged(MarketStatusChanged { market: MARKET, status: crate::MarketStatus::Trading }),
        Event::AccountOpened(AccountOpened {
            account: ACCOUNT,
            name: text("alice"),
            maker_fee: FeeRate::new(1_000).unwrap(),
            taker_fee: FeeRate::MAX,
        }),
        Event::ApiKeyAdded(Box::new(ApiKeyAdded {
            account: ACCOUNT,
            key: text("key-of-alice"),
            kind: ApiKeyKind::Hmac,
            permissions: Permissions::READ,
            secret: Secret::new(&[9; 61]).unwrap(),
            id: ApiKeyId::new(9),
        })),
        Event::ApiKeyRevoked(ApiKeyRevoked { account: ACCOUNT, key: text("key-of-alice") }),
        Event::ApiKeyRestricted(Box::new(ApiKeyRestricted {
            account: ACCOUNT,
            key: text("key-of-alice"),
            networks: networks(),
        })),
        Event::ApiKeyExtended(Box::new(ApiKeyExtended {
            account: ACCOUNT,
            key: text("key-of-alice"),
            part: 2,
            material: Secret::new(&[7; 192]).unwrap(),
        })),
        Event::Credited(Credited { account: ACCOUNT, asset: AssetId::new(3), amount: amount(1_000) }),
        Event::Debited(Debited { account: ACCOUNT, asset: AssetId::new(3), amount: amount(999) }),
        Event::BalanceChanged(BalanceChanged {
            account: ACCOUNT,
            asset: AssetId::new(3),
            free: amount(1),
            held: amount(2),
        }),
        Event::OrderPending(OrderPending {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            side: Side::Buy,
            kind: OrderKind::LimitMaker,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::ExpireBoth,
            price: price(5_900_000),
            qty: qty(150_000),
            quote_qty: Amount::ZERO,
            client_order_id: text("my-order-1"),
        }),
        Event::OrderAccepted(OrderAccepted { order: ORDER, account: ACCOUNT, market: MARKET }),
        Event::OrderRejected(OrderRejected {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            reason: RejectReason::MarketClosed,
        }),
        Event::OrderExecuted(OrderExecuted {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            trade: TradeId::new(5),
            side: Side::Buy,
            price: price(5_900_000),
            qty: qty(50_000),
            quote_amount: amount(2_950_000_000_000),
            fee: amount(5),
            fee_asset: AssetId::new(1),
            rebate: amount(1),
            is_maker: false,
            leaves: qty(100_000),
            traded_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        }),
        Event::OrderResting(OrderResting { order: ORDER, account: ACCOUNT, market: MARKET, leaves: qty(100_000) }),
        Event::OrderCanceled(OrderCanceled {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            leaves: qty(100_000),
            cause: CancelCause::SelfTrade,
            request: REQUEST,
            canceled_as: text("my-cancel-1"),
        }),
        Event::CancelRejected(CancelRejected {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            reason: RejectReason::TooLateToCancel,
            request: REQUEST,
        }),
        Event::AllCanceled(AllCanceled { account: ACCOUNT, market: MARKET, request: REQUEST, canceled: 12 }),
        Event::Traded(Traded {
            market: MARKET,
            trade: TradeId::new(5),
            price: price(5_900_000),
            qty: qty(50_000),
            taker_side: Side::Sell,
            taker: ORDER,
            maker: OrderId::new(1_000_000),
            sequence: BookSequence::new(78),
            is_auction: true,
        }),
        Event::LevelChanged(LevelChanged {
            market: MARKET,
            side: Side::Sell,
            price: price(5_900_000),
            qty: Qty::ZERO,
            update: UpdateId::new(77),
        }),
        Event::DepthWindowClosed(DepthWindowClosed {
            market: MARKET,
            first: UpdateId::new(70),
            last: UpdateId::new(77),
        }),
        Event::AccountAssigned(AccountAssigned {
            account: ACCOUNT,
            group: TradeGroupId::new(4),
            firm: FirmId::new(70_000),
        }),
        Event::FeeScheduleChanged(Box::new(FeeScheduleChanged { valuation: AssetId::new(3), tiers: tiers() })),
        Event::FeesChanged(FeesChanged {
            account: ACCOUNT,
            market: MARKET,
            maker: SignedFeeRate::new(-100).unwrap(),
            taker: FeeRate::new(300).unwrap(),
            is_set: false,
        }),
        Event::FeeTierChanged(FeeTierChanged { account: ACCOUNT, tier: 1, volume: amount(1_000_000) }),
        Event::AccountLimitsChanged(AccountLimitsChanged {
            account: ACCOUNT,
            open_orders_max: 100,
            order_rate_max: 50,
            order_rate_window_ms: 10_000,
        }),
        Event::OrderLimitsChanged(OrderLimitsChanged {
            account: ACCOUNT,
            market: MARKET,
            qty_max: qty(1_000_000),
            notional_max: amount(2_000_000),
            position_max: amount(3_000_000),
        }),
        Event::KillSwitchChanged(KillSwitchChanged { account: ACCOUNT, key: ApiKeyId::new(9), is_engaged: true }),
        Event::MatchPrevented(MatchPrevented {
            market: MARKET,
            prevented: PreventedMatchId::new(6),
            taker: ORDER,
            taker_account: ACCOUNT,
            maker: OrderId::new(1_000_000),
            maker_account: AccountId::new(8),
            group: TradeGroupId::new(4),
            mode: SelfTradePrevention::Decrement,
            price: price(6_000_000),
            taker_qty: qty(50_000),
            maker_qty: qty(50_000),
            prevented_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        }),
        Event::OrderShown(OrderShown {
            market: MARKET,
            sequence: BookSequence::new(79),
            order: ORDER,
            side: Side::Sell,
            price: price(5_900_000),
            qty: qty(50_000),
            is_last: true,
        }),
        Event::CommandQuarantined(CommandQuarantined {
            partition: PartitionId::new(2),
            position: REQUEST,
            market: MARKET,
        }),
        Event::LeaseChanged(LeaseChanged {
            account: ACCOUNT,
            session: ClientSessionId::new(8),
            holder: 77,
            expires: Timestamp::from_nanos(1_700_000_030_000_000_001),
            canceling: 0,
        }),
        Event::CountdownChanged(CountdownChanged {
            account: ACCOUNT,
            market: MARKET,
            expires: Timestamp::ZERO,
            has_elapsed: true,
        }),
        Event::OrderTerms(OrderTerms { order: ORDER, account: ACCOUNT, market: MARKET, list: LIST, terms: terms() }),
        Event::OrderArmed(OrderArmed { order: ORDER, account: ACCOUNT, market: MARKET }),
        Event::OrderTracking(OrderTracking { order: ORDER, account: ACCOUNT, market: MARKET, at: AT }),
        Event::OrderTriggered(OrderTriggered { order: ORDER, account: ACCOUNT, market: MARKET, at: AT }),
        Event::OrderAmended(OrderAmended {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            qty_before: qty(150_000),
            qty: qty(100_000),
            leaves: qty(60_000),
            client_order_id: text("my-order-3"),
            request: REQUEST,
        }),
        Event::AmendRejected(AmendRejected {
            order: ORDER,
            account: ACCOUNT,
            market: MARKET,
            reason: RejectReason::AmendNotLower,
            request: REQUEST,
        }),
        Event::ListStarted(ListStarted {
            list: LIST,
            account: ACCOUNT,
            market: MARKET,
            kind: ListKind::Oto,
            list_client_order_id: text("my-list-1"),
            first: ORDER,
            second: ORDER.next(),
            third: OrderId::ZERO,
        }),
        Event::ListEnded(ListEnded { list: LIST, account: ACCOUNT, market: MARKET }),
        Event::ListRejected(ListRejected {
            list: LIST,
            account: ACCOUNT,
            market: MARKET,
            reason: RejectReason::WouldTake,
        }),
    ]
    .into_iter()
    .chain(market::events())
    .chain(chain::events())
    .chain(withdrawal::events())
    .collect()
}

fn replies() -> [Reply; 2] {
    [Reply::Accepted { id: 1_000_001 }, Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 5 }]
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}

fn command_bytes(command: &Command) -> Vec<u8> {
    encoded(|bytes| encode_command(command, bytes))
}

/// The first word of a value's debug text: its variant.
fn name(value: impl core::fmt::Debug) -> String {
    format!("{value:?}").split(['(', ' ']).next().unwrap_or_default().into()
}

#[test]
fn every_variant_has_a_sample_and_reads_back_as_it_was() {
    for command in commands() {
        assert_eq!(decode_command(&command_bytes(&command)), Ok(command));
    }
    let batch = encoded(|bytes| events().iter().for_each(|event| encode_event(event, bytes)));
    assert_eq!(decode_events(&batch), Ok(events()));
    for mail in mails() {
        let bytes = encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes)));
        assert_eq!(decode_mail(&mut Reader::new(&bytes)), Ok(mail));
    }
    for reply in replies() {
        assert_eq!(decode_reply(&encoded(|bytes| encode_reply(&reply, bytes))), Ok(reply));
    }
    let tags = |samples: Vec<Vec<u8>>| samples.iter().map(|bytes| bytes[0]).collect::<BTreeSet<u8>>();
    let all = |tags: &[u8]| tags.iter().copied().collect::<BTreeSet<u8>>();
    assert_eq!(tags(commands().iter().map(command_bytes).collect()), all(Command::TAGS));
    let mail_bytes = |mail: Mail| encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes)));
    assert_eq!(tags(mails().into_iter().map(mail_bytes).collect()), all(Mail::TAGS));
    let event_bytes = |event: Event| encoded(|bytes| encode_event(&event, bytes));
    assert_eq!(tags(events().into_iter().map(event_bytes).collect()), all(Event::TAGS));
}

/// The bytes of version 1 are what they were when it was released.
#[test]
fn layouts_are_the_released_ones() {
    let mut lines = String::new();
    let mut line = |kind: &str, name: String, bytes: Vec<u8>| {
        write!(lines, "{kind} {name} ").unwrap();
        bytes.iter().for_each(|byte| write!(lines, "{byte:02x}").unwrap());
        lines.push('\n');
    };
    for command in commands() {
        line("command", name(&command), command_bytes(&command));
    }
    for mail in mails() {
        line("mail", name(&mail), encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes))));
    }
    for event in events() {
        line("event", name(&event), encoded(|bytes| encode_event(&event, bytes)));
    }
    for reply in replies() {
        line("reply", name(reply), encoded(|bytes| encode_reply(&reply, bytes)));
    }
    check_file("golden/v1.txt", &lines);
}

#[test]
fn schema_page_draws_the_layouts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SCHEMA.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (words, _) = page.split_once("## Records\n").expect("SCHEMA.md has a part headed Records");
    check_file("SCHEMA.md", &format!("{words}{}", crate::codec::schema()));
}

/// Compares a file of this crate with what it should hold; `UPDATE=1` writes it instead.
fn check_file(file: &str, wanted: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{file} is not what the code says; if a new version is meant: UPDATE=1 cargo test -p wire"
    );
}

#[test]
fn command_cut_short_anywhere_is_truncated() {
    for command in commands() {
        let bytes = command_bytes(&command);
        for end in 0..bytes.len() {
            assert_eq!(decode_command(&bytes[..end]), Err(CodecError::Truncated), "{} at {end}", name(&command));
        }
    }
}

#[test]
fn bytes_after_a_command_or_a_reply_are_refused() {
    for command in commands() {
        let mut bytes = command_bytes(&command);
        bytes.push(0);
        assert_eq!(decode_command(&bytes), Err(CodecError::TrailingBytes));
    }
    for reply in replies() {
        let mut bytes = encoded(|bytes| encode_reply(&reply, bytes));
        bytes.push(0);
        assert_eq!(decode_reply(&bytes), Err(CodecError::TrailingBytes));
    }
}

#[test]
fn unknown_tags_and_numbers_are_refused() {
    assert_eq!(decode_command(&[200]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_events(&[200]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_mail(&mut Reader::new(&[200])), Err(CodecError::UnknownNumber));
    assert_eq!(decode_reply(&[2]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_reply(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(CodecError::UnknownNumber));
    // A status byte after tag and market.
    assert_eq!(decode_command(&[3, 1, 0, 9]), Err(CodecError::UnknownNumber));
}

#[test]
fn numbers_and_texts_outside_their_bounds_are_refused() {
    let credit = |units: i64| {
        let mut bytes = vec![7, 1, 0, 0, 0, 1, 0];
        bytes.extend_from_slice(&units.to_le_bytes());
        decode_command(&bytes)
    };
    assert!(credit(i64::MAX).is_ok());
    assert_eq!(credit(-1), Err(CodecError::OutOfRange));
    let mut revoke = command_bytes(&Command::RevokeApiKey(RevokeApiKey { key: text("k") }));
    revoke[2] = b' ';
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "a space");
    revoke[2] = b'k';
    revoke[1] = 65;
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "longer than its field");
    revoke[1] = 1;
    revoke[9] = b'x';
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "padding that is not zero");
}

#[test]
fn lists_of_mail_are_bounded_before_anything_is_reserved() {
    let deliver = |count: u32| {
        let mut bytes = vec![32];
        bytes.extend_from_slice(&[0; 26]);
        bytes.extend_from_slice(&count.to_le_bytes());
        decode_command(&bytes)
    };
    assert_eq!(deliver(0), Err(CodecError::OutOfRange));
    assert_eq!(deliver(4_096), Err(CodecError::Truncated));
    assert_eq!(deliver(4_097), Err(CodecError::TooLong));
    assert_eq!(deliver(u32::MAX), Err(CodecError::TooLong));
}

#[test]
fn longest_command_fits_its_bound() {
    let mail = vec![mails()[0].clone(); DeliverMail::MAIL_MAX];
    let command = Command::DeliverMail(DeliverMail {
        from: PartitionId::new(1),
        incarnation: Incarnation::new(1),
        first: MailSequence::new(1),
        acknowledged: MailSequence::ZERO,
        mail,
    });
    let bytes = command_bytes(&command);
    assert_eq!(bytes.len(), COMMAND_SIZE_MAX);
    assert_eq!(decode_command(&bytes), Ok(command));
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_what_reads_writes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(command) = decode_command(&bytes) {
            prop_assert_eq!(command_bytes(&command), bytes.clone());
        }
        if let Ok(events) = decode_events(&bytes) {
            prop_assert_eq!(encoded(|to| events.iter().for_each(|event| encode_event(event, to))), bytes.clone());
        }
        let _ = decode_reply(&bytes);
        let _ = decode_mail(&mut Reader::new(&bytes));
    }

    #[test]
    fn command_with_one_changed_byte_never_panics(which in any::<usize>(), at in any::<usize>(), to in any::<u8>()) {
        let commands = commands();
        let mut bytes = command_bytes(&commands[which % commands.len()]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(command) = decode_command(&bytes) {
            prop_assert_eq!(command_bytes(&command), bytes);
        }
    }
}
