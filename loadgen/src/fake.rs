//! A small exchange for tests: one market, price-time priority, naive and in one lock. It speaks as much of
//! the API as this crate asks for, and forgets or doubles things when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::state::Account;
use crate::target::TargetArgs;

/// The market.
pub const SYMBOL: &str = "BTCUSDT";

/// What the exchange does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It acknowledges this order and forgets it.
    LoseOrder(u64),
    /// It executes this order twice.
    DoubleOrder(u64),
    /// It books one unit of quote too much.
    WrongBalance,
    /// It hangs up instead of answering every so many orders.
    HangUpEvery(u64),
    /// It answers nothing any more once it has so many orders.
    GoneAfter(u64),
    /// It knows nothing of an order any more that was closed when orders up to it were listed.
    ForgetClosed,
    /// It forgets to publish this change of a level.
    HideChange(u64),
}

#[derive(Debug, Clone)]
struct Order {
    id: u64,
    account: String,
    name: String,
    buy: bool,
    price: Decimal,
    qty: Decimal,
    executed: Decimal,
    quote: Decimal,
    status: &'static str,
    is_forgotten: bool,
}

struct Book {
    fault: Fault,
    orders: Vec<Order>,
    /// Account, order, trade: as `myTrades` shows them.
    trades: Vec<(String, Value)>,
    traded: u64,
    changes: u64,
    balances: BTreeMap<(String, &'static str), Decimal>,
    stream: broadcast::Sender<String>,
}

/// A running exchange.
#[derive(Clone)]
pub struct Fake {
    book: Arc<Mutex<Book>>,
    /// Flags that lead to it.
    pub target: TargetArgs,
}

impl Fake {
    /// Starts it with accounts of these names.
    pub async fn start(fault: Fault, names: &[&str]) -> Fake {
        let (rest, ws) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let account = |name: &&str| Account {
            name: name.to_string(),
            api_key: name.to_string(),
            secret: "secret".into(),
            ed25519_api_key: None,
            ed25519_private_key: None,
            pem_file: None,
            balances: BTreeMap::new(),
        };
        let funds = |name: &&str| [(name.to_string(), "BTC"), (name.to_string(), "USDT")];
        let book = Book {
            fault,
            orders: Vec::new(),
            trades: Vec::new(),
            traded: 0,
            changes: 0,
            balances: names.iter().flat_map(funds).map(|key| (key, Decimal::from(1_000_000))).collect(),
            stream: broadcast::channel(65_536).0,
        };
        let target = TargetArgs {
            state: None,
            rest: Some(format!("http://{}", rest.local_addr().unwrap())),
            ws: Some(format!("ws://{}", ws.local_addr().unwrap())),
            ws_api: Some(format!("ws://{}", ws.local_addr().unwrap())),
            account: names.iter().map(account).collect(),
        };
        let fake = Fake { book: Arc::new(Mutex::new(book)), target };
        tokio::spawn(fake.clone().serve_rest(rest));
        tokio::spawn(fake.clone().serve_ws(ws));
        fake
    }

    /// How many orders it has forgotten.
    pub fn forgotten(&self) -> usize {
        self.book.lock().unwrap().orders.iter().filter(|order| order.is_forgotten).count()
    }

    /// How many orders it has been given.
    pub fn orders(&self) -> usize {
        self.book.lock().unwrap().orders.len()
    }

    /// Nobody's orders rest any more.
    pub fn cancel_all(&self) {
        let mut book = self.book.lock().unwrap();
        let open: Vec<usize> = (0..book.orders.len()).filter(|index| book.orders[*index].is_open()).collect();
        for index in open {
            book.orders[index].status = "CANCELED";
            let level = (book.orders[index].buy, book.orders[index].price);
            book.change(level);
        }
    }

