"""An unmodified python-binance, pointed at the gateway, trades and keeps a book: `with_python_binance.py STATE_FILE [SECONDS]`.

The demo must run without bots. Another account moves the book of ETHBTC for SECONDS (default 20) while a
DepthCacheManager follows it; the cache must then equal the REST book.
"""

import asyncio
import random
import sys

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.base_client import BaseClient
from binance.exceptions import BinanceAPIException

from demo_state import State, Tally, decimal

SYMBOL, PRICE = "ETHBTC", decimal("0.05")


def point(state):
    """Before any client exists: its constructor pings."""
    BaseClient.API_URL = state.rest + "/api"
    BaseClient.MARGIN_API_URL = state.rest + "/sapi"
    BaseClient.WS_API_URL = state.ws_api
    BinanceSocketManager.STREAM_URL = state.ws + "/"


async def client(state, name):
    account = state.account(name)
    return await AsyncClient.create(account["api_key"], account["secret"])


async def general(tally, alice):
    tally.equal("ping", await alice.ping(), {})
    info = await alice.get_symbol_info(SYMBOL)
    tally.equal("symbol", (info["baseAsset"], info["quoteAsset"], info["status"]), ("ETH", "BTC", "TRADING"))
    tally.check("account", (await alice.get_account())["canTrade"])
    tally.check("balance", decimal((await alice.get_asset_balance("ETH"))["free"]) > 0)
    tally.equal("fees", (await alice.get_trade_fee(symbol=SYMBOL))[0]["symbol"], SYMBOL)
    tally.equal("status", await alice.get_system_status(), {"status": 0, "msg": "normal"})
    for what, answer in [
        ("tickers", await alice.get_ticker()),
        ("all prices", await alice.get_all_tickers()),
        ("best prices", await alice.get_orderbook_tickers()),
        ("klines", await alice.get_klines(symbol=SYMBOL, interval="1m")),
        ("aggregated trades", await alice.get_aggregate_trades(symbol=SYMBOL)),
        ("historical trades", await alice.get_historical_trades(symbol=SYMBOL)),
        ("coins", await alice.get_all_coins_info()),
    ]:
        tally.check(what, isinstance(answer, list), answer)
    tally.check("average price", "price" in await alice.get_avg_price(symbol=SYMBOL))


async def trades(tally, alice, bob, user):
    rest = await alice.order_limit_sell(symbol=SYMBOL, quantity="2", price="0.06", newClientOrderId="pb-rest")
    tally.equal("an order rests", rest["status"], "NEW")
    seen = await until(user, lambda e: e["e"] == "executionReport" and e["c"] == "pb-rest")
    tally.equal("the user stream tells it", (seen["x"], seen["X"], seen["q"]), ("NEW", "NEW", "2.00000000"))
    tally.equal("it is open", [o["orderId"] for o in await alice.get_open_orders(symbol=SYMBOL)], [rest["orderId"]])
    tally.equal("by client id", (await alice.get_order(symbol=SYMBOL, origClientOrderId="pb-rest"))["orderId"], rest["orderId"])
    buy = await bob.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="0.06")
    tally.equal("the buy is filled", (buy["status"], len(buy["fills"])), ("FILLED", 1))
    seen = await until(user, lambda e: e["e"] == "executionReport" and e["x"] == "TRADE")
    tally.equal("the maker is told", (seen["X"], seen["l"], seen["m"]), ("PARTIALLY_FILLED", "0.50000000", True))
    seen = await until(user, lambda e: e["e"] == "outboundAccountPosition")
    tally.check("and its balances", {b["a"] for b in seen["B"]} == {"ETH", "BTC"}, seen)
    market = await bob.order_market_buy(symbol=SYMBOL, quoteOrderQty="0.006")
    tally.equal("a market order by cost", (market["status"], market["executedQty"]), ("FILLED", "0.10000000"))
    await alice.create_test_order(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="1", price="0.04")
    mine = await bob.get_my_trades(symbol=SYMBOL)
    tally.equal("own trades", [t["qty"] for t in mine], ["0.50000000", "0.10000000"])
    canceled = await alice.cancel_order(symbol=SYMBOL, orderId=rest["orderId"])
    tally.equal("canceled", (canceled["status"], canceled["executedQty"]), ("CANCELED", "0.60000000"))
    seen = await until(user, lambda e: e["e"] == "executionReport" and e["x"] == "CANCELED")
    tally.equal("the cancel names its order", seen["C"], "pb-rest")
    for what, code, asked in [
        ("too much", -2010, alice.order_limit_buy(symbol=SYMBOL, quantity="9000", price="0.2")),
        ("nothing to cancel", -2011, alice.cancel_order(symbol=SYMBOL, orderId=rest["orderId"])),
        ("no such order", -2013, alice.get_order(symbol=SYMBOL, orderId=10**15)),
        ("no such symbol", -1121, alice.get_order_book(symbol="NOPE")),
    ]:
        try:
            tally.check(what, False, await asked)
        except BinanceAPIException as error:
            tally.equal(what, error.code, code)


