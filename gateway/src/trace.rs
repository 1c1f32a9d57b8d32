//! Following one request: from its client's name for it to its place in the log.
//!
//! A client that names a request (`X-Trace-Id`, `traceId`) is told the name again with the answer, and the positions of the
//! commands that the request became: `1/4711` is the command at position 4,711 of partition 1's log, where `mainstay ctl trace`
//! shows who sent it and what came of it. The gateway's log says the same in one line. Positions are the log's own: nothing is
//! made up, kept or sent to the cluster for it, and who does not ask costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use wire::{LogPosition, PartitionId};

use crate::errors::ApiError;
use crate::params::Params;

/// The header with which a request is named, and which is answered.
pub const NAME_HEADER: &str = "x-trace-id";
/// The header that answers with positions.
pub const LOG_HEADER: &str = "x-trace-log";
/// The parameter that does the same as the header.
const PARAMETER: &str = "traceId";
/// The longest name.
const NAME_MAX: usize = 64;
/// The form of a name, as the error text shows it.
const NAME_RANGE: &str = "^[\\.A-Za-z0-9_-]{1,64}$";
/// So many commands of a request are told.
const COMMANDS_MAX: usize = 16;

/// A request that is followed.
#[derive(Debug)]
pub struct Trace {
    name: String,
    commands: Mutex<Vec<(PartitionId, LogPosition)>>,
}

tokio::task_local! {
    static FOLLOWED: Arc<Trace>;
}

impl Trace {
    /// Of a request that its client has named.
    pub fn named(name: &str) -> Result<Arc<Trace>, ApiError> {
        let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_legal) {
            return Err(ApiError::illegal_characters(PARAMETER, NAME_RANGE));
        }
        Ok(Arc::new(Trace { name: name.to_owned(), commands: Mutex::default() }))
    }

    /// Takes `traceId`.
    pub fn take(params: &mut Params) -> Result<Option<Arc<Trace>>, ApiError> {
        params.take(PARAMETER)?.map(|name| Trace::named(&name)).transpose()
    }

    /// The client's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The places of its commands in the log.
    pub fn places(&self) -> Vec<String> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.iter().map(|(partition, position)| format!("{}/{}", partition.get(), position.get())).collect()
    }
}

/// Does something for a request, which may be followed.
pub async fn following<T>(trace: Option<Arc<Trace>>, doing: impl Future<Output = T>) -> T {
    match trace {
        Some(trace) => FOLLOWED.scope(trace, doing).await,
        None => doing.await,
    }
}

/// A command of the present request is in the log.
pub fn passed(partition: PartitionId, position: LogPosition) {
    // Outside of a request that is followed there is nobody to tell.
    let _ = FOLLOWED.try_with(|trace| {
        let mut commands = trace.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.len() < COMMANDS_MAX {
            commands.push((partition, position));
        }
    });
}

#[cfg(test)]
mod tests;
