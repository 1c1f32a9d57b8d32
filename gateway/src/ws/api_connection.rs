//! A connection of the WebSocket API.
//!
//! Requests run concurrently and are answered as they finish, but each is started before the next one is
//! read: the first step of an order takes its place in the way to the cluster, so that the orders of a
//! connection enter the log in the order they were sent.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use wire::command::Permissions;

use super::api_request::{self, ApiRequest, RequestId, Used};
use super::api_session::{ApiSession, Effect, Own, Resuming};
use super::client::{Client, Io};
use super::lease::Lease;
use super::listeners::Listeners;
use super::rate::Allowance;
use super::socket::{Heard, Over, Patience, Socket};
use crate::accounts::UserEvent;
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{self, Answer, Gateway, Peer};
use crate::operations::{self, Executed, Operation, Security};
use crate::params::Params;
use crate::time_unit::TimeUnit;
use crate::trace::Trace;

/// Requests of one connection that may be unanswered; further ones are answered busy.
pub const REQUESTS_MAX: usize = 1_024;

/// What the request line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    returns_rate_limits: bool,
    unit: TimeUnit,
}

impl Wanted {
    /// Reads the query, `returnRateLimits=false&timeUnit=MICROSECOND`.
    pub fn parse(query: &str) -> Result<Wanted, ApiError> {
        let returns_rate_limits = !query.split('&').any(|pair| pair == "returnRateLimits=false");
        if query.split('&').any(|pair| pair == "responseFormat=sbe") {
            return Err(errors::NO_SBE);
        }
        Ok(Wanted { returns_rate_limits, unit: TimeUnit::from_query(query)? })
    }
}

/// Serves the connection until it is over.
pub async fn serve(gateway: Arc<Gateway>, client: Client, peer: Peer, wanted: Wanted) {
    let mut connection = Connection {
        session: ApiSession::new(peer, gateway.life, super::clock_ms(), wanted.returns_rate_limits),
        unit: wanted.unit,
        controls: Allowance::new(CONTROLS_BURST, CONTROLS_PER_SECOND, std::time::Instant::now()),
        gateway,
        peer,
        running: FuturesUnordered::new(),
        listeners: Listeners::default(),
        numbered: HashSet::new(),
        lease: None,
        opening: None,
        afterwards: Vec::new(),
    };
    let mut socket = client.socket(Patience::default()).await;
    let over = connection.run(&mut socket).await;
    // Orders under way go on in the cluster without us.
    drop(connection);
    socket.close(over, None).await;
}

const TOO_MANY_CONTROLS: Over = Over::Close(CloseCode::Policy, "too many pings or pongs");
const SHUTDOWN: Over = Over::Close(CloseCode::Away, "server shutdown");

/// Pings and pongs of a client: so many at once, and then so many a second. Requests are bounded by what they weigh.
const CONTROLS_BURST: u32 = 300;
const CONTROLS_PER_SECOND: u32 = 50;

/// What requests weigh that are no operations: the connection's own, and those that cannot be read.
const OWN_WEIGHT: u32 = 2;

/// What a method's name may begin with.
const VERSION: &str = "v3/";

/// The method by which a client wishes that its orders end with its connection.
const CANCEL_ON_DISCONNECT: &str = "session.cancelOnDisconnect";

/// What is under way.
type Running = BoxFuture<'static, Done>;

/// What it has come to.
enum Done {
    /// To be said, if there is anything to say.
    Said(Option<Utf8Bytes>),
    /// The lease that was opening is open, or is not; to be said.
    Opened(bool, Utf8Bytes),
    /// The gateway has read as far as a subscription goes on from, or cannot; of which request, and what that weighs.
    CaughtUp(Result<(), ApiError>, Box<Resuming>, RequestId, u32),
}

