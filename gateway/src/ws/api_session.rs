//! What a connection of the WebSocket API remembers: who has logged on, and which accounts' events it is
//! sent. A value without I/O; it looks at the clock to see how often it is asked.

use std::time::Instant;

use serde_json::json;

use super::rate::Allowance;
use crate::accounts::UserEvents;
use crate::auth::{self, Caller};
use crate::errors::{self, ApiError};
use crate::exchange::Exchange;
use crate::gateway::{Answer, Peer};
use crate::params::Params;
use wire::{AccountId, ClusterEpoch};

/// User data subscriptions of one connection at a time. Binance's documents name this number.
pub const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Log-ons, subscriptions and questions about them of one connection: so many at once, and then so many a second.
const LOGONS_BURST: u32 = 100;
const LOGONS_PER_SECOND: u32 = 10;

/// What a connection has to do beside answering.
pub enum Effect {
    /// Nothing.
    None,
    /// Send these events under this number, after the answer.
    Listen(u64, Subscription),
    /// Send events under these numbers no more, and say so after the answer.
    Silence(Vec<u64>),
}

/// One of the methods that are a connection's own.
pub type Own = fn(&mut ApiSession, &Exchange, &mut Params, u64) -> Result<(String, Effect), ApiError>;

/// A subscription that was just made.
pub struct Subscription {
    /// What it tells.
    pub events: UserEvents,
    /// Whether the client wishes to know the events' numbers.
    pub is_numbered: bool,
}

/// A subscription that goes on after a number, asked for by whom, which may have to be waited for.
#[derive(Debug)]
pub struct Resuming {
    caller: Caller,
    /// By who had logged on, after so many log-outs; not by a signature of its own.
    of_session: Option<u64>,
    /// What was sent, without what was signed.
    params: Params,
    after: u64,
}

impl Resuming {
    /// Whose events, and after which.
    pub fn wanted(&self) -> (AccountId, u64) {
        (self.caller.account, self.after)
    }
}

/// A subscription that lasts.
#[derive(Debug, Clone, Copy)]
struct Listed {
    id: u64,
    account: AccountId,
    /// By who had logged on, not by a signature of its own.
    is_of_session: bool,
}

/// The state of one connection.
#[derive(Debug)]
pub struct ApiSession {
    peer: Peer,
    life: ClusterEpoch,
    caller: Option<(Caller, u64)>,
    log_outs: u64,
    connected_ms: u64,
    subscriptions: Vec<Listed>,
    next_subscription: u64,
    returns_rate_limits: bool,
    logons: Allowance,
}

impl ApiSession {
    /// Of a connection that was just made.
    pub fn new(peer: Peer, life: ClusterEpoch, connected_ms: u64, returns_rate_limits: bool) -> ApiSession {
        ApiSession {
            peer,
            life,
            caller: None,
            log_outs: 0,
            connected_ms,
            subscriptions: Vec::new(),
            next_subscription: 0,
            returns_rate_limits,
            logons: Allowance::new(LOGONS_BURST, LOGONS_PER_SECOND, Instant::now()),
        }
    }

    /// Whether answers tell the limits when the request does not say.
    pub fn returns_rate_limits(&self) -> bool {
        self.returns_rate_limits
    }

    /// Who asks: by the request's own signature, or else who has logged on.
    pub fn caller(&self, exchange: &Exchange, params: &mut Params, now_us: u64) -> Result<Caller, ApiError> {
        match &self.caller {
            Some((caller, _)) => auth::in_session(exchange, self.peer, caller, params, now_us),
            None => auth::signed_params(exchange, self.peer, params, now_us),
        }
    }

    /// Who asks by a key alone: the request's, or the one that has logged on.
    pub fn holder(&self, exchange: &Exchange, params: &mut Params) -> Result<Caller, ApiError> {
        match (params.take("apiKey")?, &self.caller) {
            (Some(key), _) => auth::by_key(exchange, self.peer, &key).map(|(caller, _)| caller),
            (None, Some((caller, _))) => {
                auth::by_key(exchange, self.peer, caller.key.as_str()).map(|(caller, _)| caller)
            }
            (None, None) => Err(ApiError::mandatory("apiKey")),
        }
    }

    /// What the connection itself does for a method; `None` for those that are operations.
    pub fn own(method: &str) -> Option<Own> {
        Some(match method {
            "session.logon" => Self::log_on,
            "session.status" => Self::status,
            "session.logout" => Self::log_out,
            "session.subscriptions" => Self::list,
            "userDataStream.subscribe" => Self::subscribe,
            "userDataStream.subscribe.signature" => Self::subscribe_signed,
            "userDataStream.unsubscribe" => Self::unsubscribe,
            _ => return None,
        })
    }

