"""What an acknowledged order brings may be spent with the next message, at any gateway: who asks for no more than `ACK` is
answered before the ledger has told of the trade.
"""

import asyncio
import os
from decimal import Decimal

from demo_state import signed_query

SYMBOL, BASE, QTY = "ETHUSDT", "ETH", Decimal("0.5")
ROUNDS = 40


class Spender:
    """An account that has no base but what it has just bought, and those whom it trades with."""

    def __init__(self, gateways, tally, http, maker):
        self.gateways, self.tally, self.http, self.maker, self.account = gateways, tally, http, maker, None

    async def ctl(self, *words):
        command = [os.environ["MAINSTAY"], "ctl", "--state", self.gateways.state_file, *words]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0, command
        return said.decode()

    async def open(self):
        await self.ctl("account", "open", "spender")
        await self.ctl("account", "credit", "spender", "USDT", "100000")
        words = (await self.ctl("key", "add", "spender")).split()
        self.account = {"api_key": words[words.index("key") + 1], "secret": words[words.index("secret") + 1]}

    async def request(self, account, verb, path, params, at):
        url = f"{self.gateways.rests[at]}{path}?{signed_query(account, params)}"
        async with self.http.request(verb, url, headers={"X-MBX-APIKEY": account["api_key"]}) as response:
            return response.status, await response.json()

    async def place(self, account, side, at, **terms):
        return await self.request(account, "POST", "/api/v3/order", {"symbol": SYMBOL, "side": side, **terms}, at)

    async def holding(self, at):
        """All of the base, as a gateway tells it."""
        _, told = await self.request(self.account, "GET", "/api/v3/account", {}, at)
        return sum(Decimal(b["free"]) + Decimal(b["locked"]) for b in told["balances"] if b["asset"] == BASE)

    async def run(self):
        for side, price in (("BUY", "1999"), ("SELL", "2001")):
            status, told = await self.place(self.maker, side, 0, type="LIMIT", timeInForce="GTC", price=price, quantity="100")
            assert status == 200, told
        _, told = await self.request(self.account, "GET", "/api/v3/account/commission", {"symbol": SYMBOL}, 0)
        bought = (QTY * (1 - Decimal(told["standardCommission"]["taker"]))).quantize(Decimal("0.0001"))
        for turn in range(ROUNDS):
            # Each gateway after each.
            first, second = turn % 2, turn // 2 % 2
            kind = ({"type": "MARKET"}, {"type": "LIMIT", "timeInForce": "IOC", "price": "2001"})[turn // 4 % 2]
            status, told = await self.place(self.account, "BUY", first, quantity=str(QTY), newOrderRespType="ACK", **kind)
            if status != 200 or "status" in told:
                self.tally.check("an order is acknowledged, and no more", False, (turn, status, told))
                return
            if turn % 3 == 0:
                has = await self.holding(second)
                self.tally.check("what was bought is among the balances", has >= bought, (turn, str(has)))
            if turn % 3 == 1:
                status, told = await self.request(self.account, "GET", "/api/v3/myTrades", {"symbol": SYMBOL, "limit": 1000}, second)
                self.tally.check("the trade is told", status == 200 and told[-1]["orderId"] and len(told) == 2 * turn + 1, (turn, len(told)))
            status, told = await self.place(self.account, "SELL", second, type="MARKET", quantity=str(bought), newOrderRespType="ACK")
            self.tally.check("what was bought can be sold at once", status == 200, (turn, status, told))
        self.tally.check("nothing is left but what was rounded", await self.holding(0) < ROUNDS * Decimal("0.0001"))
