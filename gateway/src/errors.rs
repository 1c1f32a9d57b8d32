//! The one map from what went wrong to what a client is told: HTTP status, Binance's code, Binance's text.
//!
//! Source of codes and texts: Binance Spot, "Error codes". Clients match on both.

use std::borrow::Cow;

use cluster_client::ClusterError;
use serde::Serialize;

mod refusals;

/// The code of whoever asks too much, or is banned for it.
pub const TOO_MUCH: i32 = -1003;

/// An answer that is not the wanted one. REST sends it as `{"code":..,"msg":".."}` under its HTTP status, the
/// WebSocket API as `error` under the same status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// HTTP status, also `status` of the WebSocket API.
    #[serde(skip)]
    pub status: u16,
    /// Binance's code, below zero.
    pub code: i32,
    /// Binance's text.
    #[serde(rename = "msg")]
    pub message: Cow<'static, str>,
    /// Seconds until a retry makes sense: the `Retry-After` header.
    #[serde(skip)]
    pub retry_after_s: Option<u32>,
    /// What was done all the same, as JSON: the halves of a cancel-replace.
    #[serde(skip)]
    pub data: Option<Box<str>>,
}

impl ApiError {
    /// With HTTP status 400.
    pub const fn new(code: i32, message: &'static str) -> ApiError {
        ApiError::with_status(400, code, message)
    }

    /// With another HTTP status.
    pub const fn with_status(status: u16, code: i32, message: &'static str) -> ApiError {
        ApiError { status, code, message: Cow::Borrowed(message), retry_after_s: None, data: None }
    }

    /// `-1001` with HTTP 503 of something that will be back: nothing was done.
    const fn unavailable(message: &'static str) -> ApiError {
        ApiError { status: 503, code: -1001, message: Cow::Borrowed(message), retry_after_s: Some(1), data: None }
    }

    /// With HTTP status 400 and a text that names something.
    pub fn telling(code: i32, message: String) -> ApiError {
        ApiError { status: 400, code, message: Cow::Owned(message), retry_after_s: None, data: None }
    }

