"""An unmodified Nautilus trader, pointed at the gateway, trades a small strategy: `with_nautilus.py STATE_FILE [SECONDS]`.

The demo must run without bots. Nautilus loads the markets and its account, reads quotes, trades and the book from market
streams, and its orders' fates from a listen key's. Its strategy walks through every kind of order that its adapter has, then
makes a market for SECONDS (default 10) that another account trades with, and leaves one order behind. A second Nautilus, new
to all of it, must find that order, take it over and cancel it. What each of them believes of its orders, fills and balances
must in the end be what the exchange answers.
"""

import json
import multiprocessing
import random
import sys
import threading
import time
import urllib.request
from datetime import timedelta
from decimal import Decimal

from demo_state import State, Tally, decimal, signed_query

SYMBOL = "BTCUSDT"
BID, ASK = "59900.00", "60100.00"


class Rest:
    """An account of the exchange, asked by plain signed requests: the other side of the trades, and the exchange's own word."""

    def __init__(self, state, name):
        self.origin, self.account = state.rest, state.account(name)

    def __call__(self, method, path, **params):
        url = f"{self.origin}/api/v3/{path}?{signed_query(self.account, params)}"
        request = urllib.request.Request(url, method=method, headers={"X-MBX-APIKEY": self.account["api_key"]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def limit(self, side, quantity, price, **params):
        return self(
            "POST", "order", symbol=SYMBOL, side=side, type="LIMIT", timeInForce="GTC", quantity=quantity, price=price, **params
        )

    def market(self, side, quantity):
        return self("POST", "order", symbol=SYMBOL, side=side, type="MARKET", quantity=quantity)


def trade(path, seconds, leaves_one, results):
    """One life of Nautilus, in a process of its own; `results` gets what it believes when it has stopped."""
    from nautilus_trader.adapters.binance import (
        BINANCE,
        BinanceAccountType,
        BinanceDataClientConfig,
        BinanceExecClientConfig,
        BinanceLiveDataClientFactory,
        BinanceLiveExecClientFactory,
    )
    from nautilus_trader.config import InstrumentProviderConfig, LiveExecEngineConfig, LoggingConfig, TradingNodeConfig
    from nautilus_trader.live.node import TradingNode
    from nautilus_trader.model.identifiers import InstrumentId, TraderId

    state = State(path)
    alice = state.account("alice")
    # The address, and nothing else.
    common = dict(
        api_key=alice["api_key"],
        api_secret=alice["secret"],
        account_type=BinanceAccountType.SPOT,
        base_url_http=state.rest,
        base_url_ws=state.ws.removesuffix("/ws"),
        instrument_provider=InstrumentProviderConfig(load_all=True),
    )
    instrument = InstrumentId.from_str(f"{SYMBOL}.{BINANCE}")
    node = TradingNode(
        config=TradingNodeConfig(
            trader_id=TraderId("MAINSTAY-001"),
            logging=LoggingConfig(log_level="ERROR", use_pyo3=False),
            exec_engine=LiveExecEngineConfig(reconciliation=True),
            data_clients={BINANCE: BinanceDataClientConfig(**common)},
            exec_clients={BINANCE: BinanceExecClientConfig(**common)},
            timeout_connection=20.0,
            timeout_reconciliation=10.0,
            timeout_portfolio=10.0,
            timeout_disconnection=5.0,
            timeout_post_stop=2.0,
        )
    )
    strategy = strategies(state, instrument, seconds, leaves_one, node)
    node.trader.add_strategy(strategy)
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    limit = threading.Timer(seconds + 35, strategy.give_up)
    limit.daemon = True
    limit.start()
    node.run()
    believed = {
        "steps": strategy.steps,
        "failures": strategy.failures,
        "seen": strategy.seen,
        "instruments": sorted(str(i.symbol) for i in node.cache.instruments()),
        "orders": {
            order.client_order_id.value: {
                "id": order.venue_order_id and order.venue_order_id.value,
                "status": order.status_string(),
                "filled": str(order.filled_qty),
                "average": order.avg_px and float(order.avg_px),
                "trades": [trade.value for trade in order.trade_ids],
            }
            for order in node.cache.orders()
        },
        "position": str(node.portfolio.net_position(instrument)),
    }
    account = node.portfolio.account(instrument.venue)
    believed["balances"] = {
        str(currency): [str(balance.free.as_decimal()), str(balance.locked.as_decimal())]
        for currency, balance in account.balances().items()
    }
    node.dispose()
    results.put(believed)


def strategies(state, instrument_id, seconds, leaves_one, node):
    """The strategy of one life; its class can only be made where Nautilus is."""
    from nautilus_trader.config import StrategyConfig
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
    from nautilus_trader.trading.strategy import Strategy

    bob, carol = Rest(state, "bob"), Rest(state, "carol")
    chance = random.Random(11)

    class Walk(Strategy):
        """Each step submits or cancels, and the event that it waits for begins the next one."""

        def __init__(self):
            # What it left behind in a former life is its own.
            super().__init__(StrategyConfig(external_order_claims=[instrument_id]))
            self.steps, self.failures = [], []
            self.seen = {"quotes": 0, "trades": 0, "depths": 0, "bars": 0, "requoted": 0}
            self.waits_for, self.order, self.plan, self.quotes, self.ends = None, None, None, {}, None
            self.kept = OrderBook(instrument_id, BookType.L2_MBP)

        def on_start(self):
            self.instrument = self.cache.instrument(instrument_id)
            if self.instrument is None:
                return self.fail("no such instrument")
            self.subscribe_quote_ticks(instrument_id)
            self.subscribe_trade_ticks(instrument_id)
            self.subscribe_order_book_deltas(instrument_id)
            self.subscribe_bars(BarType.from_str(f"{instrument_id}-1-MINUTE-LAST-EXTERNAL"))
            self.plan = self.first_life() if leaves_one else self.second_life()
            self.clock.set_timer("begin", interval=timedelta(milliseconds=500), callback=self.begin)

        def begin(self, _):
            # Until streams and account have said something; the book moves a little, or nobody would speak of it.
            bob.limit("BUY", "0.01000", BID)
            if min(self.seen["depths"], self.seen["quotes"]) == 0 or self.portfolio.account(instrument_id.venue) is None:
                return
            self.clock.cancel_timer("begin")
            self.go_on()

        def go_on(self, event=None):
            # What is told while a step is taken is of the step itself.
            self.waits_for = None
            try:
                self.waits_for = self.plan.send(event)
            except StopIteration:
                self.stop_all()

        def first_life(self):
            yield from self.walk("a market buy is filled", self.market("BUY", "0.50000"), "OrderFilled", {"last_px": 60100})
            yield from self.walk("a market sell is filled", self.market("SELL", "0.10000"), "OrderFilled", {"last_px": 59900})
            order = self.limit("BUY", "0.30000", "59800.00", post_only=True)
            yield from self.walk("a maker-only order rests", order, "OrderAccepted")
            yield from self.cancel("it is canceled", order)
            order = self.limit("BUY", "0.30000", "60200.00", post_only=True)
            yield from self.walk("a maker-only order that would cross is refused", order, "OrderRejected")
            order = self.limit("SELL", "0.20000", "59900.00", TimeInForce.IOC)
            yield from self.walk("an immediate order is filled", order, "OrderFilled", {"last_px": 59900})
            order = self.limit("BUY", "0.20000", "59950.00", TimeInForce.FOK)
            yield from self.walk("a fill-or-kill order that cannot be filled expires", order, "OrderExpired")
            order = self.limit("SELL", "0.20000", "60050.00")
            yield from self.walk("an order rests", order, "OrderAccepted")
            carol.market("BUY", "0.05000")
            yield from self.wait("a part of it is filled", order, "OrderFilled", {"last_qty": Decimal("0.05")})
            yield from self.cancel("what is left is canceled", order)
            order = self.order_factory.stop_limit(
                instrument_id, OrderSide.SELL, self.qty("0.10000"), self.price("58900.00"), self.price("59000.00")
            )
            yield from self.walk("a stop-limit order waits", order, "OrderAccepted")
            yield from self.cancel("a stop-limit order is canceled", order)
            order = self.order_factory.limit_if_touched(
                instrument_id, OrderSide.SELL, self.qty("0.10000"), self.price("60900.00"), self.price("60800.00")
            )
            yield from self.walk("a take-profit order waits", order, "OrderAccepted")
            yield from self.cancel("a take-profit order is canceled", order)
            # Makes a market until its time is over.
            self.ends = time.monotonic() + seconds
            threading.Thread(target=self.cross, daemon=True).start()
            self.clock.set_timer("quote", interval=timedelta(milliseconds=250), callback=self.quote)
            yield None
            self.steps.append("a market is made")
            for order in self.cache.orders_open(instrument_id=instrument_id):
                yield from self.cancel(None, order)
            order = self.limit("BUY", "0.12345", "57000.00")
            yield from self.walk("an order is left behind", order, "OrderAccepted")
            self.clock.set_timer("settle", interval=timedelta(seconds=1), callback=self.settle)
            yield None

        def second_life(self):
            found = self.cache.orders_open(instrument_id=instrument_id)
            if [(order.quantity, order.price) for order in found] != [(self.qty("0.12345"), self.price("57000"))]:
                self.fail(f"what is open: {found}")
                return
            self.steps.append("an order of a former life is found")
            yield from self.cancel("and canceled", found[0])
            yield from self.walk("an order rests in the second life", self.limit("SELL", "0.10000", "61000.00"), "OrderAccepted")
            self.cancel_all_orders(instrument_id)
            yield from self.wait("all are canceled", self.order, "OrderCanceled")

        # Steps

        def walk(self, what, order, wanted, also=None):
            self.submit_order(order)
            yield from self.wait(what, order, wanted, also)

        def cancel(self, what, order):
            self.cancel_order(order)
            yield from self.wait(what, order, "OrderCanceled")

        def wait(self, what, order, wanted, also=None):
            self.order = order
            while True:
                event = yield order.client_order_id
                kind = type(event).__name__
                if kind == wanted:
                    break
                if kind in ("OrderRejected", "OrderDenied", "OrderExpired", "OrderCanceled", "OrderCancelRejected"):
                    self.fail(f"{what}: {event}")
                    return
            for field, value in (also or {}).items():
                seen = getattr(event, field).as_decimal()
                if seen != value:
                    self.fail(f"{what}: {field} is {seen}, wanted {value}")
            if what is not None:
                self.steps.append(what)

        def market(self, side, quantity):
            return self.order_factory.market(instrument_id, OrderSide[side], self.qty(quantity))

        def limit(self, side, quantity, price, time_in_force=TimeInForce.GTC, post_only=False):
            return self.order_factory.limit(
                instrument_id, OrderSide[side], self.qty(quantity), self.price(price), time_in_force=time_in_force, post_only=post_only
            )

        def qty(self, text):
            return self.instrument.make_qty(Decimal(text))

        def price(self, text):
            return self.instrument.make_price(Decimal(text))

        # Making a market

        def quote(self, _):
            if time.monotonic() > self.ends:
                self.clock.cancel_timer("quote")
                self.clock.set_timer("settle", interval=timedelta(seconds=1), callback=self.settle)
                return
            self.seen["requoted"] += 1
            middle = 60000 + chance.randint(-50, 50)
            for side, price in (("BUY", middle - 10), ("SELL", middle + 10)):
                former = self.quotes.get(side)
                if former is not None and not former.is_closed:
                    self.cancel_order(former)
                order = self.limit(side, f"{chance.randint(1, 50) / 1000:.5f}", f"{price}.00", post_only=True)
                self.quotes[side] = order
                self.submit_order(order)

        def settle(self, _):
            # What was on its way has arrived.
            self.clock.cancel_timer("settle")
            self.go_on()

        def cross(self):
            # Each may find a quote of ours, or what bob has left in the book.
            while time.monotonic() < self.ends:
                carol.market(chance.choice(["BUY", "SELL"]), f"{chance.randint(1, 20) / 1000:.5f}")
                time.sleep(0.1)

        # What is told

        def on_quote_tick(self, _):
            self.seen["quotes"] += 1

        def on_trade_tick(self, _):
            self.seen["trades"] += 1

        def on_order_book_deltas(self, deltas):
            self.seen["depths"] += 1
            self.kept.apply_deltas(deltas)

        def on_bar(self, _):
            self.seen["bars"] += 1

        def on_order_event(self, event):
            if self.waits_for is not None and event.client_order_id == self.waits_for:
                self.go_on(event)

        def fail(self, why):
            self.failures.append(why)
            self.log.error(why)

        def give_up(self):
            self.fail(f"not ready in time, after {self.steps[-1:]}")
            self.stop_all()

        def stop_all(self):
            self.seen["book"] = [
                [[str(level.price), f"{level.size():.8f}"] for level in side] for side in (self.kept.bids(), self.kept.asks())
            ]
            node.kernel.loop.call_soon_threadsafe(node.stop)

    return Walk()


def live(path, seconds, leaves_one):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=trade, args=(path, seconds, leaves_one, results))
    process.start()
    try:
        believed = results.get(timeout=seconds + 60)
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
    return believed, process.exitcode


def compare(tally, who, believed, alice):
    """What Nautilus believes is what the exchange says."""
    tally.equal(f"{who}: nothing failed", believed["failures"], [])
    asked = alice("GET", "allOrders", symbol=SYMBOL, limit=1000)
    orders = {order["clientOrderId"]: order for order in asked if order["status"] != "REJECTED"}
    trades = {}
    for fill in alice("GET", "myTrades", symbol=SYMBOL, limit=1000):
        trades.setdefault(fill["orderId"], []).append(fill)
    mine = {name: order for name, order in believed["orders"].items() if order["status"] not in ("REJECTED", "DENIED")}
    tally.equal(f"{who}: its orders are the exchange's", sorted(mine), sorted(orders))
    differing = []
    for name, order in mine.items():
        theirs = orders.get(name)
        if theirs is None:
            continue
        status = {"NEW": "ACCEPTED"}.get(theirs["status"], theirs["status"])
        fills = trades.get(theirs["orderId"], [])
        seen = (order["id"], order["status"], decimal(order["filled"]), sorted(order["trades"]))
        wanted = (str(theirs["orderId"]), status, decimal(theirs["executedQty"]), sorted(str(f["id"]) for f in fills))
        if seen != wanted:
            differing.append((name, seen, wanted))
    tally.check(f"{who}: each order's id, state, fills", not differing, differing[:3])
    balances = {b["asset"]: [decimal(b["free"]), decimal(b["locked"])] for b in alice("GET", "account")["balances"]}
    # Nautilus knows eight decimals.
    cut = {asset: [b.quantize(Decimal("1e-8")) for b in both] for asset, both in balances.items()}
    seen = {asset: [decimal(b).quantize(Decimal("1e-8")) for b in both] for asset, both in believed["balances"].items()}
    tally.equal(f"{who}: balances", {a: seen.get(a) for a in ("BTC", "USDT")}, {a: cut[a] for a in ("BTC", "USDT")})
    return orders, trades


def main():
    path = sys.argv[1]
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    state, tally = State(path), Tally("nautilus")
    alice, bob = Rest(state, "alice"), Rest(state, "bob")
    for level in range(5):
        bob.limit("BUY", "5.00000", f"{59900 - 100 * level}.00")
        bob.limit("SELL", "5.00000", f"{60100 + 100 * level}.00")
    before = {b["asset"]: decimal(b["free"]) + decimal(b["locked"]) for b in alice("GET", "account")["balances"]}
    try:
        believed, code = live(path, seconds, True)
        tally.equal("the first life stops cleanly", code, 0)
        tally.check("all markets are known", {"BTCUSDT", "ETHUSDT", "ETHBTC"} <= set(believed["instruments"]), believed["instruments"])
        tally.equal("every step was taken", len(believed["steps"]), 16)
        orders, trades = compare(tally, "the first life", believed, alice)
        seen = believed["seen"]
        tally.check("quotes, trades and depth were told", min(seen["quotes"], seen["trades"], seen["depths"]) > 0, seen)
        tally.check("it made a market", seen["requoted"] > seconds and sum(map(len, trades.values())) > 10, seen)
        tally.equal("one is open", [o["orderId"] for o in alice("GET", "openOrders", symbol=SYMBOL)], [o["orderId"] for o in orders.values() if o["status"] == "NEW"])
        after = {b["asset"]: decimal(b["free"]) + decimal(b["locked"]) for b in alice("GET", "account")["balances"]}
        paid = sum(decimal(f["commission"]) for fills in trades.values() for f in fills if f["commissionAsset"] == "BTC")
        bought = sum((1 if f["isBuyer"] else -1) * decimal(f["qty"]) for fills in trades.values() for f in fills)
        tally.equal("its fills are what its balance changed by", after["BTC"] - before["BTC"], bought - paid)
        tally.equal("the book that it kept is the REST book", seen["book"], rest_book(state))

        believed, code = live(path, 1, False)
        tally.equal("the second life stops cleanly", code, 0)
        tally.equal("the second life's steps", len(believed["steps"]), 4)
        tally.equal("nothing is open", alice("GET", "openOrders", symbol=SYMBOL), [])
        tally.equal("of the account", len(believed["failures"]), 0)
    except Exception:
        tally.crashed()
    finally:
        bob("DELETE", "openOrders", symbol=SYMBOL)
    tally.close()


def rest_book(state):
    with urllib.request.urlopen(f"{state.rest}/api/v3/depth?symbol={SYMBOL}&limit=1000", timeout=10) as answer:
        book = json.load(answer)
    return [[[str(decimal(price)), str(decimal(quantity))] for price, quantity in book[side]] for side in ("bids", "asks")]


if __name__ == "__main__":
    main()
