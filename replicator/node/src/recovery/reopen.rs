//! How a life begins that knows that it has lost something: no market matches until an operator reopens it.

use replicator::entry::{BatchWriter, Kind};
use replicator::log::Entry;
use replicator::{Replay, ReplayError};
use wire::codec::v1;
use wire::command::{KillMarket, SetMarketStatus};
use wire::{Command, MarketStatus, Timestamp};

use crate::machine::Machine;

/// How many markets were closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// To accept cancels alone.
    pub cancel_only: usize,
    /// To be halted.
    pub halted: usize,
}

/// Puts every market that is open into the phase in which orders can be cancelled and none be placed, by entries of the
/// ledger's log at its end, sequenced at `now`. The markets hear of it by mail, behind what was under way to them.
///
/// Two kinds are halted: one whose mail has no room, since a halt passes always; and one that accepted cancels alone before,
/// since that may have been the first step of a reopening, which would go on by itself, or a quarantine, which another word
/// would end. Orders can be cancelled in them as well.
pub fn cancel_only(replay: &mut Replay<Machine>, now: Timestamp) -> Result<Closed, ReplayError> {
    Ok(close_markets(replay, now)?.0)
}

/// The same, with the entries at the end of the log that say so.
pub fn close_markets(replay: &mut Replay<Machine>, now: Timestamp) -> Result<(Closed, Vec<Entry>), ReplayError> {
    let before = replay.machine().cells().markets_in(MarketStatus::CancelOnly);
    let open = replay.machine().cells().open_markets();
    let cancel_only = |market| Command::SetMarketStatus(SetMarketStatus { market, status: MarketStatus::CancelOnly });
    let first = append(replay, now, open.iter().copied().map(cancel_only))?;
    let mut halted = replay.machine().cells().open_markets();
    let closed = Closed { cancel_only: open.len() - halted.len(), halted: halted.len() + before.len() };
    halted.extend(before);
    let halt = |market| Command::KillMarket(KillMarket { market, cancel_orders: false });
    let second = append(replay, now, halted.into_iter().map(halt))?;
    replay.machine().take_events(replay.place().position);
    Ok((closed, first.into_iter().chain(second).collect()))
}

fn append(
    replay: &mut Replay<Machine>,
    now: Timestamp,
    commands: impl Iterator<Item = Command>,
) -> Result<Option<Entry>, ReplayError> {
    let mut batch = BatchWriter::new(1024);
    for command in commands {
        let mut payload = Vec::new();
        v1::encode_command(&command, &mut payload);
        batch.push(Kind::Internal, &payload);
    }
    if batch.count() == 0 {
        return Ok(None);
    }
    let place = replay.place();
    let data = batch.finish(now.max(place.timestamp)).into();
    let entry = Entry { index: place.index + 1, term: place.term, data, ..Entry::default() };
    replay.apply(&entry)?;
    Ok(Some(entry))
}

#[cfg(test)]
mod tests;
