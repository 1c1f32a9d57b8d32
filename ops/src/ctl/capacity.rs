//! `mainstay ctl capacity`: how full the ledger's tables are, and more room for them.

use std::fmt::Write as _;

use wire::Capacity;
use wire::command::RaiseCapacity;

use super::{Place, version};
use crate::report::usage_with_help;

pub(crate) mod memory;

/// How much the exchange has room for.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
  mainstay ctl capacity                                            # how full the tables are
  mainstay ctl capacity raise --accounts 200000 --api-keys 400000
  mainstay ctl capacity raise --open-orders 1000000 --resting-orders 500000 --remembered-orders 12000000

What finds no room is refused: accounts and keys as `TableFull`, orders as busy. Rows are given and never taken away. Every node builds its
state anew when it comes to the entry that says so, and trading stands still meanwhile: about a second with a million open orders, too short to
be felt with few. Each node reserves address space for every row at once, twice (for snapshots), and touches its memory as rows are used. What a
raise takes is told first, and refused where it is more than a node says that it has available: a node that finds no memory ends, and all of them \
come to the same entry. Deposit addresses, deposits and withdrawals take memory as they come, about which nothing is said beforehand.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Give tables more rows.
    Raise(Raise),
}

#[derive(Debug, clap::Args)]
struct Raise {
    /// Accounts.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    accounts: u32,
    /// API keys.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    api_keys: u32,
    /// Open orders, over all markets.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    open_orders: u32,
    /// Open orders and those whose client order id is still taken: sixty times the orders that may close in a second.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    remembered_orders: u32,
    /// Resting orders of each market.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    resting_orders: u32,
    /// Deposit addresses of each chain.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    deposit_addresses: u32,
    /// Deposits, which are remembered for ever.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    deposits: u32,
    /// Withdrawals that are open or ended within the last 30 days.
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    withdrawals: u32,
    /// Raise it although nodes may not have the memory.
    #[arg(long)]
    beyond_memory: bool,
}

impl Raise {
    fn capacity(&self) -> Capacity {
        Capacity {
            accounts_max: self.accounts,
            api_keys_max: self.api_keys,
            open_orders_max: self.open_orders,
            remembered_orders_max: self.remembered_orders,
            resting_orders_max: self.resting_orders,
            deposit_addresses_max: self.deposit_addresses,
            deposits_max: self.deposits,
            withdrawals_max: self.withdrawals,
        }
    }
}

/// Does what was asked.
pub(super) async fn run(place: &Place, args: Args) -> miette::Result<()> {
    let Some(Command::Raise(raise)) = args.command else {
        print!("{}", table(&tables(&version::pages(place).await?)?));
        return Ok(());
    };
    let wanted = raise.capacity();
    if wanted.rows() == [0; 8] {
        let help = "for example --accounts 200000; see `mainstay ctl capacity raise --help`";
        return Err(usage_with_help("say what is to have more room", help));
    }
    let pages = version::pages(place).await?;
    let now = Capacity::of_rows(rows_of(&pages)?);
    // The ledger decides; this says what is wrong with it.
    if now.raised(&wanted).is_none() {
        return Err(wrong(&now, &wanted));
    }
    let operator = place.operator().await?;
    let inventory = operator.inventory(|_| false).await?;
    let there = inventory.markets.values().filter(|known| known.status != wire::MarketStatus::Delisted).count();
    let more = memory::more(&now.rows(), &wanted.rows(), there);
    if more.peak > 0 {
        println!(
            "each node takes {} more of address space, and as much memory once the rows are used; up to {} while it is done",
            memory::shown(more.lasting),
            memory::shown(more.peak)
        );
        let hosts = memory::by_host(place.state()?.nodes.iter().map(|node| node.http.as_str()), &pages);
        match memory::check(more.peak, &hosts) {
            Err(why) if !raise.beyond_memory => return Err(why),
            Err(why) => eprintln!("{}", crate::report::in_a_line(&why)),
            Ok(()) => {}
        }
    }
    operator.must(&wire::Command::RaiseCapacity(Box::new(RaiseCapacity { capacity: wanted }))).await?;
    for ((name, before), after) in Capacity::TABLES.iter().zip(now.rows()).zip(wanted.rows()) {
        if after > before {
            println!("{name}: {after} rows, {before} before");
        }
    }
    Ok(())
}

