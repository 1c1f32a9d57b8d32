//! Cancel-on-disconnect: orders that end when nobody hears of their client any more.
//!
//! A connection that wishes so has a *client session*, which its orders name, and renews the session's lease in the log for
//! as long as it hears its client: a message, or a pong. A client that is gone, a connection that is stuck and a gateway that
//! is dead are one case: nobody renews, the lease runs out by log time, and the ledger cancels the orders, once. A client
//! that connects anew in time, to whichever gateway, takes its session over by naming it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::json;
use wire::codec::v1;
use wire::command::{RenewLease, Reply};
use wire::{AccountId, ClientSessionId, Command, RejectReason};

use crate::auth::Caller;
use crate::errors::ApiError;
use crate::gateway::{Answer, Gateway};
use crate::params::Params;

/// Shorter leases would be lost to a failover, and to a network's hiccup.
const LEASE_MS_MIN: u64 = 1_000;
/// Client sessions are numbers that every client's JSON holds exactly.
const SESSION_MAX: u64 = (1 << 53) - 1;
/// The lease is renewed so many times before it would run out.
const RENEWALS: u32 = 4;
/// `-1020`: the connection has another session, or another account's.
const ARMED: ApiError = ApiError::new(
    -1020,
    "The orders of this connection end with another client session. Use another connection, or leave out clientSession.",
);

/// A connection's lease.
#[derive(Debug)]
pub(super) struct Lease {
    account: AccountId,
    session: ClientSessionId,
    /// Which connection this is.
    holder: u64,
    lease_ms: u32,
    renewed: Instant,
    /// Another connection has taken the session over.
    is_lost: Arc<AtomicBool>,
}

impl Lease {
    /// Reads `timeoutMs`, and `clientSession` of a client that comes back. A connection that is `armed` keeps its session:
    /// nobody would renew the one that it left, and its orders would be canceled under a client that is there.
    pub(super) fn read(
        caller: &Caller,
        mut params: Params,
        armed: Option<&Lease>,
        now: Instant,
    ) -> Result<Lease, ApiError> {
        let lease_ms = params.integer("timeoutMs")?.ok_or_else(|| ApiError::mandatory("timeoutMs"))?;
        let session = params.integer("clientSession")?;
        params.finish()?;
        let is_fit = (LEASE_MS_MIN..=u64::from(RenewLease::MS_MAX)).contains(&lease_ms);
        let lease_ms = u32::try_from(lease_ms).ok().filter(|_| is_fit);
        let lease_ms = lease_ms.ok_or_else(|| ApiError::invalid_data("timeoutMs"))?;
        if session.is_some_and(|session| !(1..=SESSION_MAX).contains(&session)) {
            return Err(ApiError::invalid_data("clientSession"));
        }
        let armed = armed.filter(|armed| !armed.is_lost.load(Ordering::Relaxed));
        let is_another = |armed: &Lease| {
            armed.account != caller.account || session.is_some_and(|session| session != armed.session.get())
        };
        if armed.is_some_and(is_another) {
            return Err(ARMED);
        }
        let mut random = rand::rng();
        let (session, holder) = match armed {
            Some(armed) => (armed.session, armed.holder),
            None => {
                let session = session.unwrap_or_else(|| random.random_range(1..=SESSION_MAX));
                (ClientSessionId::new(session), random.random())
            }
        };
        Ok(Lease { account: caller.account, session, holder, lease_ms, renewed: now, is_lost: Arc::default() })
    }

    /// The session that an account's orders name.
    pub(super) fn session_of(&self, account: AccountId) -> ClientSessionId {
        if account == self.account { self.session } else { ClientSessionId::default() }
    }

    /// How often its client must be heard.
    pub(super) fn beat(&self) -> Duration {
        Duration::from_millis(u64::from(self.lease_ms)) / RENEWALS
    }

    /// The client was heard: whether it is time to renew, by this lease's beat or that of the one that is to replace it.
    pub(super) fn is_due(&mut self, opening: Option<&Lease>, now: Instant) -> bool {
        let beat = opening.map_or(self.beat(), |opening| opening.beat().min(self.beat()));
        let is_due = !self.is_lost.load(Ordering::Relaxed) && now.duration_since(self.renewed) >= beat;
        if is_due {
            self.renewed = now;
        }
        is_due
    }

    /// Opens the lease, or takes it over; the answer to the client.
    pub(super) fn open(&self, gateway: Arc<Gateway>) -> impl Future<Output = Answer> + Send + use<> + 'static {
        let (session, lease_ms) = (self.session, self.lease_ms);
        let asked = self.ask(gateway, lease_ms, true);
        async move {
            asked.await?;
            Ok(json!({ "clientSession": session.get(), "timeoutMs": lease_ms }).to_string())
        }
    }

    /// Renews the lease. Whether another connection has taken it over is known afterwards. While it is not known which
    /// is in force, this one or the one that is `opening`, it is renewed for the longer.
    pub(super) fn renew(
        &self,
        opening: Option<&Lease>,
        gateway: Arc<Gateway>,
    ) -> impl Future<Output = bool> + Send + use<> + 'static {
        let lease_ms = opening.map_or(self.lease_ms, |opening| opening.lease_ms.max(self.lease_ms));
        let (asked, is_lost) = (self.ask(gateway, lease_ms, false), Arc::clone(&self.is_lost));
        async move {
            // What the cluster cannot answer now is asked again with the next beat.
            let is_taken = matches!(asked.await, Err(error) if error == RejectReason::LeaseTaken.into());
            is_taken && !is_lost.swap(true, Ordering::Relaxed)
        }
    }

    /// That the session has another connection, for the client.
    pub(super) fn lost_event(session: ClientSessionId) -> String {
        let now_ms = super::clock_ms();
        format!(r#"{{"event":{{"e":"clientSessionTaken","E":{now_ms},"clientSession":{}}}}}"#, session.get())
    }

    pub(super) fn session(&self) -> ClientSessionId {
        self.session
    }

    fn ask(
        &self,
        gateway: Arc<Gateway>,
        lease_ms: u32,
        takes_over: bool,
    ) -> impl Future<Output = Result<(), ApiError>> + Send + use<> + 'static {
        let Lease { account, session, holder, .. } = *self;
        let renew = RenewLease { account, session, holder, takes_over, lease_ms };
        let mut bytes = Vec::new();
        v1::encode_command(&Command::RenewLease(renew), &mut bytes);
        async move {
            match gateway.ledger.request(bytes, gateway.limits.order_timeout).await?.reply {
                Reply::Accepted { .. } => Ok(()),
                Reply::Rejected { reason, .. } => Err(reason.into()),
            }
        }
    }
}
