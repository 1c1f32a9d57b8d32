//! Listen keys: the older way to a user stream, `/ws/<listenKey>`.
//!
//! The listen key of an API key is always the same and is good for as long as the API key is, on every gateway:
//! nothing has to be remembered, so nothing is lost with a gateway. Renewing one changes nothing; closing one ends the
//! streams that were opened with it here.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::json;

use super::Call;
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Answer;

/// `POST userDataStream`.
pub(super) fn start(call: Call) -> BoxFuture<'static, Answer> {
    let started = || {
        let caller = call.caller()?;
        call.params.finish()?;
        let accounts = call.gateway.exchange.accounts();
        let listen_key = accounts.listen_key_of(&caller.key).ok_or(errors::NOT_PERMITTED)?;
        Ok(json!({ "listenKey": listen_key }).to_string())
    };
    ready(started()).boxed()
}

/// `PUT userDataStream`.
pub(super) fn renew(call: Call) -> BoxFuture<'static, Answer> {
    ready(owner(call).map(|_| "{}".into())).boxed()
}

/// `DELETE userDataStream`.
pub(super) fn close(call: Call) -> BoxFuture<'static, Answer> {
    let gateway = std::sync::Arc::clone(&call.gateway);
    let closed = owner(call).map(|caller| {
        gateway.exchange.accounts().end_listen_keys(caller.account);
        "{}".into()
    });
    ready(closed).boxed()
}

/// Who asks; the listen key that was sent must be theirs.
fn owner(mut call: Call) -> Result<Caller, ApiError> {
    let caller = call.caller()?;
    let sent = call.params.required("listenKey")?;
    call.params.finish()?;
    let accounts = call.gateway.exchange.accounts();
    let is_theirs = accounts.listen_key_of(&caller.key) == Some(sent.as_str());
    if is_theirs { Ok(caller) } else { Err(errors::NO_SUCH_LISTEN_KEY) }
}
