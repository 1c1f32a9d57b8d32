"""History in PostgreSQL under load, while its server is killed: `history.py STATE_FILE SERVER_DIR SECONDS`

SERVER_DIR has the programs `kill`, `start` and `empty` for the server. The demo's gateway keeps history there, and so does
a second one; a third keeps its own, in memory, and is what they are compared with.
"""

import asyncio
import os
import random
import re
import signal
import socket
import sys
import time
import uuid

import aiohttp

from demo_state import State, Tally, signed_query

SYMBOL = "BTCUSDT"
INTERVALS = "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split()
ACCOUNTS = ("carol", "dave")
# What a gateway that keeps its own history forgets, oldest first, and the number of each record of it.
FORGOTTEN = {"trades": "id", "aggregated": "a"}
UNAVAILABLE = (503, -1001, "History is unavailable")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Gateway:
    """One that serves REST."""

    def __init__(self, http, origin):
        self.http, self.origin, self.process = http, origin, None

    @classmethod
    async def started(cls, http, state, name, keeps_in_database):
        config = os.path.join(os.path.dirname(state.raw["nodes"][0]["data_dir"]), "config")
        with open(os.path.join(config, "gateway-1.toml"), encoding="utf-8") as file:
            text = re.sub(r"(?m)^listen = .*\n", "", file.read())
        if not keeps_in_database:
            text = re.sub(r"(?m)^\[history\]\n(?:[a-z_]+ = .*\n)*", "", text)
        addr = f"127.0.0.1:{free_port()}"
        path = os.path.join(config, f"gateway-{name}.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'listen = "{addr}"\n{text}')
        gateway = cls(http, f"http://{addr}")
        gateway.process = await asyncio.create_subprocess_exec(
            os.environ["MAINSTAY"], "gateway", "--config", path,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        for _ in range(600):
            try:
                async with http.get(f"{gateway.origin}/readyz") as response:
                    if response.status == 200:
                        return gateway
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.05)
        raise RuntimeError("a gateway is not ready after 30 s")

    async def end(self):
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, verb, path, params, account=None):
        """Status and JSON."""
        query = signed_query(account, params) if account else "&".join(f"{k}={v}" for k, v in params.items())
        headers = {"X-MBX-APIKEY": account["api_key"]} if account else {}
        async with self.http.request(verb, f"{self.origin}/api/v3/{path}?{query}", headers=headers) as response:
            return response.status, await response.json()

    async def metrics(self, name):
        """Values by partition."""
        async with self.http.get(f"{self.origin}/metrics") as response:
            text = await response.text()
        found = re.findall(rf'(?m)^mainstay_gateway_history_{name}{{partition="(\d+)"}} (\S+)$', text)
        return {int(partition): float(value) for partition, value in found}


class Load:
    """Orders that cross, rest, are canceled, amended and listed. Each must be answered as if there were no history."""

    def __init__(self, gateway, state):
        self.gateway, self.accounts = gateway, [state.account(name) for name in ACCOUNTS]
        self.stopping, self.answered, self.failed = False, 0, []

    async def ask(self, verb, path, params, account):
        status, answer = await self.gateway.ask(verb, path, params, account)
        self.answered += 1
        # Filters and cancels that come too late are answers.
        if status != 200 and not (status == 400 and answer["code"] in (-1013, -2010, -2011, -2013, -2038)):
            self.failed.append((path, status, answer))
        return answer if status == 200 else None

    async def run(self, seed):
        draw, account = random.Random(seed), self.accounts[seed % len(self.accounts)]
        while not self.stopping:
            price, side = 60_000 + draw.randint(-40, 40), draw.choice(("BUY", "SELL"))
            order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "price": price, "timeInForce": "GTC",
                     "quantity": f"0.{draw.randint(10, 99):04d}", "newClientOrderId": uuid.uuid4().hex,
                     "selfTradePreventionMode": draw.choice(("NONE", "EXPIRE_TAKER", "DECREMENT"))}
            placed = await self.ask("POST", "order", order, account)
            named = {"symbol": SYMBOL, "origClientOrderId": order["newClientOrderId"]}
            kind = draw.random()
            if placed and placed["status"] == "NEW" and kind < 0.2:
                await self.ask("PUT", "order/amend/keepPriority", {**named, "newQty": "0.0005"}, account)
            elif placed and placed["status"] != "FILLED" and kind < 0.6:
                await self.ask("DELETE", "order", named, account)
            elif kind < 0.7:
                await self.ask("POST", "orderList/oco", {
                    "symbol": SYMBOL, "side": "SELL", "quantity": "0.0010", "aboveType": "LIMIT_MAKER",
                    "abovePrice": 61_000 + draw.randint(0, 900), "belowType": "STOP_LOSS",
                    "belowStopPrice": 50_000 + draw.randint(0, 900)}, account)
            elif kind < 0.8:
                quote = {"symbol": SYMBOL, "side": side, "type": "MARKET", "quoteOrderQty": draw.randint(10, 90)}
                await self.ask("POST", "order", quote, account)
            elif kind < 0.9:
                await self.ask("GET", "openOrders", {"symbol": SYMBOL}, account)
            elif kind < 0.95:
                await self.ask("GET", "account", {}, account)


