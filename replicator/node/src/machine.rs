//! The cells of one partition as the replicator sees them: bytes in, bytes out.
//!
//! Events leave through an [`EventSink`] and not through the replica, for one reason: a snapshot allows the
//! log behind it to be forgotten, so what the log would bring back must be safe first. Before a snapshot is
//! saved the machine makes the sink durable ([`StateMachine::poll_safe`]).

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use engine::{Output, Partition, PartitionConfig};
use replicator::{Applied, Input, RestoreError, StateMachine};
use wire::codec::{Reader, Writer, v1};
use wire::command::{Reply, SetVersion, Tick};
use wire::{Command, Incarnation, LogPosition, RejectReason, Timestamp};

use crate::block::EventBlock;

/// A block of events is closed at this size; a duty cycle may fill several.
const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Keeps events: the node's archive, or a simulator's.
pub trait EventSink: Send {
    /// Takes the events that follow those before. After a restart some come again.
    fn append(&mut self, block: Arc<EventBlock>);

    /// Returns when everything taken so far survives a crash.
    fn sync(&mut self);

    /// Begins to make everything taken so far survive a crash, or looks whether what was begun is done. A sink that
    /// can do so without waiting does not wait.
    fn poll_sync(&mut self) -> bool {
        self.sync();
        true
    }

    /// The state jumped: events up to this position that were never appended will not be.
    fn jump(&mut self, position: LogPosition);
}

/// The state machine of a partition.
pub struct Machine {
    config: PartitionConfig,
    cells: Partition,
    output: Output,
    /// The last position that reached the cells. Others (session openings, resends) have no events.
    applied: LogPosition,
    outlet: RefCell<Outlet>,
    /// Nobody hears a twin: its events go nowhere.
    is_twin: bool,
    /// Events up to here have left before the state was built anew.
    told: LogPosition,
}

/// Where events gather and leave. Behind a `RefCell` because a snapshot, which borrows the machine, must
/// empty it.
struct Outlet {
    sink: Box<dyn EventSink>,
    block: EventBlock,
    /// Closed blocks that nobody has taken for subscribers.
    closed: Vec<Arc<EventBlock>>,
    is_fresh: bool,
}

impl Machine {
    /// An empty partition.
    pub fn new(config: PartitionConfig, sink: Box<dyn EventSink>) -> Machine {
        let outlet = Outlet { sink, block: EventBlock::new(LogPosition::ZERO), closed: Vec::new(), is_fresh: true };
        Machine {
            cells: Partition::new(config),
            config,
            output: Output::default(),
            applied: LogPosition::ZERO,
            outlet: RefCell::new(outlet),
            is_twin: false,
            told: LogPosition::ZERO,
        }
    }

    /// The cells, for mail, audits and digests.
    pub fn cells(&self) -> &Partition {
        &self.cells
    }

    /// What the partition is.
    pub fn config(&self) -> PartitionConfig {
        self.config
    }

    /// Which life of the partition's log this is.
    pub fn incarnation(&self) -> Incarnation {
        self.config.incarnation
    }

    /// Begins a new life of the log, see [`Partition::begin_life`].
    pub fn begin_life(&mut self, incarnation: Incarnation) {
        self.cells.begin_life(incarnation);
        self.config.incarnation = incarnation;
    }

    /// Closes the block that is being filled: every event up to `upto` is in it. Returns the blocks closed
    /// since the last time. The first call returns at least one, which says where this replica's events start.
    pub fn take_events(&self, upto: LogPosition) -> Vec<Arc<EventBlock>> {
        let mut outlet = self.outlet.borrow_mut();
        if upto > outlet.block.upto() {
            outlet.block.cover(upto);
        }
        outlet.close();
        mem::take(&mut outlet.closed)
    }
}

