"""Every filter that may be set or not, on a running exchange: filters.py STATE_FILE

Each is set by an operator, seen where Binance shows it, met at its limit and refused one beyond, with the exact code and text; then the
ledger's leader is killed, and what was counted and set is counted and set still.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))

from demo_state import State, Tally, signed_query
from exchange import Exchange, get, until

BTC, ETH = "BTCUSDT", "ETHUSDT"


class Trader:
    """An account, over REST."""

    def __init__(self, state, name):
        self.base, self.account = state.rest.removesuffix("/api/v3"), state.account(name)

    def ask(self, verb, path, **params):
        url = f"{self.base}/api/v3/{path}?{signed_query(self.account, params)}"
        request = urllib.request.Request(url, method=verb, headers={"X-MBX-APIKEY": self.account["api_key"]})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return dict(json.load(error), status=error.code)

    def order(self, symbol, side, kind, path="order", **params):
        if kind in ("LIMIT", "STOP_LOSS_LIMIT"):
            params.setdefault("timeInForce", "GTC")
        return self.ask("POST", path, symbol=symbol, side=side, type=kind, **params)

    def limit(self, symbol, side, quantity, price, **params):
        return self.order(symbol, side, "LIMIT", quantity=quantity, price=price, **params)

    def stop(self, symbol, **params):
        return self.order(symbol, "SELL", "STOP_LOSS", quantity="0.01", stopPrice="10000", **params)

    def pair(self, symbol, limit="60000"):
        return self.ask("POST", "orderList/oto", symbol=symbol, workingType="LIMIT", workingSide="SELL", workingPrice=limit,
                        workingQuantity="0.01", workingTimeInForce="GTC", pendingType="LIMIT", pendingSide="SELL",
                        pendingPrice=limit, pendingQuantity="0.01", pendingTimeInForce="GTC")

    def clear(self):
        for symbol in (BTC, ETH):
            self.ask("DELETE", "openOrders", symbol=symbol)


class Filters:
    """What is told of filters, and whether an order is refused by one."""

    def __init__(self, exchange, state, tally):
        self.exchange, self.state, self.tally = exchange, state, tally

    def symbol(self, name, symbol=BTC):
        info = get(f"{self.state.rest.removesuffix('/api/v3')}/api/v3/exchangeInfo?symbol={symbol}")[1]
        found = [each for each in info["symbols"][0]["filters"] if each["filterType"] == name]
        return found[0] if found else None

    def exchange_wide(self):
        info = get(f"{self.state.rest.removesuffix('/api/v3')}/api/v3/exchangeInfo?symbol={BTC}")[1]
        return {each["filterType"]: each for each in info["exchangeFilters"]}

    def shown(self, what, look, wanted):
        """Gateways follow the log a moment behind the operator's answer."""
        deadline = time.monotonic() + 5
        while look() != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        self.tally.equal(f"{what} is shown", look(), wanted)

    def taken(self, what, answer):
        self.tally.check(f"{what} is taken", "orderId" in answer or "orderListId" in answer or answer == {}, answer)
        return answer

    def refused(self, what, answer, name, code=-1013):
        wanted = {"code": code, "msg": f"Filter failure: {name}", "status": 400}
        self.tally.equal(f"{what} is refused", answer, wanted)


def percent_price(filters, alice, bob):
    ctl, name = filters.exchange.ctl, "PERCENT_PRICE"
    filters.taken("a maker", alice.limit(BTC, "SELL", "0.01", "50000"))
    filters.taken("a taker", bob.limit(BTC, "BUY", "0.01", "50000"))
    filters.shown(name, lambda: filters.symbol(name), None)
    ctl("market", "protect", BTC, "--up", "1.1", "--down", "0.9", "--bid-up", "1.05")
    both = {"filterType": name, "multiplierUp": "1.1", "multiplierDown": "0.9", "avgPriceMins": 0}
    filters.shown(name, lambda: filters.symbol(name), both)
    for side, price, refusal in [("SELL", "55000", None), ("SELL", "55000.01", name), ("BUY", "45000", None),
                                 ("BUY", "44999.99", name), ("BUY", "52500.01", "PERCENT_PRICE_BY_SIDE"),
                                 ("BUY", "55000.01", name)]:
        for path in ("order", "order/test"):
            # A buy that takes leaves nothing behind to be canceled.
            answer = alice.order(BTC, side, "LIMIT", path, quantity="0.01", price=price)
            if refusal:
                filters.refused(f"{path} {side} at {price}", answer, refusal)
            else:
                filters.taken(f"{path} {side} at {price}", answer)
    alice.clear()
    ctl("market", "protect", BTC, "--up", "0", "--down", "0", "--bid-up", "0")
    filters.shown(name, lambda: filters.symbol(name), None)
    filters.taken("any price", alice.limit(BTC, "SELL", "0.01", "90000"))


