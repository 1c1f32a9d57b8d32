"""Two gateways, clients that hop between them, gateways and leaders that are SIGKILLed under load:
`hopping.py STATE_FILE SECONDS ORDERS_PER_SECOND KILLS`

Starts a second gateway beside the demo's. A client whose order goes unanswered is left in no doubt: it asks the other
gateway what became of it, and what it is told must stay true; or it repeats the order, identical, and gets the original
one's answer. Whatever one gateway has acknowledged, the other one shows. At the end both show the same records, which are
held against every acknowledgement. Before the load somebody spends at one gateway what was bought at the other.
"""

import asyncio
import json
import os
import random
import re
import signal
import socket
import sys
import time
import uuid
from collections import Counter

import aiohttp

import reconcile as records
from demo_state import State, Tally, signed_query
from spending import Spender

SYMBOL = records.SYMBOL
ACCOUNTS = ("carol", "dave")
# How long a client waits for an answer; one in twenty times it is so impatient that its order is still on its way.
ANSWER_WITHIN, IMPATIENT = 1.0, 0.002
CERTAIN_WITHIN = 30
IN_DOUBT = (-1000, -1001, -1006, -1007, -1008)


class Gateways:
    """The demo's gateway, which the demo starts again by itself, and one of ours."""

    def __init__(self, state_file):
        self.state_file, state = state_file, State(state_file)
        config = os.path.join(os.path.dirname(state.raw["nodes"][0]["data_dir"]), "config")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(os.path.join(config, "gateway-1.toml"), encoding="utf-8") as file:
            text = re.sub(r'(?m)^listen = .*$', f'listen = "127.0.0.1:{port}"', file.read())
        self.config = os.path.join(config, "gateway-2.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.rests = [state.rest, f"http://127.0.0.1:{port}"]
        self.apis = [state.ws_api, f"ws://127.0.0.1:{port}/ws-api/v3"]
        self.process = None

    async def start_second(self):
        self.process = await asyncio.create_subprocess_exec(
            os.environ["MAINSTAY"], "gateway", "--config", self.config,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)

    async def ready(self, http, index):
        for _ in range(600):
            try:
                async with http.get(f"{self.rests[index]}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.05)
        raise RuntimeError(f"gateway {index + 1} is not ready after 30 s")

    async def kill(self, http, index):
        if index == 1:
            self.process.kill()
            await self.process.wait()
            await asyncio.sleep(0.3)
            await self.start_second()
        else:
            os.kill(State(self.state_file).raw["gateways"][0]["pid"], signal.SIGKILL)
            await asyncio.sleep(0.3)
        print(f"killed gateway {index + 1}", flush=True)
        await self.ready(http, index)

    def stop(self):
        if self.process and self.process.returncode is None:
            self.process.kill()


class Hopper(records.Trader):
    """A trader that is at either gateway, and asks the other one whenever it is in doubt."""

    def __init__(self, gateways, tally, state, account, http, run, seed):
        super().__init__(state, account, http, run)
        self.gateways, self.tally, self.draw, self.at = gateways, tally, random.Random(seed), seed % 2
        self.absent, self.verdicts = set(), Counter()

    async def keep_connected(self):
        while True:
            try:
                async with self.http.ws_connect(self.gateways.apis[self.at], max_msg_size=0) as ws:
                    self.ws = ws
                    leave = time.monotonic() + self.draw.uniform(0.5, 2)
                    while time.monotonic() < leave:
                        try:
                            message = await ws.receive(timeout=0.1)
                        except asyncio.TimeoutError:
                            continue
                        if message.type != aiohttp.WSMsgType.TEXT:
                            break
                        self.answered(json.loads(message.data))
            except (aiohttp.ClientError, OSError, ValueError):
                pass
            self.ws, self.at = None, 1 - self.at
            # Whatever was unanswered is given up: the client has moved on.
            for future in self.waiting.values():
                if not future.done():
                    future.set_result(None)
            await asyncio.sleep(0.02)

    async def rest(self, path, params, at=None):
        return await self.request("GET", path, params, self.draw.randrange(2) if at is None else at)

    async def request(self, verb, path, params, at):
        """Asks a gateway, and the other one if that is down, until one answers for certain."""
        until = time.monotonic() + CERTAIN_WITHIN
        while True:
            try:
                url = f"{self.gateways.rests[at]}{path}?{signed_query(self.account, params)}"
                headers = {"X-MBX-APIKEY": self.account["api_key"]}
                async with self.http.request(verb, url, headers=headers) as response:
                    status, body = response.status, await response.json()
                    if not (isinstance(body, dict) and body.get("code") in IN_DOUBT):
                        return status, body
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError):
                pass
            assert time.monotonic() < until, f"{verb} {path} was not answered within {CERTAIN_WITHIN} s"
            at = 1 - at
            await asyncio.sleep(0.05)

    async def place(self, draw):
        name = f"r{self.run}-{uuid.uuid4().hex[:20]}"
        params = {"symbol": SYMBOL, "side": draw.choice(("BUY", "SELL")), "type": "LIMIT",
                  "price": str(60_000 + draw.randint(-50, 50)), "timeInForce": draw.choice(("GTC", "GTC", "IOC")),
                  "quantity": f"0.{draw.randint(1, 99):04d}", "newClientOrderId": name, "newOrderRespType": "FULL"}
        at = self.at
        answer = await self.ask("order.place", params, IMPATIENT if draw.random() < 0.05 else ANSWER_WITHIN)
        if answer is None or (answer["status"] != 200 and answer["error"]["code"] in IN_DOUBT):
            await self.find_out(name, params, 1 - at)
        elif answer["status"] == 200:
            self.acknowledge(name, answer["result"])
            if draw.random() < 0.1:
                status, order = await self.status(name, 1 - at)
                self.tally.check("the other gateway shows what was acknowledged", status == 200, (name, status, order))
        else:
            self.rejected[answer["error"]["code"], answer["error"]["msg"]] += 1

    def acknowledge(self, name, order):
        self.acknowledged[name] = order
        if order["status"] in ("NEW", "PARTIALLY_FILLED"):
            self.resting.append(order["orderId"])

    async def status(self, name, at):
        return await self.rest("/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": name}, at)

    async def find_out(self, name, params, at):
        """Leaves no doubt about an order: by its status, or by repeating it."""
        self.unknown.add(name)
        if self.draw.random() < 0.5:
            retry = dict(params, identicalRetry="true")
            status, order = await self.request("POST", "/api/v3/order", retry, at)
            self.verdicts["repeated"] += 1
            self.tally.check("an identical retry is answered with the order", status == 200, (name, status, order))
            if status == 200:
                self.acknowledge(name, order)
            return
        status, order = await self.status(name, at)
        if status == 200:
            self.verdicts["found"] += 1
            self.tally.check("what is found is an order of that name", order["clientOrderId"] == name, order)
            if order["status"] in ("NEW", "PARTIALLY_FILLED"):
                self.resting.append(order["orderId"])
            return
        self.tally.check("what is not found does not exist", order.get("code") == -2013, (name, status, order))
        self.verdicts["absent"] += 1
        if self.draw.random() < 0.5:
            self.absent.add(name)
            return
        # The name is free for a client that has been told so.
        status, order = await self.request("POST", "/api/v3/order", dict(params, identicalRetry="true"), at)
        self.verdicts["ordered anew"] += 1
        self.tally.check("an order that was said not to exist can be ordered anew", status == 200, (name, status, order))
        if status == 200:
            self.acknowledge(name, order)


