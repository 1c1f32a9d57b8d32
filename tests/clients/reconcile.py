"""Trades while others break the exchange, then holds every acknowledgement against the exchange's own
records: `reconcile.py STATE_FILE SECONDS [ORDERS_PER_SECOND [KILLS]]`

With KILLS it breaks the exchange itself: that many times, evenly spread, the node that leads the ledger gets a SIGKILL
and is started again a second later.

Knows nothing of Mainstay but the public API. Books nothing to chance: every order has its own client order
id, every answer is kept, whatever had no answer is looked up by that id.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
import uuid
from collections import Counter, defaultdict
from decimal import Decimal

import aiohttp

from demo_state import State, Tally, now_ms, signed_params, signed_query

SYMBOL, BASE, QUOTE = "BTCUSDT", "BTC", "USDT"
ACCOUNTS = ("carol", "dave")
ANSWER_WITHIN = 15


class Trader:
    """One account with one WebSocket connection, opened again whenever it breaks."""

    def __init__(self, state, account, http, run):
        self.state, self.account, self.http, self.run = state, account, http, run
        self.acknowledged, self.unknown, self.rejected = {}, set(), Counter()
        self.waiting, self.ws, self.resting, self.canceled = {}, None, [], {}
        self.longest_pause, self.last_answer = 0.0, time.monotonic()

    async def keep_connected(self):
        while True:
            try:
                async with self.http.ws_connect(self.state.ws_api, max_msg_size=0) as ws:
                    self.ws = ws
                    async for message in ws:
                        self.answered(json.loads(message.data))
            except (aiohttp.ClientError, OSError, ValueError):
                pass
            self.ws = None
            for future in self.waiting.values():
                if not future.done():
                    future.set_result(None)
            await asyncio.sleep(0.05)

    def answered(self, answer):
        future = self.waiting.pop(answer.get("id"), None)
        if future and not future.done():
            future.set_result(answer)

    async def ask(self, method, params, within=ANSWER_WITHIN):
        while self.ws is None:
            await asyncio.sleep(0.02)
        request, future = uuid.uuid4().hex, asyncio.get_running_loop().create_future()
        self.waiting[request] = future
        sent = time.monotonic()
        try:
            await self.ws.send_str(json.dumps({"id": request, "method": method, "params": signed_params(self.account, params)}))
            return await asyncio.wait_for(future, within)
        except (asyncio.TimeoutError, aiohttp.ClientError, ConnectionError, AttributeError):
            return None
        finally:
            self.waiting.pop(request, None)
            now = time.monotonic()
            self.longest_pause = max(self.longest_pause, now - max(sent, self.last_answer))
            self.last_answer = now

    async def place(self, draw):
        name = f"r{self.run}-{uuid.uuid4().hex[:20]}"
        price = 60_000 + draw.randint(-50, 50)
        params = {"symbol": SYMBOL, "side": draw.choice(("BUY", "SELL")), "type": "LIMIT", "price": str(price),
                  "timeInForce": draw.choice(("GTC", "GTC", "IOC")), "quantity": f"0.{draw.randint(1, 99):04d}",
                  "newClientOrderId": name, "newOrderRespType": "FULL"}
        answer = await self.ask("order.place", params)
        if answer is None or (answer["status"] != 200 and answer["error"]["code"] in (-1006, -1007, -1001)):
            self.unknown.add(name)
        elif answer["status"] == 200:
            self.acknowledged[name] = answer["result"]
            if answer["result"]["status"] in ("NEW", "PARTIALLY_FILLED"):
                self.resting.append(answer["result"]["orderId"])
        else:
            self.rejected[answer["error"]["code"], answer["error"]["msg"]] += 1

    async def cancel_oldest(self):
        order = self.resting.pop(0)
        answer = await self.ask("order.cancel", {"symbol": SYMBOL, "orderId": order})
        if answer and answer["status"] == 200:
            self.canceled[order] = answer["result"]

    async def rest(self, path, params):
        url = f"{self.state.rest}{path}?{signed_query(self.account, params)}"
        async with self.http.get(url, headers={"X-MBX-APIKEY": self.account["api_key"]}) as response:
            return response.status, await response.json()

    async def balances(self):
        status, account = await self.rest("/api/v3/account", {})
        assert status == 200, account
        found = defaultdict(Decimal)
        for balance in account["balances"]:
            found[balance["asset"]] = Decimal(balance["free"]) + Decimal(balance["locked"])
        return found

    async def pages(self, path, key):
        """Every record of the account in the symbol, page by page."""
        records, start = {}, 0
        params_of = {"orderId": lambda n: {"orderId": n}, "id": lambda n: {"fromId": n}}[key]
        while True:
            status, page = await self.rest(path, {"symbol": SYMBOL, "limit": 1000, **params_of(start)})
            assert status == 200, page
            for record in page:
                records.setdefault((record["orderId"], record[key]) if key == "id" else record[key], []).append(record)
            if len(page) < 1000:
                return [r for same in records.values() for r in same]
            start = max(r[key] for r in page) + 1


async def offer(trader, seconds, rate, seed):
    draw, tasks = random.Random(seed), set()
    start, count = time.monotonic(), 0
    while (now := time.monotonic()) < start + seconds:
        if count <= (now - start) * rate and len(tasks) < 200:
            count += 1
            action = trader.cancel_oldest() if len(trader.resting) > 60 else trader.place(draw)
            tasks.add(task := asyncio.create_task(action))
            task.add_done_callback(tasks.discard)
        else:
            await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    return count


async def kill_leaders(state_file, http, seconds, kills):
    """SIGKILLs the ledger's leader again and again, and has the demo start it again."""
    for _ in range(kills):
        await asyncio.sleep(seconds / (kills + 1) - 1)
        state = State(state_file).raw
        leader = None
        while leader is None:
            for node in state["nodes"]:
                async with http.get(f"{node['http']}/status") as response:
                    partitions = (await response.json())["partitions"]
                if any(p["partition"] == state["cluster"]["ledger"] and p["role"] == "leader" for p in partitions):
                    leader = node
        os.kill(leader["pid"], signal.SIGKILL)
        print(f"killed node {leader['id']}, the ledger's leader", flush=True)
        await asyncio.sleep(1)
        command = [os.environ["MAINSTAY"], "ctl", "--state", state_file, "node", "start", str(leader["id"])]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0, command


