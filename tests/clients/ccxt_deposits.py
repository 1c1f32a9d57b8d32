"""An unmodified ccxt deposits on a demo's chain while its chainwatch is killed: `ccxt_deposits.py STATE_FILE [JSON_FILE]`.

The demo must run with `--chain litecoin`. A second chainwatch is started beside the demo's own.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request

import ccxt

from demo_chain import Exchange, page, until
from demo_state import State, Tally


def second_chainwatch(exchange, home):
    """The demo's own configuration with other ports and another directory."""
    data_dir = os.path.dirname(exchange.raw["nodes"][0]["data_dir"])
    with open(f"{data_dir}/config/chainwatch-1.toml") as file:
        config = file.read()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = re.sub(r'(?m)^http = .*$', f'http = "{address}"', config)
    config = re.sub(r'(?m)^data_dir = .*$', f'data_dir = "{home}/chainwatch-2"', config)
    path = f"{home}/chainwatch-2.toml"
    with open(path, "w") as file:
        file.write(config)
    process = subprocess.Popen([exchange.mainstay, "chainwatch", "--config", path], stdout=subprocess.DEVNULL)
    return process, f"http://{address}"


def role(http):
    status = page(f"{http}/status")
    return json.loads(status)["chains"][0]["role"] if status else None


# What is shown of a deposit: before a block has it, and with every confirmation.
STEPS = [("pending", "0/3"), ("pending", "1/3"), ("pending", "2/3"), ("ok", "3/3")]


class ChainNodes:
    """The demo's chain, while the demo, which mines every two seconds, is stopped: nothing is mined but what is asked for."""

    def __init__(self, exchange):
        self.demo = parent(exchange.chainwatch()["pid"])
        data_dir = os.path.dirname(exchange.raw["nodes"][0]["data_dir"])
        with open(f"{data_dir}/config/chainwatch-1.toml", "rb") as file:
            self.nodes = tomllib.load(file)["chains"][0]["nodes"]

    def __enter__(self):
        os.kill(self.demo, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        os.kill(self.demo, signal.SIGCONT)

    def call(self, at, method, *params):
        node = self.nodes[at]
        request = urllib.request.Request(node["url"], json.dumps({"id": 0, "method": method, "params": params}).encode())
        request.add_header("Authorization", "Basic " + base64.b64encode(node["login"].encode()).decode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["result"]

    def pay(self, address, amount):
        """A payment in no block, which every node has."""
        txid = self.call(0, "sendtoaddress", address, amount)
        raw = self.call(0, "getrawtransaction", txid)
        for at in range(1, len(self.nodes)):
            if txid not in self.call(at, "getrawmempool"):
                self.call(at, "sendrawtransaction", raw)
        return txid

    def mine(self):
        self.call(0, "generatetoaddress", 1, self.call(0, "getnewaddress", "", "bech32"))


def parent(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(next(line.split()[1] for line in file if line.startswith("PPid:")))


def watched(exchange, alice, coin, address):
    """Pays 1.5 and mines a block whenever the last is shown: what was shown, and the deposit's row when it is credited."""
    shown = []
    with ChainNodes(exchange) as chain:
        txid = chain.pay(address, "1.5")

        def row():
            return next((row for row in alice.fetch_deposits(coin) if row["txid"] == txid), None)

        def is_shown():
            told = row()
            state = told and (told["status"], told["info"]["confirmTimes"])
            if state and state not in shown:
                shown.append(state)
            return state == step

        for step in STEPS:
            if step != STEPS[0]:
                chain.mine()
            until(f"it is shown as {step} after {shown}", is_shown)
        return shown, row()


def deposits(tally):
    exchange = Exchange(sys.argv[1])
    state = State(sys.argv[1])
    alice = state.point(ccxt.binance(state.ccxt_options("alice")))
    coin = exchange.chainwatch()["chains"][0]

    def credited(count):
        rows = alice.fetch_deposits(coin)
        return len(rows) == count and all(row["status"] == "ok" for row in rows) and rows

    alice.load_markets()
    until("the chain thaws", lambda: alice.fetch_currencies().get(coin, {}).get("deposit"))
    address = alice.fetch_deposit_address(coin)
    tally.equal("the address is asked for again", alice.fetch_deposit_address(coin)["address"], address["address"])
    tally.equal("ctl says the same", exchange.ctl("chain", "address", "alice", coin).strip(), address["address"])
    shown, deposit = watched(exchange, alice, coin, address["address"])
    tally.equal("it is shown before a block has it, and with every confirmation", shown, STEPS)
    tally.equal("its amount", deposit["amount"], 1.5)
    tally.equal("its address", deposit["address"], address["address"])
    tally.equal("the balance", alice.fetch_balance()[coin]["free"], 1.5)

    table = exchange.ctl("chain", "status")
    tally.equal("five nodes agree", table.count("agreeing"), 5)
    metrics = page(f"{exchange.chainwatch()['http']}/metrics")
    gauge = 'mainstay_chainwatch_node_verdict{chain="%s",node="chain-3",verdict="agreeing"} 1' % coin
    tally.check("a gauge for each node and verdict", gauge in metrics)

    with tempfile.TemporaryDirectory() as home:
        second, http = second_chainwatch(exchange, home)
        try:
            until("the second stands by", lambda: role(http) == "standby" and page(f"{http}/readyz"))
            exchange.ctl("chain", "pay", "alice", "0.25")
            until("the second deposit is seen", lambda: len(alice.fetch_deposits(coin)) == 2)
            first = exchange.chainwatch()
            os.kill(first["pid"], signal.SIGKILL)
            killed = time.monotonic()
            # The demo starts the first again at once; it must not be the one that asks first when the claim has run out.
            again = until("the first is started again", lambda: (pid := exchange.chainwatch()["pid"]) != first["pid"] and pid)
            os.kill(again, signal.SIGSTOP)
            until("the second takes over", lambda: role(http) == "active", every_s=0.005)
            took_s = time.monotonic() - killed
            tally.check(f"taken over {took_s:.2f} s after SIGKILL, wanted 2", took_s < 2 or os.cpu_count() < 4)
            until("the second deposit is credited", lambda: credited(2))
            tally.equal("the balance, once", alice.fetch_balance()[coin]["free"], 1.75)
            os.kill(again, signal.SIGCONT)
            until("the first is back", lambda: role(first["http"]) == "standby")
            second.terminate()
            tally.equal("the second ends when asked", second.wait(timeout=10), 0)
            until("the first has the claim again", lambda: role(first["http"]) == "active")
        finally:
            second.kill()
            second.wait()
    tally.equal("nothing is credited twice", alice.fetch_balance()[coin]["free"], 1.75)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as file:
            json.dump({"taken_over_s": round(took_s, 3)}, file)


def main():
    tally = Tally("ccxt deposits")
    try:
        deposits(tally)
    except Exception:
        tally.crashed()
    tally.close()


main()
