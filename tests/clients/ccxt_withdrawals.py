"""An unmodified ccxt withdraws on a demo's chain, its operators decide, and it is paid: `ccxt_withdrawals.py STATE_FILE`.

The demo must run with `--chain litecoin`. Its signer is killed while a withdrawal waits for it.
"""

import glob
import json
import os
import signal
import sys
import tempfile

import ccxt

from demo_chain import Exchange, until
from demo_state import State, Tally

# Litecoin's regression test chain; nobody's.
ELSEWHERE = "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77v"
SLIP = "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77w"
OTHER_CHAIN = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


def client(exchange, state, *allowed):
    """A ccxt with a new key of alice's."""
    made = exchange.ctl("key", "add", "alice", *allowed).split()
    options = state.ccxt_options("alice")
    options.update(apiKey=made[2], secret=made[4])
    return state.point(ccxt.binance(options))


def told(tally, what, code, attempt):
    """That it is refused with this code."""
    try:
        seen = attempt()
    except ccxt.ExchangeError as error:
        tally.check(what, f'"code":{code},' in str(error), str(error))
    else:
        tally.check(what, False, seen)


def one(alice, wanted):
    """The withdrawal of this id, as ccxt tells it."""
    return next(row for row in alice.fetch_withdrawals() if row["id"] == wanted)


def limits_and_refusals(tally, exchange, state, alice, coin):
    network = until("the coin opens", lambda: open_network(alice, coin))
    seen = (network["fee"], network["limits"]["withdraw"]["min"], network["limits"]["withdraw"]["max"])
    tally.equal("fee, smallest and largest", seen, (0.001, 0.011, 100.001))

    def withdraw(amount, address=ELSEWHERE, **params):
        return lambda: alice.withdraw(coin, amount, address, params=params)

    for what, code, attempt in [
        ("a slip in the address", -4033, withdraw(1, SLIP)),
        ("another chain's address", -4033, withdraw(1, OTHER_CHAIN)),
        ("too little", -4022, withdraw(0.01099999)),
        ("too much at once", -4023, withdraw(100.00100001)),
        ("more than there is", -4026, withdraw(50)),
        ("a tag", -4106, withdraw(1, tag="7")),
        ("no such network", -4019, withdraw(1, network="TRX")),
    ]:
        told(tally, what, code, attempt)
    trading = state.point(ccxt.binance(state.ccxt_options("alice")))
    denied = (ccxt.AuthenticationError, ccxt.PermissionDenied)
    tally.raises("a key that may trade alone", denied, lambda: trading.withdraw(coin, 1, ELSEWHERE))
    unbound = client(exchange, state, "--allow", "read,withdraw")
    tally.raises("a key that is bound to nothing", denied, lambda: unbound.withdraw(coin, 1, ELSEWHERE))
    tally.equal("nothing was taken", alice.fetch_withdrawals(coin), [])
    tally.check("an empty table says what to do", "no withdrawal is under way" in exchange.ctl("withdrawal", "list"))
    return withdraw


def open_network(alice, coin):
    currency = alice.fetch_currencies().get(coin, {})
    return currency.get("withdraw") and currency["networks"][coin]


def one_name_is_one(tally, exchange, alice, coin, withdraw):
    first = withdraw(2.501, withdrawOrderId="rent")()
    tally.equal("asked again", withdraw(2.501, withdrawOrderId="rent")()["id"], first["id"])
    told(tally, "another under its name", -4001, withdraw(2, withdrawOrderId="rent"))
    row = one(alice, first["id"])
    seen = (row["status"], row["amount"], row["fee"]["cost"], row["address"], row["info"]["withdrawOrderId"])
    tally.equal("what is told of it", seen, ("pending", 2.5, 0.001, ELSEWHERE, "rent"))
    tally.equal("it waits for operators", row["info"]["status"], 2)
    tally.equal("its money is held", alice.fetch_balance()[coin]["used"], 2.501)
    return first["id"]


