"""An unmodified ccxt, pointed at the gateway, trades a day over REST: `ccxt_rest.py STATE_FILE`.

The demo must run without bots: the books are this test's own.
"""

import sys

import ccxt

from demo_state import State, Tally, decimal

SYMBOL = "BTC/USDT"
PRICE = 60_000


def client(state, name):
    return state.point(ccxt.binance(state.ccxt_options(name)))


def total(exchange, asset):
    balance = exchange.fetch_balance()[asset]
    return decimal(balance["free"]) + decimal(balance["used"])


def markets(tally, alice):
    alice.load_markets()
    market = alice.market(SYMBOL)
    tally.equal("three spot markets", sorted(alice.symbols)[:3], ["BTC/USDT", "ETH/BTC", "ETH/USDT"])
    tally.equal("price precision", market["precision"]["price"], 0.01)
    tally.equal("amount precision", market["precision"]["amount"], 0.00001)
    tally.equal("maximum amount", market["limits"]["amount"]["max"], 9000.0)
    tally.equal("minimum cost", market["limits"]["cost"]["min"], 5.0)
    tally.check("active", market["active"] is True)
    currencies = alice.fetch_currencies()
    tally.check("currencies", {"BTC", "ETH", "USDT"} <= set(currencies), list(currencies))
    tally.check("server time", abs(alice.fetch_time() - alice.milliseconds()) < 5_000)
    tally.equal("status", alice.fetch_status()["status"], "ok")


def rests_and_is_canceled(tally, alice):
    order = alice.create_order(SYMBOL, "limit", "buy", 0.5, PRICE - 10_000, {"newClientOrderId": "rest-1"})
    tally.equal("resting order is open", order["status"], "open")
    tally.equal("client order id", order["clientOrderId"], "rest-1")
    open_orders = alice.fetch_open_orders(SYMBOL)
    tally.equal("it is the one open order", [o["id"] for o in open_orders], [order["id"]])
    book = alice.fetch_order_book(SYMBOL)
    tally.equal("the book shows it", book["bids"], [[float(PRICE - 10_000), 0.5]])
    held = alice.fetch_balance()["USDT"]["used"]
    tally.equal("its funds are held", held, 0.5 * (PRICE - 10_000))
    by_client_id = alice.fetch_order(None, SYMBOL, {"origClientOrderId": "rest-1"})
    tally.equal("found by client id", by_client_id["id"], order["id"])
    canceled = alice.cancel_order(order["id"], SYMBOL)
    tally.equal("canceled", canceled["status"], "canceled")
    tally.equal("canceled for good", alice.fetch_order(order["id"], SYMBOL)["status"], "canceled")
    tally.equal("the hold is released", alice.fetch_balance()["USDT"]["used"], 0.0)
    tally.equal("the book is empty", alice.fetch_order_book(SYMBOL)["bids"], [])
    tally.raises("a second cancel finds nothing", ccxt.OrderNotFound, lambda: alice.cancel_order(order["id"], SYMBOL))


def two_accounts_cross(tally, alice, bob):
    before = {(x, a): total(c, a) for x, c in (("alice", alice), ("bob", bob)) for a in ("BTC", "USDT")}
    sell = alice.create_order(SYMBOL, "limit", "sell", 1, PRICE)
    tally.equal("the sell rests", sell["status"], "open")
    buy = bob.create_order(SYMBOL, "limit", "buy", 0.4, PRICE + 100)
    tally.equal("the buy is filled", buy["status"], "closed")
    tally.equal("at the maker's price", buy["average"], float(PRICE))
    tally.equal("fully", buy["filled"], 0.4)
    seen = alice.fetch_order(sell["id"], SYMBOL)
    tally.equal("the maker is partly filled", (seen["status"], seen["filled"], seen["remaining"]), ("open", 0.4, 0.6))
    market = bob.create_order(SYMBOL, "market", "buy", 0.1)
    tally.equal("a market order fills", (market["status"], market["filled"]), ("closed", 0.1))
    cost = bob.create_market_buy_order_with_cost(SYMBOL, 6_000)
    tally.equal("a market order by cost fills", (cost["status"], cost["filled"], cost["cost"]), ("closed", 0.1, 6000.0))
    ioc = bob.create_order(SYMBOL, "limit", "buy", 1, PRICE, {"timeInForce": "IOC"})
    tally.equal("an IOC expires its rest", (ioc["status"], ioc["filled"]), ("expired", 0.4))
    tally.equal("the maker is done", alice.fetch_order(sell["id"], SYMBOL)["status"], "closed")
    trades = bob.fetch_my_trades(SYMBOL)
    tally.equal("bob's trades", [t["amount"] for t in trades], [0.4, 0.1, 0.1, 0.4])
    tally.check("bob took", all(t["takerOrMaker"] == "taker" for t in trades))
    tally.equal("bob's fee is in base", trades[0]["fee"], {"currency": "BTC", "cost": 0.0004})
    makers = alice.fetch_my_trades(SYMBOL)
    tally.equal("alice's fee is in quote", makers[0]["fee"], {"currency": "USDT", "cost": 24.0})
    tally.equal("both sides name the same trades", [t["id"] for t in makers], [t["id"] for t in trades])
    after = {(x, a): total(c, a) for x, c in (("alice", alice), ("bob", bob)) for a in ("BTC", "USDT")}
    delta = {key: after[key] - before[key] for key in before}
    tally.equal("alice's base", delta["alice", "BTC"], decimal("-1"))
    tally.equal("bob's base less fee", delta["bob", "BTC"], decimal("0.999"))
    tally.equal("bob's quote", delta["bob", "USDT"], decimal("-60000"))
    tally.equal("alice's quote less fee", delta["alice", "USDT"], decimal("59940"))
    public = alice.fetch_trades(SYMBOL)
    tally.equal("public trades", [t["amount"] for t in public][-4:], [0.4, 0.1, 0.1, 0.4])
    times = [[t["timestamp"] for t in seen] for seen in (trades, makers, public[-4:])]
    tally.check("both sides and the public name the same times", times[0] == times[1] == times[2], times)
    ticker = alice.fetch_ticker(SYMBOL)
    tally.equal("last price", ticker["last"], float(PRICE))
    tally.equal("volume", ticker["baseVolume"], 1.0)
    candles = alice.fetch_ohlcv(SYMBOL, "1m")
    tally.equal("candle volume", sum(c[5] for c in candles), 1.0)
    tally.check("order history", {o["id"] for o in bob.fetch_orders(SYMBOL)} >= {buy["id"], market["id"], ioc["id"]})
    tally.check("closed orders", sell["id"] in {o["id"] for o in alice.fetch_closed_orders(SYMBOL)})