async def over_the_websocket_api(tally, alice):
    tally.equal("ping over the WebSocket API", await alice.ws_ping(), {})
    order = await alice.ws_create_order(
        symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="0.07"
    )
    tally.equal("an order over the WebSocket API", order["status"], "NEW")
    tally.check("the book over the WebSocket API", (await alice.ws_get_order_book(symbol=SYMBOL))["asks"])
    canceled = await alice.ws_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    tally.equal("canceled over the WebSocket API", canceled["status"], "CANCELED")


async def until(socket, wanted, seconds=15):
    async def loop():
        while True:
            event = await socket.recv()
            event = event.get("event", event)
            if wanted(event):
                return event

    return await asyncio.wait_for(loop(), seconds)


async def move_the_book(bob, seconds):
    """Rests, trades and cancels, so that levels come and go; leaves some of them."""
    chance, ends = random.Random(7), asyncio.get_event_loop().time() + seconds
    resting, moves = [], 0
    while asyncio.get_event_loop().time() < ends:
        side = chance.choice(["BUY", "SELL"])
        away = decimal(chance.randint(1, 40)) / 10_000
        price = PRICE - away if side == "BUY" else PRICE + away
        order = await bob.create_order(
            symbol=SYMBOL, side=side, type="LIMIT", timeInForce="GTC", quantity=f"{chance.randint(1, 30) / 10}", price=f"{price:f}"
        )
        resting.append(order["orderId"])
        if len(resting) > 25:
            await bob.cancel_order(symbol=SYMBOL, orderId=resting.pop(chance.randrange(len(resting))))
        moves += 1
    return moves


async def a_book_kept_in_step(tally, alice, bob, seconds):
    # A hundred levels of cache are compared: the book never has more.
    async with DepthCacheManager(alice, SYMBOL, limit=1000, ws_interval=100) as manager:
        moving = asyncio.create_task(move_the_book(bob, seconds))
        cache, events, equal = None, 0, False
        while not moving.done():
            try:
                cache = await asyncio.wait_for(manager.recv(), 2)
                events += 1
            except asyncio.TimeoutError:
                pass
        moves = await moving
        book = await alice.get_order_book(symbol=SYMBOL, limit=1000)
        wanted = [[[float(p), float(q)] for p, q in book[side]] for side in ("bids", "asks")]
        for _ in range(20):
            equal = cache is not None and [cache.get_bids(), cache.get_asks()] == wanted
            if equal:
                break
            try:
                cache = await asyncio.wait_for(manager.recv(), 1)
            except asyncio.TimeoutError:
                pass
        tally.check("many events", events > seconds, events)
        tally.check(f"after {moves} orders the cache equals the REST book", equal, [cache and cache.get_bids()[:5], wanted[0][:5]])
    await bob.cancel_all_open_orders(symbol=SYMBOL)


async def streams(tally, manager, alice, bob):
    stream = SYMBOL.lower()
    async with manager.multiplex_socket([f"{stream}@trade", f"{stream}@aggTrade", f"{stream}@bookTicker", f"{stream}@kline_1m", f"{stream}@miniTicker", f"{stream}@ticker", "!miniTicker@arr"]) as socket:
        await alice.order_limit_sell(symbol=SYMBOL, quantity="1", price="0.055")
        await bob.order_limit_buy(symbol=SYMBOL, quantity="1", price="0.055")
        wanted = {"trade", "aggTrade", "kline", "24hrMiniTicker", "24hrTicker", "bookTicker", "array"}
        seen = set()

        async def loop():
            while not wanted <= seen:
                data = (await socket.recv())["data"]
                seen.add("array" if isinstance(data, list) else data.get("e", "bookTicker"))

        try:
            await asyncio.wait_for(loop(), 15)
        except asyncio.TimeoutError:
            pass
        tally.equal("every market stream tells", wanted - seen, set())
    # By its own name for it, with the pace in it.
    async with manager.miniticker_socket() as socket:
        await alice.order_limit_sell(symbol=SYMBOL, quantity="1", price="0.055")
        await bob.order_limit_buy(symbol=SYMBOL, quantity="1", price="0.055")
        try:
            changed = await asyncio.wait_for(socket.recv(), 15)
        except asyncio.TimeoutError:
            changed = []
        tally.check("its miniticker_socket tells", SYMBOL in [day["s"] for day in changed], changed)


async def main():
    state, tally = State(sys.argv[1]), Tally("python-binance")
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    point(state)
    alice, bob = await client(state, "alice"), await client(state, "bob")
    try:
        await general(tally, alice)
        manager = BinanceSocketManager(alice)
        async with manager.user_socket() as user:
            await trades(tally, alice, bob, user)
        await over_the_websocket_api(tally, alice)
        await streams(tally, manager, alice, bob)
        await a_book_kept_in_step(tally, alice, bob, seconds)
    except Exception:
        tally.crashed()
    finally:
        await alice.close_connection()
        await bob.close_connection()
    tally.close()


asyncio.run(main())
