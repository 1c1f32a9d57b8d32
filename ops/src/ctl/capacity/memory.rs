//! What more rows take of a node's memory, and whether nodes have it.

use std::collections::BTreeMap;

use super::version::Page;

const GIB: u64 = 1 << 30;
/// Cells have twins, which take the snapshots.
const COPIES: u64 = 2;

/// What more rows take of a node, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct More {
    /// For good.
    pub lasting: u64,
    /// While cells are built anew beside those before, from what those have saved: at most.
    pub peak: u64,
}

/// Of these rows in place of those before, with so many markets.
pub fn more(now: &[u32; 8], wanted: &[u32; 8], markets: usize) -> More {
    let bytes = |rows: u32, each: u32| u64::from(rows).saturating_mul(u64::from(each));
    let (mut lasting, mut ledger, mut market, mut is_of_markets) = (0_u64, 0_u64, 0_u64, false);
    for at in 0..now.len() {
        let (before, after) = (now[at], wanted[at].max(now[at]));
        let each_market = engine::MARKET_ROW_BYTES[at];
        is_of_markets |= after > before && each_market > 0;
        let of_markets = bytes(after - before, each_market).saturating_mul(markets as u64);
        lasting = lasting.saturating_add(bytes(after - before, engine::ROW_BYTES[at])).saturating_add(of_markets);
        // The new cell, and the state of the old one.
        ledger = ledger
            .saturating_add(bytes(after, engine::ROW_BYTES[at]))
            .saturating_add(bytes(before, engine::ROW_BYTES[at]));
        market = market.saturating_add(bytes(after, each_market)).saturating_add(bytes(before, each_market));
    }
    let markets = if is_of_markets { market.saturating_mul(markets as u64) } else { 0 };
    let peak =
        if now.iter().zip(wanted).any(|(now, wanted)| wanted > now) { ledger.saturating_add(markets) } else { 0 };
    More { lasting: lasting.saturating_mul(COPIES), peak: peak.saturating_mul(COPIES) }
}

/// The nodes of one machine, which share its memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Host {
    nodes: Vec<u64>,
    /// Bytes that are available there; the least that any of them says.
    available: Option<u64>,
}

/// By the host in the addresses of their pages, in the same order as the pages.
pub fn by_host<'a>(addresses: impl Iterator<Item = &'a str>, pages: &[(u64, Option<Page>)]) -> Vec<Host> {
    let mut hosts: BTreeMap<&str, Host> = BTreeMap::new();
    for (address, (node, page)) in addresses.zip(pages) {
        let host = address.trim_start_matches("http://").rsplit_once(':').map_or(address, |(host, _)| host);
        let host = hosts.entry(host).or_default();
        host.nodes.push(*node);
        let said = page.as_ref().and_then(|page| page.memory_available);
        host.available = host.available.into_iter().chain(said).min();
    }
    hosts.into_values().collect()
}

/// Whether every host that says what it has has so much for each of its nodes.
pub fn check(more: u64, hosts: &[Host]) -> miette::Result<()> {
    for Host { nodes, available } in hosts {
        let Some(available) = available else { continue };
        let needed = more.saturating_mul(nodes.len() as u64);
        if needed > *available {
            let names: Vec<String> = nodes.iter().map(|node| format!("node-{node}")).collect();
            return Err(miette::miette!(
                code = "capacity::no-memory",
                help = "raise it by less, or give the machine more; --beyond-memory raises it all the same",
                "that is {} for {}, and there are {} available",
                shown(needed),
                names.join(", "),
                shown(*available)
            ));
        }
    }
    Ok(())
}

/// Bytes, for people: in GiB or MiB, rounded up.
pub fn shown(bytes: u64) -> String {
    match bytes {
        GIB.. => {
            let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(GIB));
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(available: Option<u64>) -> Option<Page> {
        Some(Page { ready: true, ledger: 1, memory_available: available, partitions: Vec::new() })
    }

    #[test]
    fn rows_are_counted_in_the_ledger_in_every_market_and_in_the_twins() {
        let now = [10, 0, 0, 0, 100, 0, 0, 0];
        let accounts = u64::from(engine::ROW_BYTES[0]);
        let [of_account, .., resting, _, _, _] = engine::MARKET_ROW_BYTES.map(u64::from);
        let raised = more(&now, &[20, 0, 0, 0, 0, 0, 0, 0], 3);
        assert_eq!(raised.lasting, 2 * 10 * (accounts + 3 * of_account));
        assert_eq!(raised.peak, 2 * (30 * accounts + 3 * (30 * of_account + 200 * resting)), "old and new at once");
        assert_eq!(more(&now, &[0, 0, 0, 0, 101, 0, 0, 0], 3).lasting, 2 * 3 * resting);
        let keys = u64::from(engine::ROW_BYTES[1]);
        let of_ledger = More { lasting: 2 * 5 * keys, peak: 2 * (20 * accounts + 5 * keys) };
        assert_eq!(more(&now, &[0, 5, 0, 0, 0, 0, 0, 0], 3), of_ledger, "markets stay as they are");
        assert_eq!(more(&now, &[0; 8], 3), More { lasting: 0, peak: 0 }, "what is not named stays");
        assert!(more(&[0; 8], &[u32::MAX; 8], 64).peak > 1 << 40, "nothing wraps");
    }

    #[test]
    fn nodes_of_one_machine_share_its_memory() {
        let addresses = ["http://10.0.0.1:7201", "http://10.0.0.1:7202", "http://10.0.0.2:7201"];
        let pages = [(1, page(Some(8 * GIB))), (2, page(Some(7 * GIB))), (3, page(None))];
        let hosts = by_host(addresses.into_iter(), &pages);
        assert_eq!(hosts[0], Host { nodes: vec![1, 2], available: Some(7 * GIB) });
        assert!(check(3 * GIB, &hosts).is_ok());
        let error = check(4 * GIB, &hosts).unwrap_err();
        assert_eq!(error.to_string(), "that is 8.0 GiB for node-1, node-2, and there are 7.0 GiB available");
        assert!(check(4 * GIB, &hosts[1..]).is_ok(), "a node that does not say is not guessed at");
        assert_eq!((shown(1), shown(GIB + 1)), ("1 MiB".to_owned(), "1.1 GiB".to_owned()));
    }
}
