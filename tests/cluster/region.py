"""Another region takes over: region.py STATE_FILE

Under load a fourth node becomes a learner that stays one, and a gateway reads from it alone: market data as in the first
region, everything else refused. A quorum that answers is not promoted past. Then all three voters are killed, the learner is
promoted, and what it says is held against what clients were told: every order acknowledged at or before the position printed
rests, none behind it does, books balance, markets accept cancels alone until they are reopened, and the old side is nobody.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from exchange import MAINSTAY, Disproved, Exchange, Load, get, until

LEARNER = 4
# The load trades in the others: what rests here nobody meets, however long the machine lets others wait.
MARKET = "ETHBTC"
READ_ONLY = {"code": -1020, "msg": "This operation is not supported: this gateway is read-only and has public market data alone."}


def check(holds, what):
    if not holds:
        raise Disproved(what)


def free_port():
    """One that no connection out of this machine is given meanwhile."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for port in random.sample(range(lowest - 12_000, lowest), 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Disproved("no port is free")


class Client:
    """Signs requests of one account."""

    def __init__(self, account, rest):
        self.account, self.rest = account, rest

    def ask(self, verb, path, trace=None, **params):
        """HTTP status, JSON and headers."""
        params["timestamp"] = time.time_ns() // 1_000_000
        if trace:
            params["traceId"] = trace
        text = urllib.parse.urlencode(params)
        signature = hmac.new(self.account["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"{self.rest}{path}?{text}&signature={signature}", method=verb)
        request.add_header("X-MBX-APIKEY", self.account["api_key"])
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers

    def rest_far_away(self, name, trace=None):
        """An order that nobody fills."""
        return self.ask("POST", "/api/v3/order", trace, symbol=MARKET, side="BUY", type="LIMIT", timeInForce="GTC",
                        quantity="0.1", price="0.025", newClientOrderId=name)


class Writer(threading.Thread):
    """Places orders one after the other until one is not answered; remembers where in the log each acknowledged one is."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.acknowledged, self.is_over = client, [], False

    def place(self):
        name = f"region-{len(self.acknowledged)}"
        try:
            status, answer, headers = self.client.rest_far_away(name, trace="region")
        except (OSError, ValueError):
            return False
        if status != 200:
            return False
        place = dict(it.split("/") for it in headers["X-Trace-Log"].split(","))
        self.acknowledged.append((name, int(place["1"]), answer["orderId"]))
        return True

    def run(self):
        while not self.is_over and self.place():
            pass


def first_word(url):
    """The first text that a stream says."""
    place = urllib.parse.urlparse(url)
    with socket.create_connection((place.hostname, place.port), timeout=15) as link:
        key = base64.b64encode(os.urandom(16)).decode()
        link.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        stream = link.makefile("rb")
        check(b" 101 " in stream.readline(), "the stream is not upgraded")
        while stream.readline().strip():
            pass
        head = stream.read(2)
        length = head[1] & 127
        if length == 126:
            length = int.from_bytes(stream.read(2), "big")
        return json.loads(stream.read(length))


class Process:
    """One of ours, beside the demo's."""

    def __init__(self, kind, config, log):
        self.log = open(log, "a", encoding="utf-8")
        self.process = subprocess.Popen([MAINSTAY, kind, "--config", config], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def gateway_file(exchange, directory, name, port, nodes, read_only):
    """The demo's gateway, elsewhere and with other nodes."""
    of_demo = os.path.join(directory, "config", "gateway-1.toml")
    with open(of_demo, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"\[\[nodes\]\]\n(\w+ = .*\n)+\n?", "", text)
    text = re.sub(r"(?m)^listen = .*$", f'listen = "127.0.0.1:{port}"', text)
    text = re.sub(r"(?m)^read_only = .*\n", "", text)
    text = f"read_only = {str(read_only).lower()}\n" + text
    for node, addr in nodes:
        text += f'\n[[nodes]]\nnode = {node}\naddr = "{addr}"\n'
    path = os.path.join(directory, "config", f"{name}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def promote(config, *args, fails=None):
    done = subprocess.run([MAINSTAY, "ctl", "promote", "--config", config, *args], capture_output=True, text=True, timeout=60,
                          check=False)
    said = done.stdout + done.stderr
    check((done.returncode != 0) == (fails is not None) and (fails or "") in said, f"promote {args}: {done.returncode}\n{said}")
    return done.stdout


def metric(text, name, **labels):
    """The value of a metric."""
    of = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"(?m)^{name}\{{{of}\}} (\S+)$", text)
    return float(found[1]) if found else None


def learner(exchange):
    return next(node for node in exchange.state["nodes"] if node["id"] == LEARNER)


def is_near(exchange):
    """Whether the learner says that it is less than a second behind in every partition."""
    status = exchange.status(learner(exchange))
    return status and all(replica["role"] == "learner" and replica["caught_up"] and replica["behind_ms"] < 1_000
                          for replica in status.values())


def compare(main, other):
    """Both gateways have the same market data, while both trade on."""
    def same_depth():
        books = [get(f"{rest}/api/v3/depth?symbol=BTCUSDT&limit=100")[1] for rest in (main, other, main)]
        return books[1] in (books[0], books[2])
    until(same_depth, 30, "the read-only gateway shows a book that the first region shows")

    def same_trades():
        path = "/api/v3/trades?symbol=BTCUSDT&limit=200"
        first, second = ({trade["id"]: trade for trade in get(rest + path)[1]} for rest in (main, other))
        common = first.keys() & second.keys()
        check(all(first[trade] == second[trade] for trade in common), "a trade is another one in the other region")
        return len(common) > 20
    until(same_trades, 30, "the read-only gateway shows the trades of the first region")
    infos = [get(f"{rest}/api/v3/exchangeInfo")[1] for rest in (main, other)]
    check(infos[0]["symbols"] == infos[1]["symbols"], "exchangeInfo differs")
    for path in ("ticker/24hr?symbol=BTCUSDT", "klines?symbol=BTCUSDT&interval=1m", "ticker/price", "avgPrice?symbol=BTCUSDT"):
        status, answer = get(f"{other}/api/v3/{path}")
        check(status == 200 and answer, f"{path}: {answer}")


def main():
    exchange = Exchange(sys.argv[1])
    state = exchange.state
    directory = os.path.dirname(state["nodes"][0]["data_dir"])
    home = tempfile.mkdtemp(prefix="mainstay-region-")
    started, ours = time.monotonic(), []

    def say(what):
        print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)

    load = Load(exchange, home, 200, 120, symbols="BTCUSDT,ETHUSDT")
    writer = None
    try:
        exchange.ctl("node", "add", LEARNER, "--learner")
        until(lambda: is_near(exchange), 30, "the learner is near")
        members = [member for partition in json.loads(exchange.ctl("cluster", "status", "--json"))
                   for member in partition["members"] + [{"node": 0, "role": "changing"}] * partition["changing"]]
        check(all((member["role"] in ("voter", "leader")) == (member["node"] in (1, 2, 3)) for member in members), members)
        check(all(member["stays_learner"] and member["behind"] is not None for member in members if member["node"] == LEARNER),
              members)
        exchange.ctl("node", "add", LEARNER, fails="member::already-a-member")
        shown = get(f"{learner(exchange)['http']}/metrics")[1]
        for partition in exchange.partitions():
            check(metric(shown, "mainstay_node_learner_lag_entries", partition=partition) is not None, "no lag in entries")
            check(metric(shown, "mainstay_node_learner_lag_seconds", partition=partition) is not None, "no lag in seconds")
        say("node 4 is a learner that stays one, and says how far it is behind")

        node_file = os.path.join(directory, "config", f"node-{LEARNER}.toml")
        with open(node_file, encoding="utf-8") as file:
            addr = re.search(r'(?m)^listen = "(.*)"', file.read())[1]
        port = free_port()
        read_only = gateway_file(exchange, directory, "read-only", port, [(LEARNER, addr)], True)
        ours.append(Process("gateway", read_only, f"{home}/read-only.log"))
        other = f"http://127.0.0.1:{port}"
        until(lambda: (get(f"{other}/readyz") or [0])[0] == 200, 30, "the read-only gateway is ready")
        account = state["accounts"][0]
        client = Client(account, state["rest"])
        compare(state["rest"], other)
        told = first_word(f"ws://127.0.0.1:{port}/ws/btcusdt@depth@100ms")
        check(told["e"] == "depthUpdate" and told["s"] == "BTCUSDT", told)
        for verb, path in (("POST", "/api/v3/order"), ("GET", "/api/v3/account"), ("POST", "/api/v3/userDataStream")):
            status, answer, _ = Client(account, other).ask(verb, path, symbol="BTCUSDT")
            check((status, answer) == (403, READ_ONLY), f"{verb} {path} is answered {status} {answer}")
        say("the read-only gateway has the market data of the first region, and refuses the rest")

        writer = Writer(client)
        check(all(writer.place() for _ in range(10)), "an order is not acknowledged")
        last = writer.acknowledged[-1][1]
        until(lambda: exchange.status(learner(exchange))[1]["position"] >= last, 30, "the learner has the first orders")
        exchange.ctl("node", "stop", LEARNER)
        promote(node_file, "--accept-loss", fails="promote::quorum-answers")
        exchange.ctl("node", "start", LEARNER)
        until(lambda: is_near(exchange), 30, "the learner is near again")
        say("nobody is promoted while the old side answers; the learner has come back")

        writer.start()
        until(lambda: len(writer.acknowledged) >= 30, 60, "orders are acknowledged")
        # What is acknowledged from now on is what an asynchronous learner may not have.
        exchange.ctl("node", "pause", LEARNER)
        before = len(writer.acknowledged)
        until(lambda: len(writer.acknowledged) >= before + 25, 60, "orders are acknowledged without the learner")
        for node in state["nodes"]:
            os.kill(node["pid"], 9)
        # What it waits for now nobody acknowledges any more.
        writer.is_over = True
        load.kill()
        exchange.ctl("node", "kill", LEARNER)
        shown = promote(node_file, fails="promote::accept-loss")
        check(shown.count("does not answer") == 3, shown)
        said = promote(node_file, "--accept-loss")
        positions = {int(partition): int(position) for partition, position in
                     re.findall(r"partition (\d+): entry \d+, position (\d+),", said)}
        check(set(positions) == set(exchange.partitions()), said)
        say(f"three voters were killed at once, node 4 is promoted at {positions}")

        # As it says: the demo starts it in the new life, and its gateway again. One node has no peers.
        check(f"mainstay ctl node start {LEARNER}" in said, said)
        former = state["gateways"][0]["pid"]
        exchange.ctl("node", "start", LEARNER)
        rest, page = state["rest"], learner(exchange)["http"]
        until(lambda: (get(f"{page}/readyz") or [0])[0] == 200, 30, "the promoted node is ready")
        until(lambda: exchange.state["gateways"][0]["pid"] != former, 30, "its gateway is started again")
        until(lambda: (get(f"{rest}/readyz") or [0])[0] == 200, 30, "its gateway is ready")
        check([node["id"] for node in exchange.state["nodes"]] == [LEARNER] and exchange.state["cluster"]["epoch"] == 2,
              exchange.state["cluster"])
        new = Client(account, rest)
        _, resting, _ = new.ask("GET", "/api/v3/openOrders", symbol=MARKET)
        resting = {order["clientOrderId"]: order["orderId"] for order in resting}
        acknowledged = list(writer.acknowledged)
        kept = {name for name, position, _ in acknowledged if position <= positions[1]}
        for name, position, order in acknowledged:
            check((resting.get(name) == order) == (name in kept), f"{name} at {position}: {resting.get(name)}, not {order}")
        lost = len(acknowledged) - len(kept)
        check(len(kept) >= 10 and lost >= 20, f"{len(kept)} kept, {lost} lost")
        say(f"{len(kept)} orders acknowledged at or before the position rest; {lost} behind it are lost, as it said")

        def audit():
            shown = get(f"{page}/audit")[1]["assets"]
            check(all(asset["conserved"] for asset in shown), shown)
            return all(int(asset["clearing"]) == 0 for asset in shown)
        until(audit, 30, "mail that was under way has arrived, and books balance")
        status, answer, _ = new.rest_far_away("too-early")
        check(status == 400, f"a market is open after a promotion: {answer}")
        name = sorted(kept)[0]
        status, answer, _ = new.ask("DELETE", "/api/v3/order", symbol=MARKET, origClientOrderId=name)
        check(status == 200 and answer["status"] == "CANCELED", answer)
        say("money is conserved; markets accept cancels alone")

        refused = subprocess.run([MAINSTAY, "node", "--config", os.path.join(directory, "config", "node-1.toml")], check=False,
                                 capture_output=True, text=True, timeout=30, env={**os.environ, "MAINSTAY_NODE_EPOCH": "2"})
        check(refused.returncode != 0 and "epoch 1" in refused.stderr, refused.stderr)
        exchange.ctl("node", "start", 1, fails="no node 1")
        ours.append(Process("node", os.path.join(directory, "config", "node-1.toml"), f"{home}/node.log"))
        closed = "mainstay_node_connections_closed_total"
        until(lambda: metric(get(f"{page}/metrics")[1], closed, reason="wrong_epoch"), 30, "the old node is turned away")
        old = next(node for node in state["nodes"] if node["id"] == 1)
        status = until(lambda: exchange.status(old), 30, "the old node says what it is")
        check(all(replica["role"] != "leader" and not replica["caught_up"] for replica in status.values()), status)
        say("an old node is refused, whichever epoch it is told")

        exchange.ctl("market", "reopen", MARKET, "--cancel-only", "0s", "--auction", "500ms")
        until(lambda: new.rest_far_away(f"again-{time.monotonic_ns()}")[0] == 200, 30, "it trades again")
        until(audit, 30, "books balance")
        say("reopened by an operator, it trades on")
    except Disproved as error:
        for name in sorted(os.listdir(home)):
            if name.endswith(".log"):
                with open(os.path.join(home, name), encoding="utf-8") as log:
                    print(f"--- {name}\n" + "".join(log.readlines()[-15:]))
        print(f"region: {error}")
        sys.exit(1)
    finally:
        load.kill()
        if writer:
            writer.is_over = True
        for process in ours:
            process.end()
        shutil.rmtree(home, ignore_errors=True)
    print(f"region: {len(kept)} acknowledged orders are there, {lost} behind the printed position are not")


main()
