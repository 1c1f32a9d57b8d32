"""Writes a recording of a market that never was, in the form of Binance's raw streams: a random walk with
resting orders, trades and a depth diff every 100 ms. `make_recording.py FILE.gz [UPDATES] [SEED]`

Unlike the recorded day, its truth is known: the book it is drawn from.
"""

import gzip
import json
import random
import sys

TICK, LOT = 4, 1  # decimals
SYMBOL = "SIMUSDT"


def text(units, decimals):
    return f"{units / 10**decimals:.8f}"


def main():
    path = sys.argv[1]
    updates = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    draw = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 7)
    bids, asks = {}, {}
    mid, now, update, trade = 125_000, 1_700_000_000_000_000_000, 1_000, 500
    with gzip.open(path, "wt", encoding="ascii", compresslevel=6) as file:

        def line(stream, data):
            file.write(f'{now} {json.dumps({"stream": f"{SYMBOL.lower()}@{stream}", "data": data}, separators=(",", ":"))}\n')

        for _ in range(updates):
            first, touched = update + 1, {"b": set(), "a": set()}
            for _ in range(draw.randint(1, 25)):
                now += draw.randint(10_000, 3_000_000)
                mid += draw.choice((-3, -1, 0, 0, 1, 3))
                if draw.random() < 0.25 and (bids if (sell := draw.random() < 0.5) else asks):
                    side, book = ("b", bids) if sell else ("a", asks)
                    price = max(book) if sell else min(book)
                    qty = draw.randint(1, book[price])
                    book[price] -= qty
                    if not book[price]:
                        del book[price]
                    trade += 1
                    line("trade", {"e": "trade", "E": now // 1_000_000, "s": SYMBOL, "t": trade, "p": text(price, TICK),
                                   "q": text(qty, LOT), "T": now // 1_000_000, "m": sell, "M": True})
                else:
                    buy = draw.random() < 0.5
                    side, book = ("b", bids) if buy else ("a", asks)
                    if draw.random() < 0.4 and book:
                        price = draw.choice(sorted(book))
                        del book[price]
                    else:
                        price = mid + (-1 if buy else 1) * int(draw.expovariate(0.05) + 1)
                        if buy and asks:
                            price = min(price, min(asks) - 1)
                        if not buy and bids:
                            price = max(price, max(bids) + 1)
                        book[price] = draw.randint(1, 50_000)
                touched[side].add(price)
                update += 1
            now += 5_000_000
            line("depth@100ms", {"e": "depthUpdate", "E": now // 1_000_000, "s": SYMBOL, "U": first, "u": update,
                                 "b": [[text(p, TICK), text(bids.get(p, 0), LOT)] for p in sorted(touched["b"], reverse=True)],
                                 "a": [[text(p, TICK), text(asks.get(p, 0), LOT)] for p in sorted(touched["a"])]})


main()
