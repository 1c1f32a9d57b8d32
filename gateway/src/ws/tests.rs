//! Protocol tests: a client over loopback against the real server, with a ledger that rests every order.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cluster_client::{ClusterError, Replied, envelope};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use wire::command::{ApiKeyKind, Permissions, Reply};
use wire::event::{AccountOpened, ApiKeyAdded, AssetListed, BalanceChanged, OrderAccepted, OrderPending, OrderResting};
use wire::{
    AccountId, AccountName, Amount, ApiKeyText, AssetId, Command, Event, FeeRate, LogPosition, OrderId, PartitionId,
    Side, Symbol, Timestamp, codec,
};

use crate::cluster::Ledger;
use crate::exchange::Exchange;
use crate::http::Door;
use crate::market_data::MarketData;
use crate::market_data::tests::{START_MS, level, listed, traded, window};
use crate::streams::Hub;
use crate::{Gateway, Limits};

const LEDGER: PartitionId = PartitionId::new(1);
const MARKET: PartitionId = PartitionId::new(2);
const ENVELOPE_KEY: [u8; 32] = [7; 32];
const SECRET: &str = "a secret of sixteen bytes at least";

fn key() -> String {
    "k".repeat(64)
}

/// Bob's key.
fn other_key() -> String {
    "o".repeat(64)
}

/// A ledger whose every order rests, and which remembers the order of commands.
#[derive(Default)]
struct RestingLedger {
    exchange: OnceLock<Arc<Exchange>>,
    position: AtomicU64,
    placed: Mutex<Vec<String>>,
    /// The client session of each order.
    sessions: Mutex<Vec<u64>>,
    leases: Mutex<Vec<wire::command::RenewLease>>,
    /// Leases are somebody else's.
    takes_leases: std::sync::atomic::AtomicBool,
    /// There is no room for a lease.
    is_full: std::sync::atomic::AtomicBool,
    /// Orders are answered late, as by a cluster.
    delay: Duration,
}

impl RestingLedger {
    fn apply(&self, events: &[Event]) -> LogPosition {
        let position = LogPosition::new(self.position.fetch_add(1, Ordering::SeqCst) + 1);
        let now = Timestamp::from_nanos((START_MS + position.get()) * 1_000_000);
        self.exchange.get().unwrap().apply(LEDGER, position, now, events);
        position
    }
}