async def reconcile(tally, trader, name, before):
    orders = await trader.pages("/api/v3/allOrders", "orderId")
    trades = await trader.pages("/api/v3/myTrades", "id")
    mine = f"r{trader.run}-"
    by_client = defaultdict(list)
    for order in orders:
        by_client[order["clientOrderId"]].append(order)
    doubled = [client for client, found in by_client.items() if client.startswith(mine) and len(found) > 1]
    tally.check(f"{name}: no order twice", not doubled, doubled[:3])
    lost = [client for client in trader.acknowledged if client not in by_client]
    tally.check(f"{name}: no acknowledged order lost", not lost, lost[:3])
    wrong = []
    for client, ack in trader.acknowledged.items():
        for order in by_client.get(client, []):
            same = all(order[key] == ack[key] for key in ("orderId", "side", "price", "origQty"))
            if not same or Decimal(order["executedQty"]) < Decimal(ack["executedQty"]):
                wrong.append((ack, order))
    tally.check(f"{name}: every acknowledgement still holds", not wrong, wrong[:1])
    revived = [order for order in orders if order["orderId"] in trader.canceled and order["status"] != "CANCELED"]
    tally.check(f"{name}: what was canceled stays canceled", not revived, revived[:1])
    for client in sorted(trader.unknown):
        status, order = await trader.rest("/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": client})
        known = len(by_client.get(client, []))
        # What its market refused is found by its name alone.
        refused = status == 200 and order["status"] == "REJECTED" and known == 0
        agrees = (status == 200 and known == 1) or refused or (status == 400 and order.get("code") == -2013 and known == 0)
        tally.check(f"{name}: the status of an unanswered order is certain", agrees, (client, status, order, known))
    filled, change = defaultdict(Decimal), defaultdict(Decimal)
    for trade in trades:
        if trade["orderId"] in {o["orderId"] for o in by_client_orders(by_client, mine)}:
            qty, quote = Decimal(trade["qty"]), Decimal(trade["quoteQty"])
            sign = 1 if trade["isBuyer"] else -1
            filled[trade["orderId"]] += qty
            change[BASE] += sign * qty
            change[QUOTE] -= sign * quote
            change[trade["commissionAsset"]] -= Decimal(trade["commission"])
    unequal = [o for o in by_client_orders(by_client, mine) if Decimal(o["executedQty"]) != filled[o["orderId"]]]
    tally.check(f"{name}: trades sum to executed quantities", not unequal, unequal[:1])
    after = await trader.balances()
    for asset in (BASE, QUOTE):
        tally.equal(f"{name}: {asset} moved by its trades alone", after[asset] - before[asset], change[asset])
    return trades


def by_client_orders(by_client, prefix):
    return [order for client, found in by_client.items() if client.startswith(prefix) for order in found]


async def main():
    state, seconds = State(sys.argv[1]), float(sys.argv[2])
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 100
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    tally, run = Tally("acknowledgements against records"), uuid.uuid4().hex[:6]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        traders = [Trader(state, state.account(name), http, run) for name in ACCOUNTS]
        connections = [asyncio.create_task(trader.keep_connected()) for trader in traders]
        try:
            before = [await trader.balances() for trader in traders]
            offers = [offer(t, seconds, rate / len(traders), i) for i, t in enumerate(traders)]
            *counts, _ = await asyncio.gather(*offers, kill_leaders(sys.argv[1], http, seconds, kills))
            for trader in traders:
                while trader.resting:
                    await trader.cancel_oldest()
            for name, trader, start in zip(ACCOUNTS, traders, before):
                await reconcile(tally, trader, name, start)
                rejected = ", ".join(f"{n} x {code} {text}" for (code, text), n in trader.rejected.items()) or "none"
                print(f"{name}: {len(trader.acknowledged)} acknowledged, {len(trader.unknown)} unanswered, rejected: "
                      f"{rejected}, longest pause {trader.longest_pause * 1000:.0f} ms", flush=True)
            tally.check("the load was offered", sum(counts) >= 0.5 * rate * seconds, counts)
        except Exception:
            tally.crashed()
        for connection in connections:
            connection.cancel()
    tally.close()


if __name__ == "__main__":
    asyncio.run(main())
