// Two libraries of Node, unmodified but for the address: Binance's own SDK and binance-api-node:
// `node with_node.cjs STATE_FILE NODE_MODULES`. Each rests, sees, amends or replaces, cancels, crosses two accounts, and holds its
// user stream and its books against REST.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const [stateFile, modules] = process.argv.slice(2);
const load = (name) => require(path.resolve(modules, name));
const state = JSON.parse(fs.readFileSync(stateFile, "utf8"));
const account = (name) => state.accounts.find((known) => known.name === name);
const SYMBOL = "BTCUSDT";
const PATIENCE_MS = 10_000;

let passed = 0;
let failed = 0;
function check(what, seen, wanted) {
  const [left, right] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (left === right) return void (passed += 1);
  failed += 1;
  console.log(`  FAILED ${what}: saw ${left}, wanted ${right}`);
}
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
// Until something is so: streams tell a little later than answers.
async function eventually(what, isSo) {
  const until = Date.now() + PATIENCE_MS;
  while (!isSo() && Date.now() < until) await sleep(20);
  check(what, isSo(), true);
}
const sum = (levels) => levels.reduce((total, [price, quantity]) => total + price * quantity, 0);

async function sdk() {
  const { Spot } = load("@binance/spot");
  const client = (name, isEd25519) => {
    const { api_key, secret, ed25519_api_key, ed25519_private_key } = account(name);
    const keys = isEd25519 ? { apiKey: ed25519_api_key, privateKey: ed25519_private_key } : { apiKey: api_key, apiSecret: secret };
    return new Spot({
      configurationRestAPI: { ...keys, basePath: state.rest },
      configurationWebsocketAPI: { ...keys, wsURL: state.ws_api },
      configurationWebsocketStreams: { wsURL: state.ws },
    });
  };
  const [alice, bob] = [client("alice", false), client("bob", true)];
  const rest = async (of, method, params = {}) => (await of.restAPI[method](params)).data();
  const info = await rest(alice, "exchangeInfo", { symbols: [SYMBOL] });
  check("the market", [info.symbols.length, info.symbols[0].status], [1, "TRADING"]);

  const streams = await alice.websocketStreams.connect();
  const told = { trades: [] };
  streams.trade({ symbol: SYMBOL.toLowerCase() }).on("message", (trade) => told.trades.push(trade));
  streams.partialBookDepth({ symbol: SYMBOL.toLowerCase(), levels: 5, updateSpeed: "100ms" }).on("message", (book) => (told.depth = book));

  const limit = { symbol: SYMBOL, type: "LIMIT", timeInForce: "GTC", quantity: 0.01, price: 50_000 };
  const rested = await rest(alice, "newOrder", { ...limit, side: "BUY" });
  check("rests", rested.status, "NEW");
  const amended = await rest(alice, "orderAmendKeepPriority", { symbol: SYMBOL, orderId: rested.orderId, newQty: 0.008 });
  check("amended", [amended.amendedOrder.qty, amended.amendedOrder.orderId], ["0.00800000", rested.orderId]);
  const seen = await rest(alice, "getOrder", { symbol: SYMBOL, orderId: rested.orderId });
  check("seen", [seen.status, seen.origQty], ["NEW", "0.00800000"]);

  const api = await bob.websocketAPI.connect();
  await api.sessionLogon();
  const events = [];
  (await api.userDataStreamSubscribe()).stream.on("message", (event) => events.push(event));
  const taken = (await api.orderPlace({ ...limit, side: "SELL", quantity: 0.008, newOrderRespType: "FULL" })).data;
  check("crossed", [taken.status, taken.fills.length, taken.fills[0]?.price], ["FILLED", 1, "50000.00000000"]);
  await eventually("the user stream tells the fill", () => events.some((event) => event.e === "executionReport" && event.X === "FILLED"));
  await eventually("and the balances", () => events.some((event) => event.e === "outboundAccountPosition"));
  await eventually("the market stream tells the trade", () => told.trades.some((trade) => String(trade.t) === String(taken.fills[0].tradeId)));
  for (const of of [alice, bob]) {
    const trades = await rest(of, "myTrades", { symbol: SYMBOL });
    check("its trade", trades.at(-1).id, taken.fills[0].tradeId);
  }
  const list = (await api.orderListPlaceOco({
    symbol: SYMBOL, side: "SELL", quantity: 0.01, aboveType: "LIMIT_MAKER", abovePrice: 60_000, belowType: "STOP_LOSS", belowStopPrice: 40_000,
  })).data;
  check("a pair", [list.contingencyType, list.orders.length], ["OCO", 2]);
  check("no orders left", (await api.openOrdersCancelAll({ symbol: SYMBOL })).data.length, 1);
  const free = (await rest(bob, "getAccount", { omitZeroBalances: true })).balances;
  check("nothing is locked", free.every((balance) => Number(balance.locked) === 0), true);

  await rest(alice, "newOrder", { ...limit, side: "BUY", price: 49_000 });
  await rest(bob, "newOrder", { ...limit, side: "SELL", price: 51_000 });
  const depth = await rest(alice, "depth", { symbol: SYMBOL, limit: 5 });
  check("a book of two sides", [depth.bids.length, depth.asks.length], [1, 1]);
  const isEqual = () => told.depth && sum(told.depth.bids) === sum(depth.bids) && sum(told.depth.asks) === sum(depth.asks);
  await eventually("the book's stream is REST's book", isEqual);
  for (const of of [alice, bob]) await rest(of, "deleteOpenOrders", { symbol: SYMBOL });
  await Promise.all([api.disconnect(), streams.disconnect()]);
}