    async fn serve_rest(self, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().rest_connection(socket));
        }
    }

    async fn rest_connection(self, mut socket: TcpStream) {
        let mut bytes = vec![0; 65_536];
        while let Ok(length) = socket.read(&mut bytes).await {
            if length == 0 {
                return;
            }
            let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let (path, query) =
                head.split(' ').nth(1).unwrap().split_once('?').unwrap_or((head.split(' ').nth(1).unwrap(), ""));
            let key =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("x-mbx-apikey: ").map(str::to_owned));
            let param = |name: &str| {
                query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
            };
            if self.book.lock().unwrap().is_gone() {
                return;
            }
            let account = key.unwrap_or_default();
            let answer = self.book.lock().unwrap().ask(path, &account, param);
            if let ("/api/v3/allOrders", Ok(shown)) = (path, &answer) {
                self.book.lock().unwrap().forget(&account, shown);
            }
            let (status, body) = match answer {
                Ok(body) => ("200 OK", body.to_string()),
                Err(error) => ("400 Bad Request", error.to_string()),
            };
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if socket.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn serve_ws(self, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let fake = self.clone();
            tokio::spawn(async move {
                let mut is_stream = false;
                #[allow(clippy::result_large_err)]
                let look = |request: &Request, response: Response| {
                    is_stream = request.uri().path() == "/stream";
                    Ok(response)
                };
                let Ok(socket) = tokio_tungstenite::accept_hdr_async(socket, look).await else { return };
                match is_stream {
                    true => fake.stream_connection(socket).await,
                    false => fake.api_connection(socket).await,
                }
            });
        }
    }

    async fn stream_connection(self, mut socket: tokio_tungstenite::WebSocketStream<TcpStream>) {
        let mut events = self.book.lock().unwrap().stream.subscribe();
        while let Ok(event) = events.recv().await {
            if socket.send(Message::text(event)).await.is_err() {
                return;
            }
        }
    }

    async fn api_connection(self, mut socket: tokio_tungstenite::WebSocketStream<TcpStream>) {
        let mut account = String::new();
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let request: Value = serde_json::from_str(&text).unwrap();
            let params = &request["params"];
            if self.book.lock().unwrap().is_gone() {
                return;
            }
            let answer = match request["method"].as_str().unwrap() {
                "session.logon" => {
                    account = params["apiKey"].as_str().unwrap().to_owned();
                    Ok(Some(json!({})))
                }
                "order.place" => self.book.lock().unwrap().place(&account, params),
                "order.cancel" => self.book.lock().unwrap().cancel(&account, params).map(Some),
                "order.status" => self.book.lock().unwrap().status(&account, params).map(Some),
                other => panic!("the fake exchange knows no {other}"),
            };
            let answer = match answer {
                Ok(None) => return,
                Ok(Some(result)) => json!({"id": request["id"], "status": 200, "result": result}),
                Err(error) => json!({"id": request["id"], "status": 400, "error": error}),
            };
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                return;
            }
        }
    }
}

fn dec(value: &Value) -> Decimal {
    Decimal::from_str_exact(value.as_str().unwrap()).unwrap()
}

fn refusal(code: i32, message: &str) -> Value {
    json!({"code": code, "msg": message})
}

impl Order {
    fn show(&self, fills: Vec<Value>) -> Value {
        json!({
            "symbol": SYMBOL, "orderId": self.id, "clientOrderId": self.name, "price": self.price.to_string(),
            "origQty": self.qty.to_string(), "executedQty": self.executed.to_string(),
            "cummulativeQuoteQty": self.quote.to_string(), "status": self.status,
            "side": if self.buy { "BUY" } else { "SELL" }, "fills": fills
        })
    }

    fn is_open(&self) -> bool {
        matches!(self.status, "NEW" | "PARTIALLY_FILLED")
    }
}

impl Book {
    fn is_gone(&self) -> bool {
        matches!(self.fault, Fault::GoneAfter(orders) if self.orders.len() as u64 >= orders)
    }

    /// `None` hangs up.
    fn place(&mut self, account: &str, params: &Value) -> Result<Option<Value>, Value> {
        let name = params["newClientOrderId"].as_str().unwrap();
        if self.orders.iter().any(|order| order.account == account && order.name == name) {
            return Err(refusal(-2010, "Duplicate order sent."));
        }
        let number = self.orders.len() as u64 + 1;
        let result = self.execute(account, params);
        match self.fault {
            Fault::LoseOrder(lost) if lost == number => self.orders.last_mut().unwrap().account = "nobody".into(),
            Fault::DoubleOrder(doubled) if doubled == number => drop(self.execute(account, params)),
            Fault::HangUpEvery(times) if number.is_multiple_of(times) => return Ok(None),
            Fault::WrongBalance if number == 5 => self.pay(account, "USDT", Decimal::ONE),
            _ => {}
        }
        Ok(Some(result))
    }