struct Connection {
    gateway: Arc<Gateway>,
    peer: Peer,
    session: ApiSession,
    /// In what times are told.
    unit: TimeUnit,
    controls: Allowance,
    running: FuturesUnordered<Running>,
    listeners: Listeners<u64>,
    /// Subscriptions whose events are told with their numbers.
    numbered: HashSet<u64>,
    /// Of a client whose orders end with its connection.
    lease: Option<Lease>,
    /// A lease that is to take its place once the cluster has said so. Orders name its session from the first: they
    /// come after it in the log, or are refused with it.
    opening: Option<Lease>,
    /// To be said after the present answer.
    afterwards: Vec<Utf8Bytes>,
}

impl Connection {
    async fn run(&mut self, socket: &mut Socket<Io>) -> Over {
        let (mut draining, mut stopping) = (self.gateway.phase(), self.gateway.phase());
        // They are woken once in a connection's life, and not made anew for every request.
        let mut drained = pin!(gateway::drained(&mut draining));
        let mut stopped = pin!(gateway::stopped(&mut stopping));
        let mut has_told = false;
        loop {
            // Answers and events first, then requests; what is written is flushed when nothing else is ready.
            let done = tokio::select! {
                biased;
                () = &mut drained, if !has_told => {
                    has_told = true;
                    socket.say(shutdown_event(self.unit)).await
                }
                () = &mut stopped => return self.finish(socket, SHUTDOWN).await,
                Some(done) = self.running.next() => match self.settle(done) {
                    Some(text) => socket.say(text).await,
                    None => Ok(()),
                },
                (id, event) = self.listeners.next() => socket.say(self.user_event(id, event)).await,
                heard = socket.hear() => match heard {
                    Ok(heard) => self.heard(socket, heard).await,
                    Err(over) => Err(over),
                },
                () = std::future::ready(()), if socket.is_unflushed() => socket.flush().await,
            };
            match done {
                // What it asked before that is under way, and may have been done.
                Err(over) if over.is_of_what_was_sent() => return self.finish(socket, over).await,
                Err(over) => return over,
                Ok(()) => {}
            }
        }
    }

    /// Answers what was asked, and hears no more; then it is `over`.
    async fn finish(&mut self, socket: &mut Socket<Io>, over: Over) -> Over {
        while !self.running.is_empty() {
            let told = tokio::select! {
                biased;
                Some(done) = self.running.next() => match self.settle(done) {
                    Some(text) => socket.say(text).await,
                    None => Ok(()),
                },
                // What is known is not kept back by what is not.
                () = std::future::ready(()), if socket.is_unflushed() => socket.flush().await,
            };
            if let Err(over) = told {
                return over;
            }
        }
        socket.flush().await.err().unwrap_or(over)
    }

    async fn heard(&mut self, socket: &mut Socket<Io>, heard: Heard) -> Result<(), Over> {
        self.renew();
        let text = match heard {
            Heard::Control if !self.controls.take(std::time::Instant::now()) => return Err(TOO_MANY_CONTROLS),
            Heard::Control => return self.say_afterwards(socket).await,
            Heard::Binary => {
                let answer = self.refuse(&RequestId::null(), errors::INVALID_JSON);
                return socket.say(answer).await;
            }
            Heard::Text(text) => text,
        };
        let request = match ApiRequest::parse(&text) {
            Ok(request) => request,
            Err((id, error)) => {
                let answer = self.refuse(&id, error);
                return socket.say(answer).await;
            }
        };
        if let Some(answer) = self.start(request) {
            socket.say(answer).await?;
        }
        for lease in self.lease.iter().chain(&self.opening) {
            socket.ping_every(lease.beat());
        }
        self.say_afterwards(socket).await
    }

    async fn say_afterwards(&mut self, socket: &mut Socket<Io>) -> Result<(), Over> {
        for text in std::mem::take(&mut self.afterwards) {
            socket.say(text).await?;
        }
        Ok(())
    }

