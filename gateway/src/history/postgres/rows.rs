//! The tables' rows. The tables themselves are in the migrations, `*.sql`; what rows mean is in [`super::meaning`].
//!
//! Rows travel as JSON, both ways: one parameter a table and batch, whatever its columns. All numbers are whole, and
//! written and read as such.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A row of a table.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: &'static str;
    /// What is unique.
    const KEY: &'static [&'static str];
    /// Columns that stay as they were written first.
    const KEPT: &'static [&'static str];
    /// Every column.
    const COLUMNS: &'static [&'static str];

    /// Inserts rows, given as a JSON array, or overwrites them but for what is kept.
    fn upsert() -> String {
        let (table, columns, key) = (Self::TABLE, Self::COLUMNS.join(", "), Self::KEY.join(", "));
        let others = Self::COLUMNS.iter().filter(|column| !Self::KEY.contains(column) && !Self::KEPT.contains(column));
        let set: Vec<String> = others.map(|column| format!("{column} = excluded.{column}")).collect();
        format!(
            "INSERT INTO mainstay.{table} ({columns}) \
             SELECT {columns} FROM json_populate_recordset(NULL::mainstay.{table}, $1::text::json) \
             ON CONFLICT ({key}) DO UPDATE SET {}",
            set.join(", ")
        )
    }

    /// A row, from JSON.
    fn read(json: &str) -> Result<Self, Unreadable> {
        serde_json::from_str(json).map_err(|error| Unreadable { table: Self::TABLE, what: error.to_string() })
    }

    /// Rows as JSON, of `SELECT * FROM mainstay.TABLE` with the given rest.
    fn select(rest: &str) -> String {
        format!("SELECT row_to_json(chosen)::text FROM (SELECT * FROM mainstay.{} {rest}) AS chosen", Self::TABLE)
    }
}

macro_rules! table {
    (
        $(#[$doc:meta])* $row:ident, $table:literal, [$($key:literal),+], $(kept [$($kept:literal),+],)?
        { $($column:ident: $type:ty,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) struct $row {
            $(pub(super) $column: $type,)+
        }

        impl Row for $row {
            const TABLE: &'static str = $table;
            const KEY: &'static [&'static str] = &[$($key),+];
            const KEPT: &'static [&'static str] = &[$($($kept),+)?];
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];
        }
    };
}

table! {
    AssetRow, "assets", ["asset"], { asset: u16, symbol: String, ledger_decimals: u8, position: u64, }
}
table! {
    MarketRow, "markets", ["market"], {
        market: u16, symbol: String, base: u16, quote: u16, partition: u16, price_decimals: u8, qty_decimals: u8,
        position: u64,
    }
}
table! {
    OrderRow, "orders", ["market", "id"], {
        market: u16, id: u64, account: u32, client_order_id: String, side: String, kind: String,
        time_in_force: String, self_trade: String, price: i64, qty: i64, quote_qty: i64, status: String,
        is_open: bool, refused: Option<u16>, executed: i64, quote_executed: i64, created_ns: u64,
        working_ns: Option<u64>, updated_ns: u64, stop_price: Option<i64>, trailing_delta: u16, visible_qty: i64,
        expire_at_ns: Option<u64>, peg_side: u8, peg_levels: u8, peg_has_price: bool, pegged_price: Option<i64>,
        qty_min: i64, strategy_id: Option<u64>, strategy_type: Option<u32>, list_id: u64,
        tracking_ns: Option<u64>, expired_by: Option<u8>,
        prevented_id: Option<u64>, prevented_counter: Option<u64>, prevented_group: Option<u16>,
        prevented_price: Option<i64>, prevented_last_qty: Option<i64>, prevented_qty: Option<i64>, position: u64,
    }
}
table! {
    FillRow, "fills", ["market", "trade", "order_id"], {
        market: u16, trade: u64, order_id: u64, account: u32, list_id: u64, side: String, price: i64, qty: i64,
        quote_amount: i64, fee: i64, rebate: i64, fee_asset: u16, is_maker: bool, time_ns: u64, position: u64,
        event: u64,
    }
}
table! {
    AmendmentRow, "amendments", ["market", "order_id", "execution"], {
        market: u16, order_id: u64, execution: u64, account: u32, client_order_id_before: String,
        client_order_id: String, qty_before: i64, qty: i64, at_ns: u64,
    }
}
table! {
    ListRow, "order_lists", ["id"], {
        id: u64, account: u32, market: u16, kind: u8, client_order_id: String, orders: Vec<u64>, is_open: bool,
        refused: Option<u16>, created_ns: u64, updated_ns: u64, position: u64,
    }
}
table! {
    PreventedRow, "prevented_matches", ["market", "id"], {
        market: u16, id: u64, taker: u64, taker_account: u32, maker: u64, maker_account: u32, trade_group: u16,
        mode: String, price: i64, maker_qty: i64, taker_qty: i64, at_ns: u64, position: u64,
    }
}
table! {
    TradeRow, "trades", ["market", "id"], {
        market: u16, id: u64, price: i64, qty: i64, time_ms: u64, buyer_is_maker: bool, position: u64,
    }
}
table! {
    AggTradeRow, "agg_trades", ["market", "id"], {
        market: u16, id: u64, price: i64, qty: i64, first_trade: u64, last_trade: u64, time_ms: u64,
        buyer_is_maker: bool,
    }
}
table! {
    KlineRow, "klines", ["market", "length", "open_ms"], {
        market: u16, length: String, open_ms: u64, open: i64, high: i64, low: i64, close: i64, volume: i128,
        quote_volume: i128, taker_volume: i128, taker_quote_volume: i128, trades: u64, first_trade: u64,
        last_trade: u64,
    }
}
table! {
    TapeRow, "tapes", ["market"], { market: u16, partition: u16, last_trade: u64, last_agg_trade: u64, }
}
table! {
    ChainRow, "chains", ["chain"], { chain: u16, symbol: String, position: u64, }
}
table! {
    ChainAssetRow, "chain_assets", ["chain", "asset"], {
        chain: u16, asset: u16, contract: String, chain_decimals: u8, position: u64,
    }
}
table! {
    DepositRow, "deposits", ["chain", "tx", "output"], kept ["inserted_ns", "inserted_position", "inserted_event"], {
        chain: u16, tx: String, output: u32, account: u32, address_index: u32, asset: u16, amount: u128,
        stage: String, status: u64, block: String, height: u64, confirmations: u32, required: u32, credited: i64,
        dust: u128, is_reverted: bool, inserted_ns: u64, inserted_position: u64, inserted_event: u64, position: u64,
    }
}
table! {
    WithdrawalRow, "withdrawals", ["id"], {
        id: u64, account: u32, chain: u16, asset: u16, address: String, withdraw_order_id: String, amount: i64,
        fee: i64, stage: String, cause: String, status: u64, requested_ns: u64, ready_ns: u64, changed_ns: u64,
        approvals_missing: u8, attempts: u8, tx: String, block: String, height: u64, confirmations: u32,
        required: u32, network_fee: u128, house_held: i64, is_undone: bool, is_reverted: bool, position: u64,
    }
}

/// A row that no gateway has written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a row of {table} cannot be read: {what}")]
pub(super) struct Unreadable {
    pub(super) table: &'static str,
    pub(super) what: String,
}
