"""Nodes join and leave while clients trade: membership.py STATE_FILE [ORDERS_PER_SECOND]

Three nodes become five, and three again of which none was there in the beginning: the gateway's and the nodes' files name
the first three alone, so whatever they know of the others they have learned while they ran. The load reconciles itself at
its end: nothing lost, nothing doubled.
"""

import atexit
import json
import os
import shutil
import sys
import tempfile
import time

from exchange import Disproved, Exchange, Load, until


def members(exchange):
    """Of each partition: who leads, and the nodes by role."""
    shown = json.loads(exchange.ctl("cluster", "status", "--json"))
    found = {}
    for partition in shown:
        roles = {member["node"]: member["role"] for member in partition["members"]}
        found[partition["partition"]] = (partition["leader"], roles, partition["changing"])
    return found


def is_newest(exchange):
    """A cluster that was just begun does from its first asset on what its nodes' build does."""
    for node in exchange.state["nodes"]:
        for partition, replica in (exchange.status(node) or {}).items():
            if replica["version"] != replica["versions"][1]:
                raise Disproved(f"partition {partition} of a new cluster behaves by {replica['version']} of "
                                f"{replica['versions']} on node {node['id']}")


def vote_everywhere(exchange, nodes):
    """Whether these and no others vote in every partition, and nothing is under way."""
    for leader, roles, changing in members(exchange).values():
        if leader is None or changing or set(roles) != set(nodes) or "learner" in roles.values():
            return False
    return True


def settle(exchange, nodes):
    until(lambda: vote_everywhere(exchange, nodes), 30, f"nodes {nodes} vote everywhere")


def spread(exchange, nodes):
    """Every partition is led, no node leads more than its part."""
    def is_spread():
        leaders = [leader for leader, _, _ in members(exchange).values()]
        most = -(-len(leaders) // len(nodes))
        return None not in leaders and all(leaders.count(node) <= most for node in nodes) and leaders
    return until(is_spread, 30, "leaders are spread")


def main():
    exchange, rate = Exchange(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
    seconds = float(os.environ.get("MEMBERSHIP_SECONDS", "16"))
    directory = tempfile.mkdtemp(prefix="mainstay-membership-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    started = time.monotonic()

    def say(what):
        print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)

    exchange.wait_ready()
    is_newest(exchange)
    exchange.ctl("node", "remove", 9, fails="member::unknown-node")
    exchange.ctl("node", "add", 2, fails="member::already-a-member")
    exchange.ctl("node", "remove", 3, fails="member::too-few")
    exchange.ctl("node", "drain", 9, fails="member::unknown-node")
    say("what cannot be is refused, each by its code")

    load = Load(exchange, directory, rate, seconds)
    try:
        time.sleep(1)
        for node in (4, 5):
            exchange.ctl("node", "add", node)
            say(f"node {node} votes in every partition")
        settle(exchange, [1, 2, 3, 4, 5])
        say(f"five nodes, leaders {spread(exchange, [1, 2, 3, 4, 5])}")
        exchange.ctl("node", "drain", 3)
        if 3 in [leader for leader, _, _ in members(exchange).values()]:
            raise Disproved("a drained node leads")
        say("node 3 is drained")
        exchange.ctl("node", "remove", 1)
        exchange.ctl("node", "remove", 2)
        settle(exchange, [3, 4, 5])
        say("nodes 1 and 2 have left")
        exchange.ctl("node", "replace", 3, 6)
        settle(exchange, [4, 5, 6])
        say(f"node 6 has replaced node 3, leaders {spread(exchange, [4, 5, 6])}")
        is_over = load.process.poll() is not None
        report = load.finish()
        began = (report["longest_pause_began_ms"] or 0) / 1000
        say(f"the longest pause began about {began + load.started - started:.1f} s")
        say("the load was over before the changes were" if is_over else "the load has traded on among strangers")
        exchange.wait_ready()
        exchange.wait_equal()
        if [node["id"] for node in exchange.state["nodes"]] != [4, 5, 6]:
            raise Disproved("the state file names other nodes")
        # A client that begins now finds its way too, and what has left is nobody.
        again = Load(exchange, directory, rate, 2, seed=2)
        again.finish()
        exchange.wait_equal()
        exchange.ctl("node", "remove", 1, fails="member::unknown-node")
        for wish in ("Add node 4 at", "Drain node 3", "Remove node 1", "instead of node 3"):
            def written_down(wish=wish):
                return any(wish in line and "operator" in line for line in exchange.audited())

            until(written_down, 10, f"somebody has written down who asked for {wish!r}")
        say("what was asked of members is written down")
    except Disproved as error:
        load.kill()
        print(f"membership: {error}")
        sys.exit(1)
    pause, acknowledged = report["longest_pause_ms"], report["acked"]
    print(f"membership: 3 -> 5 -> 3 other nodes, {acknowledged} acknowledged, 0 lost, 0 doubled, longest pause {pause} ms")


main()