/// What is asked of a table that cannot be.
fn wrong(now: &Capacity, wanted: &Capacity) -> miette::Report {
    let rows = now.rows().into_iter().zip(wanted.rows()).zip(Capacity::MOST.rows());
    for (name, ((now, wanted), most)) in Capacity::TABLES.iter().zip(rows) {
        if wanted != 0 && !(now..=most).contains(&wanted) {
            return miette::miette!(
                code = "capacity::out-of-bounds",
                "{name}: {wanted} rows cannot be, it has {now} and may have up to {most}"
            );
        }
    }
    let help = "raise --remembered-orders as well";
    miette::miette!(
        code = "capacity::out-of-bounds",
        help = help,
        "open orders are remembered: there must be rows for them"
    )
}

/// Rows that there are.
pub(crate) fn rows_of(pages: &[(u64, Option<version::Page>)]) -> miette::Result<[u32; 8]> {
    Ok(tables(pages)?.map(|(_, rows)| rows))
}

/// Rows that are used, and rows that there are, as whoever leads the ledger says, else who has caught up.
fn tables(pages: &[(u64, Option<version::Page>)]) -> miette::Result<[(u64, u32); 8]> {
    let ledgers = pages.iter().filter_map(|(node, page)| {
        let page = page.as_ref()?;
        let replica = page.partitions.iter().find(|replica| replica.partition == page.ledger && replica.caught_up)?;
        Some((replica.leader == Some(*node), replica))
    });
    let (_, replica) = ledgers.max_by_key(|(leads, _)| *leads).ok_or_else(|| {
        let help = "see `mainstay ctl cluster status`";
        miette::miette!(code = "capacity::not-known", help = help, "no node answers that has caught up with the ledger")
    })?;
    let row = |name: &&str| {
        replica.tables.iter().find(|table| table.table == **name).map(|table| (table.rows, table.rows_max))
    };
    let rows: Option<Vec<(u64, u32)>> = Capacity::TABLES.iter().map(row).collect();
    rows.and_then(|rows| rows.try_into().ok()).ok_or_else(|| {
        miette::miette!(code = "capacity::not-known", "the nodes run a build that does not say how full its tables are")
    })
}

fn table(rows: &[(u64, u32); 8]) -> String {
    let mut text = format!("{:<18}  {:>10}  {:>10}  {:>10}\n", "table", "used", "rows", "at most");
    for ((name, (used, rows)), most) in Capacity::TABLES.iter().zip(rows).zip(Capacity::MOST.rows()) {
        // Of orders that rest each market has its own table.
        let used = if *name == "resting_orders" { "-".to_owned() } else { used.to_string() };
        // A string takes everything.
        let _ = writeln!(text, "{name:<18}  {used:>10}  {rows:>10}  {most:>10}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_used_of_what_there_is_and_may_be() {
        let text = table(&[(4, 16_384), (5, 32_768), (10, 1), (20, 2), (0, 3), (6, 4), (7, 5), (8, 6)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "table                     used        rows     at most");
        assert_eq!(lines[1], "accounts                     4       16384     1048576");
        assert_eq!(lines[5], "resting_orders               -           3     4194304");
        assert_eq!(lines.len(), 9);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let now = Capacity::of_rows([10, 20, 30, 40, 50, 60, 70, 80]);
        let said = |rows| wrong(&now, &Capacity::of_rows(rows)).to_string();
        assert_eq!(
            said([0, 0, 29, 0, 0, 0, 0, 0]),
            "open_orders: 29 rows cannot be, it has 30 and may have up to 4194304"
        );
        assert_eq!(said([0, 0, 41, 0, 0, 0, 0, 0]), "open orders are remembered: there must be rows for them");
    }
}