    /// The body: `{"code":-1121,"msg":"Invalid symbol."}`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a code and a text are always JSON");
        if let Some(data) = &self.data {
            text.pop();
            text.push_str(",\"data\":");
            text.push_str(data);
            text.push('}');
        }
        if self.code == TIMEOUT.code {
            text.pop();
            text.push_str(UNKNOWN_HINT);
        }
        text
    }

    /// `-1100`: characters outside the legal range.
    pub fn illegal_characters(parameter: &str, range: &str) -> ApiError {
        Self::telling(-1100, format!("Illegal characters found in parameter '{parameter}'; legal range is '{range}'."))
    }

    /// `-1102`: missing, empty or malformed.
    pub fn mandatory(parameter: &str) -> ApiError {
        Self::telling(-1102, format!("Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."))
    }

    /// `-1102`: one of two must be there.
    pub fn either_mandatory(one: &str, other: &str) -> ApiError {
        Self::telling(-1102, format!("Param '{one}' or '{other}' must be sent, but both were empty/null!"))
    }

    /// `-1104`: parameters that the operation does not know.
    pub fn unread(read: usize, sent: usize) -> ApiError {
        Self::telling(
            -1104,
            format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."),
        )
    }

    /// `-1105`: sent without a value.
    pub fn empty(parameter: &str) -> ApiError {
        Self::telling(-1105, format!("Parameter '{parameter}' was empty."))
    }

    /// `-1106`: sent where it has no meaning.
    pub fn not_required(parameter: &str) -> ApiError {
        Self::telling(-1106, format!("Parameter '{parameter}' sent when not required."))
    }

    /// `-1108`: more than the number can hold.
    pub fn overflowed(parameter: &str) -> ApiError {
        Self::telling(-1108, format!("Parameter '{parameter}' overflowed."))
    }

    /// `-1111`: more decimals than the market or asset has.
    pub fn too_precise(parameter: &str) -> ApiError {
        Self::telling(-1111, format!("Parameter '{parameter}' has too much precision."))
    }

    /// `-1130`: a value outside the documented ones.
    pub fn invalid_data(parameter: &str) -> ApiError {
        Self::telling(-1130, format!("Data sent for parameter '{parameter}' is not valid."))
    }

    /// `-1003` with HTTP 429.
    pub fn too_much_weight(limit: u32, retry_after_s: u32) -> ApiError {
        ApiError {
            status: 429,
            code: TOO_MUCH,
            message: Cow::Owned(format!(
                "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. Please use \
                 WebSocket Streams for live updates to avoid polling the API."
            )),
            retry_after_s: Some(retry_after_s),
            data: None,
        }
    }

    /// `-1003` with HTTP 429: requests themselves, whatever they weigh (`RAW_REQUESTS`).
    pub fn too_many_requests(limit: u32, retry_after_s: u32) -> ApiError {
        ApiError {
            message: Cow::Owned(format!(
                "Too many requests; current limit is {limit} requests per 5 MINUTE. Please use WebSocket Streams for \
                 live updates to avoid polling the API."
            )),
            ..ApiError::too_much_weight(limit, retry_after_s)
        }
    }

    /// `-1003` with HTTP 429: what a connection of the WebSocket API asks of its own session.
    pub fn too_many_of_session(limit: u32) -> ApiError {
        ApiError {
            message: Cow::Owned(format!(
                "Too many requests; current limit is {limit} requests of the session per 1 SECOND."
            )),
            ..ApiError::too_much_weight(limit, 1)
        }
    }

    /// `-1003` with HTTP 429, of the limit of one API key.
    pub fn too_much_weight_of_key(limit: u32, retry_after_s: u32) -> ApiError {
        ApiError {
            message: Cow::Owned(format!(
                "Too much request weight used; current limit is {limit} request weight per 1 MINUTE and API key."
            )),
            ..ApiError::too_much_weight(limit, retry_after_s)
        }
    }

    /// `-1003` with HTTP 418: an address that went on after 429.
    pub fn banned(until_ms: u64, retry_after_s: u32) -> ApiError {
        ApiError {
            status: 418,
            code: TOO_MUCH,
            message: Cow::Owned(format!(
                "Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live \
                 updates to avoid bans."
            )),
            retry_after_s: Some(retry_after_s),
            data: None,
        }
    }

    /// `-1034` with HTTP 429.
    pub fn too_many_connection_attempts(limit: u32, retry_after_s: u32) -> ApiError {
        ApiError {
            status: 429,
            code: -1034,
            message: Cow::Owned(format!(
                "Too many connection attempts from IP; current limit is {limit} per '5 MINUTES'."
            )),
            retry_after_s: Some(retry_after_s),
            data: None,
        }
    }

    /// `-1015` with HTTP 429.
    pub fn too_many_orders(limit: u32, per: &str, retry_after_s: u32) -> ApiError {
        ApiError {
            status: 429,
            code: -1015,
            message: Cow::Owned(format!("Too many new orders; current limit is {limit} orders per {per}.")),
            retry_after_s: Some(retry_after_s),
            data: None,
        }
    }

    /// `-1015` with HTTP 429, of orders that are refused.
    pub fn too_many_refused_orders(limit: u32, retry_after_s: u32) -> ApiError {
        let message = format!("Too many new orders; current limit is {limit} refused orders per 10 SECOND.");
        ApiError { message: Cow::Owned(message), ..ApiError::too_many_orders(limit, "10 SECOND", retry_after_s) }
    }

    /// `-4021`: a withdrawal that its network or the ledger cannot express.
    pub fn not_a_multiple(step: &str) -> ApiError {
        Self::telling(-4021, format!("Asset withdrawal must be an integer multiple of {step}."))
    }

    /// `-4022`: a withdrawal of too little.
    pub fn below_the_minimum(minimum: &str) -> ApiError {
        Self::telling(-4022, format!("Not less than the minimum pick-up quantity {minimum}."))
    }

    /// `-1013`: a filter of the market.
    pub fn filter(name: &str) -> ApiError {
        Self::telling(-1013, format!("Filter failure: {name}"))
    }
}

/// `-1000`.
pub const UNKNOWN: ApiError =
    ApiError::with_status(500, -1000, "An unknown error occurred while processing the request.");
