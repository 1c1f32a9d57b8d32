//! What clients can ask for, independent of how they ask: REST and the WebSocket API find an [`Operation`] in
//! one table and run it with the same parameters to the same JSON.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::Method;

use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::params::Params;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Everybody.
    Public,
    /// Signed, by a key that may read.
    Read,
    /// Signed, by a key that may trade.
    Trade,
}

/// One request, decoded and authenticated.
pub struct Call {
    /// The gateway that was asked.
    pub gateway: Arc<Gateway>,
    /// Who asks; `Some` for every operation that is not [`Security::Public`].
    pub caller: Option<Caller>,
    /// What was sent, without `apiKey`, `signature`, `timestamp` and `recvWindow` of signed operations.
    pub params: Params,
}

impl Call {
    /// Who asks, of an operation that is not public.
    pub fn caller(&self) -> Result<Caller, ApiError> {
        self.caller.ok_or(errors::BAD_API_KEY)
    }
}

/// A thing clients can ask for.
pub struct Operation {
    /// REST's verb and path.
    pub rest: (Method, &'static str),
    /// The WebSocket API's `method`, for those it has.
    pub ws: Option<&'static str>,
    /// Who may ask.
    pub security: Security,
    /// The request weight, before the parameters are looked at.
    pub weight: u32,
    /// Does it.
    pub run: fn(Call) -> BoxFuture<'static, Answer>,
}

/// Every operation.
pub static OPERATIONS: &[Operation] = &[];

/// The operation behind a method of the WebSocket API, such as `order.place`. `session.*` and
/// `userDataStream.*` belong to a connection and are not here.
pub fn by_ws_method(method: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.ws == Some(method))
}
