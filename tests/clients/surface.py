"""Every operation that Binance's clients use, asked of a real gateway, over REST and over the WebSocket API: `surface.py STATE_FILE`.

Each answer is held against the example of Binance's documents: every field that is there must be here and of the same JSON
type, numbers in strings must be decimals; the request must weigh what is documented; limits must be told. Then what is
wrong: each parameter missing, empty, malformed and beyond its bounds, with its documented code.
"""

import asyncio
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

import aiohttp

from demo_state import State, Tally, now_ms, sign_hmac, signed_params

SYMBOL = "ETHUSDT"

# Examples of Binance's documents, cut to their fields. A string of digits stands for a decimal, any other for a text.
BOOK_LEVEL = ["4.00000000", "431.00000000"]
TRADE = {"id": 28457, "price": "4.00000100", "qty": "12.00000000", "quoteQty": "48.000012", "time": 1499865549590,
         "isBuyerMaker": True, "isBestMatch": True}
AGG_TRADE = {"a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27781, "T": 1498793709153, "m": True, "M": True}
KLINE = [1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815", 1499644799999,
         "2434.19055334", 308, "1756.87402397", "28.46694368", "0"]
MINI = {"symbol": "BNBBTC", "openPrice": "99.0", "highPrice": "100.0", "lowPrice": "0.1", "lastPrice": "4.0", "volume": "8913.3",
        "quoteVolume": "15.3", "openTime": 1499783499040, "closeTime": 1499869899040, "firstId": 28385, "lastId": 28460, "count": 76}
WINDOW = dict(MINI, priceChange="-8.00000000", priceChangePercent="-88.889", weightedAvgPrice="2.60427807")
DAY = dict(WINDOW, prevClosePrice="0.10002000", lastQty="200.00000000", bidPrice="4.0", bidQty="100.0", askPrice="4.0", askQty="100.0")
PRICE = {"symbol": "LTCBTC", "price": "4.00000200"}
BEST = {"symbol": "LTCBTC", "bidPrice": "4.0", "bidQty": "431.0", "askPrice": "4.0", "askQty": "9.0"}
ACK = {"symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "6gCrw2kRUAF9CvJDGP16IP", "transactTime": 1507725176595}
RESULT = dict(ACK, price="0.0", origQty="10.0", executedQty="10.0", origQuoteOrderQty="0.000000", cummulativeQuoteQty="10.0",
              status="FILLED", timeInForce="GTC", type="MARKET", side="SELL", workingTime=1507725176595, selfTradePreventionMode="NONE")
FILL = {"price": "4000.0", "qty": "1.0", "commission": "4.0", "commissionAsset": "USDT", "tradeId": 56}
FULL = dict(RESULT, fills=[FILL])
CANCELED = {key: value for key, value in RESULT.items() if key != "workingTime"} | {"origClientOrderId": "myOrder1"}
ORDER = {"symbol": "LTCBTC", "orderId": 1, "orderListId": -1, "clientOrderId": "myOrder1", "price": "0.1", "origQty": "1.0",
         "executedQty": "0.0", "cummulativeQuoteQty": "0.0", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
         "stopPrice": "0.0", "icebergQty": "0.0", "time": 1499827319559, "updateTime": 1499827319559, "isWorking": True,
         "workingTime": 1499827319559, "origQuoteOrderQty": "0.000000", "selfTradePreventionMode": "NONE"}
LABELLED = {"strategyId": 37463720, "strategyType": 1000000}
LISTED = {"symbol": "LTCBTC", "orderId": 4, "clientOrderId": "qD1gy3kc3Gx0rihm9Y3xwS"}
LIST = {"orderListId": 0, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED", "listOrderStatus": "EXECUTING",
        "listClientOrderId": "JYVpp3F0f5CAG15DhtrqLp", "transactionTime": 1563417480525, "symbol": "LTCBTC", "orders": [LISTED]}
MY_TRADE = {"symbol": "BNBBTC", "id": 28457, "orderId": 100234, "orderListId": -1, "price": "4.0", "qty": "12.0", "quoteQty": "48.0",
            "commission": "10.1", "commissionAsset": "BNB", "time": 1499865549590, "isBuyer": True, "isMaker": False, "isBestMatch": True}
RATES = {"maker": "0.00000040", "taker": "0.00000050", "buyer": "0.00000010", "seller": "0.00000010"}
ACCOUNT = {"makerCommission": 15, "takerCommission": 15, "buyerCommission": 0, "sellerCommission": 0, "commissionRates": RATES,
           "canTrade": True, "canWithdraw": True, "canDeposit": True, "brokered": False, "requireSelfTradePrevention": False,
           "preventSor": False, "updateTime": 123456789, "accountType": "SPOT",
           "balances": [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.0"}], "permissions": ["SPOT"], "uid": 354937868}
COMMISSION = {"symbol": "BTCUSDT", "standardCommission": RATES, "specialCommission": RATES, "taxCommission": RATES,
              "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75000000"}}
LIMIT = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10000}
SYMBOL_INFO = {"symbol": "ETHBTC", "status": "TRADING", "baseAsset": "ETH", "baseAssetPrecision": 8, "quoteAsset": "BTC",
               "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
               "orderTypes": ["LIMIT"], "icebergAllowed": True, "ocoAllowed": True, "otoAllowed": True, "opoAllowed": True,
               "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": False, "cancelReplaceAllowed": False, "amendAllowed": False,
               "pegInstructionsAllowed": True, "isSpotTradingAllowed": True, "isMarginTradingAllowed": True, "filters": [],
               "permissions": [], "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "NONE",
               "allowedSelfTradePreventionModes": ["NONE"]}
INFO = {"timezone": "UTC", "serverTime": 1565246363776, "rateLimits": [LIMIT], "exchangeFilters": [], "symbols": [SYMBOL_INFO]}
COIN = {"coin": "1MBABYDOGE", "depositAllEnable": True, "withdrawAllEnable": True, "name": "1M x BABYDOGE", "free": "34941.1",
        "locked": "0", "freeze": "0", "withdrawing": "0", "ipoing": "0", "ipoable": "0", "storage": "0", "isLegalMoney": False,
        "trading": True, "networkList": []}
FEE = {"symbol": "ADABNB", "makerCommission": "0.001", "takerCommission": "0.001"}

ORDER_OF = dict(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.5000", price="1000.00")


def differences(wanted, seen, at=""):
    """Where an answer is not what the documents' example is."""
    if isinstance(wanted, dict):
        if not isinstance(seen, dict):
            return [f"{at} is no object"]
        missing = [f"{at}.{name} is missing" for name in wanted if name not in seen]
        return missing + [d for name, value in wanted.items() if name in seen for d in differences(value, seen[name], f"{at}.{name}")]
    if isinstance(wanted, list):
        if not isinstance(seen, list):
            return [f"{at} is no array"]
        pairs = zip(wanted, seen) if len(wanted) > 1 else ((wanted[0], each) for each in seen) if wanted else ()
        found = [d for number, (w, s) in enumerate(pairs) for d in differences(w, s, f"{at}[{number}]")]
        return found + ([f"{at} has {len(seen)} of {len(wanted)}"] if len(wanted) > 1 and len(seen) != len(wanted) else [])
    if type(wanted) is not type(seen):
        return [f"{at} is {seen!r}, of another type than {wanted!r}"]
    if isinstance(wanted, str) and re.fullmatch(r"-?\d+(\.\d+)?", wanted) and not re.fullmatch(r"-?\d+(\.\d+)?", seen):
        return [f"{at} is no decimal: {seen!r}"]
    return []


class Surface:
    def __init__(self, state, tally):
        self.origin, self.tally = state.rest, tally
        self.alice, self.bob = state.account("alice"), state.account("bob")
        self.name = type(self).__name__

    def call(self, method, path, params=(), account=None, signed=True, headers=()):
        """Status, headers and JSON of one request; `account` signs it, or without `signed` only names its key."""
        params, headers = dict(params), dict(headers)
        if account is not None:
            headers.setdefault("X-MBX-APIKEY", account["api_key"])
            if signed:
                params.setdefault("timestamp", now_ms())
        query = urllib.parse.urlencode(params)
        if account is not None and signed:
            query += "&signature=" + sign_hmac(account["secret"], query)
        request = urllib.request.Request(f"{self.origin}{path}?{query}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read() or b"null")

    def good(self, weight, example, method, path, params=(), account=None, signed=True):
        """An answer like the example, at the documented weight."""
        what = f"{method} {path} {dict(params)}"
        before = int(self.call("GET", "/api/v3/ping")[1]["X-MBX-USED-WEIGHT-1M"])
        status, headers, answer = self.call(method, path, params, account, signed)
        if status != 200:
            self.tally.check(what, False, (status, answer))
            return answer
        found = differences(example, answer)
        self.tally.check(what, not found, found[:8])
        used = int(headers["X-MBX-USED-WEIGHT-1M"])
        # A minute may have begun between the two.
        if used > before:
            self.tally.equal(f"{what} weighs", used - before, weight)
        self.tally.equal(f"{what}: both headers", headers["X-MBX-USED-WEIGHT"], headers["X-MBX-USED-WEIGHT-1M"])
        self.tally.check(f"{what}: JSON", headers["Content-Type"].startswith("application/json"), headers["Content-Type"])
        return answer

    def bad(self, code, method, path, params=(), account=None, status=400, signed=True):
        seen, headers, answer = self.call(method, path, params, account, signed)
        what = f"{method} {path} {dict(params)}"
        is_error = isinstance(answer, dict) and set(answer) <= {"code", "msg", "data"} and isinstance(answer.get("msg"), str)
        self.tally.check(f"{what} is an error", is_error, answer)
        self.tally.equal(what, (seen, answer.get("code") if is_error else answer), (status, code))
        return answer

    def market_data(self):
        good, one = self.good, {"symbol": SYMBOL}
        good(1, {}, "GET", "/api/v3/ping")
        good(1, {"serverTime": 1}, "GET", "/api/v3/time")
        good(20, INFO, "GET", "/api/v3/exchangeInfo")
        good(20, INFO, "GET", "/api/v3/exchangeInfo", one)
        good(20, INFO, "GET", "/api/v3/exchangeInfo", {"symbols": '["ETHUSDT","BTCUSDT"]'})
        good(20, INFO, "GET", "/api/v3/exchangeInfo", {"permissions": "SPOT"})
        for limit, weight in [(1, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1000, 50), (1001, 250), (5000, 250), (9999, 250)]:
            good(weight, {"lastUpdateId": 1, "bids": [BOOK_LEVEL] if limit < 2 else [], "asks": []}, "GET", "/api/v3/depth", dict(one, limit=limit))
        good(25, [TRADE], "GET", "/api/v3/trades", one)
        good(25, [TRADE], "GET", "/api/v3/historicalTrades", dict(one, fromId=1, limit=1000))
        good(4, [AGG_TRADE], "GET", "/api/v3/aggTrades", one)
        for path in ("klines", "uiKlines"):
            for interval in "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split():
                good(2, [], "GET", f"/api/v3/{path}", dict(one, interval=interval, limit=1000))
            rows = self.call("GET", f"/api/v3/{path}", dict(one, interval="1m", timeZone="-1:00"))[2]
            self.tally.check(f"{path}: rows", rows and not differences(KLINE, rows[-1]), rows[-1:])
        good(2, {"mins": 5, "price": "9.35751834", "closeTime": 1694061154503}, "GET", "/api/v3/avgPrice", one)
        good(2, DAY, "GET", "/api/v3/ticker/24hr", one)
        good(80, [DAY], "GET", "/api/v3/ticker/24hr")
        good(2, [DAY], "GET", "/api/v3/ticker/24hr", {"symbols": '["ETHUSDT"]'})
        good(2, MINI, "GET", "/api/v3/ticker/24hr", dict(one, type="MINI"))
        good(4, WINDOW, "GET", "/api/v3/ticker/tradingDay", one)
        good(8, [WINDOW], "GET", "/api/v3/ticker/tradingDay", {"symbols": '["ETHUSDT","BTCUSDT"]'})
        good(4, MINI, "GET", "/api/v3/ticker/tradingDay", dict(one, type="MINI", timeZone="0"))
        good(2, PRICE, "GET", "/api/v3/ticker/price", one)
        good(4, [PRICE], "GET", "/api/v3/ticker/price")
        good(4, [PRICE], "GET", "/api/v3/ticker/price", {"symbols": '["ETHUSDT"]'})
        good(2, BEST, "GET", "/api/v3/ticker/bookTicker", one)
        good(4, [BEST], "GET", "/api/v3/ticker/bookTicker")
        good(4, [BEST], "GET", "/api/v3/ticker/bookTicker", {"symbols": '["ETHUSDT"]'})
        for window in ("1m", "59m", "1h", "23h", "1d", "7d"):
            good(4, WINDOW, "GET", "/api/v3/ticker", dict(one, windowSize=window))
        good(8, [WINDOW], "GET", "/api/v3/ticker", {"symbols": '["ETHUSDT","BTCUSDT"]'})

    def bad_market_data(self):
        bad = self.bad
        for path, extra in [("depth", {}), ("trades", {}), ("historicalTrades", {}), ("aggTrades", {}), ("avgPrice", {}),
                            ("klines", {"interval": "1m"}), ("uiKlines", {"interval": "1m"})]:
            bad(-1102, "GET", f"/api/v3/{path}", extra)
            bad(-1121, "GET", f"/api/v3/{path}", dict(extra, symbol="NOPE"))
            bad(-1100, "GET", f"/api/v3/{path}", dict(extra, symbol="eth usdt"))
            bad(-1105, "GET", f"/api/v3/{path}", dict(extra, symbol=""))
            bad(-1104, "GET", f"/api/v3/{path}", dict(extra, symbol=SYMBOL, colour="red"))
            if path != "avgPrice":
                bad(-1100, "GET", f"/api/v3/{path}", dict(extra, symbol=SYMBOL, limit="x"))
                bad(-1130, "GET", f"/api/v3/{path}", dict(extra, symbol=SYMBOL, limit="0"))
        for path in ("klines", "uiKlines"):
            bad(-1102, "GET", f"/api/v3/{path}", {"symbol": SYMBOL})
            bad(-1120, "GET", f"/api/v3/{path}", {"symbol": SYMBOL, "interval": "7m"})
            bad(-1100, "GET", f"/api/v3/{path}", {"symbol": SYMBOL, "interval": "1m", "startTime": "x"})
        for path in ("ticker/24hr", "ticker/price", "ticker/bookTicker", "ticker/tradingDay", "ticker"):
            bad(-1121, "GET", f"/api/v3/{path}", {"symbol": "NOPE"})
            bad(-1128, "GET", f"/api/v3/{path}", {"symbol": SYMBOL, "symbols": '["ETHUSDT"]'})
            bad(-1100, "GET", f"/api/v3/{path}", {"symbols": "ETHUSDT"})
        bad(-1128, "GET", "/api/v3/exchangeInfo", {"symbol": SYMBOL, "symbols": '["ETHUSDT"]'})
        bad(-1121, "GET", "/api/v3/exchangeInfo", {"symbol": "NOPE"})
        bad(-1100, "GET", "/api/v3/exchangeInfo", {"symbols": "[ETHUSDT"})

    def trading(self):
        good, alice = self.good, self.alice
        labelled = dict(ORDER_OF, strategyId=7, strategyType=1000000)
        good(1, ACK, "POST", "/api/v3/order", dict(ORDER_OF, newOrderRespType="ACK"), alice)
        good(1, RESULT | LABELLED, "POST", "/api/v3/order", dict(labelled, newOrderRespType="RESULT", newClientOrderId=self.name), alice)
        good(1, {}, "POST", "/api/v3/order/test", ORDER_OF, alice)
        rates = {"standardCommissionForOrder": {"maker": "0.1", "taker": "0.1"}, "specialCommissionForOrder": {"maker": "0.1", "taker": "0.1"},
                 "taxCommissionForOrder": {"maker": "0.1", "taker": "0.1"}, "discount": COMMISSION["discount"]}
        good(20, rates, "POST", "/api/v3/order/test", dict(ORDER_OF, computeCommissionRates="true"), alice)
        good(4, ORDER | LABELLED, "GET", "/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": self.name}, alice)
        good(6, [ORDER], "GET", "/api/v3/openOrders", {"symbol": SYMBOL}, alice)
        good(80, [ORDER], "GET", "/api/v3/openOrders", {}, alice)
        good(20, [ORDER], "GET", "/api/v3/allOrders", {"symbol": SYMBOL}, alice)
        amended = {"transactTime": 1, "executionId": 2, "amendedOrder": {
            "symbol": "BTCUSDT", "orderId": 9, "orderListId": -1, "origClientOrderId": "a", "clientOrderId": "b", "price": "6.0",
            "qty": "5.0", "executedQty": "0.0", "preventedQty": "0.0", "quoteOrderQty": "0.0", "cumulativeQuoteQty": "0.0",
            "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "SELL", "workingTime": 1741924229819, "selfTradePreventionMode": "NONE"} | LABELLED}
        good(4, amended, "PUT", "/api/v3/order/amend/keepPriority", {"symbol": SYMBOL, "origClientOrderId": self.name, "newQty": "0.4000"}, alice)
        order = self.call("GET", "/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": self.last_name()}, alice)[2]
        amendments = [{"symbol": "BTCUSDT", "orderId": 9, "executionId": 22, "origClientOrderId": "W0fJ9fiLKHOJutovPK3oJp",
                       "newClientOrderId": "UQ1Np3bmQ71jJzsSDW9Vpi", "origQty": "5.0", "newQty": "4.0", "time": 1741669661670}]
        good(4, amendments, "GET", "/api/v3/order/amendments", {"symbol": SYMBOL, "orderId": order["orderId"]}, alice)
        replaced = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": CANCELED | LABELLED, "newOrderResponse": RESULT | LABELLED}
        good(1, replaced, "POST", "/api/v3/order/cancelReplace",
             dict(labelled, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order["orderId"], newClientOrderId=self.name + "-2"), alice)
        good(1, CANCELED | LABELLED, "DELETE", "/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": self.name + "-2"}, alice)
        good(1, [CANCELED], "DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, alice)
        # A trade.
        self.call("POST", "/api/v3/order", dict(ORDER_OF, side="SELL", price="2000.00"), self.bob)
        good(1, FULL, "POST", "/api/v3/order", dict(ORDER_OF, price="2000.00", quantity="0.1000"), alice)
        market = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quoteOrderQty": "20"}
        good(1, FULL, "POST", "/api/v3/order", market, alice)
        mine = good(20, [MY_TRADE], "GET", "/api/v3/myTrades", {"symbol": SYMBOL}, alice)
        good(5, [MY_TRADE], "GET", "/api/v3/myTrades", {"symbol": SYMBOL, "orderId": mine[0]["orderId"]}, alice)
        good(20, ACCOUNT, "GET", "/api/v3/account", {}, alice)
        good(20, ACCOUNT, "GET", "/api/v3/account", {"omitZeroBalances": "true"}, alice)
        good(40, [dict(LIMIT, count=0)], "GET", "/api/v3/rateLimit/order", {}, alice)
        good(20, COMMISSION, "GET", "/api/v3/account/commission", {"symbol": SYMBOL}, alice)
        good(20, [], "GET", "/api/v3/myPreventedMatches", {"symbol": SYMBOL, "orderId": 1}, alice)
        good(2, [], "GET", "/api/v3/myPreventedMatches", {"symbol": SYMBOL, "preventedMatchId": 1}, alice)
        good(40, {"exchangeFilters": [], "symbolFilters": [], "assetFilters": []}, "GET", "/api/v3/myFilters", {"symbol": SYMBOL}, alice)
        # Lists.
        oco = dict(symbol=SYMBOL, side="SELL", quantity="0.1000", aboveType="LIMIT_MAKER", abovePrice="3000.00",
                   belowType="STOP_LOSS_LIMIT", belowStopPrice="1500.00", belowPrice="1490.00", belowTimeInForce="GTC",
                   aboveStrategyId=1, belowStrategyId=2, belowStrategyType=1000001)
        stop = dict(RESULT, stopPrice="1.0", strategyId=1)
        placed = good(1, LIST | {"orderReports": [RESULT | {"strategyId": 1}, stop]}, "POST", "/api/v3/orderList/oco", oco, alice)
        good(4, LIST, "GET", "/api/v3/orderList", {"orderListId": placed["orderListId"]}, alice)
        good(6, [LIST], "GET", "/api/v3/openOrderList", {}, alice)
        good(20, [LIST], "GET", "/api/v3/allOrderList", {}, alice)
        canceled = CANCELED | {"strategyId": 1}
        good(1, LIST | {"orderReports": [canceled, canceled]}, "DELETE", "/api/v3/orderList", {"symbol": SYMBOL, "orderListId": placed["orderListId"]}, alice)
        oto = dict(symbol=SYMBOL, workingType="LIMIT", workingSide="BUY", workingPrice="1000.00", workingQuantity="0.1000",
                   workingTimeInForce="GTC", pendingType="MARKET", pendingSide="SELL", pendingQuantity="0.1000")
        good(1, LIST | {"orderReports": [RESULT, RESULT]}, "POST", "/api/v3/orderList/oto", oto, alice)
        otoco = {name: value for name, value in oto.items() if not name.startswith("pending")} | dict(
            pendingSide="SELL", pendingQuantity="0.1000", pendingAboveType="LIMIT_MAKER", pendingAbovePrice="3000.00",
            pendingBelowType="STOP_LOSS", pendingBelowStopPrice="900.00")
        good(1, LIST | {"orderReports": [RESULT, RESULT, RESULT]}, "POST", "/api/v3/orderList/otoco", otoco, alice)
        good(1, [LIST], "DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, alice)

    def last_name(self):
        """The name that an amend without one has given."""
        orders = self.call("GET", "/api/v3/openOrders", {"symbol": SYMBOL}, self.alice)[2]
        return next(order["clientOrderId"] for order in orders if order.get("strategyId") == 7)

    def limits(self):
        status, headers, _ = self.call("POST", "/api/v3/order", dict(ORDER_OF, newClientOrderId=self.name + "-3"), self.alice)
        counts = [int(headers[name]) for name in ("X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1D")]
        self.tally.check("order counts are told", status == 200 and min(counts) > 0, counts)
        limits = {(limit["interval"], limit["count"]) for limit in self.call("GET", "/api/v3/rateLimit/order", {}, self.alice)[2]}
        self.tally.check("and are those of rateLimit/order", ("DAY", counts[1]) in limits, limits)
        _, headers, _ = self.call("DELETE", "/api/v3/order", {"symbol": SYMBOL, "origClientOrderId": self.name + "-3"}, self.alice)
        self.tally.check("a cancel counts no order", headers["X-MBX-ORDER-COUNT-10S"] is None)
        told = {(limit["rateLimitType"], limit["interval"], limit["intervalNum"]) for limit in self.call("GET", "/api/v3/exchangeInfo")[2]["rateLimits"]}
        wanted = {("REQUEST_WEIGHT", "MINUTE", 1), ("ORDERS", "SECOND", 10), ("ORDERS", "DAY", 1), ("RAW_REQUESTS", "MINUTE", 5)}
        self.tally.equal("limits", told, wanted)

    def bad_trading(self):
        bad, alice = self.bad, self.alice
        for name in ("symbol", "side", "type", "timeInForce", "quantity", "price"):
            without = {key: value for key, value in ORDER_OF.items() if key != name}
            for path in ("/api/v3/order", "/api/v3/order/test"):
                bad(-1102, "POST", path, without, alice)
            bad(-1105, "POST", "/api/v3/order", dict(ORDER_OF, **{name: ""}), alice)
        for name in ("timestamp", "recvWindow"):
            bad(-1100, "POST", "/api/v3/order", dict(ORDER_OF, **{name: "x"}), alice)
        bad(-1021, "GET", "/api/v3/account", {"timestamp": now_ms() - 6_000}, alice)
        bad(-1021, "GET", "/api/v3/account", {"timestamp": now_ms() + 3_000}, alice)
        bad(-1131, "GET", "/api/v3/account", {"recvWindow": 60_001}, alice)
        bad(-1128, "GET", "/api/v3/myPreventedMatches", {"symbol": SYMBOL}, alice)
        for path in ("order", "order/amendments"):
            bad(-1102, "GET", f"/api/v3/{path}", {"symbol": SYMBOL}, alice)
        for path in ("allOrders", "myTrades", "account/commission", "order", "myFilters"):
            bad(-1102, "GET", f"/api/v3/{path}", {}, alice)
            bad(-1121, "GET", f"/api/v3/{path}", {"symbol": "NOPE", "orderId": 1} if path == "order" else {"symbol": "NOPE"}, alice)
        for path in ("allOrders", "myTrades"):
            bad(-1127, "GET", f"/api/v3/{path}", {"symbol": SYMBOL, "startTime": 1, "endTime": 86_400_002}, alice)
            bad(-1100, "GET", f"/api/v3/{path}", {"symbol": SYMBOL, "limit": "x"}, alice)
        bad(-2013, "GET", "/api/v3/order", {"symbol": SYMBOL, "orderId": 10**12}, alice)
        bad(-2011, "DELETE", "/api/v3/order", {"symbol": SYMBOL, "orderId": 10**12}, alice)
        self.call("DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, alice)
        bad(-2011, "DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, alice)
        bad(-2018, "GET", "/api/v3/orderList", {"orderListId": 10**12}, alice)
        bad(-2011, "DELETE", "/api/v3/orderList", {"symbol": SYMBOL, "orderListId": 10**12}, alice)
        replace = dict(ORDER_OF, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=10**12)
        answer = bad(-2022, "POST", "/api/v3/order/cancelReplace", replace, alice)
        wanted = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED", "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": None}
        self.tally.equal("a replace that stops", answer.get("data"), wanted)
        answer = bad(-2021, "POST", "/api/v3/order/cancelReplace", dict(replace, cancelReplaceMode="ALLOW_FAILURE"), alice, status=409)
        found = differences({"cancelResult": "FAILURE", "newOrderResult": "SUCCESS", "cancelResponse": {"code": 1, "msg": "x"}, "newOrderResponse": FULL}, answer.get("data"))
        self.tally.check("a replace that goes on", not found, found)
        order = answer["data"]["newOrderResponse"]["orderId"]
        # More than she has, and no more than the filters allow.
        dear = dict(replace, cancelOrderId=order, quantity="9000.0000", price="100000.00")
        answer = bad(-2021, "POST", "/api/v3/order/cancelReplace", dear, alice, status=409)
        found = differences({"cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": CANCELED, "newOrderResponse": {"code": 1, "msg": "x"}}, answer.get("data"))
        self.tally.check("a replace that cannot be paid", not found, (found, answer))
        bad(-1102, "POST", "/api/v3/order/cancelReplace", dict(ORDER_OF, cancelOrderId=1), alice)
        bad(-1102, "POST", "/api/v3/order/cancelReplace", dict(ORDER_OF, cancelReplaceMode="STOP_ON_FAILURE"), alice)
        bad(-1130, "POST", "/api/v3/order/cancelReplace", dict(replace, cancelReplaceMode="SOMETIMES"), alice)
        bad(-1102, "PUT", "/api/v3/order/amend/keepPriority", {"symbol": SYMBOL, "orderId": 1}, alice)


    def replaces(self):
        """Both halves of a cancel-replace, whatever becomes of each: Binance's table of results, statuses and codes."""
        alice, bob, path = self.alice, self.bob, "/api/v3/order/cancelReplace"
        refused = {"code": -2011, "msg": "Order was not canceled due to cancel restrictions."}
        crosses = {"code": -2010, "msg": "Order would immediately match and take."}

        def place(who, **changes):
            return self.call("POST", "/api/v3/order", dict(ORDER_OF, **changes), who)[2]["orderId"]

        def status(order):
            return self.call("GET", "/api/v3/order", {"symbol": SYMBOL, "orderId": order}, alice)[2]["status"]

        def ask(what, wanted, order, mode, restrictions=None, **changes):
            """`wanted`: status, code, both results, and what the answers to both halves hold, or None."""
            params = dict(ORDER_OF, cancelReplaceMode=mode, cancelOrderId=order, **changes)
            if restrictions:
                params["cancelRestrictions"] = restrictions
            # What this type does not take is left out.
            params = {name: value for name, value in params.items() if value is not None}
            seen, _, answer = self.call("POST", path, params, alice)
            data = answer.get("data", answer)
            halves = [data.get("cancelResponse"), data.get("newOrderResponse")]
            told = [half if half is None or "code" in half else half.get("status") for half in halves]
            self.tally.equal(what, (seen, answer.get("code"), data.get("cancelResult"), data.get("newOrderResult"), *told), wanted)
            return halves

        ask_of_bob = place(bob, side="SELL", price="2100.00")
        taking = dict(type="LIMIT_MAKER", timeInForce=None, price="2100.00")
        order = place(alice)
        failed = ("FAILURE", "NOT_ATTEMPTED", refused, None)
        ask("a restriction stops both", (400, -2022, *failed), order, "STOP_ON_FAILURE", "ONLY_PARTIALLY_FILLED")
        ask("a restriction, and an order that crosses", (400, -2022, "FAILURE", "FAILURE", refused, crosses), order, "ALLOW_FAILURE", "ONLY_PARTIALLY_FILLED", **taking)
        self.tally.equal("the old one stays", status(order), "NEW")
        _, placed = ask("a restriction, and an order", (409, -2021, "FAILURE", "SUCCESS", refused, "NEW"), order, "ALLOW_FAILURE", "ONLY_PARTIALLY_FILLED")
        self.tally.equal("both are there", (status(order), status(placed["orderId"])), ("NEW", "NEW"))
        ask("an order that crosses", (409, -2021, "SUCCESS", "FAILURE", "CANCELED", crosses), order, "STOP_ON_FAILURE", "ONLY_NEW", **taking)
        self.tally.equal("the old one is gone", status(order), "CANCELED")
        begun = place(alice, price="1010.00")
        place(bob, side="SELL", price="1010.00", quantity="0.1000")
        ask("one that has traded is not new", (400, -2022, *failed), begun, "STOP_ON_FAILURE", "ONLY_NEW")
        gone, _ = ask("one that has traded", (200, None, "SUCCESS", "SUCCESS", "CANCELED", "NEW"), begun, "STOP_ON_FAILURE", "ONLY_PARTIALLY_FILLED")
        self.tally.equal("what it had traded", (gone["origQty"], gone["executedQty"]), ("0.50000000", "0.10000000"))
        # What a filter refuses is an error of the whole: nothing has been tried.
        still = place(alice)
        mine = self.name + "-mine"
        named = place(alice, newClientOrderId=mine)
        again = dict(ORDER_OF, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=named, newClientOrderId=mine)
        self.bad(-2010, "POST", path, again, alice)
        self.tally.equal("the old one of that name stays", status(named), "NEW")
        self.bad(-1013, "POST", path, dict(ORDER_OF, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=still, quantity="0.0000"), alice)
        self.tally.equal("a filter leaves the old one", status(still), "NEW")
        # Who replaces one order of a list cancels the list, and is told of the one that was asked for.
        listed = self.call("POST", "/api/v3/orderList/oto", dict(
            symbol=SYMBOL, workingType="LIMIT", workingSide="BUY", workingPrice="1000.00", workingQuantity="0.1000", workingTimeInForce="GTC",
            pendingType="LIMIT", pendingSide="SELL", pendingPrice="3000.00", pendingQuantity="0.1000", pendingTimeInForce="GTC"), alice)[2]
        working, pending = (order["orderId"] for order in listed["orders"])
        ask("a pending one has not traded", (400, -2022, *failed), pending, "STOP_ON_FAILURE", "ONLY_PARTIALLY_FILLED")
        gone, _ = ask("a pending one", (200, None, "SUCCESS", "SUCCESS", "CANCELED", "NEW"), pending, "STOP_ON_FAILURE")
        self.tally.equal("what is gone of its list", (gone["orderId"], gone["orderListId"], status(working)), (pending, listed["orderListId"], "CANCELED"))
        self.call("DELETE", "/api/v3/order", {"symbol": SYMBOL, "orderId": ask_of_bob}, bob)

    def carrier(self):
        """What only REST has: headers, verbs, and keys apart from parameters."""
        bad, alice = self.bad, self.alice
        bad(-1102, "GET", "/api/v3/account", {}, alice, signed=False)
        bad(-2014, "GET", "/api/v3/account", {"timestamp": now_ms()}, status=401)
        bad(-2014, "GET", "/api/v3/account", {}, dict(alice, api_key="x" * 65), status=401)
        bad(-2015, "GET", "/api/v3/account", {}, dict(alice, api_key="x" * 64), status=401)
        bad(-1022, "GET", "/api/v3/account", {}, dict(alice, secret="y" * 64))
        self.tally.equal("an unknown path", self.call("GET", "/api/v3/nothing")[0], 404)
        status, headers, _ = self.call("DELETE", "/api/v3/ping")
        self.tally.equal("a wrong verb", (status, headers["Allow"]), (405, "GET, HEAD, OPTIONS"))
        # Wallet, and keys of streams.
        good = self.good
        good(10, [COIN], "GET", "/sapi/v1/capital/config/getall", {}, alice)
        good(1, [FEE], "GET", "/sapi/v1/asset/tradeFee", {}, alice)
        good(1, [], "GET", "/sapi/v1/capital/deposit/hisrec", {}, alice)
        key = good(2, {"listenKey": "pqia91ma"}, "POST", "/api/v3/userDataStream", {}, alice, signed=False)
        good(2, {}, "PUT", "/api/v3/userDataStream", key, alice, signed=False)
        good(2, {}, "DELETE", "/api/v3/userDataStream", key, alice, signed=False)


# What a path and its verb are called over the WebSocket API, where that is not the path itself.
METHODS = {
    "GET trades": "trades.recent", "GET historicalTrades": "trades.historical", "GET aggTrades": "trades.aggregate",
    "GET ticker/24hr": "ticker.24hr", "GET ticker/tradingDay": "ticker.tradingDay", "GET ticker/price": "ticker.price",
    "GET ticker/bookTicker": "ticker.book", "POST order": "order.place", "POST order/test": "order.test", "GET order": "order.status",
    "DELETE order": "order.cancel", "POST order/cancelReplace": "order.cancelReplace",
    "PUT order/amend/keepPriority": "order.amend.keepPriority", "GET order/amendments": "order.amendments",
    "GET openOrders": "openOrders.status", "DELETE openOrders": "openOrders.cancelAll", "POST orderList/oco": "orderList.place.oco",
    "POST orderList/oto": "orderList.place.oto", "POST orderList/otoco": "orderList.place.otoco", "GET orderList": "orderList.status",
    "DELETE orderList": "orderList.cancel", "GET openOrderList": "openOrderLists.status", "GET allOrderList": "allOrderLists",
    "GET account": "account.status", "GET account/commission": "account.commission", "GET rateLimit/order": "account.rateLimits.orders",
}


class OverWebSocket(Surface):
    """The same questions and the same answers, over the WebSocket API."""

    def __init__(self, state, tally):
        super().__init__(state, tally)
        self.loop, self.asked = asyncio.new_event_loop(), 0
        self.ws = self.loop.run_until_complete(self.connect(state.ws_api))

    async def connect(self, url):
        self.session = aiohttp.ClientSession()
        return await self.session.ws_connect(url)

    def close(self):
        self.loop.run_until_complete(self.session.close())

    def call(self, method, path, params=(), account=None, signed=True, headers=()):
        path = path.removeprefix("/api/v3/")
        params = {name: json.loads(value) if name == "symbols" and value.startswith('["') else value for name, value in dict(params).items()}
        if account is not None and signed:
            params = signed_params(account, params)
        self.asked += 1
        request = {"id": self.asked, "method": METHODS.get(f"{method} {path}", path), "params": params}
        answer = self.loop.run_until_complete(self.ask(request))
        used = {limit["rateLimitType"]: limit["count"] for limit in answer["rateLimits"]}
        orders = {f"X-MBX-ORDER-COUNT-{limit['intervalNum']}{limit['interval'][0]}": limit["count"] for limit in answer["rateLimits"] if limit["rateLimitType"] == "ORDERS"}
        told = {"X-MBX-USED-WEIGHT": used["REQUEST_WEIGHT"], "X-MBX-USED-WEIGHT-1M": used["REQUEST_WEIGHT"], "Content-Type": "application/json"}
        told |= {name: orders.get(name) for name in ("X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1D")}
        self.tally.check("an answer has one of result and error", ("result" in answer) != ("error" in answer), answer)
        return answer["status"], told, answer.get("result", answer.get("error"))

    async def ask(self, request):
        await self.ws.send_str(json.dumps(request))
        while True:
            answer = json.loads((await self.ws.receive(timeout=10)).data)
            if answer.get("id") == request["id"]:
                return answer


def main():
    state, tally = State(sys.argv[1]), Tally("surface")
    rest = Surface(state, tally)
    # A trade and a book, so that there is something to see.
    for who, side, price in [(rest.alice, "BUY", "2000.00"), (rest.bob, "SELL", "2000.00"), (rest.bob, "BUY", "999.00")]:
        rest.call("POST", "/api/v3/order", dict(ORDER_OF, side=side, price=price), who)
    over_ws = OverWebSocket(state, tally)
    for surface in (rest, over_ws):
        parts = [surface.market_data, surface.bad_market_data, surface.trading, surface.limits, surface.bad_trading, surface.replaces]
        for part in parts + ([surface.carrier] if surface is rest else []):
            try:
                part()
            except Exception:
                tally.crashed()
        surface.call("DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, surface.alice)
    over_ws.close()
    rest.call("DELETE", "/api/v3/openOrders", {"symbol": SYMBOL}, rest.bob)
    tally.close()


if __name__ == "__main__":
    main()
