//! A new demo has room for the client order ids of all that its nodes can trade within the minute that these stay taken, where the
//! machine has the memory: who loads it for longer than some seconds is not told that it is full. A cluster that holds something is
//! given more by its operators alone (`mainstay ctl capacity raise`).

use futures_util::future::join_all;
use miette::miette;
use wire::Capacity;
use wire::command::RaiseCapacity;

use super::LOOK_EVERY;
use super::layout::Layout;
use crate::ctl::capacity::{memory, rows_of};
use crate::ctl::version::page;
use crate::operator::{Done, Operator};

/// 140,000 orders a second for ever, and as fast as two cores trade for 40 seconds.
const REMEMBERED_ORDERS: u32 = 1 << 23;
/// A demo is not all that a machine does: of what is available it may take one part of so many.
const PART: u64 = 2;

/// Raises the ledger's capacity, in a cluster of which every node has said that it is ready. `None` when it is not known how much there
/// is, or what became of raising it.
pub async fn make(operator: &Operator, layout: &Layout) -> miette::Result<Option<()>> {
    let addresses: Vec<String> = layout.nodes.iter().map(|node| format!("http://{}", node.http)).collect();
    let pages = layout.nodes.iter().zip(&addresses).map(async |(node, http)| (node.id, page(http).await));
    let pages = join_all(pages).await;
    let now = match rows_of(&pages) {
        Ok(rows) => Capacity::of_rows(rows),
        Err(error) => {
            tracing::warn!(%error, "how much room there is is not known yet");
            tokio::time::sleep(LOOK_EVERY).await;
            return Ok(None);
        }
    };
    let wanted = Capacity { remembered_orders_max: REMEMBERED_ORDERS, ..Capacity::of_rows([0; 8]) };
    let peak = memory::more(&now.rows(), &wanted.rows(), 0).peak;
    let hosts = memory::by_host(addresses.iter().map(String::as_str), &pages);
    if peak == 0 {
        return Ok(Some(()));
    }
    if let Err(error) = memory::check(peak.saturating_mul(PART), &hosts) {
        tracing::warn!(%error, "room for fewer orders a minute than two cores trade: there is not twice the memory");
        return Ok(Some(()));
    }
    let raise = wire::Command::RaiseCapacity(Box::new(RaiseCapacity { capacity: wanted }));
    match operator.execute(&raise).await? {
        Done::Accepted(_) => Ok(Some(())),
        Done::Rejected(reason, _) => Err(miette!("the ledger refuses {raise:?}: {reason:?}")),
        Done::Unknown => Ok(None),
    }
}
