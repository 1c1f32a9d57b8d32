"""What the tests of a demo's chain share: its operator's commands, pages, and waiting."""

import json
import os
import subprocess
import time
import urllib.request

SOON_S = 40


def page(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read().decode()
    except OSError:
        return None


def until(what, look, within_s=SOON_S, every_s=0.02):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(every_s)
    raise RuntimeError(f"in vain: {what}")


class Exchange:
    """A demo with a chain, as its operator sees it."""

    def __init__(self, state_file):
        self.state_file = state_file
        with open(state_file) as file:
            self.raw = json.load(file)
        self.mainstay = os.environ.get("MAINSTAY", "target/release/mainstay")

    def ctl(self, *words):
        command = [self.mainstay, "ctl", "--state", self.state_file, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"ctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, *words):
        """What `ctl` says when it refuses; None when it does not."""
        command = [self.mainstay, "ctl", "--state", self.state_file, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr

    def chainwatch(self):
        with open(self.state_file) as file:
            return json.load(file)["chainwatches"][0]

    def signer(self):
        with open(self.state_file) as file:
            return json.load(file)["signers"][0]
