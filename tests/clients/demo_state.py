"""What the client tests share: the demo's state file, request signing, and a tally of checks."""

import base64
import hashlib
import hmac
import json
import sys
import time
import traceback
import urllib.parse
from decimal import Decimal


class State:
    """The file that `mainstay demo --state FILE` writes."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.raw = json.load(file)
        self.rest = self.raw["rest"].rstrip("/")
        self.ws = self.raw["ws"].rstrip("/")
        self.ws_api = self.raw["ws_api"].rstrip("/")
        self.accounts = {account["name"]: account for account in self.raw["accounts"]}

    def account(self, name):
        return self.accounts[name]

    def ccxt_options(self, name):
        """The constructor's argument for `ccxt.binance`, with the keys of an account."""
        account = self.account(name)
        return {
            "apiKey": account["api_key"],
            "secret": account["secret"],
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        }

    def point(self, exchange):
        """Points an unmodified ccxt client at the gateway: the address and nothing else."""
        origin = self.rest.removesuffix("/api/v3")
        exchange.urls["api"].update(
            public=origin + "/api/v3",
            private=origin + "/api/v3",
            v1=origin + "/api/v1",
            sapi=origin + "/sapi/v1",
            sapiV2=origin + "/sapi/v2",
            sapiV3=origin + "/sapi/v3",
            sapiV4=origin + "/sapi/v4",
        )
        if "ws" in exchange.urls["api"]:
            ws = self.ws.removesuffix("/ws")
            exchange.urls["api"]["ws"]["spot"] = ws + "/ws"
            exchange.urls["api"]["ws"]["ws-api"]["spot"] = self.ws_api
        return exchange


def now_ms():
    return int(time.time() * 1000)


def sign_hmac(secret, payload):
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def sign_ed25519(pem, payload):
    # Not every client's environment has it.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem.encode(), password=None)
    return base64.b64encode(key.sign(payload.encode())).decode()


def signed_query(account, params):
    """A REST query string with timestamp and HMAC signature."""
    params = dict(params)
    params.setdefault("timestamp", now_ms())
    payload = urllib.parse.urlencode(params)
    return payload + "&signature=" + sign_hmac(account["secret"], payload)


def signed_params(account, params):
    """WebSocket API parameters with key, timestamp and HMAC signature."""
    params = dict(params, apiKey=account["api_key"])
    params.setdefault("timestamp", now_ms())
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return dict(params, signature=sign_hmac(account["secret"], payload))


class Tally:
    """Counts checks, says which failed, and closes with one line."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    def check(self, what, condition, seen=None):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"  FAILED {what}: {seen!r}" if seen is not None else f"  FAILED {what}", flush=True)

    def equal(self, what, seen, wanted):
        self.check(what, seen == wanted, f"saw {seen!r}, wanted {wanted!r}")

    def raises(self, what, error, action):
        try:
            seen = action()
        except error:
            self.passed += 1
        except Exception as other:  # the wrong error is a finding, not the end of the test
            self.check(what, False, f"{type(other).__name__}: {other}")
        else:
            self.check(what, False, f"no error: {seen!r}")

    async def raises_async(self, what, error, awaitable):
        try:
            seen = await awaitable
        except error:
            self.passed += 1
        except Exception as other:
            self.check(what, False, f"{type(other).__name__}: {other}")
        else:
            self.check(what, False, f"no error: {seen!r}")

    def crashed(self):
        self.failed += 1
        traceback.print_exc()

    def close(self):
        print(f"{self.name}: {self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def decimal(value):
    return Decimal(str(value))