def two_operators_approve(tally, exchange, withdrawal):
    def operators(*words):
        return exchange.ctl("--operator", "operator-2", *words)

    table = exchange.ctl("withdrawal", "list")
    tally.check("it is in the table", "alice" in table and "2.5" in table and "Review" in table, table)
    shown = exchange.ctl("withdrawal", "show", withdrawal)
    tally.check("what it waits for", "waits for 2 operators" in shown and ELSEWHERE in shown, shown)
    tally.check("the first", "needs 1 more" in exchange.ctl("withdrawal", "approve", withdrawal))
    again = exchange.refused("withdrawal", "approve", withdrawal)
    tally.check("not twice by one", again and "another operator must" in again, again)
    unknown = exchange.refused("--operator", "operator-2", "withdrawal", "approve", withdrawal)
    tally.check("nobody without a certificate", unknown and "there is no certificate of operator-2" in unknown, unknown)
    exchange.ctl("operator", "add", "operator-2")
    tally.check("another does", "goes on" in operators("withdrawal", "approve", withdrawal))
    shown = exchange.ctl("withdrawal", "show", withdrawal)
    tally.check("who has", "operator-demo" in shown and "operator-2" in shown, shown)


def by_two(tally, exchange, *words):
    """What loosens is so when a second operator has approved it, and not before."""
    said = exchange.ctl(*words)
    tally.check("it waits for a second operator", "waits for a second operator" in said, said)
    number = said.split()[-1]
    table = exchange.ctl("loosening", "list")
    tally.check("and is in the table", f"{number}: proposed by operator-demo" in table, table)
    own = exchange.refused("loosening", "approve", number)
    tally.check("not approved by who proposed it", own and "another operator must approve" in own, own)
    said = exchange.ctl("--operator", "operator-2", "loosening", "approve", number)
    tally.check("approved by another", f"{number} is so" in said, said)
    tally.check("and waits no more", "nothing waits" in exchange.ctl("loosening", "list"))


def operators_stop_it(tally, exchange, alice, coin, withdraw):
    exchange.ctl("withdrawal", "allow-list", "require", "alice")
    told(tally, "an address that is not on the list", -4035, withdraw(1))
    spoiled = exchange.refused("withdrawal", "allow-list", "add", "alice", coin, SLIP)
    tally.check("a slip gets on no list", spoiled and "is no address" in spoiled, spoiled)
    by_two(tally, exchange, "withdrawal", "allow-list", "add", "alice", coin, ELSEWHERE.upper())
    table = exchange.ctl("withdrawal", "allow-list")
    tally.check("the list", ELSEWHERE in table and "its list alone" in table, table)
    listed = withdraw(3, address=ELSEWHERE.upper())()
    exchange.ctl("withdrawal", "cancel", listed["id"])
    row = one(alice, listed["id"])
    tally.equal("canceled by an operator", (row["status"], row["info"]["status"]), ("failed", 3))
    by_two(tally, exchange, "withdrawal", "allow-list", "lift", "alice")
    exchange.ctl("withdrawal", "block", "alice")
    told(tally, "a blocked account", -4015, withdraw(1))
    by_two(tally, exchange, "withdrawal", "unblock", "alice")
    exchange.ctl("withdrawal", "rules", "disable", coin, coin)
    tally.check("a closed coin says so", not open_network(alice, coin))
    told(tally, "and is not withdrawn", -4019, withdraw(1))
    by_two(tally, exchange, "withdrawal", "rules", "enable", coin, coin)
    rules = exchange.ctl("withdrawal", "rules")
    tally.check("the rules", "from 2, by 2" in rules and "house" in rules and f"{coin} on {coin}: open" in rules, rules)


def an_operator_asks(tally, exchange, coin):
    ask = ("withdrawal", "request", "alice", coin, ELSEWHERE, "2", "--name", "by-hand")
    said = exchange.ctl(*ask)
    tally.check("by an operator", "it waits for 2 operators" in said, said)
    withdrawal = said.split()[1].rstrip(":")
    tally.check("once", f"withdrawal {withdrawal}:" in exchange.ctl(*ask))
    exchange.ctl("withdrawal", "cancel", withdrawal)
    twice = exchange.refused("withdrawal", "cancel", withdrawal)
    tally.check("what is over stays over", twice and "does not stand where this can be done" in twice, twice)
    missing = exchange.refused("withdrawal", "show", "99999")
    tally.check("what is not there", missing and "list --all" in missing, missing)


