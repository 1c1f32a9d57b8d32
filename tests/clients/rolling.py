"""Two gateways behind haproxy are restarted one after the other under load: `rolling.py STATE_FILE [ORDERS_PER_SECOND]`

Every order and every cancel is sent once, by REST over connections that are kept and by the WebSocket API, whose clients go
when they are told `serverShutdown`. Not one may fail or stay without an answer.
"""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import uuid

import aiohttp

from demo_state import State, Tally, signed_params, signed_query

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "ops", "deploy", "haproxy.cfg")
REST_CLIENTS, WS_CLIENTS = 6, 2
QUIET, ANSWER_WITHIN = 1.0, 9.0


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Gateway:
    """One of those behind the proxy."""

    def __init__(self, state, number):
        config = os.path.join(os.path.dirname(state.raw["nodes"][0]["data_dir"]), "config")
        self.addr = f"127.0.0.1:{free_port()}"
        with open(os.path.join(config, "gateway-1.toml"), encoding="utf-8") as file:
            text = re.sub(r"(?m)^(listen|drain_notice_s) = .*\n", "", file.read())
        self.config = os.path.join(config, f"gateway-behind-{number}.toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f'listen = "{self.addr}"\ndrain_notice_s = 2\n{text}\n'
                       '[proxies]\nnetworks = ["127.0.0.1/32"]\ntell = "x-forwarded-for"\n')
        self.process = None

    async def start(self, http):
        self.process = await asyncio.create_subprocess_exec(
            os.environ["MAINSTAY"], "gateway", "--config", self.config,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        for _ in range(600):
            try:
                async with http.get(f"http://{self.addr}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.05)
        raise RuntimeError("a gateway is not ready after 30 s")

    async def restart(self, http):
        self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), 25)
        await self.start(http)
        return status


class Trader:
    """Places orders that rest and cancels them, and counts what is not answered as it should be."""

    def __init__(self, address, account):
        self.address, self.account = address, account
        self.asked, self.failed, self.moves, self.stopping = 0, [], 0, False

    def order(self):
        return {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001",
                "price": "40000", "newClientOrderId": uuid.uuid4().hex}

    def judge(self, what, status, answer):
        self.asked += 1
        if status != 200:
            self.failed.append((what, status, answer))

    async def both(self, request, period):
        """One order and its cancel, at their time."""
        due = time.monotonic()
        while not self.stopping:
            order = self.order()
            await request("place", "POST", order)
            await request("cancel", "DELETE", {"symbol": order["symbol"], "origClientOrderId": order["newClientOrderId"]})
            due += period
            await asyncio.sleep(max(0, due - time.monotonic()))


class RestTrader(Trader):
    async def run(self, period):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
            headers = {"X-MBX-APIKEY": self.account["api_key"]}

            async def request(what, verb, params):
                url = f"http://{self.address}/api/v3/order?{signed_query(self.account, params)}"
                try:
                    async with http.request(verb, url, headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_WITHIN)) as response:
                        self.judge(what, response.status, await response.text())
                except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                    self.judge(what, 0, repr(error))

            await self.both(request, period)


class WsTrader(Trader):
    async def run(self, period):
        self.waiting, self.ws, self.leaving = {}, None, asyncio.Event()
        readers = set()
        async with aiohttp.ClientSession() as http:

            async def connect():
                ws = await http.ws_connect(f"ws://{self.address}/ws-api/v3")
                reader = asyncio.create_task(self.read(ws))
                readers.add(reader)
                reader.add_done_callback(readers.discard)
                return ws

            async def request(what, verb, params):
                number = uuid.uuid4().hex
                answer = self.waiting[number] = asyncio.get_running_loop().create_future()
                method = "order.place" if verb == "POST" else "order.cancel"
                try:
                    if self.ws is None or self.leaving.is_set():
                        self.leaving.clear()
                        self.moves += self.ws is not None
                        self.ws = await connect()
                    message = {"id": number, "method": method, "params": signed_params(self.account, params)}
                    await self.ws.send_str(json.dumps(message))
                    heard = await asyncio.wait_for(answer, ANSWER_WITHIN)
                    self.judge(what, heard["status"], heard)
                except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                    self.judge(what, 0, repr(error))
                    self.leaving.set()

            await self.both(request, period)
            for reader in readers:
                reader.cancel()

    async def read(self, ws):
        async for message in ws:
            heard = json.loads(message.data)
            if heard.get("id") in self.waiting:
                self.waiting.pop(heard["id"]).set_result(heard)
            elif heard.get("event", {}).get("e") == "serverShutdown":
                # What was asked is still answered here; what comes next is asked elsewhere.
                self.leaving.set()


async def main():
    state, tally = State(sys.argv[1]), Tally("gateways restarted behind haproxy")
    per_second = float(sys.argv[2]) if len(sys.argv) > 2 else 200
    address = f"127.0.0.1:{free_port()}"
    gateways = [Gateway(state, number) for number in (1, 2)]
    proxy = None
    async with aiohttp.ClientSession() as http:
        try:
            await asyncio.gather(*(gateway.start(http) for gateway in gateways))
            environment = dict(os.environ, LISTEN=address, GATEWAY_1=gateways[0].addr, GATEWAY_2=gateways[1].addr)
            with tempfile.TemporaryFile() as said:
                proxy = await asyncio.create_subprocess_exec("haproxy", "-db", "-f", CONFIG, env=environment, stdout=said, stderr=said)
                for _ in range(100):
                    try:
                        async with http.get(f"http://{address}/api/v3/ping") as response:
                            if response.status == 200:
                                break
                    except (aiohttp.ClientError, OSError):
                        pass
                    await asyncio.sleep(0.1)
            traders = [RestTrader(address, state.account("carol")) for _ in range(REST_CLIENTS)]
            traders += [WsTrader(address, state.account("dave")) for _ in range(WS_CLIENTS)]
            period = 2 * len(traders) / per_second
            running = [asyncio.create_task(trader.run(period)) for trader in traders]
            await asyncio.sleep(QUIET)
            for gateway in gateways:
                tally.equal("a gateway that is told to end ends well", await gateway.restart(http), 0)
                await asyncio.sleep(QUIET)
            for trader in traders:
                trader.stopping = True
            await asyncio.gather(*running)
            asked, failed = sum(trader.asked for trader in traders), [failure for trader in traders for failure in trader.failed]
            tally.check("orders were sent all the while", asked > 500, asked)
            tally.check(f"none of {asked} orders and cancels failed", not failed, failed[:5])
            moves = sum(trader.moves for trader in traders)
            tally.check("clients of the WebSocket API were told to go elsewhere", moves >= 2, moves)
            print(f"{asked} orders and cancels, {len(failed)} failed, {moves} connections moved", flush=True)
        except Exception:
            tally.crashed()
        for process in [proxy] + [gateway.process for gateway in gateways]:
            if process and process.returncode is None:
                process.kill()
                await process.wait()
    tally.close()


if __name__ == "__main__":
    asyncio.run(main())