async def pages(gateway, path, params, account, key, number):
    """Every record, page by page."""
    records, start = [], 0
    while True:
        status, page = await gateway.ask("GET", path, {**params, "limit": 1000, number: start}, account)
        assert status == 200, (path, page)
        records += page
        if len(page) < 1000:
            return records
        start = page[-1][key] + 1


async def everything(gateway, state, end_ms):
    """All that history answers, by question."""
    found = {}
    for name in ACCOUNTS:
        account = state.account(name)
        orders = await pages(gateway, "allOrders", {"symbol": SYMBOL}, account, "orderId", "orderId")
        found[name, "orders"] = orders
        found[name, "fills"] = await pages(gateway, "myTrades", {"symbol": SYMBOL}, account, "id", "fromId")
        found[name, "lists"] = await pages(gateway, "allOrderList", {}, account, "orderListId", "fromId")
        for order in random.Random(7).sample(orders, min(len(orders), 25)):
            one = {"symbol": SYMBOL, "orderId": order["orderId"]}
            for path in ("order", "order/amendments", "myPreventedMatches", "myTrades"):
                found[name, path, order["orderId"]] = await gateway.ask("GET", path, one, account)
        latest = {"symbol": SYMBOL, "limit": 7}
        for path in ("allOrders", "myTrades"):
            found[name, path, "latest"] = await gateway.ask("GET", path, latest, account)
            within = {**latest, "startTime": end_ms - 6_000, "endTime": end_ms - 2_000, "limit": 1000}
            found[name, path, "within"] = await gateway.ask("GET", path, within, account)
    found["trades"] = await pages(gateway, "historicalTrades", {"symbol": SYMBOL}, None, "id", "fromId")
    found["aggregated"] = await pages(gateway, "aggTrades", {"symbol": SYMBOL}, None, "a", "fromId")
    within = {"symbol": SYMBOL, "startTime": end_ms - 6_000, "endTime": end_ms - 2_000}
    found["aggregated within"] = await gateway.ask("GET", "aggTrades", within)
    for interval in INTERVALS:
        for more in ({}, {"startTime": 0}, {"timeZone": "5:45"}):
            params = {"symbol": SYMBOL, "interval": interval, "endTime": end_ms, "limit": 1000, **more}
            found["klines", interval, str(more)] = await gateway.ask("GET", "klines", params)
    return found


def compare(tally, what, seen, wanted):
    """Memory has forgotten all but a market's newest trades: from its first one on they are the same."""
    for question in wanted:
        known, expected = seen[question], wanted[question]
        if question in FORGOTTEN and expected:
            number = FORGOTTEN[question]
            every_one = [record[number] for record in known] == list(range(1, len(known) + 1))
            tally.check(f"{what}: {question} from the first on", every_one)
            known = [record for record in known if record[number] >= expected[0][number]]
        if known != expected:
            tally.check(f"{what}: {question}", False, f"{str(known)[:400]} wanted {str(expected)[:400]}")
        else:
            tally.check(f"{what}: {question}", True)