    /// Starts a request; answers it at once if nothing needs to be waited for.
    fn start(&mut self, mut request: ApiRequest) -> Option<Utf8Bytes> {
        let now_us = self.gateway.now_us();
        if let Some(method) = request.method.strip_prefix(VERSION) {
            request.method = method.to_owned();
        }
        let own = ApiSession::own(&request.method);
        if self.gateway.is_read_only && (own.is_some() || request.method == CANCEL_ON_DISCONNECT) {
            return Some(self.refuse(&request.id, errors::READ_ONLY));
        }
        if let Some(own) = own {
            // What is over its limits, or banned, does nothing.
            return match self.gateway.throttle.weigh(self.peer.ip, OWN_WEIGHT, now_us) {
                Ok(used) => self.do_own(own, request, used),
                Err(error) => Some(self.told(&request.id, &Err(error), self.gateway.limits.weight_per_minute, now_us)),
            };
        }
        if request.method == CANCEL_ON_DISCONNECT {
            return self.arm(request, now_us);
        }
        let Some(operation) = operations::by_ws_method(&request.method) else {
            return Some(self.refuse(&request.id, UNKNOWN_METHOD));
        };
        if self.running.len() >= REQUESTS_MAX {
            return Some(self.refuse(&request.id, errors::BUSY));
        }
        let admitted = self.admit(operation, &mut request.params, now_us);
        let admitted = admitted.and_then(|admitted| Ok((admitted, Trace::take(&mut request.params)?)));
        let ((caller, tells_limits), trace) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                let refused = operations::refuse(&self.gateway, operation, self.peer, error);
                let tells_limits = self.session.returns_rate_limits();
                return Some(executed_answer(&self.gateway, &request.id, refused, tells_limits, self.unit));
            }
        };
        let caller = caller.map(|caller| match self.opening.as_ref().or(self.lease.as_ref()) {
            Some(lease) => Caller { session: lease.session_of(caller.account), ..caller },
            None => caller,
        });
        let (gateway, peer, id, unit) = (Arc::clone(&self.gateway), self.peer, request.id, self.unit);
        let Some(trace) = trace else {
            let running = async move {
                let executed = operations::execute(&gateway, operation, peer, caller, request.params).await;
                Done::Said(Some(executed_answer(&gateway, &id, executed, tells_limits, unit)))
            };
            return self.run_on(running.boxed());
        };
        let running = async move {
            let params = request.params;
            let executed = operations::execute_traced(&gateway, operation, peer, caller, params, &trace).await;
            let answer = executed_answer(&gateway, &id, executed, tells_limits, unit);
            Done::Said(Some(api_request::with_trace(&answer, trace.name(), &trace.places()).into()))
        };
        self.run_on(running.boxed())
    }

    /// Does what is the connection's own. Who goes on after a user event that this gateway has not read, and another one may
    /// have told, is answered when it has.
    fn do_own(&mut self, own: Own, request: ApiRequest, used: u32) -> Option<Utf8Bytes> {
        let exchange = &self.gateway.exchange;
        let resuming = self.session.resuming(&request.method, exchange, &request.params, self.gateway.now_us());
        let is_ahead = |resuming: &Resuming| {
            let (account, after) = resuming.wanted();
            after > exchange.accounts().last_user_event(account)
        };
        let Some(resuming) = resuming.filter(is_ahead) else {
            return Some(self.answer_own(own, request, used));
        };
        if self.running.len() >= REQUESTS_MAX {
            return Some(self.told(&request.id, &Err(errors::BUSY), used, self.gateway.now_us()));
        }
        let gateway = Arc::clone(&self.gateway);
        let catching_up = async move {
            let (account, after) = resuming.wanted();
            let caught_up = gateway.catch_up_with(account, after).await;
            Done::CaughtUp(caught_up, Box::new(resuming), request.id, used)
        };
        self.run_on(catching_up.boxed())
    }

    fn answer_own(&mut self, own: Own, mut request: ApiRequest, used: u32) -> Utf8Bytes {
        let now_us = self.gateway.now_us();
        let (answer, effect) = self.session.answer(own, &self.gateway.exchange, &mut request.params, now_us);
        self.act(effect);
        self.told(&request.id, &answer, used, now_us)
    }

    /// Takes the first step of something, before the next request is read; what it has to say if that was all.
    fn run_on(&mut self, mut running: Running) -> Option<Utf8Bytes> {
        match (&mut running).now_or_never() {
            Some(done) => self.settle(done),
            None => {
                self.running.push(running);
                None
            }
        }
    }

    /// Takes note of what something has come to; what it has to say.
    fn settle(&mut self, done: Done) -> Option<Utf8Bytes> {
        match done {
            Done::Said(text) => text,
            Done::Opened(is_open, text) => {
                let opened = self.opening.take();
                if is_open {
                    self.lease = opened;
                }
                Some(text)
            }
            // That there is no such event is for the session to say, to whom it may be said.
            Done::CaughtUp(Err(error), _, id, used) if error != errors::EVENTS_OF_ANOTHER_LIFE => {
                Some(self.told(&id, &Err(error), used, self.gateway.now_us()))
            }
            Done::CaughtUp(_, resuming, id, used) => {
                let (answer, effect) = self.session.resume(*resuming, &self.gateway.exchange);
                self.act(effect);
                Some(self.told(&id, &answer, used, self.gateway.now_us()))
            }
        }
    }

    /// From now on the connection's orders end with it.
    fn arm(&mut self, mut request: ApiRequest, now_us: u64) -> Option<Utf8Bytes> {
        let used = match self.gateway.throttle.weigh(self.peer.ip, OWN_WEIGHT, now_us) {
            Ok(used) => used,
            Err(error) => {
                return Some(self.told(&request.id, &Err(error), self.gateway.limits.weight_per_minute, now_us));
            }
        };
        if self.opening.is_some() {
            return Some(self.told(&request.id, &Err(OPENING), used, now_us));
        }
        let caller = self.session.caller(&self.gateway.exchange, &mut request.params, now_us);
        let caller = caller.and_then(|caller| {
            if caller.permissions.allow(Permissions::TRADE) { Ok(caller) } else { Err(errors::NOT_PERMITTED) }
        });
        let lease = caller
            .and_then(|caller| Lease::read(&caller, request.params, self.lease.as_ref(), std::time::Instant::now()));
        let opening = match lease {
            Ok(lease) => {
                let opening = lease.open(Arc::clone(&self.gateway));
                self.opening = Some(lease);
                opening
            }
            Err(error) => return Some(self.told(&request.id, &Err(error), used, now_us)),
        };
        let used = Used { weight: used, weight_limit: self.gateway.limits.weight_per_minute, orders: None };
        let (used, id) = (self.session.returns_rate_limits().then_some(used), request.id);
        let answered = async move {
            let answer = opening.await;
            Done::Opened(answer.is_ok(), api_request::answer(&id, &answer, used, now_us / 1_000).into())
        };
        self.run_on(answered.boxed())
    }

    /// The client was heard: its lease is renewed when it is time.
    fn renew(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        let opening = self.opening.as_ref();
        if !lease.is_due(opening, std::time::Instant::now()) {
            return;
        }
        let (renewing, session) = (lease.renew(opening, Arc::clone(&self.gateway)), lease.session());
        let done = async move { Done::Said(renewing.await.then(|| Lease::lost_event(session).into())) };
        if let Some(text) = self.run_on(done.boxed()) {
            self.afterwards.push(text);
        }
    }

    fn admit(
        &self,
        operation: &'static Operation,
        params: &mut Params,
        now_us: u64,
    ) -> Result<(Option<Caller>, bool), ApiError> {
        // No signature of a banned address is looked at.
        self.gateway.throttle.check_ban(self.peer.ip, now_us)?;
        let caller = match operation.security {
            Security::Public => {
                params.take("apiKey")?;
                None
            }
            Security::Stream => Some(self.session.holder(&self.gateway.exchange, params)?),
            Security::Read | Security::Trade | Security::Withdraw => {
                Some(self.session.caller(&self.gateway.exchange, params, now_us)?)
            }
        };
        let tells_limits = match params.take("returnRateLimits")?.as_deref() {
            None => self.session.returns_rate_limits(),
            Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(ApiError::invalid_data("returnRateLimits")),
        };
        Ok((caller, tells_limits))
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Listen(id, subscription) => {
                if subscription.is_numbered {
                    self.numbered.insert(id);
                }
                self.listeners.listen(id, subscription.events);
            }
            Effect::Silence(ids) => ids.into_iter().for_each(|id| self.silence(id)),
        }
    }

    fn silence(&mut self, id: u64) {
        self.numbered.remove(&id);
        if self.listeners.silence(&id) {
            self.afterwards.push(terminated(id, self.unit));
        }
    }

    fn user_event(&mut self, id: u64, event: Option<UserEvent>) -> Utf8Bytes {
        match event {
            Some(event) => {
                let sequence = self.numbered.contains(&id).then_some(event.sequence);
                api_request::user_event(id, sequence, &self.unit.event(&event.text)).into()
            }
            // It fell too far behind: what was not sent is lost, and the client is told so.
            None => {
                self.session.ended(id);
                self.numbered.remove(&id);
                terminated(id, self.unit)
            }
        }
    }

    /// The answer to a request that could not be read.
    fn refuse(&self, id: &RequestId, error: ApiError) -> Utf8Bytes {
        let now_us = self.gateway.now_us();
        let (error, used) = match self.gateway.throttle.weigh(self.peer.ip, OWN_WEIGHT, now_us) {
            Ok(used) => (error, used),
            Err(limited) => (limited, self.gateway.limits.weight_per_minute),
        };
        self.told(id, &Err(error), used, now_us)
    }

    fn told(&self, id: &RequestId, answer: &Answer, weight: u32, now_us: u64) -> Utf8Bytes {
        let used = Used { weight, weight_limit: self.gateway.limits.weight_per_minute, orders: None };
        let used = self.session.returns_rate_limits().then_some(used);
        self.unit.answer(api_request::answer(id, answer, used, now_us / 1_000)).into()
    }
}

