"""What processes log as JSON is JSON, says what became of a request that is followed, and holds no secret: `logs.py STATE_FILE`

The demo must have been started with `--log json`, and `RUST_LOG=debug` for more of it.
"""

import asyncio
import glob
import json
import os
import re
import subprocess
import sys
import uuid

import aiohttp

from demo_state import State, Tally, now_ms, sign_ed25519, signed_params, signed_query

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "50000"}


async def main():
    state, tally = State(sys.argv[1]), Tally("logs as JSON, without secrets")
    alice = state.account("alice")
    root = os.path.dirname(state.raw["nodes"][0]["data_dir"])
    secrets = {"an API key": alice["api_key"], "a secret": alice["secret"]}
    with open(state.raw["cluster"]["envelope_key_file"], encoding="utf-8") as file:
        secrets["the envelope key"] = file.read().strip()
    trace = f"trace-{uuid.uuid4().hex}"
    async with aiohttp.ClientSession() as http:
        try:
            headers = {"X-MBX-APIKEY": alice["api_key"]}

            async def call(verb, path, query, more=None):
                async with http.request(verb, f"{state.rest}{path}?{query}", headers={**headers, **(more or {})}) as response:
                    return response.status, response.headers, await response.json()

            query = signed_query(alice, BUY)
            secrets["a signature"] = query.rsplit("signature=", 1)[1]
            status, answered, placed = await call("POST", "/api/v3/order", query, {"X-Trace-Id": trace})
            tally.check("an order that is followed is answered with its name", status == 200 and answered.get("X-Trace-Id") == trace, answered)
            place = answered.get("X-Trace-Log", "")
            tally.check("and with its place in the log", re.fullmatch(r"1/\d+", place), place)
            # What is refused is no reason to log what came with it.
            query = signed_query(alice, BUY).replace("0.1", "0.2")
            secrets["a bad signature"] = query.rsplit("signature=", 1)[1]
            status, _, _ = await call("POST", "/api/v3/order", query)
            tally.equal("a tampered order", status, 400)
            _, _, listen = await call("POST", "/api/v3/userDataStream", "")
            secrets["a listen key"] = listen["listenKey"]
            async with http.ws_connect(f"{state.ws}/ws/{listen['listenKey']}") as stream, http.ws_connect(state.ws_api) as ws:
                for method, params in [("session.logon", {}), ("order.place", BUY), ("order.place", {**BUY, "price": "nonsense"})]:
                    params = signed_params(alice, params)
                    secrets[f"a signature of {method}"] = params["signature"]
                    await ws.send_str(json.dumps({"id": 1, "method": method, "params": params}))
                    await asyncio.wait_for(ws.receive(), 10)
                await asyncio.wait_for(stream.receive(), 10)
            if alice.get("ed25519_api_key"):
                secrets["an Ed25519 key"] = alice["ed25519_api_key"]
                payload = f"timestamp={now_ms()}"
                secrets["an Ed25519 signature"] = sign_ed25519(alice["ed25519_private_key"], payload)
            await call("DELETE", "/api/v3/openOrders", signed_query(alice, {"symbol": "BTCUSDT"}))
            await asyncio.sleep(0.5)
            lines, followed = 0, []
            for path in glob.glob(os.path.join(root, "logs", "*.log")):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                for what, secret in secrets.items():
                    told = next((line for line in text.splitlines() if secret in line), "").replace(secret, "<SECRET>")
                    tally.check(f"{what} is not in {os.path.basename(path)}", not told, told[:500])
                if not re.search(r"gateway|node", os.path.basename(path)):
                    continue
                for line in text.splitlines():
                    lines += 1
                    try:
                        event = json.loads(line)
                    except ValueError:
                        tally.check("a line is JSON", False, line[:200])
                        break
                    if event.get("trace") == trace:
                        followed.append(event)
            tally.check("processes log", lines > 10, lines)
            tally.check("one line says what became of the request", len(followed) == 1 and followed[0]["log"] == place
                        and followed[0]["status"] == 200 and followed[0]["path"] == "/api/v3/order", followed)
            shown = subprocess.run([os.environ["MAINSTAY"], "ctl", "--state", sys.argv[1], "trace", place], capture_output=True, text=True, timeout=60)
            tally.check("ctl shows the command at its place, and what came of it", shown.returncode == 0
                        and f"{place}  " in shown.stdout and "order pending: " in shown.stdout and "order resting: " in shown.stdout
                        and "order canceled: " in shown.stdout, shown.stdout[:500] + shown.stderr[:500])
        except Exception:
            tally.crashed()
    tally.close()


asyncio.run(main())
