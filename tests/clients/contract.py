"""Raw REST and WebSocket requests, right and wrong, with the exact codes: `contract.py STATE_FILE`.

The demo must run without bots. Everything wrong here must leave the exchange as it was: the last check is
that it still trades and that nobody's balance moved by a rejected request.
"""

import asyncio
import json
import socket
import ssl
import sys
import urllib.parse

import aiohttp

from demo_state import State, Tally, now_ms, sign_ed25519, sign_hmac, signed_params, signed_query

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "50000"}

# What is changed in a good order, the HTTP status and the code that must come back.
BAD_ORDERS = [
    ({"symbol": "NOPE"}, 400, -1121),
    ({"symbol": ""}, 400, None),
    ({"side": "HOLD"}, 400, -1117),
    ({"type": "TELEPATHY"}, 400, -1116),
    ({"timeInForce": "SOON"}, 400, -1115),
    ({"quantity": "0"}, 400, -1013),
    ({"quantity": "-1"}, 400, None),
    ({"quantity": "0.000001"}, 400, None),
    ({"quantity": "1e3"}, 400, -1100),
    ({"quantity": "NaN"}, 400, -1100),
    ({"quantity": ""}, 400, -1105),
    ({"quantity": "9001"}, 400, -1013),
    ({"quantity": "99999999999999999999"}, 400, None),
    ({"quantity": "9000", "price": "999999999"}, 400, None),
    ({"price": "0"}, 400, -1013),
    ({"price": "-5"}, 400, None),
    ({"price": "50000.001"}, 400, None),
    ({"price": "Infinity"}, 400, -1100),
    ({"price": "0.01", "quantity": "0.00001"}, 400, -1013),
    ({"price": None}, 400, -1102),
    ({"quantity": None}, 400, -1102),
    ({"timeInForce": None}, 400, -1102),
    ({"newClientOrderId": "a b"}, 400, -1100),
    ({"newClientOrderId": "x" * 37}, 400, None),
    ({"unknownParameter": "1"}, 400, None),
    ({"recvWindow": "60001"}, 400, -1131),
    ({"timestamp": str(now_ms() - 120_000)}, 400, -1021),
    ({"timestamp": str(now_ms() + 120_000)}, 400, -1021),
    ({"timestamp": "yesterday"}, 400, -1100),
]