async function apiNode() {
  const connect = load("binance-api-node").default;
  const { api_key, secret } = account("carol");
  const carol = connect({ apiKey: api_key, apiSecret: secret, httpBase: state.rest, wsBase: `${state.ws}/ws`, wsApi: state.ws_api });
  const other = account("dave");
  const dave = connect({ apiKey: other.api_key, apiSecret: other.secret, httpBase: state.rest, wsBase: `${state.ws}/ws`, wsApi: state.ws_api });
  check("ping", await carol.ping(), true);
  check("markets", (await carol.exchangeInfo()).symbols.some((market) => market.symbol === SYMBOL), true);
  const events = [];
  const candles = [];
  const close = [await carol.ws.user((event) => events.push(event)), carol.ws.candles(SYMBOL, "1m", (candle) => candles.push(candle))];
  const rested = await carol.order({ symbol: SYMBOL, side: "BUY", quantity: "0.01", price: "50000" });
  await eventually("the user stream tells the order", () => events.some((event) => event.orderId === rested.orderId));
  const open = await carol.openOrders({ symbol: SYMBOL });
  check("open", open.map((order) => order.orderId), [rested.orderId]);
  const taken = await dave.order({ symbol: SYMBOL, side: "SELL", type: "MARKET", quantity: "0.004" });
  check("crossed", [taken.status, taken.executedQty], ["FILLED", "0.00400000"]);
  const partly = await carol.getOrder({ symbol: SYMBOL, orderId: rested.orderId });
  check("in part", [partly.status, partly.executedQty], ["PARTIALLY_FILLED", "0.00400000"]);
  await eventually("a candle has the trade", () => candles.some((candle) => Number(candle.close) === 50_000));
  check("canceled", (await carol.cancelOrder({ symbol: SYMBOL, orderId: rested.orderId })).status, "CANCELED");
  const pair = await dave.orderOco({ symbol: SYMBOL, side: "SELL", quantity: "0.01", price: "60000", stopPrice: "40000", stopLimitPrice: "39000" });
  check("a pair", pair.orders.length, 2);
  await dave.cancelOpenOrders({ symbol: SYMBOL });
  check("trades of both", (await Promise.all([carol, dave].map((one) => one.myTrades({ symbol: SYMBOL })))).map((trades) => trades.at(-1).qty), ["0.00400000", "0.00400000"]);
  check("nothing is locked", (await carol.accountInfo()).balances.every((balance) => Number(balance.locked) === 0), true);
  let refused;
  try {
    await carol.order({ symbol: SYMBOL, side: "BUY", quantity: "0.0000001", price: "50000" });
  } catch (error) {
    refused = [error.code, error.message];
  }
  check("a refusal", refused, [-1013, "Filter failure: LOT_SIZE"]);
  close.forEach((end) => end());
}

(async () => {
  for (const [name, walk] of [["@binance/spot", sdk], ["binance-api-node", apiNode]]) {
    try {
      await walk();
    } catch (error) {
      failed += 1;
      console.log(`  FAILED ${name}: ${error.stack ?? error}`);
    }
  }
  console.log(`Node's clients: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
