//! The replicated state machine, as the replicator sees it: bytes in, bytes out.

use wire::{LogPosition, Origin, Timestamp};

/// A deterministic state machine: the same inputs in the same order give the same state, replies and events
/// on every replica. It reads no clock, draws no randomness and touches no file.
pub trait StateMachine: Send + Sized + 'static {
    /// Executes one command. `out` is empty when called.
    fn apply(&mut self, input: Input<'_>, out: &mut Applied);

    /// These commands are executed next, in this order, or refused: a chance to have from memory what they will need. It changes
    /// nothing, and means nothing to what they do.
    fn foresee<'a>(&self, _payloads: impl Iterator<Item = &'a [u8]>) {}

    /// Which part of the command that is being executed: what is told of it when it panics. Parts are counted as the
    /// machine likes, in the same way on every replica.
    fn step(&self) -> u32 {
        0
    }

    /// Executes a command but for the parts that panicked a quorum of replicas: they are put aside, and whoever waits for
    /// them is refused. `out` is empty when called.
    fn apply_without(&mut self, _input: Input<'_>, _steps: &[u32], _out: &mut Applied) {}

    /// Goes back to a state that `snapshot` wrote, or to the one before the first command, after a panic. What the machine
    /// has told the outside it does not tell again.
    fn rebuild(&mut self, snapshot: Option<&[u8]>) -> Result<(), RestoreError> {
        match snapshot {
            Some(bytes) => self.restore(bytes),
            None => Err(RestoreError { reason: "it cannot start over".to_owned() }),
        }
    }

    /// The version that the machine behaves by: a part of its state. Every machine begins with 1.
    fn version(&self) -> u16 {
        1
    }

    /// Appends the payload of the command by which the machine comes to another version.
    fn set_version(&self, _version: u16, _out: &mut Vec<u8>) {}

    /// A new leader's first entry is about to be executed, which was sequenced at `now`: until then nobody could be
    /// heard. Called at the same place on every replica.
    fn begin_term(&mut self, _now: Timestamp) {}

    /// When the machine next wants to be ticked, in log time. The leader sequences [`StateMachine::tick`] when
    /// its clock reaches it.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Appends the payload of the command that lets time pass.
    fn tick(&self, out: &mut Vec<u8>);

    /// Appends the whole state.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Appends the whole state and returns its digest, which a machine may know from writing it.
    fn snapshot_and_digest(&self, out: &mut Vec<u8>) -> u128 {
        self.snapshot(out);
        self.digest()
    }

    /// A new machine, before its first command, that will be fed what this one is fed and never heard: snapshots are
    /// taken of it while this one goes on. `None` when this one stops for its snapshots.
    fn twin(&self) -> Option<Self> {
        None
    }

    /// Whether what this machine has told the outside, up to now, survives a crash: a snapshot is saved only after
    /// that. Begins to make it so; asked again until it is. Never waits.
    fn poll_safe(&mut self) -> bool {
        true
    }

    /// Replaces the whole state by one that `snapshot` wrote.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;

    /// A digest of the whole state: equal on equal states, and different, but for a collision, on others.
    fn digest(&self) -> u128;
}

/// One command, as it was sequenced.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its place in the log.
    pub position: LogPosition,
    /// When it was sequenced; never less than the command's before.
    pub now: Timestamp,
    /// Which session's which request it is; `Origin::INTERNAL` for mail and ticks.
    pub origin: Origin,
    /// The command.
    pub payload: &'a [u8],
}

/// What a command did: a buffer that the replica clears and lends for every command.
#[derive(Debug, Default)]
pub struct Applied {
    /// The answer to whoever sent it. Kept in the session for resends, so keep it short.
    pub reply: Vec<u8>,
    /// What happened, for subscribers.
    pub events: Vec<u8>,
}

/// Why a snapshot is not a state of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine cannot restore this state: {reason}")]
pub struct RestoreError {
    /// What is wrong with it.
    pub reason: String,
}
