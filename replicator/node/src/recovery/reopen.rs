//! How a life begins that knows that it has lost something: no market matches until an operator reopens it.

use replicator::entry::{BatchWriter, Kind};
use replicator::log::Entry;
use replicator::{Replay, ReplayError};
use wire::codec::v1;
use wire::command::{KillMarket, SetMarketStatus};
use wire::{Command, MarketStatus, Timestamp};

use crate::machine::Machine;

/// Puts every market that is open into the phase in which orders can be cancelled and none be placed, by entries of the
/// ledger's log at its end, sequenced at `now`. The markets hear of it by mail, behind what was under way to them. One whose
/// mail has no room for it is halted, which passes always. Says how many markets it were.
pub fn cancel_only(replay: &mut Replay<Machine>, now: Timestamp) -> Result<usize, ReplayError> {
    let open = replay.machine().cells().open_markets();
    let cancel_only = |market| Command::SetMarketStatus(SetMarketStatus { market, status: MarketStatus::CancelOnly });
    append(replay, now, open.iter().copied().map(cancel_only))?;
    let left = replay.machine().cells().open_markets();
    append(
        replay,
        now,
        left.into_iter().map(|market| Command::KillMarket(KillMarket { market, cancel_orders: false })),
    )?;
    replay.machine().take_events(replay.place().position);
    Ok(open.len())
}

fn append(
    replay: &mut Replay<Machine>,
    now: Timestamp,
    commands: impl Iterator<Item = Command>,
) -> Result<(), ReplayError> {
    let mut batch = BatchWriter::new(1024);
    for command in commands {
        let mut payload = Vec::new();
        v1::encode_command(&command, &mut payload);
        batch.push(Kind::Internal, &payload);
    }
    if batch.count() == 0 {
        return Ok(());
    }
    let place = replay.place();
    let data = batch.finish(now.max(place.timestamp)).into();
    replay.apply(&Entry { index: place.index + 1, term: place.term, data, ..Entry::default() })
}