/// By this text and HTTP 503 Hummingbot, and whoever took it from there, knows that an order may be there; it takes any other error
/// of a new order for a refusal.
const UNKNOWN_HINT: &str = ",\"hint\":\"Unknown error, please check your request or try again later.\"}";
/// The cluster has no answer now; nothing was executed.
pub const DISCONNECTED: ApiError =
    ApiError::with_status(503, -1001, "Internal error; unable to process your request. Please try again.");
/// `-1007`: the outcome is unknown; the status by client order id will tell.
pub const TIMEOUT: ApiError = ApiError::with_status(
    503,
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
);
/// `-1008` with HTTP 503: nothing was executed.
pub const BUSY: ApiError = ApiError::with_status(503, -1008, OVERLOADED);
/// [`BUSY`], as the cluster says when it has looked at it: that is in the log, and counts as a request that was refused.
pub const BUSY_IN_LOG: ApiError =
    ApiError { status: 503, code: -1008, message: Cow::Borrowed(OVERLOADED), retry_after_s: Some(1), data: None };
const OVERLOADED: &str = "Server is currently overloaded with other requests. Please try again in a few minutes.";
/// `-1008` while the gateway catches up with the cluster.
pub const STARTING: ApiError = ApiError::with_status(
    503,
    -1008,
    "Server is starting and reads the exchange's past. Please try again in a moment.",
);
/// `-1016`.
pub const SHUTTING_DOWN: ApiError = ApiError::with_status(503, -1016, "This service is shutting down.");
/// History's database does not answer, or is none of this exchange.
pub const NO_HISTORY: ApiError = ApiError::unavailable(
    "History is unavailable: its database does not answer. Trading is not affected. Please try again.",
);
/// History's database does not have everything yet that was acknowledged before the request.
pub const HISTORY_BEHIND: ApiError = ApiError::unavailable(
    "History is unavailable: its database is catching up. Trading is not affected. Please try again.",
);
/// `-1014`.
pub const UNSUPPORTED_COMBINATION: ApiError = ApiError::new(-1014, "Unsupported order combination.");
/// `-1020` of a gateway that serves public market data alone.
pub const READ_ONLY: ApiError = ApiError::with_status(
    403,
    -1020,
    "This operation is not supported: this gateway is read-only and has public market data alone.",
);
/// `-1020`.
pub const UNSUPPORTED: ApiError = ApiError::new(-1020, "This operation is not supported.");
/// `-1021` too old.
pub const TIMESTAMP_OUTSIDE_WINDOW: ApiError =
    ApiError::new(-1021, "Timestamp for this request is outside of the recvWindow.");
/// `-1021` too new.
pub const TIMESTAMP_AHEAD: ApiError =
    ApiError::new(-1021, "Timestamp for this request was 1000ms ahead of the server's time.");
/// `-1022`.
pub const BAD_SIGNATURE: ApiError = ApiError::new(-1022, "Signature for this request is not valid.");
/// `-2014`: missing or not of the form of a key.
pub const BAD_API_KEY: ApiError = ApiError::with_status(401, -2014, "API-key format invalid.");
/// `-2015`: no such key, or it may not do this.
pub const NOT_PERMITTED: ApiError =
    ApiError::with_status(401, -2015, "Invalid API-key, IP, or permissions for action.");
