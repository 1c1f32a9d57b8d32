use wire::command::{Credit, DeliverMail, OpenAccount};
use wire::event::{AccountOpened, AssetListed, MarketListed};
use wire::*;

use super::*;

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

fn names() -> Names {
    let asset =
        |id, symbol, ledger_decimals| AssetListed { asset: AssetId::new(id), symbol: text(symbol), ledger_decimals };
    let one = Qty::new(1).unwrap();
    let rules = MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::MAX,
        lot: one,
        qty_min: one,
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 100_000,
        open_orders_max: 10,
        special: SpecialRules::default(),
    };
    let market = MarketListed {
        market: MarketId::new(1),
        symbol: text("BTCUSDT"),
        base: AssetId::new(1),
        quote: AssetId::new(2),
        partition: PartitionId::new(2),
        scale: MarketScale::new(2, 5, 10, 8).unwrap(),
        rules,
    };
    let account = AccountOpened {
        account: AccountId::new(3),
        name: text("alice"),
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
    };
    Names::of(&Listings {
        assets: vec![asset(1, "BTC", 10), asset(2, "USDT", 8)],
        markets: vec![market],
        accounts: vec![account],
    })
}

fn order() -> wire::command::NewOrder {
    wire::command::NewOrder {
        account: AccountId::new(3),
        market: MarketId::new(1),
        side: Side::Buy,
        kind: OrderKind::LimitMaker,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: Price::new(5_970_198).unwrap(),
        qty: Qty::new(100).unwrap(),
        quote_qty: Amount::ZERO,
        client_order_id: text("a-1_x"),
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    }
}

#[test]
fn an_order_is_told_with_names_and_decimals_and_without_what_it_does_not_say() {
    let said = names().lines(&Command::NewOrder(order()));
    let wanted = "new order: account alice, market BTCUSDT, side buy, kind limit maker, time in force gtc, price 59701.98, \
                  qty 0.001, client order id a-1_x";
    assert_eq!(said, [wanted]);
    let unknown = Command::NewOrder(wire::command::NewOrder { market: MarketId::new(9), ..order() });
    assert!(
        names().lines(&unknown)[0].contains("market 9, side buy")
            && names().lines(&unknown)[0].contains("5970198 units")
    );
}

#[test]
fn an_amount_is_of_its_asset_or_of_its_markets_quote() {
    let amount = Amount::new(150_000_000).unwrap();
    let credit = Credit { account: AccountId::new(3), asset: AssetId::new(2), amount };
    assert_eq!(names().lines(&Command::Credit(credit)), ["credit: account alice, asset USDT, amount 1.5 USDT"]);
    let spends = wire::command::NewOrder { quote_qty: amount, qty: Qty::ZERO, ..order() };
    assert!(names().lines(&Command::NewOrder(spends))[0].contains("quote qty 1.5 USDT"));
}

#[test]
fn mail_is_told_line_by_line_with_its_number() {
    let refused =
        mail::OrderRefused { market: MarketId::new(1), order: OrderId::new(7), reason: RejectReason::PostOnlyPhase };
    let deliver = DeliverMail {
        from: PartitionId::new(2),
        incarnation: Incarnation::new(1),
        first: MailSequence::new(5_159),
        acknowledged: MailSequence::new(12),
        mail: vec![Mail::OrderRefused(refused), Mail::OrderRefused(refused)],
    };
    let said = names().lines(&Command::DeliverMail(deliver));
    assert_eq!(said[0], "deliver mail: from 2, incarnation 1, first 5159, acknowledged 12");
    assert_eq!(said[1], "mail 5159: order refused: market BTCUSDT, order 7, reason post only phase");
    assert!(said[2].starts_with("mail 5160: ") && said.len() == 3);
}

#[test]
fn text_with_marks_of_its_own_is_read_whole() {
    let open =
        OpenAccount { name: text("a\"b,(c){d"), maker_fee: FeeRate::ZERO, taker_fee: FeeRate::new(1_000).unwrap() };
    assert_eq!(names().lines(&Command::OpenAccount(open)), ["open account: name a\"b,(c){d, taker fee 1000"]);
    assert_eq!(names().lines(&Command::Tick(wire::command::Tick)), ["tick"]);
}

#[test]
fn an_event_is_told_as_a_command_is() {
    let resting = wire::event::OrderResting {
        order: OrderId::new(549),
        account: AccountId::new(3),
        market: MarketId::new(1),
        leaves: Qty::new(100).unwrap(),
    };
    let lines = names().lines(&Event::OrderResting(resting));
    assert_eq!(lines, ["order resting: order 549, account alice, market BTCUSDT, leaves 0.001"]);
    assert_eq!((names().account(AccountId::new(3)), names().account(AccountId::new(9))), ("alice".into(), "9".into()));
}
