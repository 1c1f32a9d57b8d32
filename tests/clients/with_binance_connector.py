"""An unmodified binance-connector, pointed at the gateway: REST, listen key, streams, WebSocket API.

`with_binance_connector.py STATE_FILE`. The demo must run without bots.
"""

import json
import queue
import sys
import time

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

from demo_state import State, Tally

SYMBOL = "ETHUSDT"


class Heard:
    """What a WebSocket client is told, to be waited for."""

    def __init__(self):
        self.messages = queue.Queue()

    def __call__(self, _, text):
        self.messages.put(json.loads(text))

    def until(self, wanted, seconds=15):
        ends = time.monotonic() + seconds
        while True:
            message = self.messages.get(timeout=max(ends - time.monotonic(), 0.01))
            if wanted(message):
                return message


def refused(tally, what, code, action):
    try:
        tally.check(what, False, action())
    except ClientError as error:
        tally.equal(what, error.error_code, code)


def reads(tally, alice):
    tally.equal("ping", alice.ping(), {})
    tally.check("time", abs(alice.time()["serverTime"] / 1000 - time.time()) < 5)
    info = alice.exchange_info(symbol=SYMBOL)
    tally.equal("exchange info", info["symbols"][0]["symbol"], SYMBOL)
    tally.check("limits", {"REQUEST_WEIGHT", "ORDERS"} <= {limit["rateLimitType"] for limit in info["rateLimits"]})
    for what, answer in [
        ("depth", alice.depth(SYMBOL, limit=5)["bids"]),
        ("trades", alice.trades(SYMBOL)),
        ("historical trades", alice.historical_trades(SYMBOL)),
        ("aggregated trades", alice.agg_trades(SYMBOL)),
        ("klines", alice.klines(SYMBOL, "1h")),
        ("klines of the interface", alice.ui_klines(SYMBOL, "1h")),
        ("tickers", alice.ticker_24hr(symbols=[SYMBOL, "BTCUSDT"])),
        ("prices", alice.ticker_price()),
        ("best prices", alice.book_ticker()),
        ("windows", alice.rolling_window_ticker(symbols=[SYMBOL, "BTCUSDT"], windowSize="2h")),
        ("days", alice.trading_day_ticker(symbols=[SYMBOL])),
        ("order counts", alice.get_order_rate_limit()),
        ("coins", alice.coin_info()),
        ("fees", alice.trade_fee()),
        ("assets", alice.user_asset()),
    ]:
        tally.check(what, isinstance(answer, list), answer)
    tally.check("average price", "price" in alice.avg_price(SYMBOL))
    tally.equal("commission", alice.query_commission_rates(SYMBOL)["standardCommission"]["taker"], "0.00100000")
    tally.check("account", alice.account(omitZeroBalances="true")["balances"])