    fn execute(&mut self, account: &str, params: &Value) -> Value {
        let buy = params["side"] == "BUY";
        let is_market = params["type"] == "MARKET";
        let price = match (is_market, buy) {
            (false, _) => dec(&params["price"]),
            (true, true) => Decimal::from(1_000_000),
            (true, false) => Decimal::ZERO,
        };
        let mut order = Order {
            id: self.orders.len() as u64 + 1,
            account: account.to_owned(),
            name: params["newClientOrderId"].as_str().unwrap().to_owned(),
            buy,
            price,
            qty: dec(&params["quantity"]),
            executed: Decimal::ZERO,
            quote: Decimal::ZERO,
            status: "NEW",
            is_forgotten: false,
        };
        let mut fills = Vec::new();
        while order.executed < order.qty {
            let meets =
                |o: &&mut Order| o.is_open() && o.buy != buy && if buy { o.price <= price } else { o.price >= price };
            let sign = if buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
            let makers = self.orders.iter_mut().filter(meets);
            let Some(maker) = makers.min_by_key(|maker| (maker.price * sign, maker.id)) else { break };
            let qty = (order.qty - order.executed).min(maker.qty - maker.executed);
            let at = maker.price;
            for side in [&mut *maker, &mut order] {
                side.executed += qty;
                side.quote += qty * at;
                side.status = if side.executed == side.qty { "FILLED" } else { "PARTIALLY_FILLED" };
            }
            let (maker, level) = (maker.clone(), (maker.buy, maker.price));
            self.traded += 1;
            self.settle(&maker, at, qty);
            fills.push(self.settle(&order, at, qty));
            self.say("trade", json!({"t": self.traded, "p": at.to_string(), "q": qty.to_string(), "m": !buy}));
            self.change(level);
        }
        let rests = params["timeInForce"] == "GTC" || params["type"] == "LIMIT_MAKER";
        if order.executed < order.qty && !rests {
            order.status = "EXPIRED";
        }
        self.orders.push(order.clone());
        if order.is_open() {
            self.change((buy, price));
        }
        order.show(fills)
    }

    fn settle(&mut self, order: &Order, price: Decimal, qty: Decimal) -> Value {
        let ((gets, gain), (gives, loss)) = match order.buy {
            true => (("BTC", qty), ("USDT", qty * price)),
            false => (("USDT", qty * price), ("BTC", qty)),
        };
        let fee = gain / Decimal::from(1_000);
        self.pay(&order.account, gets, gain - fee);
        self.pay(&order.account, gives, -loss);
        let trade = json!({
            "id": self.traded, "tradeId": self.traded, "orderId": order.id, "price": price.to_string(),
            "qty": qty.to_string(), "quoteQty": (qty * price).to_string(), "commission": fee.to_string(),
            "commissionAsset": gets, "isBuyer": order.buy
        });
        self.trades.push((order.account.clone(), trade.clone()));
        trade
    }

    fn pay(&mut self, account: &str, asset: &'static str, amount: Decimal) {
        *self.balances.entry((account.to_owned(), asset)).or_default() += amount;
    }

    fn level(&self, level: (bool, Decimal)) -> Decimal {
        let there = self.orders.iter().filter(|order| order.is_open() && (order.buy, order.price) == level);
        there.map(|order| order.qty - order.executed).sum()
    }

    fn change(&mut self, level: (bool, Decimal)) {
        self.changes += 1;
        let at = json!([[level.1.to_string(), self.level(level).to_string()]]);
        let (bids, asks) = if level.0 { (at, json!([])) } else { (json!([]), at) };
        let (bids, asks) = match self.fault {
            Fault::HideChange(hidden) if hidden == self.changes => (json!([]), json!([])),
            _ => (bids, asks),
        };
        self.say("depthUpdate", json!({"U": self.changes, "u": self.changes, "b": bids, "a": asks}));
    }

    fn say(&self, kind: &str, mut data: Value) {
        data["e"] = kind.into();
        // Nobody may be listening.
        let _ = self.stream.send(json!({"stream": "x", "data": data}).to_string());
    }

    fn find(&mut self, account: &str, params: &Value) -> Option<&mut Order> {
        let name = params["origClientOrderId"].as_str().unwrap();
        self.orders.iter_mut().find(|order| order.account == account && order.name == name)
    }

