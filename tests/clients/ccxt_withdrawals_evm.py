"""An unmodified ccxt deposits and withdraws on a demo's EVM chain: `ccxt_withdrawals_evm.py STATE_FILE`.

The demo must run with `--chain anvil`. Its chainwatch is killed when the first withdrawal was asked for.
"""

import os
import signal
import sys

import ccxt

from demo_chain import Exchange, until
from demo_state import State, Tally

# Nobody's.
ELSEWHERE = ["0x000000000000000000000000000000000000dEaD", "0x000000000000000000000000000000000000bEEF"]


def settled(alice, wanted):
    row = next(row for row in alice.fetch_withdrawals() if row["id"] == wanted)
    return row["status"] == "ok" and row


def withdrawals(tally):
    exchange = Exchange(sys.argv[1])
    state = State(sys.argv[1])
    coin = exchange.chainwatch()["chains"][0]
    made = exchange.ctl("key", "add", "alice", "--allow", "read,withdraw", "--from", "127.0.0.1").split()
    alice = state.point(ccxt.binance({**state.ccxt_options("alice"), "apiKey": made[2], "secret": made[4]}))
    alice.load_markets()
    before = alice.fetch_balance()[coin]["total"]
    exchange.ctl("chain", "pay", "alice", "1.5")
    until("the deposit is credited", lambda: alice.fetch_balance()[coin]["total"] == before + 1.5)

    # Two at once: their nonces follow each other, whoever sends them.
    asked = [alice.withdraw(coin, 1.001, address) for address in ELSEWHERE]
    os.kill(exchange.chainwatch()["pid"], signal.SIGKILL)
    for address, withdrawal in zip(ELSEWHERE, asked):
        row = until("it is settled", lambda: settled(alice, withdrawal["id"]), within_s=90)
        seen = (row["info"]["status"], row["amount"], row["fee"]["cost"], row["address"].lower())
        tally.equal("what is told of it at the end", seen, (6, 1.0, 0.001, address.lower()))
        tally.check("its transaction", row["txid"].startswith("0x") and len(row["txid"]) == 66, row["txid"])
    tally.equal("what is left", round(alice.fetch_balance()[coin]["total"], 9), round(before + 1.5 - 2.002, 9))


def main():
    tally = Tally("ccxt withdrawals, EVM")
    try:
        withdrawals(tally)
    except Exception:
        tally.crashed()
    tally.close()


main()