async def break_things(gateways, state_file, http, seconds, kills):
    """Kills, in turn, one gateway, the ledger's leader, and the other gateway."""
    for turn in range(kills):
        await asyncio.sleep(seconds / (kills + 1))
        if turn % 3 == 1:
            await records.kill_leaders(state_file, http, 2, 1)
        else:
            await gateways.kill(http, turn // 3 % 2 if turn % 3 == 0 else 1 - turn // 3 % 2)


async def main():
    state_file, seconds, rate, kills = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    state, tally, run = State(state_file), Tally("two gateways, hopping clients"), uuid.uuid4().hex[:6]
    gateways = Gateways(state_file)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
        connections = []
        try:
            await gateways.start_second()
            await gateways.ready(http, 1)
            spender = Spender(gateways, tally, http, state.account("alice"))
            await spender.open()
            await spender.run()
            hoppers = [Hopper(gateways, tally, state, state.account(name), http, run, i) for i, name in enumerate(ACCOUNTS)]
            connections = [asyncio.create_task(hopper.keep_connected()) for hopper in hoppers]
            before = [await hopper.balances() for hopper in hoppers]
            offers = [records.offer(h, seconds, rate / len(hoppers), i) for i, h in enumerate(hoppers)]
            *counts, _ = await asyncio.gather(*offers, break_things(gateways, state_file, http, seconds, kills))
            for index in (0, 1):
                await gateways.ready(http, index)
            for hopper in hoppers:
                for order in hopper.resting:
                    await hopper.request("DELETE", "/api/v3/order", {"symbol": SYMBOL, "orderId": order}, 0)
            for name, hopper, start in zip(ACCOUNTS, hoppers, before):
                await records.reconcile(tally, hopper, name, start)
                shown = []
                for at in (0, 1):
                    hopper.rest = lambda path, params, at=at: hopper.request("GET", path, params, at)
                    orders = await hopper.pages("/api/v3/allOrders", "orderId")
                    trades = await hopper.pages("/api/v3/myTrades", "id")
                    shown.append((orders, trades, dict(await hopper.balances())))
                tally.check(f"{name}: both gateways show the same orders, trades and balances", shown[0] == shown[1])
                came = {order["clientOrderId"] for order in shown[0][0]} & hopper.absent
                tally.check(f"{name}: what was said not to exist never came", not came, sorted(came)[:3])
                verdicts = ", ".join(f"{count} {what}" for what, count in sorted(hopper.verdicts.items())) or "none"
                rejected = ", ".join(f"{n} x {code} {text}" for (code, text), n in hopper.rejected.items()) or "none"
                print(f"{name}: {len(hopper.acknowledged)} acknowledged, in doubt {len(hopper.unknown)} ({verdicts}), "
                      f"rejected: {rejected}, longest pause {hopper.longest_pause * 1000:.0f} ms", flush=True)
            tally.check("the load was offered", sum(counts) >= 0.3 * rate * seconds, counts)
            tally.check("somebody was in doubt", any(hopper.unknown for hopper in hoppers))
        except Exception:
            tally.crashed()
        for connection in connections:
            connection.cancel()
        gateways.stop()
    tally.close()


if __name__ == "__main__":
    asyncio.run(main())