def trades(tally, state, alice, bob):
    heard = Heard()
    stream = SpotWebsocketStreamClient(stream_url=state.ws, on_message=heard)
    listen_key = alice.new_listen_key()["listenKey"]
    tally.equal("the listen key is renewed", alice.renew_listen_key(listen_key), {})
    refused(tally, "another's listen key", -1125, lambda: bob.renew_listen_key(listen_key))
    stream.user_data(listen_key=listen_key, id=1)
    tally.equal("the user stream opens", heard.until(lambda m: m.get("id") == 1)["result"], None)
    for number, subscribe in enumerate(
        [
            lambda n: stream.trade(SYMBOL, id=n),
            lambda n: stream.partial_book_depth(SYMBOL, level=5, speed=100, id=n),
            lambda n: stream.rolling_window_ticker(SYMBOL, "1h", id=n),
            lambda n: stream.ticker(id=n),
        ],
        start=2,
    ):
        subscribe(number)
        tally.equal(f"subscription {number}", heard.until(lambda m, n=number: isinstance(m, dict) and m.get("id") == n)["result"], None)
    alice.new_order_test(SYMBOL, "BUY", "LIMIT", timeInForce="GTC", quantity="1", price="2000")
    order = alice.new_order(SYMBOL, "SELL", "LIMIT", timeInForce="GTC", quantity="1", price="3100", newClientOrderId="bc-1")
    tally.equal("an order rests", (order["status"], order["origQty"]), ("NEW", "1.00000000"))
    seen = heard.until(lambda m: isinstance(m, dict) and m.get("e") == "executionReport")
    tally.equal("the user stream tells it", (seen["c"], seen["x"]), ("bc-1", "NEW"))
    tally.equal("it is open", [o["clientOrderId"] for o in alice.get_open_orders(SYMBOL)], ["bc-1"])
    bought = bob.new_order(SYMBOL, "BUY", "MARKET", quantity="0.25")
    tally.equal("a market order fills", (bought["status"], bought["fills"][0]["price"]), ("FILLED", "3100.00000000"))
    wanted = {"trade", "1hTicker", "executionReport", "outboundAccountPosition", "depth", "tickers"}
    told = set()
    try:
        while wanted - told:
            m = heard.until(lambda m: True)
            told.add("tickers" if isinstance(m, list) else m.get("e", "depth" if "lastUpdateId" in m else "answer"))
    except queue.Empty:
        pass
    tally.equal("every stream tells", wanted - told, set())
    tally.equal("own trades", [t["qty"] for t in bob.my_trades(SYMBOL)], ["0.25000000"])
    tally.equal("the order", alice.get_order(SYMBOL, origClientOrderId="bc-1")["status"], "PARTIALLY_FILLED")
    tally.equal("canceled", alice.cancel_order(SYMBOL, origClientOrderId="bc-1")["status"], "CANCELED")
    tally.check("all orders", "bc-1" in [o["clientOrderId"] for o in alice.get_orders(SYMBOL)])
    refused(tally, "nothing to cancel", -2011, lambda: alice.cancel_open_orders(SYMBOL))
    refused(tally, "no such order", -2013, lambda: alice.get_order(SYMBOL, orderId=10**15))
    rich = {"timeInForce": "GTC", "quantity": "9000", "price": "99999"}
    refused(tally, "too much", -2010, lambda: bob.new_order(SYMBOL, "BUY", "LIMIT", **rich))
    alice.close_listen_key(listen_key)
    tally.equal("the listen key is closed", heard.until(lambda m: isinstance(m, dict) and m.get("e") == "listenKeyExpired")["listenKey"], listen_key)
    stream.stop()


def over_the_websocket_api(tally, state):
    heard, account = Heard(), state.account("alice")
    api = SpotWebsocketAPIClient(
        stream_url=state.ws_api, api_key=account["api_key"], api_secret=account["secret"], on_message=heard
    )
    api.ping_connectivity(id="p")
    tally.equal("ping over the WebSocket API", heard.until(lambda m: m["id"] == "p")["result"], {})
    api.new_order(id="o", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="2000", newOrderRespType="RESULT")
    placed = heard.until(lambda m: m["id"] == "o")
    tally.equal("an order over the WebSocket API", placed["result"]["status"], "NEW")
    api.get_open_orders(id="g", symbol=SYMBOL)
    tally.equal("it is open", len(heard.until(lambda m: m["id"] == "g")["result"]), 1)
    api.cancel_order(SYMBOL, id="c", orderId=placed["result"]["orderId"])
    tally.equal("canceled over the WebSocket API", heard.until(lambda m: m["id"] == "c")["result"]["status"], "CANCELED")
    for number, ask in enumerate([
        lambda n: api.server_time(id=n),
        lambda n: api.order_book(id=n, symbol=SYMBOL),
        lambda n: api.klines(id=n, symbol=SYMBOL, interval="1m"),
        lambda n: api.ticker(id=n, symbol=SYMBOL, windowSize="1h"),
        lambda n: api.account(id=n),
        lambda n: api.order_history(id=n, symbol=SYMBOL),
        lambda n: api.my_trades(id=n, symbol=SYMBOL),
        lambda n: api.user_data_start(id=n),
    ]):
        name = f"read-{number}"
        ask(name)
        answer = heard.until(lambda m, n=name: m["id"] == n)
        tally.equal(f"{name} over the WebSocket API", answer["status"], 200)
    api.stop()


def main():
    state, tally = State(sys.argv[1]), Tally("binance-connector")
    try:
        alice, bob = (
            Spot(state.account(name)["api_key"], state.account(name)["secret"], base_url=state.rest) for name in ("alice", "bob")
        )
        reads(tally, alice)
        trades(tally, state, alice, bob)
        over_the_websocket_api(tally, state)
    except Exception:
        tally.crashed()
    tally.close()


main()
