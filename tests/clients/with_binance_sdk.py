"""An unmodified binance-sdk-spot, pointed at the gateway: every answer passes its typed models.

`with_binance_sdk.py STATE_FILE`. The demo must run without bots.
"""

import asyncio
import sys

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot

from demo_state import State, Tally, decimal

SYMBOL = "BTCUSDT"


def client(state, name):
    account = state.account(name)
    keys = {"api_key": account["api_key"], "api_secret": account["secret"]}
    return Spot(
        config_rest_api=ConfigurationRestAPI(base_path=state.rest, timeout=10_000, retries=0, **keys),
        config_ws_api=ConfigurationWebSocketAPI(stream_url=state.ws_api, **keys),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=state.ws),
    )


def reads(tally, rest):
    tally.check("ping", rest.ping().data() is not None)
    info = rest.exchange_info(symbol=SYMBOL).data()
    tally.equal("symbol", info.symbols[0].symbol, SYMBOL)
    tally.check("filters", len(info.symbols[0].filters) >= 4, info.symbols[0].filters)
    for what, call in [
        ("time", lambda: rest.time()),
        ("depth", lambda: rest.depth(symbol=SYMBOL)),
        ("trades", lambda: rest.get_trades(symbol=SYMBOL)),
        ("historical trades", lambda: rest.historical_trades(symbol=SYMBOL)),
        ("aggregated trades", lambda: rest.agg_trades(symbol=SYMBOL)),
        ("klines", lambda: rest.klines(symbol=SYMBOL, interval="1m")),
        ("average price", lambda: rest.avg_price(symbol=SYMBOL)),
        ("ticker 24hr", lambda: rest.ticker24hr(symbol=SYMBOL)),
        ("ticker", lambda: rest.ticker(symbol=SYMBOL, window_size="1h")),
        ("trading day", lambda: rest.ticker_trading_day(symbol=SYMBOL)),
        ("price", lambda: rest.ticker_price(symbol=SYMBOL)),
        ("best prices", lambda: rest.ticker_book_ticker()),
        ("account", lambda: rest.get_account()),
        ("commission", lambda: rest.account_commission(symbol=SYMBOL)),
        ("order counts", lambda: rest.rate_limit_order()),
        ("open orders", lambda: rest.get_open_orders()),
        ("all orders", lambda: rest.all_orders(symbol=SYMBOL)),
        ("own trades", lambda: rest.my_trades(symbol=SYMBOL)),
        ("execution rules", lambda: rest.execution_rules(symbol=SYMBOL)),
        ("filters of the account", lambda: rest.my_filters(symbol=SYMBOL)),
    ]:
        tally.check(what, call().data() is not None)


def refused(tally, what, text, action):
    try:
        tally.check(what, False, action().data())
    except BadRequestError as error:
        tally.check(what, text in str(error), error)


def trades(tally, alice, bob):
    order = {"symbol": SYMBOL, "type": "LIMIT", "time_in_force": "GTC"}
    placed = alice.new_order(side="SELL", quantity=0.5, price=61_000, new_client_order_id="sdk-1", **order).data()
    tally.equal("an order rests", (placed.status, placed.orig_qty), ("NEW", "0.50000000"))
    bought = bob.new_order(side="BUY", quantity=0.2, price=61_000, **order).data()
    tally.equal("the buy is filled", (bought.status, bought.fills[0].price), ("FILLED", "61000.00000000"))
    seen = alice.get_order(symbol=SYMBOL, orig_client_order_id="sdk-1").data()
    tally.equal("the maker is partly filled", (seen.status, seen.executed_qty), ("PARTIALLY_FILLED", "0.20000000"))
    tally.equal("open", [o.client_order_id for o in alice.get_open_orders(symbol=SYMBOL).data()], ["sdk-1"])
    mine = alice.my_trades(symbol=SYMBOL).data()
    tally.equal("own trades", [(t.qty, t.is_maker) for t in mine], [("0.20000000", True)])
    canceled = alice.delete_order(symbol=SYMBOL, order_id=placed.order_id).data()
    tally.equal("canceled", (canceled.status, canceled.orig_client_order_id), ("CANCELED", "sdk-1"))
    refused(tally, "nothing to cancel", "Unknown order sent.", lambda: alice.delete_order(symbol=SYMBOL, order_id=placed.order_id))
    refused(tally, "no such order", "Order does not exist.", lambda: alice.get_order(symbol=SYMBOL, order_id=10**15))
    free = {b.asset: decimal(b.free) for b in alice.get_account().data().balances}
    tally.check("balances", free["BTC"] > 0 and free["USDT"] > 0, free)


async def over_websockets(tally, alice, bob):
    connection = await alice.websocket_api.create_connection()
    told = asyncio.Queue()
    user = await connection.user_data_stream_subscribe_signature()
    user.stream.on("message", told.put_nowait) if hasattr(user, "stream") else None
    tally.check("the user stream opens", user is not None)
    answer = await connection.order_place(symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.1, price=50_000)
    result = answer.data().result
    tally.equal("an order over the WebSocket API", result.status, "NEW")
    status = (await connection.order_status(symbol=SYMBOL, order_id=result.order_id)).data().result
    tally.equal("its status", status.status, "NEW")
    canceled = (await connection.order_cancel(symbol=SYMBOL, order_id=result.order_id)).data().result
    tally.equal("canceled over the WebSocket API", canceled.status, "CANCELED")
    for what, call in [
        ("time", connection.time()),
        ("depth", connection.depth(symbol=SYMBOL)),
        ("klines", connection.klines(symbol=SYMBOL, interval="1m")),
        ("account", connection.account_status()),
        ("ticker", connection.ticker(symbol=SYMBOL)),
        ("own trades", connection.my_trades(symbol=SYMBOL)),
    ]:
        tally.check(f"{what} over the WebSocket API", (await call).data() is not None)
    if hasattr(user, "stream"):
        events = []
        try:
            while len(events) < 2:
                events.append(await asyncio.wait_for(told.get(), 10))
        except asyncio.TimeoutError:
            pass
        tally.check("user events pass the models", len(events) >= 2, events)
    await alice.websocket_api.close_connection()

    streams = await bob.websocket_streams.create_connection()
    seen = asyncio.Queue()
    for stream in (await streams.trade(symbol=SYMBOL.lower()), await streams.diff_book_depth(symbol=SYMBOL.lower(), update_speed="100ms")):
        stream.on("message", seen.put_nowait)
    alice.rest_api.new_order(symbol=SYMBOL, side="SELL", type="LIMIT", time_in_force="GTC", quantity=0.1, price=61_000)
    bob.rest_api.new_order(symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.1, price=61_000)
    kinds = set()
    try:
        while kinds < {"trade", "depthUpdate"}:
            kinds.add((await asyncio.wait_for(seen.get(), 10)).e)
    except asyncio.TimeoutError:
        pass
    tally.equal("market streams pass the models", kinds, {"trade", "depthUpdate"})
    await bob.websocket_streams.close_connection()


def main():
    state, tally = State(sys.argv[1]), Tally("binance-sdk-spot")
    try:
        alice, bob = client(state, "alice"), client(state, "bob")
        reads(tally, alice.rest_api)
        trades(tally, alice.rest_api, bob.rest_api)
        asyncio.run(over_websockets(tally, alice, bob))
    except Exception:
        tally.crashed()
    tally.close()


main()
