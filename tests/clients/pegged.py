"""Pegged orders in a book that moves: `pegged.py STATE_FILE`.

What an order is given is what the market's book says when it comes in; what rests does not follow. The demo must run without
bots, and the book of ETHBTC is empty before and after.
"""

import asyncio
import json
import sys

import aiohttp
from yarl import URL

from demo_state import State, Tally, signed_params, signed_query

SYMBOL = "ETHBTC"
PRIMARY = {"type": "LIMIT", "timeInForce": "GTC", "pegPriceType": "PRIMARY_PEG"}
MARKET = {"type": "LIMIT", "timeInForce": "IOC", "pegPriceType": "MARKET_PEG"}


class Pegged:
    def __init__(self, state, tally, http):
        self.state, self.tally, self.http = state, tally, http
        self.alice, self.bob = state.account("alice"), state.account("bob")

    async def call(self, method, path, account, params):
        url = f"{self.state.rest}/api/v3/{path}?{signed_query(account, {'symbol': SYMBOL, **params})}"
        headers = {"X-MBX-APIKEY": account["api_key"]}
        async with self.http.request(method, URL(url, encoded=True), headers=headers) as response:
            return response.status, await response.json()

    async def order(self, account, side, quantity, **terms):
        asked = {"side": side, "quantity": quantity, "newOrderRespType": "FULL", **terms}
        return await self.call("POST", "order", account, asked)

    async def limit(self, side, quantity, price):
        status, order = await self.order(self.alice, side, quantity, type="LIMIT", timeInForce="GTC", price=price)
        self.tally.equal(f"{side} {quantity} @ {price}", status, 200)
        return order["orderId"]

    def pegged_at(self, what, answer, price, status="NEW"):
        code, order = answer
        seen = (code, order.get("status"), order.get("peggedPrice"))
        self.tally.equal(what, seen, (200, status, f"0.0{price}000"))

    async def resting(self):
        high = await self.limit("BUY", "1", "0.02990")
        low = await self.limit("BUY", "1", "0.02980")
        await self.limit("SELL", "1", "0.03010")
        await self.limit("SELL", "1", "0.03020")
        first = await self.order(self.bob, "BUY", "0.5", **PRIMARY)
        self.pegged_at("the best bid is joined", first, 2990)
        self.tally.equal("it has no price of its own", first[1].get("price"), "0.00000000")
        deeper = {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "1"}
        self.pegged_at("a level deeper", await self.order(self.bob, "BUY", "0.5", **PRIMARY, **deeper), 2980)
        self.pegged_at("a client's price bounds it", await self.order(self.bob, "BUY", "0.5", price="0.02985", **PRIMARY), 2985)

        await self.call("DELETE", "order", self.alice, {"orderId": high})
        await self.call("DELETE", "order", self.alice, {"orderId": low})
        await self.limit("BUY", "1", "0.02995")
        _, still = await self.call("GET", "order", self.bob, {"orderId": first[1]["orderId"]})
        self.pegged_at("what rests does not follow the book", (200, still), 2990)
        async with self.http.ws_connect(self.state.ws_api) as ws:
            asked = {"symbol": SYMBOL, "side": "BUY", "quantity": "0.5", "newOrderRespType": "RESULT", **PRIMARY}
            await ws.send_str(json.dumps({"id": 1, "method": "order.place", "params": signed_params(self.bob, asked)}))
            placed = json.loads((await asyncio.wait_for(ws.receive(), 10)).data)
            self.pegged_at("the next one joins the new best bid", (placed["status"], placed["result"]), 2995)

    async def taking(self):
        taken = await self.order(self.bob, "BUY", "0.4", **MARKET)
        self.pegged_at("the best ask is taken", taken, 3010, "FILLED")
        self.tally.equal("at its price", [fill["price"] for fill in taken[1]["fills"]], ["0.03010000"])
        more = await self.order(self.bob, "BUY", "0.9", **MARKET)
        self.pegged_at("and only that level", more, 3010, "EXPIRED")
        self.tally.equal("what was there has traded", more[1]["executedQty"], "0.60000000")
        deep = {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "9"}
        status, refused = await self.order(self.bob, "BUY", "0.4", **MARKET, **deep)
        wanted = (400, -2010, "Order book liquidity is too low for this pegged order.")
        self.tally.equal("a level that is not there", (status, refused["code"], refused["msg"]), wanted)

    async def triggered(self):
        await self.call("DELETE", "openOrders", self.bob, {})
        stop = {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "stopPrice": "0.03000", "pegPriceType": "MARKET_PEG"}
        status, armed = await self.order(self.bob, "SELL", "0.2", **stop)
        self.tally.equal("a stop order has no limit before it is triggered", (status, armed.get("peggedPrice")), (200, None))
        await self.order(self.bob, "SELL", "0.1", type="LIMIT", timeInForce="IOC", price="0.02995")
        _, order = await self.call("GET", "order", self.bob, {"orderId": armed["orderId"]})
        self.pegged_at("it takes the best bid as it is then", (200, order), 2995, "FILLED")

    async def clean_up(self):
        await self.call("DELETE", "openOrders", self.alice, {})
        for name, account in (("alice", self.alice), ("bob", self.bob)):
            _, left = await self.call("GET", "openOrders", account, {})
            self.tally.equal(f"{name} has nothing open", left, [])


async def main(path):
    tally = Tally("pegged")
    async with aiohttp.ClientSession() as http:
        test = Pegged(State(path), tally, http)
        for part in (test.resting, test.taking, test.triggered, test.clean_up):
            try:
                await part()
            except Exception:  # the other parts still say what they find
                tally.crashed()
    tally.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
