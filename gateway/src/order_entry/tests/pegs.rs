//! Pegged orders and minimum quantities: what enters the log, and what clients are told.

use wire::command::NewOrderOnTerms;
use wire::event::{OrderPegged, OrderTerms};
use wire::{ListId, Peg, PegSide};

use super::*;

const PEGGED: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&newOrderRespType=RESULT";

/// A market that gives the order this limit.
fn pegs_at(units: i64) -> Script {
    Box::new(move |_, command| {
        let Command::NewOrderOnTerms(new) = command else { panic!("{command:?}") };
        let NewOrderOnTerms { order, terms } = **new;
        let (id, account, market) = (OrderId::new(1), ALICE, BTCUSDT);
        let told = OrderTerms { order: id, account, market, list: ListId::ZERO, terms };
        let pegged = OrderPegged { order: id, account, market, price: price(units) };
        let events = vec![
            pending(1, &order),
            Event::OrderTerms(Box::new(told)),
            accepted(1),
            Event::OrderPegged(pegged),
            resting(1, order.qty.units()),
        ];
        Ok((Reply::Accepted { id: 1 }, events))
    })
}

#[tokio::test]
async fn a_pegged_order_is_shown_with_the_price_it_was_given_and_without_one_of_its_own() {
    let (gateway, ledger) = gateway();
    ledger.script(pegs_at(4_990_000));
    let asked = format!("{PEGGED}&pegPriceType=PRIMARY_PEG&pegOffsetType=PRICE_LEVEL&pegOffsetValue=5");
    let placed = json(place(&gateway, alice(), params(&asked)).await);
    assert_eq!(
        (&placed["price"], &placed["peggedPrice"], &placed["pegPriceType"]),
        (&json!("0.00000000"), &json!("49900.00000000"), &json!("PRIMARY_PEG"))
    );
    assert_eq!((&placed["pegOffsetType"], &placed["pegOffsetValue"]), (&json!("PRICE_LEVEL"), &json!(5)));
}

#[tokio::test]
async fn a_price_beside_a_peg_is_the_clients_and_shown() {
    let (gateway, ledger) = gateway();
    ledger.script(pegs_at(4_990_000));
    let asked = format!("{PEGGED}&pegPriceType=MARKET_PEG&price=50000&minExecutedQty=0.5");
    let placed = json(place(&gateway, alice(), params(&asked)).await);
    assert_eq!((&placed["price"], &placed["peggedPrice"]), (&json!("50000.00000000"), &json!("49900.00000000")));
    assert_eq!((placed.get("pegOffsetType"), &placed["minExecutedQty"]), (None, &json!("0.50000000")));
}

#[tokio::test]
async fn what_an_order_asks_of_the_book_enters_the_log() {
    let (gateway, ledger) = gateway();
    ledger.script(Box::new(|_, command| {
        let Command::NewOrderOnTerms(new) = command else { panic!("{command:?}") };
        assert_eq!(new.terms.peg, Peg { side: PegSide::Market, levels: 100, has_price: true });
        assert_eq!((new.order.price, new.terms.qty_min), (price(5_000_000), qty(100_000)));
        Ok((Reply::Rejected { reason: RejectReason::NoPegPrice, id: 0 }, Vec::new()))
    }));
    let asked = format!(
        "{PEGGED}&price=50000&minExecutedQty=1&pegPriceType=MARKET_PEG&pegOffsetType=PRICE_LEVEL&pegOffsetValue=100"
    );
    let refused = place(&gateway, alice(), params(&asked)).await.unwrap_err();
    assert_eq!((refused.code, &*refused.message), (-2010, "Order book liquidity is too low for this pegged order."));
}

#[tokio::test]
async fn pegs_that_make_no_sense_are_refused_before_they_cost_a_place_in_the_log() {
    let (gateway, _) = gateway();
    let limit = "type=LIMIT&timeInForce=GTC&pegPriceType=PRIMARY_PEG";
    for (asked, code, text) in [
        ("type=LIMIT&timeInForce=GTC&pegPriceType=MIDDLE", -1210, "Invalid pegPriceType."),
        (&format!("{limit}&pegOffsetType=TICKS&pegOffsetValue=1"), -1211, "Invalid pegOffsetType."),
        (&format!("{limit}&pegOffsetType=PRICE_LEVEL"), -1128, "Combination of optional parameters invalid."),
        (&format!("{limit}&pegOffsetValue=1"), -1128, "Combination of optional parameters invalid."),
        (
            "type=LIMIT&timeInForce=GTC&price=50000&pegOffsetType=PRICE_LEVEL&pegOffsetValue=1",
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            &format!("{limit}&pegOffsetType=PRICE_LEVEL&pegOffsetValue=101"),
            -1130,
            "Data sent for parameter 'pegOffsetValue' is not valid.",
        ),
        ("type=MARKET&pegPriceType=PRIMARY_PEG", -2010, "This order type may not use pegged price."),
        ("type=STOP_LOSS&stopPrice=50000&pegPriceType=PRIMARY_PEG", -2010, "This order type may not use pegged price."),
        ("type=LIMIT_MAKER&pegPriceType=MARKET_PEG", -2010, "This price peg cannot be used with this order type."),
        (
            "type=LIMIT&timeInForce=IOC&pegPriceType=PRIMARY_PEG",
            -2010,
            "This price peg cannot be used with this order type.",
        ),
        ("type=LIMIT_MAKER&price=50000&minExecutedQty=1", -1106, "Parameter 'minExecutedQty' sent when not required."),
        ("type=LIMIT&timeInForce=GTC&price=50000&minExecutedQty=1.1", -1013, "Invalid minExecutedQty."),
        (
            "type=LIMIT&timeInForce=GTC",
            -1102,
            "Mandatory parameter 'price' was not sent, was empty/null, or malformed.",
        ),
    ] {
        let asked = format!("symbol=BTCUSDT&side=BUY&quantity=1&{asked}");
        let refused = place(&gateway, alice(), params(&asked)).await.unwrap_err();
        assert_eq!((refused.code, &*refused.message), (code, text), "{asked}");
    }
}