def it_is_paid(tally, exchange, alice, coin, withdrawal):
    """It leaves by the chain, and settles there."""
    row = until("it is settled", lambda: (found := one(alice, withdrawal))["status"] == "ok" and found, within_s=90)
    seen = (row["info"]["status"], row["amount"], row["address"])
    tally.equal("what is told of it at the end", seen, (6, 2.5, ELSEWHERE))
    tally.check("its transaction", len(row["txid"]) == 64, row["txid"])
    tally.check("when it was done", row["info"]["completeTime"], row["info"])
    tally.equal("what is left", alice.fetch_balance()[coin]["total"], 7.499)
    shown = exchange.ctl("withdrawal", "show", withdrawal)
    tally.check("operators see the same", row["txid"] in shown and "Settled" in shown, shown)


def it_is_paid_by_a_signer_that_was_killed(tally, exchange, alice, coin, withdraw):
    """The demo starts it again; what it signs it signs once."""
    signer = exchange.signer()
    os.kill(signer["pid"], signal.SIGKILL)
    asked = withdraw(1.251)()
    until("the signer is started again", lambda: exchange.signer()["pid"] != signer["pid"])
    row = until("it is settled", lambda: (found := one(alice, asked["id"]))["status"] == "ok" and found, within_s=90)
    tally.check("its transaction", len(row["txid"]) == 64, row["txid"])
    tally.equal("what is left", alice.fetch_balance()[coin]["total"], 6.248)


def reserves_are_proven(tally, exchange, alice, coin):
    total = f"{alice.fetch_balance()[coin]['total']:g} {coin}"
    with tempfile.TemporaryDirectory() as home:
        proof, own = f"{home}/proof", f"{home}/proof/accounts/alice.json"
        said = exchange.ctl("reserves", "prove", coin, "--out", proof)
        tally.check("what is owed", said.startswith(f"{total} are owed"), said)
        verified = exchange.ctl("reserves", "verify", f"{proof}/root.json", own)
        tally.check("alice is in it", f"alice's {total} are part of the {total}" in verified, verified)
        with open(own) as file:
            account = json.load(file)
        account["amount"] = str(int(account["amount"]) + 1)
        with open(own, "w") as file:
            json.dump(account, file)
        lie = exchange.refused("reserves", "verify", f"{proof}/root.json", own)
        tally.check("and with nothing else", lie and "does not lead to the published root" in lie, lie)


def what_was_asked_of_nodes(exchange):
    home = os.path.dirname(exchange.raw["nodes"][0]["data_dir"])
    lines = []
    for log in glob.glob(f"{home}/logs/node-*"):
        with open(log, errors="replace") as file:
            lines += [line for line in file if "audit" in line]
    return "".join(lines)


def withdrawals(tally):
    exchange = Exchange(sys.argv[1])
    state = State(sys.argv[1])
    coin = exchange.chainwatch()["chains"][0]
    alice = client(exchange, state, "--allow", "read,withdraw", "--from", "127.0.0.1")
    alice.load_markets()
    exchange.ctl("chain", "pay", "alice", "10")
    until("the deposit is credited", lambda: alice.fetch_balance().get(coin, {}).get("free") == 10)
    exchange.ctl("withdrawal", "rules", "set", coin, coin, "--review-from", "2", "--approvals", "2")

    withdraw = limits_and_refusals(tally, exchange, state, alice, coin)
    withdrawal = one_name_is_one(tally, exchange, alice, coin, withdraw)
    two_operators_approve(tally, exchange, withdrawal)
    operators_stop_it(tally, exchange, alice, coin, withdraw)
    an_operator_asks(tally, exchange, coin)
    it_is_paid(tally, exchange, alice, coin, withdrawal)
    it_is_paid_by_a_signer_that_was_killed(tally, exchange, alice, coin, withdraw)
    reserves_are_proven(tally, exchange, alice, coin)
    audit = what_was_asked_of_nodes(exchange)
    for who, what in [("operator-2", "ApproveWithdrawal"), ("operator-demo", "SetWithdrawalRules")]:
        found = any(who in line and what in line for line in audit.splitlines())
        tally.check(f"{who} is written down for {what}", found, audit[-2000:])


def main():
    tally = Tally("ccxt withdrawals")
    try:
        withdrawals(tally)
    except Exception:
        tally.crashed()
    tally.close()


main()
