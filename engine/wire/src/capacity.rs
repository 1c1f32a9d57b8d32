//! How many rows the tables of the cells have room for.

/// Rows that are reserved. What finds no room is refused, so this is state: every replica has the same, and only the log changes it.
/// Memory is touched as rows are used, but address space is taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Accounts of the ledger; market cells keep 16 bytes for each.
    pub accounts_max: u32,
    /// API keys of the ledger.
    pub api_keys_max: u32,
    /// Open orders of the ledger, over all markets.
    pub open_orders_max: u32,
    /// Open orders and those whose client order id is still remembered.
    pub remembered_orders_max: u32,
    /// Resting orders of each market.
    pub resting_orders_max: u32,
    /// Deposit addresses of one chain.
    pub deposit_addresses_max: u32,
    /// Deposits that are remembered, over all chains.
    pub deposits_max: u32,
    /// Withdrawals that are open or ended within the last 30 days.
    pub withdrawals_max: u32,
}

impl Capacity {
    /// The most that a cluster may be given.
    pub const MOST: Capacity = Capacity {
        accounts_max: 1 << 20,
        api_keys_max: 1 << 21,
        open_orders_max: 1 << 22,
        // What the index of names can tell apart.
        remembered_orders_max: (1 << 24) - 1,
        resting_orders_max: 1 << 22,
        deposit_addresses_max: 1 << 22,
        deposits_max: 1 << 26,
        withdrawals_max: 1 << 24,
    };

    /// The names of the tables, in the order of [`Capacity::rows`].
    pub const TABLES: [&str; 8] = [
        "accounts",
        "api_keys",
        "open_orders",
        "remembered_orders",
        "resting_orders",
        "deposit_addresses",
        "deposits",
        "withdrawals",
    ];

    /// The rows of each table.
    pub fn rows(&self) -> [u32; 8] {
        [
            self.accounts_max,
            self.api_keys_max,
            self.open_orders_max,
            self.remembered_orders_max,
            self.resting_orders_max,
            self.deposit_addresses_max,
            self.deposits_max,
            self.withdrawals_max,
        ]
    }

    /// Tables of so many rows.
    pub fn of_rows(rows: [u32; 8]) -> Capacity {
        let [
            accounts_max,
            api_keys_max,
            open_orders_max,
            remembered_orders_max,
            resting_orders_max,
            deposit_addresses_max,
            deposits_max,
            withdrawals_max,
        ] = rows;
        Capacity {
            accounts_max,
            api_keys_max,
            open_orders_max,
            remembered_orders_max,
            resting_orders_max,
            deposit_addresses_max,
            deposits_max,
            withdrawals_max,
        }
    }

    /// This, with what `wanted` says where that is not 0. `None` where it asks for less than there is, for more than
    /// [`Capacity::MOST`], or for more open orders than may be remembered.
    pub fn raised(&self, wanted: &Capacity) -> Option<Capacity> {
        let (mut rows, most) = (self.rows(), Capacity::MOST.rows());
        for (at, wanted) in wanted.rows().into_iter().enumerate().filter(|(_, wanted)| *wanted != 0) {
            if !(rows[at]..=most[at]).contains(&wanted) {
                return None;
            }
            rows[at] = wanted;
        }
        let raised = Capacity::of_rows(rows);
        (raised.open_orders_max <= raised.remembered_orders_max).then_some(raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Capacity {
        Capacity::of_rows([10, 20, 30, 40, 50, 60, 70, 80])
    }

    #[test]
    fn what_is_not_named_stays() {
        let wanted = Capacity::of_rows([11, 0, 0, 0, 0, 0, 0, 80]);
        assert_eq!(some().raised(&wanted), Some(Capacity::of_rows([11, 20, 30, 40, 50, 60, 70, 80])));
        assert_eq!(some().raised(&Capacity::of_rows([0; 8])), Some(some()));
    }

    #[test]
    fn nothing_is_taken_away_and_nothing_goes_beyond_the_most() {
        for at in 0..8 {
            let with = |rows| {
                let mut wanted = [0; 8];
                wanted[at] = rows;
                // As many orders are remembered as may be open, so that this alone decides.
                if at == 2 && rows > 40 {
                    wanted[3] = Capacity::MOST.remembered_orders_max;
                }
                some().raised(&Capacity::of_rows(wanted)).map(|raised| raised.rows()[at])
            };
            let (present, most) = (some().rows()[at], Capacity::MOST.rows()[at]);
            assert_eq!(with(present - 1), None, "{}", Capacity::TABLES[at]);
            assert_eq!(with(present), Some(present));
            assert_eq!(with(most), Some(most));
            assert_eq!(with(most + 1), None, "{}", Capacity::TABLES[at]);
        }
    }

    #[test]
    fn as_many_orders_are_remembered_as_may_be_open() {
        assert!(some().raised(&Capacity::of_rows([0, 0, 40, 0, 0, 0, 0, 0])).is_some());
        assert!(some().raised(&Capacity::of_rows([0, 0, 41, 0, 0, 0, 0, 0])).is_none());
        assert!(some().raised(&Capacity::of_rows([0, 0, 41, 41, 0, 0, 0, 0])).is_some());
    }
}
