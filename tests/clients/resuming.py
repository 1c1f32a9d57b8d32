"""What goes on when a gateway is SIGKILLed: `resuming.py STATE_FILE`

A user stream goes on after its last sequence at the other gateway, without a gap; orders of a client that does not come back
are canceled, once; those of one that does and takes its session over are not; depth goes on from `u` to `U`, with checksums
that hold.
"""

import asyncio
import json
import sys
import time
import uuid
import zlib

import aiohttp

from demo_state import State, Tally, signed_params
from hopping import SYMBOL, Gateways

TIMEOUT_MS = 2_000


class Connection:
    """One connection of the WebSocket API: answers by their ids, events in their order."""

    def __init__(self, ws, account):
        self.ws, self.account, self.answers, self.events = ws, account, {}, []
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        async for message in self.ws:
            heard = json.loads(message.data)
            (self.answers.__setitem__(heard["id"], heard) if "id" in heard else self.events.append(heard))

    async def ask(self, method, params):
        request = uuid.uuid4().hex
        await self.ws.send_str(json.dumps({"id": request, "method": method, "params": signed_params(self.account, params)}))
        await until(lambda: request in self.answers)
        return self.answers[request]


async def until(what, within=10):
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.01)
    return True


def order(name):
    return {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "50000", "quantity": "0.001",
            "newClientOrderId": name}


class Book:
    """A book from a snapshot and updates, as a client keeps it."""

    def __init__(self):
        self.sides, self.last, self.updates, self.wrong = ({}, {}), None, 0, []

    def hear(self, event):
        if event.get("e") == "depthSnapshot":
            self.sides, self.last = ({}, {}), event["lastUpdateId"]
        elif event.get("e") != "depthUpdate" or self.last is None or event["u"] <= self.last:
            return
        elif event["U"] > self.last + 1:
            self.wrong.append(("gap", self.last, event["U"]))
        else:
            self.last, self.updates = event["u"], self.updates + 1
        for side, levels in zip(self.sides, (event["b"], event["a"])):
            for price, qty in levels:
                side[price] = qty
                if float(qty) == 0:
                    del side[price]
        if "c" in event:
            bids = sorted(self.sides[0].items(), key=lambda level: -float(level[0]))
            asks = sorted(self.sides[1].items(), key=lambda level: float(level[0]))
            levels = [side[at] for at in range(10) for side in (bids, asks) if at < len(side)]
            if zlib.crc32(":".join(f"{price}:{qty}" for price, qty in levels).encode()) != event["c"]:
                self.wrong.append(("checksum", event))


async def follow(http, url, book):
    async with http.ws_connect(url) as ws:
        async for message in ws:
            book.hear(json.loads(message.data))


async def main():
    state, tally = State(sys.argv[1]), Tally("streams and sessions over a gateway's death")
    gateways = Gateways(sys.argv[1])
    alice, bob = state.account("alice"), state.account("bob")
    async with aiohttp.ClientSession() as http:
        try:
            await gateways.start_second()
            await gateways.ready(http, 1)
            path = f"/ws/{SYMBOL.lower()}@depth@100ms?snapshot=true&checksum=true"
            books = [Book(), Book()]
            feeds = [asyncio.create_task(follow(http, rest.replace("http", "ws") + path, book))
                     for rest, book in zip(gateways.rests, books)]
            connect = lambda at, account: http.ws_connect(gateways.apis[at])
            first = [Connection(await connect(1, account), account) for account in (alice, bob)]
            sessions = []
            for client in first:
                await client.ask("userDataStream.subscribe.signature", {"sequence": "true"})
                armed = await client.ask("session.cancelOnDisconnect", {"timeoutMs": TIMEOUT_MS})
                tally.check("a session is armed", armed["status"] == 200, armed)
                sessions.append(armed["result"]["clientSession"])
                for at in range(20):
                    placed = await client.ask("order.place", order(f"s{at}"))
                    tally.check("an order of a session is taken", placed["status"] == 200, placed)
            await asyncio.sleep(2 * TIMEOUT_MS / 1000)
            canceled = [e for client in first for e in client.events if e["event"].get("x") == "CANCELED"]
            tally.check("a session that is heard keeps its orders", not canceled, canceled[:1])
            seen = [[event["sequence"] for event in client.events] for client in first]
            gateways.process.kill()
            await gateways.process.wait()
            # Alice comes back at the other gateway and takes her session over; Bob only listens.
            again = [Connection(await connect(0, account), account) for account in (alice, bob)]
            taken = await again[0].ask("session.cancelOnDisconnect",
                                       {"timeoutMs": TIMEOUT_MS, "clientSession": sessions[0]})
            tally.check("a session is taken over", taken["status"] == 200, taken)
            for client, sequences in zip(again, seen):
                resumed = await client.ask("userDataStream.subscribe.signature", {"afterSequence": sequences[-1]})
                tally.check("a user stream goes on", resumed["status"] == 200, resumed)
            ended = lambda client: [e["event"]["C"] for e in client.events if e["event"].get("x") == "CANCELED"]
            await until(lambda: len(ended(again[1])) >= 20, within=TIMEOUT_MS / 1000 + 8)
            await asyncio.sleep(TIMEOUT_MS / 1000)
            tally.equal("orders of a client that is gone are canceled, once", sorted(ended(again[1])),
                        sorted(f"s{at}" for at in range(20)))
            tally.equal("orders of a client that came back are not", ended(again[0]), [])
            for client, sequences in zip(again, seen):
                numbers = sequences + [event["sequence"] for event in client.events if "sequence" in event]
                tally.equal("sequences have no gap", numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            await until(lambda: books[0].updates > 0)
            tally.check("depth goes on without a gap and checksums hold",
                        books[0].updates > 0 and not any(book.wrong for book in books), [book.wrong[:2] for book in books])
            for feed in feeds:
                feed.cancel()
        except Exception:
            tally.crashed()
        gateways.stop()
    tally.close()


if __name__ == "__main__":
    asyncio.run(main())