def min_notional(filters, alice, bob):
    ctl, name = filters.exchange.ctl, "MIN_NOTIONAL"
    filters.shown(name, lambda: filters.symbol(name), None)
    filters.taken("a maker", bob.limit(BTC, "SELL", "10", "60000"))
    for of_market in (False, True):
        ctl("market", "rules", BTC, "--least-notional", "1000", "--least-notional-to-market", str(of_market).lower())
        wanted = {"filterType": name, "minNotional": "1000.00000000", "applyToMarket": of_market, "avgPriceMins": 0}
        filters.shown(name, lambda wanted=wanted: filters.symbol(name) == wanted, True)
        filters.taken("at the minimum", alice.limit(BTC, "BUY", "0.02", "50000"))
        filters.refused("below the minimum", alice.limit(BTC, "BUY", "0.02", "49999.99"), name)
        open_order = filters.taken("two", alice.limit(BTC, "BUY", "0.04", "40000"))
        lower = {"symbol": BTC, "orderId": open_order["orderId"]}
        filters.refused("an amend", alice.ask("PUT", "order/amend/keepPriority", newQty="0.02", **lower), name)
        by_quote = lambda amount: alice.order(BTC, "BUY", "MARKET", quoteOrderQty=amount)
        filters.taken("a market order at the minimum", by_quote("1000"))
        if of_market:
            filters.refused("a market order below", by_quote("999.99"), name)
            filters.refused("a market order by quantity", alice.order(BTC, "BUY", "MARKET", quantity="0.01"), name)
            for path in ("order/test", "order"):
                stop = lambda at, path=path: alice.order(BTC, "SELL", "STOP_LOSS", path, quantity="0.02", stopPrice=at)
                filters.taken(f"{path} STOP_LOSS at the minimum", stop("50000"))
                filters.refused(f"{path} STOP_LOSS below", stop("49999.99"), name)
        else:
            filters.taken("a market order below", by_quote("999.99"))
    ctl("market", "rules", BTC, "--least-notional", "0")
    filters.shown(name, lambda: filters.symbol(name), None)


def icebergs(filters, alice, _bob):
    ctl, name = filters.exchange.ctl, "MAX_NUM_ICEBERG_ORDERS"
    iceberg = lambda symbol=BTC, **terms: alice.limit(symbol, "SELL", "0.1", "60000", **(terms or {"icebergQty": "0.01"}))
    filters.shown(name, lambda: filters.symbol(name), None)
    ctl("market", "rules", BTC, "--max-icebergs", "2")
    filters.shown(name, lambda: filters.symbol(name), {"filterType": name, "maxNumIcebergOrders": 2})
    first = filters.taken("one iceberg", iceberg())
    filters.taken("one whose part is the whole", iceberg(icebergQty="0.1"))
    filters.refused("a third", iceberg(), name)
    filters.taken("a plain order", alice.limit(BTC, "SELL", "0.1", "60000"))
    filters.taken("elsewhere", iceberg(ETH, icebergQty="0.01"))
    filters.taken("a cancel", alice.ask("DELETE", "order", symbol=BTC, orderId=first["orderId"]))
    filters.taken("another one", iceberg())
    ctl("market", "rules", BTC, "--max-icebergs", "0")
    filters.shown(name, lambda: filters.symbol(name), None)
    # Over all markets: three are open.
    name = "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"
    ctl("account", "limits", "*", "--icebergs", "4")
    filters.shown(name, lambda: filters.exchange_wide().get(name), {"filterType": name, "maxNumIcebergOrders": 4})
    filters.taken("a fourth", iceberg(ETH, icebergQty="0.01"))
    filters.refused("a fifth", iceberg(), name)
    filters.refused("a fifth elsewhere", iceberg(ETH, icebergQty="0.01"), name)
    ctl("account", "limits", "*")
    filters.shown(name, lambda: filters.exchange_wide(), {})
    filters.taken("a fifth", iceberg())


def of_account(alice):
    told = alice.ask("GET", "myFilters", symbol=BTC)
    return {each["filterType"]: each for each in told["exchangeFilters"]}, told["assetFilters"]


