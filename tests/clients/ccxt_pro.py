"""An unmodified ccxt.pro, pointed at the gateway, trades over WebSockets: `ccxt_pro.py STATE_FILE`.

The demo must run without bots: the books are this test's own.
"""

import asyncio
import sys

import ccxt.pro

from demo_state import State, Tally

SYMBOL = "ETH/USDT"
PRICE = 3_000


def client(state, name):
    return state.point(ccxt.pro.binance(state.ccxt_options(name)))


async def until(what, watch, wanted, seconds=15):
    """The first value of a watch that is wanted; an assertion with `what` when none comes."""
    async def loop():
        while True:
            value = await watch()
            if wanted(value):
                return value

    try:
        return await asyncio.wait_for(loop(), seconds)
    except asyncio.TimeoutError:
        raise AssertionError(f"not seen in {seconds} s: {what}") from None


async def streams(tally, alice, bob):
    carol_watch = bob
    book = asyncio.create_task(
        until("the book shows the sell", lambda: carol_watch.watch_order_book(SYMBOL), lambda b: [PRICE, 2.0] in b["asks"])
    )
    orders = asyncio.create_task(
        until("the user stream shows the order", alice.watch_orders, lambda o: o[-1]["clientOrderId"] == "stream-1")
    )
    await asyncio.sleep(2)
    sell = await alice.create_order_ws(SYMBOL, "limit", "sell", 2, PRICE, {"newClientOrderId": "stream-1"})
    tally.equal("the order rests", sell["status"], "open")
    tally.check("depth stream", bool(await book))
    tally.equal("execution report", (await orders)[-1]["status"], "open")

    trades = asyncio.create_task(bob.watch_trades(SYMBOL))
    mine = asyncio.create_task(bob.watch_my_trades(SYMBOL))
    balance = asyncio.create_task(bob.watch_balance())
    ticker = asyncio.create_task(alice.watch_bids_asks([SYMBOL]))
    candle = asyncio.create_task(alice.watch_ohlcv(SYMBOL, "1m"))
    await asyncio.sleep(2)
    buy = await bob.create_order_ws(SYMBOL, "limit", "buy", 0.5, PRICE)
    tally.equal("the buy is filled", (buy["status"], buy["filled"]), ("closed", 0.5))
    seen = await asyncio.wait_for(trades, 15)
    tally.equal("trade stream", (seen[-1]["price"], seen[-1]["amount"]), (3000.0, 0.5))
    seen = await asyncio.wait_for(mine, 15)
    tally.equal("own trade", (seen[-1]["order"], seen[-1]["amount"]), (buy["id"], 0.5))
    tally.equal("own fee", seen[-1]["fee"], {"currency": "ETH", "cost": 0.0005})
    tally.check("balance stream", (await asyncio.wait_for(balance, 15))["ETH"]["total"] > 0)
    tally.equal("best ask", (await asyncio.wait_for(ticker, 15))[SYMBOL]["ask"], 3000.0)
    tally.equal("candle", (await asyncio.wait_for(candle, 15))[-1][4], 3000.0)

    done = asyncio.create_task(until("the cancel is reported", alice.watch_orders, lambda o: o[-1]["status"] == "canceled"))
    canceled = await alice.cancel_order_ws(sell["id"], SYMBOL)
    tally.equal("canceled over the WebSocket API", canceled["status"], "canceled")
    tally.equal("filled before", (await done)[-1]["filled"], 0.5)
    await tally.raises_async(
        "more than the balance", ccxt.InsufficientFunds, alice.create_order_ws(SYMBOL, "limit", "buy", 8_999, PRICE * 5)
    )


async def main():
    state, tally = State(sys.argv[1]), Tally("ccxt.pro over WebSockets")
    alice, bob = client(state, "alice"), client(state, "bob")
    try:
        await asyncio.gather(alice.load_markets(), bob.load_markets())
        await streams(tally, alice, bob)
    except Exception:
        tally.crashed()
    finally:
        await asyncio.gather(alice.close(), bob.close())
    tally.close()


asyncio.run(main())
