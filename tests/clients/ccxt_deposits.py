"""An unmodified ccxt deposits on a demo's chain while its chainwatch is killed: `ccxt_deposits.py STATE_FILE [JSON_FILE]`.

The demo must run with `--chain litecoin`. A second chainwatch is started beside the demo's own.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

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


# What is shown of a deposit with every confirmation; before a block has it, `0/3` while there is time to see that.
STEPS = [("pending", "1/3"), ("pending", "2/3"), ("ok", "3/3")]


def watched(exchange, alice, coin):
    """Pays 1.5: what was shown of it, and its row when it is credited."""
    paid = exchange.ctl("chain", "pay", "alice", "1.5")
    shown = []

    def is_credited():
        rows = [row for row in alice.fetch_deposits(coin) if row["txid"] in paid]
        told = [(row["status"], row["info"]["confirmTimes"]) for row in rows]
        shown.extend(row for row in told if row not in shown)
        return told and told[0][0] == "ok" and rows[0]

    deposit = until("the deposit is credited", is_credited)
    return [row for row in shown if row != ("pending", "0/3")], deposit


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
    shown, deposit = watched(exchange, alice, coin)
    tally.equal("it is shown with every confirmation", shown, STEPS)
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