    fn cancel(&mut self, account: &str, params: &Value) -> Result<Value, Value> {
        let order = self.find(account, params).filter(|order| order.is_open());
        let order = order.ok_or_else(|| refusal(-2011, "Unknown order sent."))?;
        order.status = "CANCELED";
        let (shown, level) = (order.show(vec![]), (order.buy, order.price));
        self.change(level);
        Ok(shown)
    }

    fn status(&mut self, account: &str, params: &Value) -> Result<Value, Value> {
        self.find(account, params)
            .map(|order| order.show(vec![]))
            .ok_or_else(|| refusal(-2013, "Order does not exist."))
    }

    /// Where that is the fault, what is closed of the orders up to the last that is shown.
    fn forget(&mut self, account: &str, shown: &Value) {
        let last = shown.as_array().and_then(|orders| orders.last()?["orderId"].as_u64());
        let (Fault::ForgetClosed, Some(last)) = (self.fault, last) else { return };
        let own = self.orders.iter_mut().filter(|order| order.account == account && order.id <= last);
        own.filter(|order| !order.is_open()).for_each(|order| order.is_forgotten = true);
    }

    fn ask(&self, path: &str, account: &str, param: impl Fn(&str) -> Option<String>) -> Result<Value, Value> {
        let from = |name: &str| param(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let own = self.orders.iter().filter(|order| order.account == account);
        let open = self.orders.iter().filter(|order| order.is_open());
        Ok(match path {
            "/api/v3/exchangeInfo" => json!({"symbols": [{
                "symbol": SYMBOL, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": [
                    {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "stepSize": "0.00001", "minQty": "0.00001"},
                    {"filterType": "NOTIONAL", "minNotional": "5"},
                    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 50}
                ]
            }]}),
            "/api/v3/ticker/bookTicker" => {
                let bid = open.clone().filter(|order| order.buy).map(|order| order.price).max().unwrap_or_default();
                let ask = open.filter(|order| !order.buy).map(|order| order.price).min().unwrap_or_default();
                json!({"bidPrice": bid.to_string(), "askPrice": ask.to_string()})
            }
            "/api/v3/depth" => {
                let side = |buy| {
                    let prices: std::collections::BTreeSet<Decimal> =
                        open.clone().filter(|order| order.buy == buy).map(|order| order.price).collect();
                    prices
                        .into_iter()
                        .map(|price| json!([price.to_string(), self.level((buy, price)).to_string()]))
                        .collect::<Value>()
                };
                json!({"lastUpdateId": self.changes, "bids": side(true), "asks": side(false)})
            }
            "/api/v3/trades" => self
                .trades
                .last()
                .map(|(_, trade)| {
                    json!([{
                        "id": trade["id"], "price": trade["price"], "qty": trade["qty"], "isBuyerMaker": false
                    }])
                })
                .unwrap_or(json!([])),
            "/api/v3/openOrders" => own.filter(|order| order.is_open()).map(|order| order.show(vec![])).collect(),
            "/api/v3/order" => {
                let mut own = own.filter(|order| !order.is_forgotten);
                let order = own.find(|order| order.id == from("orderId"));
                return order.map(|order| order.show(vec![])).ok_or_else(|| refusal(-2013, "Order does not exist."));
            }
            "/api/v3/allOrders" => own
                .filter(|order| !order.is_forgotten && order.id >= from("orderId"))
                .take(1_000)
                .map(|order| order.show(vec![]))
                .collect(),
            "/api/v3/myTrades" => {
                let mut trades = self.trades.iter().filter(|(owner, _)| owner == account).map(|(_, trade)| trade);
                match param("fromId") {
                    None => trades.next_back().into_iter().cloned().collect(),
                    Some(_) => {
                        trades.filter(|t| t["id"].as_u64().unwrap() >= from("fromId")).take(1_000).cloned().collect()
                    }
                }
            }
            "/api/v3/account" => {
                let balances = self.balances.iter().filter(|((owner, _), _)| owner == account);
                let show = |((_, asset), free): (&(String, &str), &Decimal)| json!({"asset": asset, "free": free.to_string(), "locked": "0"});
                json!({"balances": balances.map(show).collect::<Vec<_>>()})
            }
            other => panic!("the fake exchange knows no {other}"),
        })
    }
}
