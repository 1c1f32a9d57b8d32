"""What the tests of whole clusters share: a state file's processes, their pages, a load that reconciles itself."""

import glob
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

MAINSTAY = os.environ.get("MAINSTAY", "target/release/mainstay")


class Disproved(Exception):
    """The exchange is not as it should be."""


def get(url, within=2.0):
    """Status and JSON (or text) of a page; None when there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=within) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError:
        return None
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body.decode(errors="replace")


def until(look, within, what):
    """Looks again and again until there is an answer."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Disproved(f"{what}: not within {within} s")
        time.sleep(0.05)


class Exchange:
    """A running exchange, as its state file describes it."""

    def __init__(self, state_file):
        self.state_file = state_file

    @property
    def state(self):
        with open(self.state_file, encoding="utf-8") as file:
            return json.load(file)

    def partitions(self):
        return self.state["cluster"]["partitions"]

    def status(self, node):
        """A node's replicas by partition; None when it does not answer."""
        answer = get(f"{node['http']}/status")
        if not answer or answer[0] != 200:
            return None
        return {replica["partition"]: replica for replica in answer[1]["partitions"]}

    def leader(self, partition):
        """The node that leads, by the greatest term in which one says so."""
        best = None
        for node in self.state["nodes"]:
            replica = (self.status(node) or {}).get(partition)
            if replica and replica["role"] == "leader" and (best is None or replica["term"] > best[0]):
                best = (replica["term"], node["id"])
        return best and best[1]

    def leaders(self):
        return {partition: self.leader(partition) for partition in self.partitions()}

    def wait_ready(self, within=30):
        def ready():
            answers = [get(f"{node['http']}/readyz") for node in self.state["nodes"]]
            return all(answer and answer[0] == 200 for answer in answers)

        until(ready, within, "every node is ready")

    def wait_equal(self, within=30):
        """Waits until all replicas of every partition are at one position; their digests must be one."""
        nodes = self.state["nodes"]
        for partition in self.partitions():
            def level(partition=partition):
                digests = [get(f"{node['http']}/digest?partition={partition}") for node in nodes]
                if not all(digest and digest[0] == 200 for digest in digests):
                    return None
                digests = [digest[1] for digest in digests]
                return digests if len({digest["position"] for digest in digests}) == 1 else None

            digests = until(level, within, f"the replicas of partition {partition} are at one position")
            if len({digest["digest"] for digest in digests}) != 1:
                raise Disproved(f"the replicas of partition {partition} differ: {digests}")

    def audited(self):
        """What operators have asked of the nodes that the demo started, as their logs say."""
        home = os.path.dirname(self.state["nodes"][0]["data_dir"])
        lines = []
        for log in glob.glob(f"{home}/logs/node-*"):
            with open(log, encoding="utf-8", errors="replace") as file:
                lines += [line for line in file if "audit" in line]
        return lines

    def ctl(self, *args, fails=None, within=120):
        """Runs `mainstay ctl`; `fails` is what its error must say."""
        command = [MAINSTAY, "ctl", "--state", self.state_file, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)
        said = done.stdout + done.stderr
        if fails is None and done.returncode:
            raise Disproved(f"{' '.join(map(str, args))}: exit {done.returncode}:\n{said}")
        if fails is not None and (done.returncode == 0 or fails not in said):
            raise Disproved(f"{' '.join(map(str, args))}: exit {done.returncode}, wanted an error {fails}:\n{said}")
        return done.stdout


class Load:
    """`mainstay loadgen run`, which holds every acknowledgement against the exchange's own records at its end."""

    def __init__(self, exchange, directory, rate, seconds, seed=1, symbols="BTCUSDT,ETHUSDT,ETHBTC"):
        self.report = os.path.join(directory, f"load-{time.monotonic_ns()}.json")
        self.log = self.report + ".log"
        command = [MAINSTAY, "loadgen", "run", "--state", exchange.state_file, "--rate", str(rate), "--duration",
                   f"{int(seconds * 1000)}ms", "--seed", str(seed), "--symbols", symbols, "--response", "each", "--json", self.report]
        self.started = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def finish(self, within=120):
        """Waits for its end; the report, in which nothing is lost or doubled."""
        try:
            status = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            status = "no end"
        with open(self.log, encoding="utf-8") as log:
            said = log.read()
        if status != 0:
            raise Disproved(f"the load ended with {status}:\n{said}")
        with open(self.report, encoding="utf-8") as report:
            report = json.load(report)
        if report["lost"] or report["duplicated"]:
            raise Disproved(f"lost or doubled:\n{said}")
        return report

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