impl Machine {
    /// A command but for the parts that are put aside.
    fn execute(&mut self, input: Input<'_>, put_aside: &[u32], out: &mut Applied) {
        let Input { position, now, origin, payload } = input;
        self.applied = position;
        match v1::decode_command(payload) {
            Ok(command) if put_aside.is_empty() => self.cells.apply(position, now, &command, &mut self.output),
            Ok(command) => self.cells.apply_without(position, now, &command, put_aside, &mut self.output),
            Err(_) => {
                self.output.events.clear();
                self.output.reply = Reply::Rejected { reason: RejectReason::Malformed, id: 0 };
            }
        }
        v1::encode_reply(&self.output.reply, &mut out.reply);
        if self.is_twin || position <= self.told {
            return;
        }
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::EventLost) && position.get().is_multiple_of(61) {
            self.output.events.clear();
        }
        let (outlet, events) = (self.outlet.get_mut(), &self.output.events);
        outlet
            .block
            .write(position, now, origin, |bytes| events.iter().for_each(|event| v1::encode_event(event, bytes)));
        if outlet.block.byte_len() >= BLOCK_BYTES_MAX {
            outlet.close();
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<(Partition, LogPosition), RestoreError> {
        let refused = |reason: String| RestoreError { reason };
        let mut from = Reader::new(bytes);
        let applied: LogPosition = from.get().map_err(|error| refused(error.to_string()))?;
        let cells = Partition::restore(self.config, from.rest()).map_err(|error| refused(error.to_string()))?;
        Ok((cells, applied))
    }
}

/// The sink of a machine that nobody hears.
pub(crate) struct Nowhere;

impl EventSink for Nowhere {
    fn append(&mut self, _: Arc<EventBlock>) {}

    fn sync(&mut self) {}

    fn jump(&mut self, _: LogPosition) {}
}

impl Outlet {
    fn close(&mut self) {
        if self.block.upto() > self.block.after() || mem::take(&mut self.is_fresh) {
            let next = EventBlock::like(&self.block, self.block.upto());
            let block = Arc::new(mem::replace(&mut self.block, next));
            self.is_fresh = false;
            self.sink.append(Arc::clone(&block));
            self.closed.push(block);
        }
    }
}

impl StateMachine for Machine {
    fn apply(&mut self, input: Input<'_>, out: &mut Applied) {
        self.execute(input, &[], out);
    }

    fn foresee<'a>(&self, payloads: impl Iterator<Item = &'a [u8]>) {
        self.cells.foresee_names(payloads.filter_map(v1::peek_name));
    }

    fn step(&self) -> u32 {
        self.cells.step()
    }

    fn apply_without(&mut self, input: Input<'_>, steps: &[u32], out: &mut Applied) {
        self.execute(input, steps, out);
    }

    /// The sink has everything up to the command before the one that panicked.
    fn rebuild(&mut self, snapshot: Option<&[u8]>) -> Result<(), RestoreError> {
        let before = LogPosition::new(self.applied.get().saturating_sub(1));
        self.told = self.told.max(before);
        match snapshot {
            Some(bytes) => (self.cells, self.applied) = self.read(bytes)?,
            None => (self.cells, self.applied) = (Partition::new(self.config), LogPosition::ZERO),
        }
        Ok(())
    }

    fn version(&self) -> u16 {
        self.cells.version()
    }

    fn set_version(&self, version: u16, out: &mut Vec<u8>) {
        v1::encode_command(&Command::SetVersion(SetVersion { version }), out);
    }

    fn begin_term(&mut self, now: Timestamp) {
        self.cells.begin_term(now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.cells.next_deadline()
    }

    fn tick(&self, out: &mut Vec<u8>) {
        v1::encode_command(&Command::Tick(Tick), out);
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        self.snapshot_and_digest(out);
    }

    fn snapshot_and_digest(&self, out: &mut Vec<u8>) -> u128 {
        Writer::new(out).put(&self.applied);
        self.cells.snapshot(out)
    }

    fn twin(&self) -> Option<Machine> {
        Some(Machine { is_twin: true, output: Output::unheard(), ..Machine::new(self.config, Box::new(Nowhere)) })
    }

    fn poll_safe(&mut self) -> bool {
        let outlet = self.outlet.get_mut();
        outlet.close();
        outlet.sink.poll_sync()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let (cells, applied) = self.read(bytes)?;
        (self.cells, self.applied) = (cells, applied);
        let outlet = self.outlet.get_mut();
        outlet.close();
        outlet.sink.jump(applied);
        outlet.block = EventBlock::new(applied);
        outlet.is_fresh = true;
        Ok(())
    }

    fn digest(&self) -> u128 {
        self.cells.digest()
    }
}