    /// Does one of its own methods.
    pub fn answer(&mut self, own: Own, exchange: &Exchange, params: &mut Params, now_us: u64) -> (Answer, Effect) {
        if !self.logons.take(Instant::now()) {
            return (Err(ApiError::too_many_of_session(LOGONS_PER_SECOND)), Effect::None);
        }
        match own(self, exchange, params, now_us) {
            Ok((result, effect)) => (Ok(result), effect),
            Err(error) => (Err(error), Effect::None),
        }
    }

    /// A subscription that was cut off is no longer listed.
    pub fn ended(&mut self, subscription: u64) {
        self.subscriptions.retain(|listed| listed.id != subscription);
    }

    fn log_on(&mut self, exchange: &Exchange, params: &mut Params, now_us: u64) -> Result<(String, Effect), ApiError> {
        let caller = auth::signed_params(exchange, self.peer, params, now_us)?;
        finish(params)?;
        self.caller = Some((caller, now_us / 1_000));
        Ok((self.show(exchange, now_us), Effect::None))
    }

    fn status(&mut self, exchange: &Exchange, params: &mut Params, now_us: u64) -> Result<(String, Effect), ApiError> {
        finish(params)?;
        Ok((self.show(exchange, now_us), Effect::None))
    }

    /// Subscriptions that were made by the session end with it, whoever had logged on then; those with a signature of their
    /// own go on.
    fn log_out(&mut self, exchange: &Exchange, params: &mut Params, now_us: u64) -> Result<(String, Effect), ApiError> {
        finish(params)?;
        self.caller = None;
        self.log_outs += 1;
        let ended = self.subscriptions.iter().filter(|listed| listed.is_of_session).map(|listed| listed.id).collect();
        self.subscriptions.retain(|listed| !listed.is_of_session);
        Ok((self.show(exchange, now_us), Effect::Silence(ended)))
    }

    fn list(&mut self, _: &Exchange, params: &mut Params, _: u64) -> Result<(String, Effect), ApiError> {
        finish(params)?;
        let listed: Vec<_> = self.subscriptions.iter().map(|listed| json!({ "subscriptionId": listed.id })).collect();
        Ok((serde_json::Value::from(listed).to_string(), Effect::None))
    }

    fn subscribe(&mut self, exchange: &Exchange, params: &mut Params, _: u64) -> Result<(String, Effect), ApiError> {
        let (caller, _) = self.caller.ok_or(NOT_LOGGED_ON)?;
        // The key may have been revoked since.
        auth::by_key(exchange, self.peer, caller.key.as_str())?;
        self.listen(exchange, caller, true, params)
    }

    fn subscribe_signed(
        &mut self,
        exchange: &Exchange,
        params: &mut Params,
        now_us: u64,
    ) -> Result<(String, Effect), ApiError> {
        let caller = auth::signed_params(exchange, self.peer, params, now_us)?;
        self.listen(exchange, caller, false, params)
    }

    /// What a request asks for that goes on after a user event, and whose signature holds: nobody else has anything waited
    /// for, or the log's end asked for.
    pub fn resuming(&self, method: &str, exchange: &Exchange, params: &Params, now_us: u64) -> Option<Resuming> {
        let after = params.get("afterSequence")?.parse().ok()?;
        let mut params = params.clone();
        let (caller, of_session) = match method {
            "userDataStream.subscribe" => (self.caller?.0, Some(self.log_outs)),
            "userDataStream.subscribe.signature" => {
                (auth::signed_params(exchange, self.peer, &mut params, now_us).ok()?, None)
            }
            _ => return None,
        };
        Some(Resuming { caller, of_session, params, after })
    }

    /// Does what has been waited for, for who asked: somebody else may have logged on since. A log-out ends it, as it would
    /// have ended the subscription.
    pub fn resume(&mut self, mut resuming: Resuming, exchange: &Exchange) -> (Answer, Effect) {
        if !self.logons.take(Instant::now()) {
            return (Err(ApiError::too_many_of_session(LOGONS_PER_SECOND)), Effect::None);
        }
        let Resuming { caller, of_session, params, .. } = &mut resuming;
        if of_session.is_some_and(|log_outs| log_outs != self.log_outs) {
            return (Err(NOT_LOGGED_ON), Effect::None);
        }
        // The key may have been revoked since.
        let good = auth::by_key(exchange, self.peer, caller.key.as_str());
        match good.and_then(|_| self.listen(exchange, *caller, of_session.is_some(), params)) {
            Ok((result, effect)) => (Ok(result), effect),
            Err(error) => (Err(error), Effect::None),
        }
    }