class Contract:
    def __init__(self, state, tally, http):
        self.state, self.tally, self.http = state, tally, http
        self.alice, self.bob = state.account("alice"), state.account("bob")

    async def call(self, method, path, account=None, params=None, query=None, headers=None, body=None):
        headers = dict(headers or {})
        if account:
            headers.setdefault("X-MBX-APIKEY", account["api_key"])
            query = signed_query(account, params or {}) if query is None else query
        elif query is None:
            query = urllib.parse.urlencode(params or {})
        url = f"{self.state.rest}{path}" + (f"?{query}" if query else "")
        from yarl import URL

        async with self.http.request(method, URL(url, encoded=True), headers=headers, data=body) as response:
            text = await response.text()
            try:
                return response.status, json.loads(text)
            except ValueError:
                return response.status, text

    def refused(self, what, answer, status, code):
        seen_status, seen = answer
        well_formed = isinstance(seen, dict) and isinstance(seen.get("code"), int) and bool(seen.get("msg"))
        right = seen_status == status and well_formed and (code is None or seen["code"] == code)
        self.tally.check(f"{what} -> {status} {code}", right, answer)

    async def public(self):
        tally = self.tally
        tally.equal("ping", await self.call("GET", "/api/v3/ping"), (200, {}))
        status, time = await self.call("GET", "/api/v3/time")
        tally.check("time", status == 200 and abs(time["serverTime"] - now_ms()) < 5_000, time)
        status, info = await self.call("GET", "/api/v3/exchangeInfo")
        symbols = {symbol["symbol"]: symbol for symbol in info["symbols"]}
        tally.check("exchangeInfo", {"BTCUSDT", "ETHUSDT", "ETHBTC"} <= set(symbols), list(symbols))
        filters = {f["filterType"]: f for f in symbols["BTCUSDT"]["filters"]}
        tally.check("filters", {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= set(filters), list(filters))
        tally.equal("tick", filters["PRICE_FILTER"]["tickSize"], "0.01000000")
        tally.check("permissions", symbols["BTCUSDT"]["permissionSets"] == [["SPOT"]], symbols["BTCUSDT"])
        for path, params in [
            ("depth", {"symbol": "BTCUSDT", "limit": "5"}),
            ("trades", {"symbol": "BTCUSDT"}),
            ("ticker/24hr", {"symbol": "BTCUSDT"}),
            ("ticker/24hr", {}),
            ("ticker/price", {}),
            ("ticker/price", {"symbol": "ETHBTC"}),
            ("ticker/bookTicker", {}),
            ("klines", {"symbol": "BTCUSDT", "interval": "1m"}),
        ]:
            status, _ = await self.call("GET", f"/api/v3/{path}", params=params)
            tally.equal(f"{path} {params}", status, 200)
        self.refused("unknown symbol", await self.call("GET", "/api/v3/depth", params={"symbol": "NOPE"}), 400, -1121)
        self.refused("no symbol", await self.call("GET", "/api/v3/depth"), 400, -1102)
        self.refused("bad interval", await self.call("GET", "/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "7m"}), 400, -1120)
        self.refused("bad limit", await self.call("GET", "/api/v3/depth", params={"symbol": "BTCUSDT", "limit": "many"}), 400, -1100)
        status, _ = await self.call("GET", "/api/v3/nothing")
        tally.equal("unknown path", status, 404)

    async def authentication(self):
        path, params = "/api/v3/account", {"timestamp": now_ms()}
        payload = urllib.parse.urlencode(params)
        self.refused("no key", await self.call("GET", path, query=payload), 401, -2014)
        bogus = {"X-MBX-APIKEY": "x" * 64}
        self.refused("unknown key", await self.call("GET", path, query=payload + "&signature=00", headers=bogus), 401, -2015)
        key = {"X-MBX-APIKEY": self.alice["api_key"]}
        self.refused("no signature", await self.call("GET", path, query=payload, headers=key), 400, -1102)
        self.refused("wrong signature", await self.call("GET", path, query=payload + "&signature=" + "0" * 64, headers=key), 400, -1022)
        signed = payload + "&signature=" + sign_hmac(self.bob["secret"], payload)
        self.refused("another's signature", await self.call("GET", path, query=signed, headers=key), 400, -1022)
        tampered = signed_query(self.alice, {"omitZeroBalances": "true"}).replace("true", "false")
        self.refused("tampered payload", await self.call("GET", path, self.alice, query=tampered), 400, -1022)
        self.refused("no timestamp", await self.call("GET", path, query="signature=" + "0" * 64, headers=key), 400, -1102)
        status, account = await self.call("GET", path, self.alice)
        self.tally.check("account", status == 200 and account["canTrade"] and account["accountType"] == "SPOT", account)
        if self.alice.get("ed25519_api_key"):
            pem = self.alice["ed25519_private_key"]
            signature = urllib.parse.quote(sign_ed25519(pem, payload), safe="")
            answer = await self.call(
                "GET", path, query=f"{payload}&signature={signature}", headers={"X-MBX-APIKEY": self.alice["ed25519_api_key"]}
            )
            self.tally.equal("Ed25519", answer[0], 200)

    async def orders(self):
        for change, status, code in BAD_ORDERS:
            params = {name: value for name, value in {**BUY, **change}.items() if value is not None}
            self.refused(f"order with {str(change)[:70]}", await self.call("POST", "/api/v3/order", self.alice, params), status, code)
        answer = await self.call("DELETE", "/api/v3/order", self.alice, {"symbol": "BTCUSDT", "orderId": "987654321"})
        self.refused("cancel of nothing", answer, 400, -2011)
        answer = await self.call("GET", "/api/v3/order", self.alice, {"symbol": "BTCUSDT", "orderId": "987654321"})
        self.refused("query of nothing", answer, 400, -2013)
        answer = await self.call("GET", "/api/v3/order", self.alice, {"symbol": "BTCUSDT"})
        self.refused("query without an id", answer, 400, -1102)
        answer = await self.call("DELETE", "/api/v3/openOrders", self.alice, {"symbol": "BTCUSDT"})
        self.refused("cancel all of none", answer, 400, -2011)
        rich = {**BUY, "quantity": "8000", "price": "90000"}
        self.refused("more than the balance", await self.call("POST", "/api/v3/order", self.alice, rich), 400, -2010)
        status, placed = await self.call("POST", "/api/v3/order", self.alice, {**BUY, "newClientOrderId": "contract-1"})
        self.tally.check("a good order", status == 200 and placed["status"] == "NEW", placed)
        answer = await self.call("POST", "/api/v3/order", self.alice, {**BUY, "newClientOrderId": "contract-1"})
        self.refused("the same client order id", answer, 400, -2010)
        answer = await self.call("GET", "/api/v3/order", self.bob, {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])})
        self.refused("another's order", answer, 400, -2013)
        answer = await self.call("DELETE", "/api/v3/order", self.bob, {"symbol": "BTCUSDT", "orderId": str(placed["orderId"])})
        self.refused("cancel of another's order", answer, 400, -2011)
        status, canceled = await self.call("DELETE", "/api/v3/openOrders", self.alice, {"symbol": "BTCUSDT"})
        self.tally.check("cancel all", status == 200 and [o["orderId"] for o in canceled] == [placed["orderId"]], canceled)

    async def bodies(self):
        huge = await self.call("POST", "/api/v3/order", self.alice, body=b"x" * 10_000_000)
        self.tally.check("a body of 10 MB", 400 <= huge[0] < 500 and isinstance(huge[1], dict), huge)
        binary = await self.call("POST", "/api/v3/order", self.alice, body=bytes(range(256)))
        self.tally.check("a binary body", 400 <= binary[0] < 500 and isinstance(binary[1], dict), binary)
        twice = await self.call("GET", "/api/v3/depth", query="symbol=BTCUSDT&symbol=ETHUSDT")
        self.tally.check("a parameter twice", 400 <= twice[0] < 500, twice)

    async def websocket_api(self):
        tally = self.tally
        async with self.http.ws_connect(self.state.ws_api, max_msg_size=0) as ws:

            async def ask(message):
                await ws.send_str(message if isinstance(message, str) else json.dumps(message))
                return json.loads((await asyncio.wait_for(ws.receive(), 10)).data)

            answer = await ask({"id": "p", "method": "ping"})
            tally.check("ws ping", answer["id"] == "p" and answer["status"] == 200 and answer["result"] == {}, answer)
            answer = await ask({"id": 7, "method": "time"})
            tally.check("ws integer id", answer["id"] == 7, answer)
            answer = await ask({"id": None, "method": "time"})
            tally.check("ws null id", answer["id"] is None and answer["status"] == 200, answer)
            for what, message in [
                ("malformed JSON", "{"),
                ("an array", "[]"),
                ("no method", {"id": 1}),
                ("an unknown method", {"id": 1, "method": "order.teleport"}),
                ("params that are no object", {"id": 1, "method": "order.place", "params": 5}),
                ("an order without a key", {"id": 1, "method": "order.place", "params": BUY}),
                ("deep JSON", "[" * 50_000),
            ]:
                answer = await ask(message)
                refused = answer["status"] >= 400 and isinstance(answer["error"]["code"], int) and answer["error"]["msg"]
                tally.check(f"ws {what}", bool(refused), answer)
            bad = signed_params(self.alice, {**BUY, "quantity": "0.000001"})
            answer = await ask({"id": 1, "method": "order.place", "params": bad})
            tally.check("ws too many decimals", answer["status"] == 400 and answer["error"]["code"] in (-1111, -1013), answer)
            tampered = dict(signed_params(self.alice, BUY), quantity="0.2")
            answer = await ask({"id": 1, "method": "order.place", "params": tampered})
            tally.check("ws tampered", answer["error"]["code"] == -1022, answer)
            stale = signed_params(self.alice, {**BUY, "timestamp": now_ms() - 120_000})
            answer = await ask({"id": 1, "method": "order.place", "params": stale})
            tally.check("ws stale", answer["error"]["code"] == -1021, answer)
            placed = await ask({"id": 2, "method": "order.place", "params": signed_params(self.alice, BUY)})
            tally.check("ws order", placed["status"] == 200 and placed["result"]["orderId"] > 0, placed)
            cancel = {"symbol": "BTCUSDT", "orderId": placed["result"]["orderId"]}
            answer = await ask({"id": 3, "method": "order.cancel", "params": signed_params(self.alice, cancel)})
            tally.check("ws cancel", answer["status"] == 200 and answer["result"]["status"] == "CANCELED", answer)

        async with self.http.ws_connect(self.state.ws_api) as ws:
            await ws.send_bytes(b"\x00" * 100)
            message = await asyncio.wait_for(ws.receive(), 10)
            refused = message.type == aiohttp.WSMsgType.TEXT and json.loads(message.data)["status"] >= 400
            closed = message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            tally.check("ws binary frame is refused or closed", refused or closed, message)

    async def streams(self):
        tally = self.tally
        async with self.http.ws_connect(f"{self.state.ws}/ws/anything") as ws:

            async def ask(message):
                await ws.send_str(message if isinstance(message, str) else json.dumps(message))
                while True:
                    answer = json.loads((await asyncio.wait_for(ws.receive(), 10)).data)
                    if "e" not in answer:
                        return answer

            tally.equal("subscribe", await ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade", "btcusdt@depth@100ms"], "id": 1}), {"result": None, "id": 1})
            answer = await ask({"method": "LIST_SUBSCRIPTIONS", "id": 2})
            tally.equal("subscriptions", sorted(answer["result"]), ["btcusdt@depth@100ms", "btcusdt@trade"])
            answer = await ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 3})
            tally.equal("unsubscribe", answer, {"result": None, "id": 3})
            answer = await ask("not json")
            tally.check("malformed control message", "code" in answer or "error" in answer, answer)
            answer = await ask({"method": "SING", "id": 4})
            tally.check("unknown control message", "code" in answer or "error" in answer, answer)

    async def internal_ports(self):
        """Rubbish on a node's ports: closed, and nobody else is harmed."""
        for node in self.state.raw["cluster"]["nodes"]:
            host, port = node["addr"].rsplit(":", 1)
            for rubbish in (b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, b"\xff" * 70_000):
                def poke():
                    with socket.create_connection((host, int(port)), timeout=5) as stream:
                        stream.settimeout(0.3)
                        try:
                            stream.sendall(rubbish)
                            stream.shutdown(socket.SHUT_WR)
                            stream.recv(4096)
                        except OSError:
                            pass

                await asyncio.to_thread(poke)

            def without_certificate():
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                try:
                    with socket.create_connection((host, int(port)), timeout=5) as stream:
                        with context.wrap_socket(stream, server_hostname=f"node-{node['id']}") as tls:
                            tls.settimeout(3)
                            tls.sendall(b"\x05\x00\x00\x00\x01hell")
                            return tls.recv(4096)
                except (ssl.SSLError, ConnectionError):
                    return b""

            self.tally.equal("a peer without a certificate gets nothing", await asyncio.to_thread(without_certificate), b"")

    async def run(self):
        before = await self.balances()
        await self.public()
        await self.authentication()
        await self.orders()
        await self.bodies()
        await self.websocket_api()
        await self.streams()
        await self.internal_ports()
        self.tally.equal("refused requests moved nothing", await self.balances(), before)
        status, placed = await self.call("POST", "/api/v3/order", self.alice, BUY)
        self.tally.check("after all of it, it trades", status == 200 and placed["status"] == "NEW", placed)
        await self.call("DELETE", "/api/v3/openOrders", self.alice, {"symbol": "BTCUSDT"})

    async def balances(self):
        answers = [await self.call("GET", "/api/v3/account", account) for account in (self.alice, self.bob)]
        return [sorted((b["asset"], b["free"], b["locked"]) for b in answer["balances"]) for _, answer in answers]


async def main():
    state, tally = State(sys.argv[1]), Tally("REST, WebSocket and port contract")
    async with aiohttp.ClientSession() as http:
        try:
            await Contract(state, tally, http).run()
        except Exception:
            tally.crashed()
    tally.close()


asyncio.run(main())