/// That the gateway will end.
fn shutdown_event(unit: TimeUnit) -> Utf8Bytes {
    let event = format!(r#"{{"event":{{"e":"serverShutdown","E":{}}}}}"#, super::clock_ms());
    unit.event(&event).into_owned().into()
}

/// The last event of a subscription.
fn terminated(id: u64, unit: TimeUnit) -> Utf8Bytes {
    let event = format!(r#"{{"e":"eventStreamTerminated","E":{}}}"#, super::clock_ms());
    api_request::user_event(id, None, &unit.event(&event)).into()
}

fn executed_answer(
    gateway: &Gateway,
    id: &RequestId,
    executed: Executed,
    tells_limits: bool,
    unit: TimeUnit,
) -> Utf8Bytes {
    let limits = &gateway.limits;
    let used = tells_limits.then(|| Used {
        weight: executed.used_weight,
        weight_limit: limits.weight_per_minute,
        orders: executed.orders.map(|counts| (counts, [limits.orders_per_10s, limits.orders_per_day])),
    });
    unit.answer(api_request::answer(id, &executed.answer, used, gateway.now_us() / 1_000)).into()
}

/// `-1008`: only one lease is opened at a time.
const OPENING: ApiError =
    ApiError::with_status(503, -1008, "The last session.cancelOnDisconnect of this connection is not answered yet.");

/// `-1020` with status 404.
const UNKNOWN_METHOD: ApiError = ApiError::with_status(404, -1020, "Unknown method.");

#[cfg(test)]
mod tests;
