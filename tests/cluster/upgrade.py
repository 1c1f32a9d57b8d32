"""Two builds serve together while clients trade: upgrade.py STATE_FILE [ORDERS_PER_SECOND]

The demo was started with MAINSTAY_NODE_MAX_VERSION=1: its nodes are what an old build is, that knows one behaviour version.
The new build is the same binary without that. Every node gets it, the version's entry is made, and both are taken back; a
binary that ends at once is not taken, and an upgrade that is killed on its way is gone on with. The load reconciles itself at its end: nothing lost, nothing doubled.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from exchange import MAINSTAY, Disproved, Exchange, Load, get, until

OLD, NEW = [1, 1], [1, 3]


def script(directory):
    """The new build."""
    path = os.path.join(directory, "mainstay-new")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nunset MAINSTAY_NODE_MAX_VERSION\nexec "{os.path.abspath(MAINSTAY)}" "$@"\n')
    os.chmod(path, 0o755)
    return path


def expect(exchange, version, knows):
    """Every replica behaves by this version, and every node knows these."""
    for node in exchange.state["nodes"]:
        for replica in (exchange.status(node) or {}).values():
            if (replica["version"], replica["versions"]) != (version, knows):
                raise Disproved(f"node {node['id']} behaves by {replica['version']} and knows {replica['versions']}, "
                                f"wanted {version} and {knows}")


def still_drained(exchange):
    """An operator had drained node 2, and no upgrade says otherwise; nor does one leave another node drained."""
    shown = [line for line in exchange.ctl("cluster", "status").splitlines() if "drains" in line]
    if not shown or any("node-2" not in line for line in shown):
        raise Disproved(f"node 2 alone was drained by an operator: {shown}")
    # While the others are restarted it may lead for a moment.
    until(lambda: 2 not in exchange.leaders().values(), 10, "another node leads what drained node 2 did")


def upgrade(exchange, *args, fails=None):
    """It begins with nodes that are all ready: one that has just been restarted is so a moment later."""
    def begun():
        try:
            exchange.ctl("upgrade", *args, fails=fails)
        except Disproved as error:
            if "upgrade::not-ready" in str(error):
                return False
            raise
        return True

    until(begun, 30, f"upgrade {' '.join(args)} begins")


def kill_at_second(exchange, binary):
    """Kills an upgrade while the second node's turn is; that node's number, or None where it did not begin."""
    command = [MAINSTAY, "ctl", "--state", exchange.state_file, "upgrade", "--binary", binary]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as walking:
        turns = []
        for line in walking.stdout:
            turns += re.findall(r"^node (\d+): leads nothing", line)
            if len(turns) == 2:
                break
        if not turns:
            return None
        if len(turns) == 1:
            raise Disproved(f"the upgrade was to be killed at its second node, and came to {turns} alone")
        node = next(node for node in exchange.state["nodes"] if node["id"] == int(turns[1]))
        # It has ended: it does not answer, or has been started again already.
        until(lambda: not get(node["http"] + "/livez", 0.5) or node not in exchange.state["nodes"], 30, "it ends")
        walking.kill()
    return node


def killed(exchange, binary):
    """An upgrade that is killed on its way; the node whose turn it was runs again, and is drained by nobody's wish."""
    node = until(lambda: kill_at_second(exchange, binary), 30, "an upgrade begins")
    try:
        until(lambda: get(node["http"] + "/livez", 0.5), 1, "it was started again before the kill")
    except Disproved:
        # It may be on its way all the same.
        start = [MAINSTAY, "ctl", "--state", exchange.state_file, "node", "start", str(node["id"])]
        subprocess.run(start, capture_output=True, check=False)
    exchange.wait_ready()
    return node["id"]


def main():
    exchange, rate = Exchange(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
    directory = tempfile.mkdtemp(prefix="mainstay-upgrade-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    started = time.monotonic()

    def say(what):
        print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)

    def credited():
        return exchange.ctl("account", "credit", "upgrader", "USDT", 10)

    exchange.wait_ready()
    exchange.ctl("account", "open", "upgrader")
    expect(exchange, 1, OLD)
    exchange.ctl("version", "set", 2, fails="version::cannot-run")
    exchange.ctl("upgrade", "--back", fails="upgrade::nothing-to-go-back-to")
    load = Load(exchange, directory, rate, float(os.environ.get("UPGRADE_SECONDS", "10")))
    try:
        time.sleep(1)
        pids = {node["id"]: node["pid"] for node in exchange.state["nodes"]}
        upgrade(exchange, "--binary", "/bin/false", fails="upgrade::unhealthy")
        restarted = [node["id"] for node in exchange.state["nodes"] if node["pid"] != pids[node["id"]]]
        if len(restarted) != 1:
            raise Disproved(f"nodes {restarted} were restarted for a binary that ends at once")
        expect(exchange, 1, OLD)
        say(f"a binary that ends at once was taken back from node {restarted[0]}, and no other had it")
        exchange.ctl("node", "drain", 2)
        new = script(directory)
        broken_off = killed(exchange, new)
        upgrade(exchange, "--binary", new)
        expect(exchange, 1, NEW)
        still_drained(exchange)
        if "free now" in credited():
            raise Disproved("the new build behaves otherwise without the version's entry")
        say(f"every node has the new build, and does what it did; a first try was killed at node {broken_off}")
        upgrade(exchange, "--activate")
        expect(exchange, NEW[1], NEW)
        if "20 USDT free now" not in credited():
            raise Disproved("the newest version does not say what is free")
        say(f"version {NEW[1]} is the rule: a credit says what is free")
        upgrade(exchange, "--back")
        expect(exchange, 1, OLD)
        still_drained(exchange)
        exchange.ctl("node", "undrain", 2)
        if "free now" in credited():
            raise Disproved("the former version is not what it was")
        say("back: the former version, and the former build on every node")
        is_over = load.process.poll() is not None
        say("the load was over before the changes were" if is_over else "the load has traded on")
        report = load.finish()
        exchange.wait_ready()
        exchange.wait_equal()
        metrics = [until(lambda node=node: get_metric(node), 5, "metrics") for node in exchange.state["nodes"]]
        if any(version != 1 for version in metrics):
            raise Disproved(f"/metrics says versions {metrics}")
    except Disproved as error:
        load.kill()
        print(f"upgrade: {error}")
        sys.exit(1)
    pause, acknowledged = report["longest_pause_ms"], report["acked"]
    print(f"upgrade: there and back, {acknowledged} acknowledged, 0 lost, 0 doubled, longest pause {pause} ms")


def get_metric(node):
    """The greatest behaviour version on a node's page of metrics."""
    answer = get(f"{node['http']}/metrics")
    lines = answer[1].splitlines() if answer and answer[0] == 200 else []
    found = [int(line.split()[-1]) for line in lines if line.startswith("mainstay_node_behaviour_version{")]
    return max(found) if found else None


main()