/// `-1100`: bytes that are not UTF-8.
pub const ILLEGAL_PARAMETER: ApiError = ApiError::new(-1100, "Illegal characters found in a parameter.");
/// `-1101`: a name twice.
pub const DUPLICATE_PARAMETER: ApiError = ApiError::new(-1101, "Duplicate values for a parameter detected.");
/// `-1101`: more than any operation has.
pub const TOO_MANY_PARAMETERS: ApiError = ApiError::new(-1101, "Too many parameters sent for this endpoint.");
/// `-1034`: as many connections as one address may hold, or a network around it. The text is ours.
pub const SHARE_TAKEN: ApiError = ApiError::with_status(
    429,
    -1034,
    "Too many connections are open from this address or the network around it; close one before the next.",
);
/// `-1115`.
pub const INVALID_TIME_IN_FORCE: ApiError = ApiError::new(-1115, "Invalid timeInForce.");
/// `-1116`.
pub const INVALID_ORDER_TYPE: ApiError = ApiError::new(-1116, "Invalid orderType.");
/// `-1117`.
pub const INVALID_SIDE: ApiError = ApiError::new(-1117, "Invalid side.");
/// `-1120`.
pub const INVALID_INTERVAL: ApiError = ApiError::new(-1120, "Invalid interval.");
/// `-1121`.
pub const INVALID_SYMBOL: ApiError = ApiError::new(-1121, "Invalid symbol.");
/// `-1122`.
pub const INVALID_STATUS: ApiError = ApiError::new(-1122, "Invalid symbolStatus.");
/// `-1155`: who takes nothing but SBE is not answered in JSON.
pub const NO_SBE: ApiError = ApiError::with_status(406, -1155, "SBE is not enabled.");
/// `-1194`.
pub const INVALID_TIME_UNIT: ApiError =
    ApiError::new(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.");
/// `-1220`.
pub const STATUS_MISMATCH: ApiError =
    ApiError::new(-1220, "The symbol's status does not match the requested symbolStatus.");
/// `-2043`.
pub const NO_REFERENCE_PRICE: ApiError = ApiError::new(-2043, "This symbol doesn't have a reference price.");
/// Bytes that are no HTTP request; the connection is closed.
pub const BAD_HTTP: ApiError = ApiError::new(-1000, "The request could not be read as HTTP.");
/// A request head beyond the limit; the connection is closed.
pub const HEAD_TOO_LARGE: ApiError = ApiError::with_status(431, -1101, "The request's headers are too large.");
/// A request line beyond the limit; the connection is closed.
pub const LINE_TOO_LONG: ApiError = ApiError::with_status(414, -1101, "The request's path and query are too long.");
/// `-1125`.
pub const NO_SUCH_LISTEN_KEY: ApiError = ApiError::new(-1125, "This listenKey does not exist.");
/// `-1128`.
pub const BAD_COMBINATION: ApiError = ApiError::new(-1128, "Combination of optional parameters invalid.");
/// `-1131`.
pub const RECV_WINDOW_TOO_LARGE: ApiError = ApiError::new(-1131, "recvWindow must be less than 60000.");
/// `-1135`.
pub const INVALID_JSON: ApiError = ApiError::new(-1135, "Invalid JSON Request");
/// `-2037`: ours.
pub const EVENTS_NOT_KEPT: ApiError = ApiError::new(
    -2037,
    "Events after this sequence are no longer kept: subscribe without afterSequence and read the account anew.",
);
/// `-2037`: ours. The exchange has been restored or promoted since the number was told, or it was never told.
pub const EVENTS_OF_ANOTHER_LIFE: ApiError = ApiError::new(
    -2037,
    "This life of the exchange has no such sequence: subscribe without afterSequence and read the account anew.",
);
/// A JSON body where a form is wanted.
pub const FORM_WANTED: ApiError =
    ApiError::with_status(415, -1020, "Send parameters in the query string or as application/x-www-form-urlencoded.");
/// A request body beyond the limit; the connection is closed.
pub const BODY_TOO_LARGE: ApiError = ApiError::with_status(413, -1130, "Request body is too large.");
/// A request body that took too long; the connection is closed.
pub const BODY_TOO_SLOW: ApiError = ApiError::with_status(408, -1130, "Request body was not sent in time.");
/// A request body that ended early or is framed wrongly; the connection is closed.
pub const UNREADABLE_BODY: ApiError = ApiError::new(-1130, "Request body could not be read.");
/// No operation has this path.
pub const UNKNOWN_PATH: ApiError = ApiError::with_status(404, -1020, "Path does not exist.");
/// The path has operations, but none of this verb.
pub const WRONG_VERB: ApiError = ApiError::with_status(405, -1020, "Method is not allowed for this path.");
/// `-2021` with HTTP 409.
pub const REPLACED_IN_PART: ApiError = ApiError::with_status(409, -2021, "Order cancel-replace partially failed.");
/// `-1158`.
pub const NOT_IN_OCO: ApiError = ApiError::new(-1158, "Order type not supported in OCO.");
/// `-2039`: an order of that id has another name.
pub const OTHER_CLIENT_ORDER_ID: ApiError = ApiError::new(-2039, "Client order ID is not correct for this order ID.");
/// `-2022`.
pub const NOT_REPLACED: ApiError = ApiError::new(-2022, "Order cancel-replace failed.");
/// `-2038`.
pub const AMEND_UPWARDS: ApiError = ApiError::new(-2038, "Order amend (quantity increase) is not supported.");
/// `-2038`.
pub const AMEND_OF_NOTHING: ApiError = ApiError::new(-2038, "The requested action would change no state; rejecting.");
/// The asset is not listed.
pub const NO_SUCH_COIN: ApiError = ApiError::new(-4018, "We don't have this asset.");
/// The asset is on no such network, or on none.
pub const NO_SUCH_NETWORK: ApiError =
    ApiError::new(-4019, "The current asset is not open for deposit on this network.");
/// `-4001`: ours is the text.
pub const WITHDRAW_ORDER_ID_TAKEN: ApiError =
    ApiError::new(-4001, "The withdrawOrderId is taken by another withdrawal.");
/// The account may withdraw nothing.
pub const WITHDRAWALS_LIMITED: ApiError = ApiError::new(-4015, "Withdraw is limited.");
/// The asset cannot be withdrawn on this network now.
pub const NOT_OPEN_FOR_WITHDRAWAL: ApiError = ApiError::new(-4019, "Current asset is not open for withdrawal.");
/// More than one withdrawal may be, or all of 24 hours.
pub const BEYOND_THE_MAXIMUM: ApiError =
    ApiError::new(-4023, "Within 24 hours, the withdrawal exceeds the maximum amount.");
/// `-4026`.
pub const NOT_ENOUGH_TO_WITHDRAW: ApiError = ApiError::new(-4026, "You have insufficient balance.");
/// Nothing would arrive.
pub const NOT_MORE_THAN_THE_FEE: ApiError =
    ApiError::new(-4028, "The amount of withdrawal must be greater than the Commission.");
/// `-4033`.
pub const ILLEGAL_ADDRESS: ApiError = ApiError::new(-4033, "Illegal address.");
/// `-4035`.
pub const NOT_ON_THE_WHITELIST: ApiError =
    ApiError::new(-4035, "This address is not on the whitelist. Please join and try again.");
/// `-4106`: no network of ours has tags; ours is the text.
pub const TAG_NOT_SUPPORTED: ApiError = ApiError::new(-4106, "This network does not support an address tag.");
/// No chainwatch has made the address in time, or the ledger has no room for it.
pub const NO_ADDRESS: ApiError =
    ApiError::with_status(503, -1001, "Internal error; unable to process your request. Please try again.");
/// `-2013`.
pub const NO_SUCH_ORDER: ApiError = ApiError::new(-2013, "Order does not exist.");
/// `-2018`: ours is Binance's text for a list that is not there.
pub const NO_SUCH_LIST: ApiError = ApiError::new(-2018, "Order list does not exist.");
/// `-2011`.
pub const UNKNOWN_ORDER: ApiError = ApiError::new(-2011, "Unknown order sent.");
/// `-2038`: the market allows none at all.
pub const AMENDS_UNSUPPORTED: ApiError = ApiError::new(-2038, "Order amend is not supported for this symbol.");
/// `-2010`: `pegInstructionsAllowed` is false.
pub const PEGS_UNSUPPORTED: ApiError = ApiError::new(-2010, "Pegged orders are not supported for this symbol.");
/// `-2010`: market orders, and stop orders that become one.
pub const NO_PEG_FOR_TYPE: ApiError = ApiError::new(-2010, "This order type may not use pegged price.");
/// `-2010`: a `LIMIT_MAKER` that would take, or a `LIMIT` order that may not rest on its own side.
pub const WRONG_PEG_FOR_TYPE: ApiError = ApiError::new(-2010, "This price peg cannot be used with this order type.");
/// `-2010`: the market accepts cancels alone.
pub const MARKET_CLOSED: ApiError = ApiError::new(-2010, "Market is closed.");

/// What a read is told when the cluster does not answer. It changes nothing: when it fails, nothing is unknown.
pub fn of_read(error: ClusterError) -> ApiError {
    if error.is_outcome_unknown() { DISCONNECTED } else { error.into() }
}

#[cfg(test)]
mod tests;