def stop_orders(filters, alice, bob):
    ctl, name = filters.exchange.ctl, "EXCHANGE_MAX_NUM_ALGO_ORDERS"
    for symbol in (BTC, ETH):
        filters.taken("a maker", bob.limit(symbol, "SELL", "0.01", "50000"))
        filters.taken("a taker", alice.limit(symbol, "BUY", "0.01", "50000"))
    ctl("account", "limits", "alice", "--stop-orders", "3")
    ctl("account", "limits", "*", "--stop-orders", "2")
    lower = {"filterType": name, "maxNumAlgoOrders": 2}
    filters.shown(name, lambda: of_account(alice)[0].get(name), lower)
    filters.taken("one stop order", alice.stop(BTC))
    filters.taken("a second one, elsewhere", alice.stop(ETH))
    for symbol in (BTC, ETH):
        filters.refused("a third", alice.stop(symbol), name)
    filters.refused("a third, tried", alice.order(BTC, "SELL", "STOP_LOSS", "order/test", quantity="0.01", stopPrice="10000"), name)
    filters.taken("a plain order", alice.limit(BTC, "SELL", "0.01", "60000"))
    ctl("account", "limits", "*")
    filters.shown(name, lambda: of_account(alice)[0].get(name), dict(lower, maxNumAlgoOrders=3))
    filters.taken("a third", alice.stop(BTC))
    filters.refused("a fourth", alice.stop(BTC), name)


def order_lists(filters, alice, _bob):
    ctl, name = filters.exchange.ctl, "EXCHANGE_MAX_NUM_ORDER_LISTS"
    ctl("account", "limits", "alice", "--order-lists", "2")
    filters.shown(name, lambda: of_account(alice)[0].get(name), {"filterType": name, "maxNumOrderLists": 2})
    first = filters.taken("one list", alice.pair(BTC))
    filters.taken("a second one, elsewhere", alice.pair(ETH))
    filters.refused("a third", alice.pair(BTC), name)
    filters.refused("a third elsewhere", alice.pair(ETH), name)
    filters.taken("a cancel", alice.ask("DELETE", "orderList", symbol=BTC, orderListId=first["orderListId"]))
    filters.taken("another one", alice.pair(BTC))


def assets(filters, alice, _bob):
    ctl, name = filters.exchange.ctl, "MAX_ASSET"
    ctl("account", "asset-limit", "alice", "BTC", "--order", "2")
    ctl("account", "asset-limit", "*", "BTC", "--order", "3")
    ctl("account", "asset-limit", "*", "USDT", "--order", "75000")
    wanted = [{"filterType": name, "asset": "BTC", "limit": "2.00000000"},
              {"filterType": name, "asset": "USDT", "limit": "75000.00000000"}]
    filters.shown(name, lambda: of_account(alice)[1], wanted)
    filters.taken("as much BTC", alice.limit(BTC, "BUY", "2", "30000"))
    filters.refused("more BTC", alice.limit(BTC, "BUY", "2.00001", "30000"), name)
    filters.taken("as much USDT", alice.limit(ETH, "BUY", "3", "25000"))
    filters.refused("more USDT", alice.limit(ETH, "BUY", "3.0001", "25000"), name)
    filters.refused("more USDT by quote", alice.order(BTC, "BUY", "MARKET", quoteOrderQty="75000.01"), name)
    replaced = alice.ask("POST", "order/cancelReplace", symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="2.00001",
                         price="30000", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=alice.ask("GET", "openOrders", symbol=BTC)[0]["orderId"])
    filters.refused("a replacement", {key: replaced.get(key) for key in ("code", "msg", "status")}, name)
    for who, asset in (("alice", "BTC"), ("*", "BTC"), ("*", "USDT")):
        ctl("account", "asset-limit", who, asset, "--order", "0")
    filters.shown(name, lambda: of_account(alice)[1], [])
    filters.taken("more BTC", alice.limit(BTC, "BUY", "2.00001", "30000"))


def own_rate(filters, alice, _bob):
    """Beyond it a replace still cancels for who wants that."""
    first = filters.taken("an order", alice.limit(BTC, "BUY", "0.1", "30000"))["orderId"]
    filters.exchange.ctl("account", "limits", "alice", "--order-rate", "1", "--window-ms", "86400000")
    filters.taken("the one of the day", alice.limit(BTC, "BUY", "0.1", "30000"))
    replace = lambda mode: alice.ask("POST", "order/cancelReplace", symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC",
                                     quantity="0.1", price="30000", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first,
                                     orderRateLimitExceededMode=mode)
    status = lambda: alice.ask("GET", "order", symbol=BTC, orderId=first)["status"]
    told = replace("DO_NOTHING")
    filters.tally.check("a replace", (told.get("code"), status()) == (-1015, "NEW"), told)
    told = replace("CANCEL_ONLY")
    halves = told.get("data", {})
    is_so = (told.get("status"), told.get("code"), halves.get("cancelResult"), halves.get("newOrderResult")) == (429, -2021, "SUCCESS", "FAILURE")
    filters.tally.check("one that then only cancels", is_so and status() == "CANCELED", told)


