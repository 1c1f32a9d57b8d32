"""Twelve faults on real processes, each on a host of its own: hosts.py [FAULT...]

A host is a network namespace on a bridge, with a file system of its own on a loop device. The exchange is founded by a
demo on loopback; its nodes are then started again on those hosts, from the disks that they left. For each fault a load
trades through it and reconciles itself: nothing acknowledged lost, nothing doubled. Afterwards every node is ready and all
replicas are equal.

Needs root, iproute2, iptables, e2fsprogs and a C compiler; where it may not make networks and mount file systems, as in most
containers, it says that it skips, and why. Names are of this run alone, and everything is taken down at the end, however it
ends.
"""

import atexit
import fcntl
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from exchange import MAINSTAY, Disproved, Exchange, Load, get, until

HERE = os.path.dirname(os.path.abspath(__file__))
NODES = (1, 2, 3)
RATE = 200
LOAD_S = 3.0
STRIKES_AFTER_S = 0.7
DISK_MB = 1024
# Less than a node's reserve.
DISK_LEFT = 16 << 20
EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_JOURNAL = 2


def run(*command, may_fail=False):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise Disproved(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def not_permitted():
    """What root may not do here, as a container's root; None if it may do everything that a host takes."""
    name, directory = f"ms{os.getpid():x}p", tempfile.mkdtemp(prefix="mainstay-hosts-")
    image, disk = f"{directory}/image", f"{directory}/disk"
    os.mkdir(disk)
    attempts = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", name, "type", "bridge"],
        ["ip", "netns", "exec", name, "iptables", "-w", "-A", "INPUT", "-i", "lo", "-m", "statistic", "--mode", "random",
         "--probability", "0.2", "-j", "DROP"],
        ["truncate", "-s", "16M", image],
        ["mkfs.ext4", "-q", "-F", image],
        ["mount", "-o", "loop", image, disk],
    ]
    try:
        for command in attempts:
            run(*command)
    except (Disproved, OSError) as error:
        return str(error)
    finally:
        run("umount", disk, may_fail=True)
        run("ip", "link", "del", name, may_fail=True)
        run("ip", "netns", "del", name, may_fail=True)
        shutil.rmtree(directory, ignore_errors=True)
    return None