async def until(what, condition, within=20.0):
    """Waits for it; how long it took."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > within:
            raise RuntimeError(f"{what}: not within {within} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def program(path):
    process = await asyncio.create_subprocess_exec(path)
    assert await process.wait() == 0, path


async def main():
    state, server, seconds = State(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    tally, carol = Tally("history"), state.account("carol")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
        first = Gateway(http, state.rest.removesuffix("/api/v3"))
        second = await Gateway.started(http, state, "second", True)
        memory = await Gateway.started(http, state, "memory", False)
        try:
            load = Load(first, state)
            running = [asyncio.create_task(load.run(seed)) for seed in range(6)]
            orders_of_carol = lambda gateway: gateway.ask("GET", "allOrders", {"symbol": SYMBOL, "limit": 5}, carol)

            async def answers():
                return (await orders_of_carol(first))[0] == 200

            await until("history answers", answers)
            await asyncio.sleep(seconds / 3)

            await program(os.path.join(server, "kill"))
            before, refusals = load.answered, []
            killed = time.monotonic()
            while time.monotonic() - killed < seconds / 3:
                for path in ("allOrders", "myTrades", "aggTrades", "klines"):
                    params = {"symbol": SYMBOL} | ({"interval": "1m"} if path == "klines" else {})
                    asked = time.monotonic()
                    status, answer = await first.ask("GET", path, params, None if path in ("aggTrades", "klines") else carol)
                    said = answer["msg"] if isinstance(answer, dict) else ""
                    refusals.append((status, answer["code"] if said else 0, said[: len(UNAVAILABLE[2])]) == UNAVAILABLE)
                    tally.check("an answer without history comes soon", time.monotonic() - asked < 5)
                await asyncio.sleep(0.1)
            tally.check("history says that it is unavailable", refusals and all(refusals), refusals)
            tally.check("trading goes on without history", load.answered - before > 50, load.answered - before)
            tally.check("the metric says so", 0.0 in (await first.metrics("up")).values())
            lag = await first.metrics("lag_positions")
            tally.check("what is missing is counted", sum(lag.values()) > 0, lag)

            await program(os.path.join(server, "start"))
            took = await until("history answers again", answers)
            await asyncio.sleep(seconds / 3)
            load.stopping = True
            await asyncio.gather(*running)
            tally.equal("requests that failed", load.failed[:3], [])
            end_ms = int(time.time() * 1000)
            wanted = await everything(memory, state, end_ms)
            compare(tally, "after the server was killed", await everything(first, state, end_ms), wanted)
            compare(tally, "by the other gateway", await everything(second, state, end_ms), wanted)

            # From nothing: the log has all of it.
            await program(os.path.join(server, "empty"))
            rebuilt = await until("history answers from an empty database", answers)
            compare(tally, "from an empty database", await everything(first, state, end_ms), wanted)

            # The writer dies: the other one goes on.
            os.kill(state.raw["gateways"][0]["pid"], signal.SIGKILL)
            load.gateway, load.stopping = second, False
            running = [asyncio.create_task(load.run(seed)) for seed in range(6)]
            await asyncio.sleep(1)
            load.stopping = True
            await asyncio.gather(*running)
            tally.equal("requests that failed at the other gateway", load.failed[:3], [])
            end_ms = int(time.time() * 1000)
            compare(tally, "by the next writer", await everything(second, state, end_ms),
                    await everything(memory, state, end_ms))

            async def caught_up():
                lag = await second.metrics("lag_positions")
                return len(lag) > 1 and not any(lag.values())

            await until("nothing is missing in the database", caught_up)
            orders, fills = (sum(len(wanted[name, what]) for name in ACCOUNTS) for what in ("orders", "fills"))
            tally.check("there is something to compare", orders > 100 and fills > 50, (orders, fills))
            print(f"{load.answered} requests, {orders} orders, {fills} fills; back {took:.1f} s after the server, "
                  f"from nothing in {rebuilt:.1f} s")
        except Exception:
            tally.crashed()
        finally:
            await second.end()
            await memory.end()
    tally.close()


asyncio.run(main())