def market_limits(filters, alice, _bob):
    """Those that every market has are set by the same command."""
    ctl = filters.exchange.ctl
    ctl("market", "rules", BTC, "--max-stop-orders", "1", "--max-order-lists", "1", "--max-amends", "1", "--max-iceberg-parts", "3",
        "--min-trailing-delta", "50", "--max-trailing-delta", "100")
    filters.shown("MAX_NUM_ALGO_ORDERS", lambda: filters.symbol("MAX_NUM_ALGO_ORDERS")["maxNumAlgoOrders"], 1)
    filters.taken("a stop order", alice.stop(BTC))
    filters.refused("a second one", alice.stop(BTC), "MAX_NUM_ALGO_ORDERS")
    filters.taken("a list", alice.pair(BTC))
    filters.refused("a second one", alice.pair(BTC), "MAX_NUM_ORDER_LISTS")
    open_order = filters.taken("an order", alice.limit(BTC, "SELL", "0.1", "60000"))
    amend = lambda qty: alice.ask("PUT", "order/amend/keepPriority", symbol=BTC, orderId=open_order["orderId"], newQty=qty)
    filters.tally.check("an amend is taken", "amendedOrder" in amend("0.09"))
    filters.refused("a second one", amend("0.08"), "MAX_NUM_ORDER_AMENDS", -2038)
    filters.refused("four parts", alice.limit(BTC, "SELL", "0.1", "60000", icebergQty="0.03"), "ICEBERG_PARTS")
    alice.clear()
    trailing = lambda points: alice.order(BTC, "SELL", "STOP_LOSS", quantity="0.01", trailingDelta=points)
    for points in ("49", "101"):
        filters.refused(f"trailing by {points}", trailing(points), "TRAILING_DELTA")
    filters.taken("trailing by 100", trailing("100"))
    ctl("market", "rules", BTC, "--max-stop-orders", "5", "--max-order-lists", "20", "--max-amends", "10", "--max-iceberg-parts", "100",
        "--min-trailing-delta", "10", "--max-trailing-delta", "2000")


def failover(filters, alice, _bob):
    """What is counted and what was set is in the log: a new leader goes on with it."""
    exchange = filters.exchange
    exchange.ctl("account", "limits", "alice", "--stop-orders", "1", "--icebergs", "1", "--order-lists", "1")
    exchange.ctl("account", "asset-limit", "alice", "BTC", "--order", "1")
    exchange.ctl("market", "rules", ETH, "--max-icebergs", "1")
    iceberg = lambda: alice.limit(ETH, "SELL", "0.1", "60000", icebergQty="0.01")
    attempts = [("a stop order", lambda: alice.stop(BTC), "EXCHANGE_MAX_NUM_ALGO_ORDERS"),
                ("a list", lambda: alice.pair(BTC), "EXCHANGE_MAX_NUM_ORDER_LISTS"),
                ("an iceberg", iceberg, "EXCHANGE_MAX_NUM_ICEBERG_ORDERS")]
    for what, attempt, _ in attempts:
        filters.taken(what, attempt())
    ledger = exchange.state["cluster"]["partitions"][0]
    before = exchange.leader(ledger)
    exchange.ctl("node", "kill", before)
    until(lambda: exchange.leader(ledger) not in (None, before), 20, "another node leads the ledger")
    for what, attempt, name in attempts:
        filters.refused(f"another {what} after a failover", attempt(), name)
    filters.refused("too much BTC after a failover", alice.limit(BTC, "SELL", "1.00001", "60000"), "MAX_ASSET")
    exchange.ctl("account", "limits", "alice")
    filters.refused("the market's own", iceberg(), "MAX_NUM_ICEBERG_ORDERS")
    exchange.ctl("node", "start", before)
    exchange.wait_ready()
    exchange.wait_equal()


def main():
    exchange, state, tally = Exchange(sys.argv[1]), State(sys.argv[1]), Tally("filters")
    filters, alice, bob = Filters(exchange, state, tally), Trader(state, "alice"), Trader(state, "bob")
    for story in (percent_price, min_notional, icebergs, stop_orders, order_lists, assets, own_rate, market_limits, failover):
        alice.clear()
        bob.clear()
        try:
            story(filters, alice, bob)
        except Exception:
            print(f"in {story.__name__}:", flush=True)
            tally.crashed()
        exchange.ctl("account", "limits", "alice")
        exchange.ctl("account", "limits", "*")
    tally.close()


if __name__ == "__main__":
    main()