def orders_on_terms(tally, alice, bob):
    stop = alice.create_order(SYMBOL, "limit", "sell", 0.1, PRICE - 11_000, {"stopLossPrice": PRICE - 10_000})
    tally.equal("a stop order is open", (stop["status"], stop["triggerPrice"]), ("open", float(PRICE - 10_000)))
    tally.equal("its type", stop["info"]["type"], "STOP_LOSS_LIMIT")
    trailing = alice.create_order(SYMBOL, "market", "sell", 0.1, None, {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"})
    tally.equal("a trailing order is open", trailing["status"], "open")
    iceberg = alice.create_order(SYMBOL, "limit", "sell", 1, PRICE + 500, {"icebergQty": "0.1"})
    tally.equal("an iceberg shows a part", alice.fetch_order_book(SYMBOL)["asks"][0], [float(PRICE + 500), 0.1])
    edited = alice.edit_order(iceberg["id"], SYMBOL, "limit", "sell", 0.5, PRICE + 600)
    tally.equal("an edited order is a new one", (edited["status"], edited["amount"], edited["price"]), ("open", 0.5, float(PRICE + 600)))
    tally.equal("the old one is gone", alice.fetch_order(iceberg["id"], SYMBOL)["status"], "canceled")
    asked = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
    pegged = alice.privatePostOrder({**asked, "side": "SELL", "pegPriceType": "PRIMARY_PEG"})
    best = f"{PRICE + 600:.8f}"
    tally.equal("a pegged order joins the best price", (pegged["status"], pegged["price"], pegged["peggedPrice"]), ("NEW", "0.00000000", best))
    taking = {**asked, "side": "BUY", "timeInForce": "IOC", "quantity": "1", "pegPriceType": "MARKET_PEG", "minExecutedQty": "0.7"}
    least = bob.privatePostOrder(taking)
    tally.equal("less than the minimum quantity is there", (least["status"], least["executedQty"]), ("EXPIRED", "0.00000000"))
    deep = {**asked, "side": "SELL", "pegPriceType": "PRIMARY_PEG", "pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "100"}
    tally.raises("no level that deep", ccxt.ExchangeError, lambda: alice.privatePostOrder(deep))
    tally.raises("a stop that has been met", ccxt.OrderImmediatelyFillable, lambda: alice.create_order(SYMBOL, "market", "sell", 0.1, None, {"stopLossPrice": PRICE + 5_000}))
    # A trade at the stop price triggers it; bob's bid takes what it sells.
    bob.create_order(SYMBOL, "limit", "buy", 1, PRICE - 10_000)
    alice.create_order(SYMBOL, "limit", "sell", 0.2, PRICE - 10_000)
    seen = alice.fetch_order(stop["id"], SYMBOL)
    for _ in range(50):
        if seen["status"] == "closed":
            break
        seen = alice.fetch_order(stop["id"], SYMBOL)
    tally.equal("the stop order has sold", (seen["status"], seen["filled"]), ("closed", 0.1))
    alice.cancel_all_orders(SYMBOL)
    bob.cancel_all_orders(SYMBOL)


def refusals(tally, alice):
    def order(*args, **params):
        return lambda: alice.create_order(*args, params)

    tally.raises("more than the balance", ccxt.InsufficientFunds, order(SYMBOL, "limit", "sell", 8_999, PRICE))
    tally.raises("below the notional", ccxt.BadRequest, order(SYMBOL, "limit", "buy", 0.00001, 1_000))
    alice.create_order(SYMBOL, "limit", "sell", 0.01, PRICE + 1, {"newClientOrderId": "once"})
    tally.raises(
        "a duplicate client order id",
        ccxt.InvalidOrder,
        order(SYMBOL, "limit", "sell", 0.01, PRICE + 1, newClientOrderId="once"),
    )
    tally.raises(
        "a maker that would take",
        ccxt.OrderImmediatelyFillable,
        order(SYMBOL, "limit", "buy", 0.01, PRICE + 2, postOnly=True),
    )
    tally.equal("cancel all", len(alice.cancel_all_orders(SYMBOL)), 1)
    tally.raises("an order that does not exist", ccxt.OrderNotFound, lambda: alice.fetch_order("999999999", SYMBOL))
    alice.secret, secret = "wrong", alice.secret
    tally.raises("a wrong secret", ccxt.AuthenticationError, alice.fetch_balance)
    alice.secret = secret


def main():
    state, tally = State(sys.argv[1]), Tally("ccxt over REST")
    try:
        alice, bob = client(state, "alice"), client(state, "bob")
        markets(tally, alice)
        bob.load_markets()
        rests_and_is_canceled(tally, alice)
        two_accounts_cross(tally, alice, bob)
        orders_on_terms(tally, alice, bob)
        refusals(tally, alice)
    except Exception:
        tally.crashed()
    tally.close()


main()