class Host:
    """A namespace with a node in it, and its disk."""

    def __init__(self, world, node):
        self.world, self.node = world, node
        self.name, self.ip = f"{world.name}n{node}", f"{world.subnet}.{node}"
        self.image, self.disk = f"{world.home}/disk-{node}.img", f"{world.home}/disk-{node}"
        self.slow = f"{world.home}/slow-{node}"
        self.process = None

    def build(self):
        outer, inner = f"{self.name}o", f"{self.name}i"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name)
        run("ip", "link", "set", outer, "master", self.world.name, "up")
        run("ip", "-n", self.name, "addr", "add", f"{self.ip}/24", "dev", inner)
        run("ip", "-n", self.name, "link", "set", inner, "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        os.makedirs(self.disk)
        run("truncate", "-s", f"{DISK_MB}M", self.image)
        run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    def mount(self):
        # What was cut off is mended first, as at a start of the host.
        run("e2fsck", "-p", self.image, may_fail=True)
        run("mount", "-o", "loop,noatime,errors=remount-ro", self.image, self.disk)

    def unmount(self):
        for _ in range(50):
            if not os.path.ismount(self.disk):
                return
            run("umount", self.disk, may_fail=True)
            if os.path.ismount(self.disk):
                time.sleep(0.1)
        run("umount", "-l", self.disk, may_fail=True)

    def start(self):
        environment = dict(os.environ, LD_PRELOAD=self.world.shim, SLOW_FSYNC_WHILE=self.slow, SLOW_FSYNC_MS="60")
        with open(f"{self.world.home}/node-{self.node}.log", "a", encoding="utf-8") as log:
            # Not by `ip netns exec`, which gives it mounts of its own: they would hold the others' file systems.
            command = ["nsenter", f"--net=/run/netns/{self.name}", MAINSTAY, "node", "--config", self.world.config(self.node)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def log(self):
        with open(f"{self.world.home}/node-{self.node}.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def signal(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def ends(self, within=15):
        """Waits until the process ends by itself."""
        until(lambda: self.process.poll() is not None, within, f"node {self.node} ends")

    def restart(self):
        if self.process.poll() is None:
            self.kill()
        self.start()

    def deafen(self, *others, rule=()):
        """Packets of others no longer arrive here."""
        for other in others:
            run("ip", "netns", "exec", self.name, "iptables", "-w", "-A", "INPUT", "-s", other.ip, *rule, "-j", "DROP")

    def isolate(self):
        run("ip", "netns", "exec", self.name, "iptables", "-w", "-A", "INPUT", "!", "-i", "lo", "-j", "DROP")

    def hear(self):
        run("ip", "netns", "exec", self.name, "iptables", "-w", "-F", "INPUT")

    def destroy(self):
        self.kill()
        self.unmount()
        # Its ends of the veth pair go with it.
        run("ip", "netns", "del", self.name, may_fail=True)


class World:
    """The bridge, the hosts, the gateway."""

    def __init__(self):
        # An interface's name has 15 characters at most.
        self.name = f"ms{os.getpid() % 46656:x}{random.randrange(46656):x}"[:10]
        self.home = tempfile.mkdtemp(prefix=f"mainstay-hosts-{self.name}-")
        self.data, self.state = f"{self.home}/data", f"{self.home}/state.json"
        self.shim = f"{self.home}/slow_fsync.so"
        self.subnet = self.free_subnet()
        self.gateway = None
        self.hosts = {node: Host(self, node) for node in NODES}
        self.exchange = Exchange(self.state)

    def config(self, name):
        return f"{self.data}/config/{f'node-{name}' if isinstance(name, int) else name}.toml"

    @staticmethod
    def free_subnet():
        taken = run("ip", "-o", "addr") + run("ip", "route")
        while True:
            subnet = f"10.{random.randrange(64, 250)}.{random.randrange(1, 250)}"
            if f"{subnet}." not in taken:
                return subnet

    def found(self):
        """A demo lists the markets, opens the accounts, and leaves its disks."""
        log = f"{self.home}/demo.log"
        with open(log, "w", encoding="utf-8") as out:
            demo = subprocess.Popen([MAINSTAY, "demo", "--headless", "--any-port", "--no-bots", "--layout", "split",
                                     "--data-dir", self.data, "--state", self.state], stdout=out, stderr=out)
        try:
            until(lambda: os.path.exists(self.state) or demo.poll() is not None, 60, "the demo is ready")
            if demo.poll() is not None:
                with open(log, encoding="utf-8") as said:
                    raise Disproved(f"the demo has ended:\n{said.read()}")
            with open(self.state, encoding="utf-8") as file:
                state = json.load(file)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait()
        return state

    def build(self):
        run("cc", "-shared", "-fPIC", "-O1", "-o", self.shim, f"{HERE}/slow_fsync.c", "-ldl")
        run("ip", "link", "add", self.name, "type", "bridge")
        run("ip", "addr", "add", f"{self.subnet}.254/24", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        for host in self.hosts.values():
            host.build()
        state = self.found()
        places = {node["addr"]: f"{self.hosts[node['id']].ip}:7101" for node in state["cluster"]["nodes"]}
        places |= {node["http"].removeprefix("http://"): f"{self.hosts[node['id']].ip}:7201" for node in state["nodes"]}
        for name in [*NODES, "gateway-1"]:
            with open(self.config(name), encoding="utf-8") as file:
                text = file.read()
            for before, after in places.items():
                text = text.replace(f'"{before}"', f'"{after}"')
            if isinstance(name, int):
                text = re.sub(r'data_dir = ".*"', f'data_dir = "{self.hosts[name].disk}/data"', text)
            with open(self.config(name), "w", encoding="utf-8") as file:
                file.write(text)
        for node, host in self.hosts.items():
            run("cp", "-a", f"{self.data}/node-{node}", f"{host.disk}/data")
            run("sync", "-f", host.disk)
            host.start()
        for node in state["nodes"]:
            host = self.hosts[node["id"]]
            node["http"], node["data_dir"], node["pid"] = f"http://{host.ip}:7201", f"{host.disk}/data", host.process.pid
        for node in state["cluster"]["nodes"]:
            node["addr"] = f"{self.hosts[node['id']].ip}:7101"
        with open(self.state, "w", encoding="utf-8") as file:
            json.dump(state, file)
        with open(f"{self.home}/gateway.log", "w", encoding="utf-8") as log:
            self.gateway = subprocess.Popen([MAINSTAY, "gateway", "--config", self.config("gateway-1")], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        self.exchange.wait_ready()
        until(lambda: (get(f"{state['rest']}/readyz") or [0])[0] == 200, 30, "the gateway is ready")

    def destroy(self):
        for host in self.hosts.values():
            host.destroy()
        if self.gateway and self.gateway.poll() is None:
            self.gateway.kill()
            self.gateway.wait()
        run("ip", "link", "del", self.name, may_fail=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def leader(self):
        """The host of the ledger's leader, and the two others."""
        ledger = self.exchange.state["cluster"]["ledger"]
        leader = until(lambda: self.exchange.leader(ledger), 20, "the ledger has a leader")
        return self.hosts[leader], [host for node, host in self.hosts.items() if node != leader]


def for_a_while(seconds=1.2):
    time.sleep(seconds)


def hear_again(world):
    for host in world.hosts.values():
        host.hear()


def symmetric_partition(world):
    """The leader is cut off from the other nodes, not from the gateway."""
    leader, others = world.leader()
    leader.deafen(*others)
    for other in others:
        other.deafen(leader)
    for_a_while()
    hear_again(world)


def one_way_partition(world):
    """The leader hears nobody, and is heard."""
    leader, others = world.leader()
    leader.deafen(*others)
    for_a_while()
    hear_again(world)


def non_transitive_partition(world):
    """The leader and a standby are cut off from each other; both reach the third."""
    leader, others = world.leader()
    leader.deafen(others[0])
    others[0].deafen(leader)
    for_a_while()
    hear_again(world)


def isolated_leader(world):
    """The leader hears nothing at all, not even the gateway, and nobody hears it."""
    leader, others = world.leader()
    leader.isolate()
    for other in others:
        other.deafen(leader)
    for_a_while()
    hear_again(world)


def loss(world):
    """A fifth of the packets between the nodes is lost."""
    hosts = list(world.hosts.values())
    for host in hosts:
        others = [other for other in hosts if other is not host]
        host.deafen(*others, rule=("-m", "statistic", "--mode", "random", "--probability", "0.2"))
    for_a_while(1.8)
    hear_again(world)


def kill(world):
    """SIGKILL of the leader, and a new start."""
    leader, _ = world.leader()
    leader.kill()
    for_a_while(0.8)
    leader.start()


def stop(world):
    """SIGSTOP of the leader."""
    leader, _ = world.leader()
    leader.signal(signal.SIGSTOP)
    for_a_while()
    leader.signal(signal.SIGCONT)


def disk_full(world):
    """The leader's disk fills up. It gives up what needs the disk before a write fails, and says so; another leads."""
    leader, _ = world.leader()
    page, ballast = f"http://{leader.ip}:7201", f"{leader.disk}/ballast"
    free = os.statvfs(leader.disk)
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - DISK_LEFT, 1))

    def has_stepped_down():
        if leader.process.poll() is not None:
            raise Disproved("the node with the full disk has ended")
        ready, replicas = get(f"{page}/readyz"), world.exchange.status({"http": page})
        says_so = ready and ready[0] == 503 and "disk is full" in ready[1]
        return says_so and replicas and all(replica["role"] != "leader" for replica in replicas.values())

    until(has_stepped_down, 10, "the node with the full disk leads nothing and says why")
    metrics = get(f"{page}/metrics")[1]
    if not re.search(r"^\w*disk_space 2$", metrics, re.MULTILINE) or "the disk is full" not in leader.log():
        raise Disproved("neither metrics nor log speak of the disk")
    os.remove(ballast)
    return "it led nothing, and said why"


def read_only_remount(world):
    """The leader's file system becomes read-only under its feet, as ext4 does on errors."""
    leader, _ = world.leader()
    run("mount", "-o", "remount,abort", leader.disk)
    leader.ends()
    leader.unmount()
    leader.mount()
    leader.start()


def lost_writes(world):
    """What the leader has not synced is lost, at once: EXT4_IOC_SHUTDOWN without its journal."""
    leader, _ = world.leader()
    disk = os.open(leader.disk, os.O_RDONLY)
    try:
        fcntl.ioctl(disk, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_JOURNAL))
    finally:
        os.close(disk)
    leader.ends()
    leader.unmount()
    leader.mount()
    leader.start()


def slow_fsync(world):
    """Each fsync of the leader takes 60 ms more."""
    leader, _ = world.leader()
    with open(leader.slow, "w", encoding="utf-8"):
        pass
    for_a_while(1.8)
    os.remove(leader.slow)


def kill_of_all(world):
    """SIGKILL of every node at once, and a restart from disk."""
    for host in world.hosts.values():
        host.signal(signal.SIGKILL)
    for host in world.hosts.values():
        host.kill()
    for_a_while(0.2)
    for host in world.hosts.values():
        host.start()


FAULTS = (symmetric_partition, one_way_partition, non_transitive_partition, isolated_leader, loss, kill, stop, disk_full,
          read_only_remount, lost_writes, slow_fsync, kill_of_all)


def prove(world, faults):
    world.build()
    acknowledged, longest = 0, 0
    for number, fault in enumerate(faults):
        started = time.monotonic()
        load = Load(world.exchange, world.home, RATE, LOAD_S, seed=number)
        try:
            time.sleep(STRIKES_AFTER_S)
            note = fault(world)
            report = load.finish()
        finally:
            load.kill()
        world.exchange.wait_ready()
        world.exchange.wait_equal()
        acknowledged, longest = acknowledged + report["acked"], max(longest, report["longest_pause_ms"])
        took, pause = time.monotonic() - started, report["longest_pause_ms"]
        name = fault.__name__.replace("_", " ")
        note = f" ({note})" if note else ""
        print(f"{name:<26} {took:5.1f} s  longest pause {pause:7.1f} ms, all replicas equal{note}", flush=True)
    print(f"hosts: {len(faults)} faults, {acknowledged} acknowledged, 0 lost, 0 doubled, longest pause {longest:.0f} ms")


def main():
    if os.geteuid() != 0:
        print("hosts: skipped, it needs root for network namespaces and file systems")
        return
    forbidden = not_permitted()
    if forbidden:
        print(f"hosts: skipped, this machine does not let root have hosts of its own: {forbidden}")
        return
    known = {fault.__name__: fault for fault in FAULTS}
    faults = [known[name] for name in sys.argv[1:]] or list(FAULTS)
    world = World()
    atexit.register(world.destroy)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("hosts: told to end"))
    try:
        prove(world, faults)
    except (Disproved, OSError) as error:
        print(f"hosts: {error}")
        for host in world.hosts.values():
            print(f"--- node {host.node}:\n" + "\n".join(host.log().splitlines()[-15:]))
        sys.exit(1)


main()
