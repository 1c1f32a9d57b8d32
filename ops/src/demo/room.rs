//! A new demo has room for the client order ids of all that its nodes can trade within the minute that these stay taken, where the
//! machine has the memory: who loads it for longer than some seconds is not told that it is full. A cluster that holds something is
//! given more by its operators alone (`mainstay ctl capacity raise`).

use futures_util::future::join_all;
use miette::miette;
use wire::Capacity;
use wire::command::RaiseCapacity;

use super::LOOK_EVERY;
use super::layout::Layout;
use crate::ctl::capacity::memory::{self, Host};
use crate::ctl::capacity::rows_of;
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
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, "how much room there is is not known yet");
            tokio::time::sleep(LOOK_EVERY).await;
            return Ok(None);
        }
    };
    let hosts = memory::by_host(addresses.iter().map(String::as_str), &pages);
    let capacity = match lacking(&now, &hosts) {
        Ok(Some(capacity)) => capacity,
        Ok(None) => return Ok(Some(())),
        Err(error) => {
            tracing::warn!(%error, "room for fewer orders a minute than two cores trade: there is not twice the memory");
            return Ok(Some(()));
        }
    };
    let raise = wire::Command::RaiseCapacity(Box::new(RaiseCapacity { capacity }));
    match operator.execute(&raise).await? {
        Done::Accepted(_) => Ok(Some(())),
        Done::Rejected(reason, _) => Err(miette!("the ledger refuses {raise:?}: {reason:?}")),
        Done::Unknown => Ok(None),
    }
}

/// What a ledger of so many rows is to have in its place, if that is more; an error where these machines have not the memory.
fn lacking(now: &[u32; 8], hosts: &[Host]) -> miette::Result<Option<Capacity>> {
    let wanted = Capacity { remembered_orders_max: REMEMBERED_ORDERS, ..Capacity::of_rows([0; 8]) };
    let peak = memory::more(now, &wanted.rows(), 0).peak;
    if peak == 0 {
        return Ok(None);
    }
    memory::check(peak.saturating_mul(PART), hosts)?;
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::version::Page;

    /// Three nodes of one machine with so much memory.
    fn machine(available: u64) -> Vec<Host> {
        let page = || Page { ready: true, ledger: 1, memory_available: Some(available), partitions: Vec::new() };
        let pages = [1, 2, 3].map(|node| (node, Some(page())));
        memory::by_host(["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"].into_iter(), &pages)
    }

    fn rows_with(remembered_orders_max: u32) -> [u32; 8] {
        Capacity { remembered_orders_max, ..Capacity::of_rows([10; 8]) }.rows()
    }

    #[test]
    fn names_have_room_for_a_minute_of_all_that_is_traded_where_there_is_the_memory() {
        const NAMES_KEPT_S: u32 = 60;
        let raised = lacking(&rows_with(1_000), &machine(u64::MAX)).unwrap().expect("there is too little room");
        assert!(raised.remembered_orders_max >= 139_000 * NAMES_KEPT_S);
        let others = Capacity { remembered_orders_max: 0, ..raised };
        assert_eq!(others, Capacity::of_rows([0; 8]), "all else stays as it is");
    }

    #[test]
    fn where_there_is_room_nothing_is_raised() {
        for rows in [REMEMBERED_ORDERS, REMEMBERED_ORDERS + 1] {
            assert_eq!(lacking(&rows_with(rows), &machine(0)).unwrap(), None);
        }
    }

    #[test]
    fn three_nodes_of_one_machine_take_half_of_what_is_available_there_and_no_more() {
        let now = rows_with(1_000);
        let peak = memory::more(&now, &rows_with(REMEMBERED_ORDERS), 0).peak;
        assert!(lacking(&now, &machine(PART * 3 * peak)).unwrap().is_some());
        let refused = lacking(&now, &machine(PART * 3 * peak - 1)).unwrap_err().to_string();
        assert!(refused.contains("node-1, node-2, node-3"), "{refused}");
    }
}
