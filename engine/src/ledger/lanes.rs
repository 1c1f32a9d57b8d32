//! What is on its way between the ledger and each market partition, so that neither end is owed more than it can
//! hold.
//!
//! An order takes a place in its lane from its hold to its first outcome, a cancel from its command to its
//! outcome. New orders are refused when a lane is full, other cancels when it has twice as much; the first cancel of an
//! open order always passes, and so does what nobody asks for twice: an account's first kill, and countdowns, which were
//! armed while there was room. So a lane is never longer than its bound, twice, the open orders, and as many as there are
//! countdowns, and accounts with a kill switch. Outcomes of cancels come back in the order of their commands.

use std::collections::VecDeque;

use wire::codec::{CodecError, Reader, Writer};
use wire::{AccountId, ClientOrderId, LogPosition, MarketId, OrderId, PartitionId, Sides};

use super::orders::Order;

/// A cancel without an outcome. `order` is 0 for a mass cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) request: LogPosition,
    pub(super) account: AccountId,
    pub(super) market: MarketId,
    pub(super) order: OrderId,
    /// The client's name for it; empty when there is none.
    pub(super) name: ClientOrderId,
    /// Of a mass cancel, which orders it covers.
    pub(super) sides: Sides,
}

struct Lane {
    to: PartitionId,
    /// Orders without a first outcome.
    placing: u32,
    cancels: VecDeque<Asked>,
}

impl Lane {
    /// Answers come in the order of requests: what is older and has none lost it to a command put aside.
    fn skip_before(&mut self, request: LogPosition) {
        while self.cancels.front().is_some_and(|asked| asked.request < request) {
            self.cancels.pop_front();
        }
    }
}

/// One lane for each market partition, sorted.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// The place of the one that was asked for last: where ledger and markets share a partition there is no other.
    latest: usize,
}

impl Lanes {
    pub(super) fn new() -> Lanes {
        Lanes { lanes: Vec::new(), latest: 0 }
    }

    /// Orders and cancels that have no outcome yet.
    #[inline]
    pub(super) fn unanswered(&self, to: PartitionId) -> usize {
        self.find(to).map_or(0, |lane| lane.placing as usize + lane.cancels.len())
    }

    fn find(&self, to: PartitionId) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.to == to)
    }

    #[inline]
    fn lane(&mut self, to: PartitionId) -> &mut Lane {
        if self.lanes.get(self.latest).is_none_or(|lane| lane.to != to) {
            self.latest = self.find_or_add(to);
        }
        &mut self.lanes[self.latest]
    }

    #[cold]
    fn find_or_add(&mut self, to: PartitionId) -> usize {
        match self.lanes.binary_search_by_key(&to, |lane| lane.to) {
            Ok(at) => at,
            Err(at) => {
                self.lanes.insert(at, Lane { to, placing: 0, cancels: VecDeque::new() });
                at
            }
        }
    }

    #[inline]
    pub(super) fn place(&mut self, to: PartitionId) {
        self.lane(to).placing += 1;
    }

    #[inline]
    pub(super) fn placed(&mut self, to: PartitionId) {
        let lane = self.lane(to);
        lane.placing = lane.placing.saturating_sub(1);
    }

    #[inline]
    pub(super) fn ask(&mut self, to: PartitionId, asked: Asked) {
        self.lane(to).cancels.push_back(asked);
    }

    /// The outcome of a cancel has come: which one it was.
    pub(super) fn answered(&mut self, to: PartitionId, request: LogPosition) -> Option<Asked> {
        let lane = self.lane(to);
        lane.skip_before(request);
        let asked = *lane.cancels.front().filter(|asked| asked.request == request)?;
        lane.cancels.pop_front();
        Some(asked)
    }

    /// A cancel has had its outcome before its market's answer, which tells nothing more then.
    #[cold]
    pub(super) fn forget(&mut self, to: PartitionId, request: LogPosition, order: OrderId) {
        self.lane(to).cancels.retain(|asked| (asked.request, asked.order) != (request, order));
    }

    /// Whether a cancel of this order, or a mass cancel of its side in its market, is on its way. `amend` is the request of an
    /// amend of it, which is none.
    pub(super) fn covers(&self, to: PartitionId, order: &Order, amend: Option<LogPosition>) -> bool {
        let Order { id, account, market, side, .. } = *order;
        let is_it = |asked: &Asked| match asked.order {
            OrderId::ZERO => asked.sides.include(side),
            asked_for => asked_for == id && Some(asked.request) != amend,
        };
        self.find(to).is_some_and(|lane| {
            lane.cancels.iter().any(|asked| (asked.account, asked.market) == (account, market) && is_it(asked))
        })
    }

    /// An order has ended because of a command: the client's name for that command. When it was for this order alone,
    /// its outcome has come.
    #[inline]
    pub(super) fn ended(&mut self, to: PartitionId, request: LogPosition, order: OrderId) -> Option<ClientOrderId> {
        let lane = self.lane(to);
        lane.skip_before(request);
        let asked = *lane.cancels.front().filter(|asked| asked.request == request)?;
        if asked.order == order {
            lane.cancels.pop_front();
        }
        Some(asked.name)
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.lanes.len() as u32));
        for lane in &self.lanes {
            to.put(&lane.to);
            to.put(&lane.placing);
            to.put(&(lane.cancels.len() as u32));
            for asked in &lane.cancels {
                to.put(&asked.request);
                to.put(&asked.account);
                to.put(&asked.market);
                to.put(&asked.order);
                to.put(&asked.name);
                to.put(&asked.sides);
            }
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Lanes, CodecError> {
        let mut lanes = Lanes::new();
        for _ in 0..from.get::<u32>()? {
            let lane = lanes.lane(from.get()?);
            lane.placing = from.get()?;
            for _ in 0..from.get::<u32>()? {
                lane.cancels.push_back(Asked {
                    request: from.get()?,
                    account: from.get()?,
                    market: from.get()?,
                    order: from.get()?,
                    name: from.get()?,
                    sides: from.get()?,
                });
            }
        }
        Ok(lanes)
    }
}