impl Ledger for RestingLedger {
    fn opened(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn request(&self, command: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<Replied, ClusterError>> {
        let order = match codec::v1::decode_command(&command) {
            Ok(Command::NewOrder(order)) => order,
            Ok(Command::RenewLease(renew)) => {
                self.leases.lock().unwrap().push(renew);
                let reply = if self.takes_leases.load(Ordering::Relaxed) {
                    Reply::Rejected { reason: wire::RejectReason::LeaseTaken, id: 0 }
                } else if self.is_full.load(Ordering::Relaxed) && renew.takes_over {
                    Reply::Rejected { reason: wire::RejectReason::TableFull, id: 0 }
                } else {
                    Reply::Accepted { id: 1 }
                };
                return async move {
                    tokio::time::sleep(self.delay).await;
                    Ok(Replied { position: LogPosition::ZERO, reply })
                }
                .boxed();
            }
            _ => return futures_util::future::ready(Err(ClusterError::Unavailable)).boxed(),
        };
        self.sessions.lock().unwrap().push(order.session.get());
        let id = {
            let mut placed = self.placed.lock().unwrap();
            placed.push(order.client_order_id.as_str().to_owned());
            OrderId::new(placed.len() as u64)
        };
        async move {
            tokio::time::sleep(self.delay).await;
            let (account, market) = (order.account, order.market);
            let position = self.apply(&[
                Event::OrderPending(OrderPending {
                    order: id,
                    account,
                    market,
                    side: order.side,
                    kind: order.kind,
                    time_in_force: order.time_in_force,
                    self_trade: order.self_trade,
                    price: order.price,
                    qty: order.qty,
                    quote_qty: order.quote_qty,
                    client_order_id: order.client_order_id,
                }),
                Event::OrderAccepted(OrderAccepted { order: id, account, market }),
                Event::OrderResting(OrderResting { order: id, account, market, leaves: order.qty }),
                balance(9_000),
            ]);
            Ok(Replied { position, reply: Reply::Accepted { id: id.get() } })
        }
        .boxed()
    }

    fn read_index(&self, _: PartitionId, _: Duration) -> BoxFuture<'_, Result<LogPosition, ClusterError>> {
        futures_util::future::ready(Ok(LogPosition::new(self.position.load(Ordering::SeqCst)))).boxed()
    }
}

fn balance(free: i64) -> Event {
    let (free, held) = (Amount::new(free * 100_000_000).unwrap(), Amount::ZERO);
    Event::BalanceChanged(BalanceChanged { account: AccountId::new(1), asset: AssetId::new(2), free, held })
}

/// A gateway that serves, and what feeds it.
struct Server {
    gateway: Arc<Gateway>,
    ledger: Arc<RestingLedger>,
    address: SocketAddr,
    position: u64,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Server {
    async fn start() -> Server {
        Server::start_with(Duration::ZERO).await
    }

    async fn start_limited(limits: Limits) -> Server {
        Server::start_as(limits, Duration::ZERO).await
    }

    async fn start_with(delay: Duration) -> Server {
        Server::start_as(Limits::default(), delay).await
    }

    async fn start_as(limits: Limits, delay: Duration) -> Server {
        let hub = Arc::new(Hub::default());
        let data = Arc::new(MarketData::new(hub.clone()));
        let exchange = Arc::new(Exchange::new(LEDGER, &[LEDGER, MARKET], &limits, ENVELOPE_KEY, data));
        let ledger = Arc::new(RestingLedger { delay, ..RestingLedger::default() });
        ledger.exchange.set(exchange.clone()).ok().unwrap();
        let asset = |id, symbol: &str, ledger_decimals| {
            let symbol = Symbol::new(symbol.as_bytes()).unwrap();
            Event::AssetListed(AssetListed { asset: AssetId::new(id), symbol, ledger_decimals })
        };
        let fee = FeeRate::new(1_000).unwrap();
        let opened = |id, name: &[u8]| {
            let name = AccountName::new(name).unwrap();
            Event::AccountOpened(AccountOpened { account: AccountId::new(id), name, maker_fee: fee, taker_fee: fee })
        };
        let key_added = |id, key: &str| {
            Event::ApiKeyAdded(Box::new(ApiKeyAdded {
                account: AccountId::new(id),
                key: ApiKeyText::new(key.as_bytes()).unwrap(),
                kind: ApiKeyKind::Hmac,
                permissions: Permissions::READ_AND_TRADE,
                secret: envelope::seal(&ENVELOPE_KEY, key, SECRET.as_bytes()).unwrap(),
                id: Default::default(),
            }))
        };
        ledger.apply(&[
            asset(1, "BTC", 10),
            asset(2, "USDT", 8),
            listed(1, "BTCUSDT"),
            opened(1, b"alice"),
            key_added(1, &key()),
            opened(2, b"bob"),
            key_added(2, &other_key()),
            balance(10_000),
        ]);
        exchange.market_data().go_live();
        let gateway = Arc::new(Gateway::new(exchange, hub, ledger.clone(), limits));
        gateway.is_ready.store(true, Ordering::Release);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(crate::http::serve(gateway.clone(), listener, Door::default(), Duration::from_secs(1)));
        Server { gateway, ledger, address, position: 0, task }
    }

    fn market(&mut self, events: &[Event]) {
        self.position += 1;
        let now = Timestamp::from_nanos((START_MS + self.position) * 1_000_000);
        self.gateway.exchange.apply(MARKET, LogPosition::new(self.position), now, events);
    }

    async fn connect(&self, path: &str) -> Client {
        connect_async(format!("ws://{}{path}", self.address)).await.unwrap().0
    }

    async fn api(&self) -> Client {
        self.connect("/ws-api/v3").await
    }
}

async fn say(client: &mut Client, text: impl Into<String>) {
    client.send(Message::text(text.into())).await.unwrap();
}

async fn hear(client: &mut Client) -> Value {
    loop {
        match within(client.next()).await.expect("the connection is open").unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

async fn ask(client: &mut Client, request: Value) -> Value {
    say(client, request.to_string()).await;
    hear(client).await
}

/// Waits while the test itself runs: a process that was stopped meanwhile has not waited.
async fn within<T>(future: impl Future<Output = T>) -> T {
    super::socket::patiently(Duration::from_secs(10), future).await.expect("it takes too long")
}

/// Everything until the server closes: the last text and the close code.
async fn until_closed(client: &mut Client) -> (Option<Value>, Option<CloseCode>) {
    let mut last = None;
    while let Some(Ok(message)) = within(client.next()).await {
        match message {
            Message::Text(text) => last = Some(serde_json::from_str(&text).unwrap()),
            Message::Close(frame) => return (last, frame.map(|frame| frame.code)),
            _ => {}
        }
    }
    (last, None)
}

mod api;
mod floods;
mod leases;
mod resumed;
mod session;
mod streams;