    /// `sequence=true` asks for the events' numbers, `afterSequence=N` also for all that followed the event N, wherever
    /// that was told, and `life` says in which life of the exchange.
    fn listen(
        &mut self,
        exchange: &Exchange,
        caller: Caller,
        is_of_session: bool,
        params: &mut Params,
    ) -> Result<(String, Effect), ApiError> {
        let (is_numbered, after) = (params.flag("sequence")?, params.integer("afterSequence")?);
        let life = params.integer("life")?;
        finish(params)?;
        match (life, after) {
            (Some(_), None) => return Err(errors::BAD_COMBINATION),
            (Some(life), Some(_)) if life != self.life.get() => return Err(errors::EVENTS_OF_ANOTHER_LIFE),
            _ => {}
        }
        let account = caller.account;
        if self.subscriptions.iter().any(|listed| listed.account == account) {
            return Err(ALREADY_SUBSCRIBED);
        }
        if self.subscriptions.len() == SUBSCRIPTIONS_MAX {
            return Err(errors::BUSY);
        }
        let is_numbered = is_numbered || after.is_some();
        after.iter().for_each(|after| exchange.write_user_events(account, *after));
        let (events, last) = {
            // Nothing is told while the projection is held.
            let accounts = exchange.accounts();
            let events = match after {
                Some(after) if after > accounts.last_user_event(account) => {
                    return Err(errors::EVENTS_OF_ANOTHER_LIFE);
                }
                Some(after) => accounts.resume(&caller, self.peer.ip, after).ok_or(errors::EVENTS_NOT_KEPT)?,
                None => accounts.subscribe(&caller, self.peer.ip),
            };
            (events, accounts.last_user_event(account))
        };
        let id = self.next_subscription;
        self.next_subscription += 1;
        self.subscriptions.push(Listed { id, account, is_of_session });
        let answer = match is_numbered {
            true => json!({ "subscriptionId": id, "sequence": last, "life": self.life.get() }),
            false => json!({ "subscriptionId": id }),
        };
        Ok((answer.to_string(), Effect::Listen(id, Subscription { events, is_numbered })))
    }

    fn unsubscribe(&mut self, _: &Exchange, params: &mut Params, _: u64) -> Result<(String, Effect), ApiError> {
        let wanted = params.integer("subscriptionId")?;
        finish(params)?;
        let ended = match wanted {
            Some(id) if self.subscriptions.iter().any(|listed| listed.id == id) => {
                self.ended(id);
                vec![id]
            }
            Some(_) => return Err(NOT_SUBSCRIBED),
            None => std::mem::take(&mut self.subscriptions).iter().map(|listed| listed.id).collect(),
        };
        Ok(("{}".into(), Effect::Silence(ended)))
    }

    /// A key that may no longer be used has nobody logged on.
    fn show(&self, exchange: &Exchange, now_us: u64) -> String {
        let is_good = |caller: &Caller| auth::by_key(exchange, self.peer, caller.key.as_str()).is_ok();
        let logged_on = self.caller.as_ref().filter(|(caller, _)| is_good(caller));
        json!({
            "apiKey": logged_on.map(|(caller, _)| caller.key.as_str()),
            "authorizedSince": logged_on.map(|(_, since)| since),
            "connectedSince": self.connected_ms,
            "returnRateLimits": self.returns_rate_limits,
            "serverTime": now_us / 1_000,
            "userDataStream": !self.subscriptions.is_empty(),
        })
        .to_string()
    }
}

fn finish(params: &mut Params) -> Result<(), ApiError> {
    std::mem::take(params).finish()
}

/// `-2035`
const ALREADY_SUBSCRIBED: ApiError = ApiError::new(-2035, "User Data Stream subscription already active.");
/// `-2036`
const NOT_SUBSCRIBED: ApiError = ApiError::new(-2036, "User Data Stream subscription not active.");
/// `-2015`: the session has not logged on.
const NOT_LOGGED_ON: ApiError =
    ApiError::with_status(401, -2015, "Invalid API-key, IP, or permissions for action: the session has not logged on.");
