//! A toy state machine that remembers what it executed, so that a test sees what was lost or done twice.

use std::cell::Cell;

use wire::codec::{CodecError, Reader, Writer};
use wire::{LogPosition, Origin, Sequence, SessionId, Timestamp};

use crate::{Applied, Input, RestoreError, StateMachine};

/// A command that adds to a running sum.
const ADD: u8 = 1;
/// The machine's own command that lets time pass.
const TICK: u8 = 2;

/// A command that panics every machine.
const POISON: u8 = 3;
/// A command that panics the next machines of this thread, as many as [`Tally::break_next`] says.
const FRAGILE: u8 = 4;
/// The machine's own command that brings it to a version.
const VERSION: u8 = 5;

thread_local! {
    static BREAKS_LEFT: Cell<u32> = const { Cell::new(0) };
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    sum: u64,
    ticks: u64,
    /// When it wants to be ticked: a while after the first addition since the last tick.
    deadline: Option<Timestamp>,
    executed: Vec<(LogPosition, Origin)>,
    /// The version that it behaves by, less the first.
    version: u16,
}

impl Tally {
    /// The reply to a command that was put aside.
    pub const PUT_ASIDE: u8 = 0xff;

    /// The payload of a command that adds `amount`.
    pub fn add(amount: u64) -> Vec<u8> {
        [&[ADD][..], &amount.to_le_bytes()].concat()
    }

    /// The payload of a command that panics whoever executes it, in the middle of its work.
    pub fn poison() -> Vec<u8> {
        vec![POISON]
    }

    /// The same, and putting it aside panics as well.
    #[cfg(test)]
    pub fn stubborn_poison() -> Vec<u8> {
        vec![POISON, POISON]
    }

    /// The payload of a command that panics some machines and adds nothing on the others.
    pub fn fragile() -> Vec<u8> {
        vec![FRAGILE]
    }

    /// How many of the next machines of this thread a fragile command panics.
    pub fn break_next(machines: u32) {
        BREAKS_LEFT.set(machines);
    }

    /// Every addition, in order.
    pub fn executed(&self) -> &[(LogPosition, Origin)] {
        &self.executed
    }

    /// The running sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Ticks so far.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    fn read(bytes: &[u8]) -> Result<Tally, CodecError> {
        let mut from = Reader::new(bytes);
        let (sum, ticks) = (from.get()?, from.get()?);
        let deadline = Some(from.get::<Timestamp>()?).filter(|deadline| *deadline != Timestamp::ZERO);
        let version = from.get()?;
        let mut executed = Vec::new();
        while !from.is_empty() {
            let position = from.get()?;
            let origin = Origin { session: from.get::<SessionId>()?, sequence: from.get::<Sequence>()? };
            executed.push((position, origin));
        }
        Ok(Tally { sum, ticks, deadline, executed, version })
    }
}

impl StateMachine for Tally {
    fn apply(&mut self, input: Input<'_>, out: &mut Applied) {
        match input.payload.split_first() {
            Some((&ADD, amount)) => {
                let amount = amount.try_into().map_or(0, u64::from_le_bytes);
                self.sum = self.sum.wrapping_mul(31).wrapping_add(amount);
                self.deadline = self.deadline.or(Some(input.now.plus_nanos(100_000_000)));
                self.executed.push((input.position, input.origin));
            }
            Some((&VERSION, version)) => self.version = version.try_into().map_or(0, u16::from_le_bytes) - 1,
            Some((&POISON, _)) => {
                self.sum += 1;
                panic!("a planted panic");
            }
            Some((&FRAGILE, _)) => {
                let left = BREAKS_LEFT.get();
                BREAKS_LEFT.set(left.saturating_sub(1));
                assert!(left == 0, "a planted panic on one machine");
            }
            _ => {
                self.ticks += 1;
                self.deadline = None;
            }
        }
        out.reply.extend_from_slice(&self.sum.to_le_bytes());
        out.events.extend_from_slice(&self.sum.to_le_bytes());
    }

    fn apply_without(&mut self, input: Input<'_>, _: &[u32], out: &mut Applied) {
        assert!(input.payload != [POISON, POISON], "a planted panic of what is put aside");
        out.reply.push(Tally::PUT_ASIDE);
    }

    fn rebuild(&mut self, snapshot: Option<&[u8]>) -> Result<(), RestoreError> {
        *self = Tally::default();
        snapshot.map_or(Ok(()), |bytes| self.restore(bytes))
    }

    fn version(&self) -> u16 {
        self.version + 1
    }

    fn set_version(&self, version: u16, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&version.to_le_bytes());
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    fn tick(&self, out: &mut Vec<u8>) {
        out.push(TICK);
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        let mut to = Writer::new(out);
        to.put(&self.sum);
        to.put(&self.ticks);
        to.put(&self.deadline.unwrap_or(Timestamp::ZERO));
        to.put(&self.version);
        for (position, origin) in &self.executed {
            to.put(position);
            to.put(&origin.session);
            to.put(&origin.sequence);
        }
    }

    fn twin(&self) -> Option<Tally> {
        Some(Tally::default())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        *self = Tally::read(bytes).map_err(|error| RestoreError { reason: error.to_string() })?;
        Ok(())
    }

    fn digest(&self) -> u128 {
        u128::from(self.sum) << 64
            | u128::from(self.ticks) << 32
            | u128::from(self.version) << 24
            | self.executed.len() as u128
    }
}
