-- History of a Mainstay exchange, written by its gateways from the cluster's events.
-- Prices and quantities are whole units of the market's scale (markets.price_decimals, markets.qty_decimals); amounts, fees and
-- rebates whole units of the asset's ledger scale (assets.ledger_decimals); turnover of trades and klines is price unit times
-- quantity unit. Nothing is a float. Times ending in _ns and _ms count from 1970-01-01 UTC and are log time. `position` is the
-- log position, in its partition, of the command that last changed the row.

-- Of which life of the cluster all of this is. One row.
CREATE TABLE mainstay.cluster (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch bigint NOT NULL
);

-- How far each partition's log has been written: raised in the same transaction as the rows.
CREATE TABLE mainstay.progress (
    partition bigint PRIMARY KEY,
    position bigint NOT NULL,
    log_time_ns bigint NOT NULL
);

CREATE TABLE mainstay.assets (
    asset bigint PRIMARY KEY,
    symbol text NOT NULL,
    ledger_decimals bigint NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE mainstay.markets (
    market bigint PRIMARY KEY,
    symbol text NOT NULL,
    base bigint NOT NULL,
    quote bigint NOT NULL,
    partition bigint NOT NULL,
    price_decimals bigint NOT NULL,
    qty_decimals bigint NOT NULL,
    position bigint NOT NULL
);

-- Every order, open or ended, as it is now. Words are those of the REST API.
CREATE TABLE mainstay.orders (
    market bigint NOT NULL,
    id bigint NOT NULL,
    account bigint NOT NULL,
    client_order_id text NOT NULL,
    side text NOT NULL,
    kind text NOT NULL,
    time_in_force text NOT NULL,
    self_trade text NOT NULL,
    price bigint NOT NULL,
    qty bigint NOT NULL,
    quote_qty bigint NOT NULL,
    status text NOT NULL,
    is_open boolean NOT NULL,
    refused bigint,
    executed bigint NOT NULL,
    quote_executed bigint NOT NULL,
    created_ns bigint NOT NULL,
    working_ns bigint,
    updated_ns bigint NOT NULL,
    stop_price bigint,
    trailing_delta bigint NOT NULL,
    visible_qty bigint NOT NULL,
    -- As far away as the client says: nanoseconds of 64 bits without a sign.
    expire_at_ns numeric(20, 0),
    -- 0 of an order that is not pegged, 1 to its own side, 2 to the opposite one; how many levels beyond the best.
    peg_side bigint NOT NULL,
    peg_levels bigint NOT NULL,
    peg_has_price boolean NOT NULL,
    pegged_price bigint,
    qty_min bigint NOT NULL,
    -- The client's label: which strategy, of which type.
    strategy_id bigint,
    strategy_type bigint,
    list_id bigint NOT NULL,
    tracking_ns bigint,
    expired_by bigint,
    prevented_id bigint,
    prevented_counter bigint,
    prevented_group bigint,
    prevented_price bigint,
    prevented_last_qty bigint,
    prevented_qty bigint,
    position bigint NOT NULL,
    PRIMARY KEY (market, id)
);
CREATE INDEX orders_of_account ON mainstay.orders (account, market, id);
CREATE INDEX orders_by_time ON mainstay.orders (account, market, created_ns);
CREATE INDEX orders_by_name ON mainstay.orders (account, market, client_order_id, id);
CREATE INDEX orders_open ON mainstay.orders (market, id) WHERE is_open;

-- One side of a trade. A trade with oneself has two, which the order tells apart.
CREATE TABLE mainstay.fills (
    market bigint NOT NULL,
    trade bigint NOT NULL,
    order_id bigint NOT NULL,
    account bigint NOT NULL,
    list_id bigint NOT NULL,
    side text NOT NULL,
    price bigint NOT NULL,
    qty bigint NOT NULL,
    quote_amount bigint NOT NULL,
    fee bigint NOT NULL,
    rebate bigint NOT NULL,
    fee_asset bigint NOT NULL,
    is_maker boolean NOT NULL,
    time_ns bigint NOT NULL,
    position bigint NOT NULL,
    event bigint NOT NULL,
    PRIMARY KEY (market, trade, order_id)
);
CREATE INDEX fills_of_account ON mainstay.fills (account, market, trade, order_id);
CREATE INDEX fills_by_time ON mainstay.fills (account, market, time_ns);
CREATE INDEX fills_of_order ON mainstay.fills (market, order_id, trade);

-- How an order's quantity was lowered; `execution` is what its execution report is numbered by.
CREATE TABLE mainstay.amendments (
    market bigint NOT NULL,
    order_id bigint NOT NULL,
    execution bigint NOT NULL,
    account bigint NOT NULL,
    client_order_id_before text NOT NULL,
    client_order_id text NOT NULL,
    qty_before bigint NOT NULL,
    qty bigint NOT NULL,
    at_ns bigint NOT NULL,
    PRIMARY KEY (market, order_id, execution)
);

CREATE TABLE mainstay.order_lists (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    market bigint NOT NULL,
    kind bigint NOT NULL,
    client_order_id text NOT NULL,
    orders bigint[] NOT NULL,
    is_open boolean NOT NULL,
    refused bigint,
    created_ns bigint NOT NULL,
    updated_ns bigint NOT NULL,
    position bigint NOT NULL
);
CREATE INDEX order_lists_of_account ON mainstay.order_lists (account, id);
CREATE INDEX order_lists_by_name ON mainstay.order_lists (account, client_order_id, id);
CREATE INDEX order_lists_open ON mainstay.order_lists (id) WHERE is_open;

CREATE TABLE mainstay.prevented_matches (
    market bigint NOT NULL,
    id bigint NOT NULL,
    taker bigint NOT NULL,
    taker_account bigint NOT NULL,
    maker bigint NOT NULL,
    maker_account bigint NOT NULL,
    trade_group bigint NOT NULL,
    mode text NOT NULL,
    price bigint NOT NULL,
    maker_qty bigint NOT NULL,
    taker_qty bigint NOT NULL,
    at_ns bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (market, id)
);
CREATE INDEX prevented_matches_of_taker ON mainstay.prevented_matches (taker_account, market, id);
CREATE INDEX prevented_matches_of_maker ON mainstay.prevented_matches (maker_account, market, id);

-- Public trades.
CREATE TABLE mainstay.trades (
    market bigint NOT NULL,
    id bigint NOT NULL,
    price bigint NOT NULL,
    qty bigint NOT NULL,
    time_ms bigint NOT NULL,
    buyer_is_maker boolean NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (market, id)
);

-- What one taker took at one price with one command.
CREATE TABLE mainstay.agg_trades (
    market bigint NOT NULL,
    id bigint NOT NULL,
    price bigint NOT NULL,
    qty bigint NOT NULL,
    first_trade bigint NOT NULL,
    last_trade bigint NOT NULL,
    time_ms bigint NOT NULL,
    buyer_is_maker boolean NOT NULL,
    PRIMARY KEY (market, id)
);
CREATE INDEX agg_trades_by_time ON mainstay.agg_trades (market, time_ms, id);

-- Intervals with trades; `length` is the interval's name in the REST API, by the clock of UTC.
CREATE TABLE mainstay.klines (
    market bigint NOT NULL,
    length text NOT NULL,
    open_ms bigint NOT NULL,
    open bigint NOT NULL,
    high bigint NOT NULL,
    low bigint NOT NULL,
    close bigint NOT NULL,
    volume numeric(39, 0) NOT NULL,
    quote_volume numeric(39, 0) NOT NULL,
    taker_volume numeric(39, 0) NOT NULL,
    taker_quote_volume numeric(39, 0) NOT NULL,
    trades bigint NOT NULL,
    first_trade bigint NOT NULL,
    last_trade bigint NOT NULL,
    PRIMARY KEY (market, length, open_ms)
);

-- Where each market's numbering goes on.
CREATE TABLE mainstay.tapes (
    market bigint PRIMARY KEY,
    partition bigint NOT NULL,
    last_trade bigint NOT NULL,
    last_agg_trade bigint NOT NULL
);

-- Chains and what can be deposited on them; chain_decimals is the scale of deposits' amounts.
CREATE TABLE mainstay.chains (
    chain bigint PRIMARY KEY,
    symbol text NOT NULL,
    position bigint NOT NULL
);

CREATE TABLE mainstay.chain_assets (
    chain bigint NOT NULL,
    asset bigint NOT NULL,
    contract text NOT NULL,
    chain_decimals bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (chain, asset)
);

-- Hashes are in their chain's own byte order, which Bitcoin-like chains print backwards. `status` is the REST API's number of
-- `stage`. Amounts are whole units of the chain (chain_assets.chain_decimals), what was credited of the ledger. What begins
-- with inserted_ is when the deposit was told first.
CREATE TABLE mainstay.deposits (
    chain bigint NOT NULL,
    tx text NOT NULL,
    output bigint NOT NULL,
    account bigint NOT NULL,
    address_index bigint NOT NULL,
    asset bigint NOT NULL,
    amount numeric(39, 0) NOT NULL,
    stage text NOT NULL,
    status bigint NOT NULL,
    block text NOT NULL,
    height bigint NOT NULL,
    confirmations bigint NOT NULL,
    required bigint NOT NULL,
    credited bigint NOT NULL,
    dust numeric(39, 0) NOT NULL,
    is_reverted boolean NOT NULL,
    inserted_ns bigint NOT NULL,
    inserted_position bigint NOT NULL,
    inserted_event bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (chain, tx, output)
);
CREATE INDEX deposits_of_account ON mainstay.deposits (account, inserted_position, inserted_event);

-- What accounts asked for; what the exchange moves between addresses of its own is not here. `amount` arrives, `fee` is paid
-- beside it; `network_fee` is in units of the chain's coin.
CREATE TABLE mainstay.withdrawals (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    chain bigint NOT NULL,
    asset bigint NOT NULL,
    address text NOT NULL,
    withdraw_order_id text NOT NULL,
    amount bigint NOT NULL,
    fee bigint NOT NULL,
    stage text NOT NULL,
    cause text NOT NULL,
    status bigint NOT NULL,
    requested_ns bigint NOT NULL,
    ready_ns bigint NOT NULL,
    changed_ns bigint NOT NULL,
    approvals_missing bigint NOT NULL,
    attempts bigint NOT NULL,
    tx text NOT NULL,
    block text NOT NULL,
    height bigint NOT NULL,
    confirmations bigint NOT NULL,
    required bigint NOT NULL,
    network_fee numeric(39, 0) NOT NULL,
    house_held bigint NOT NULL,
    is_undone boolean NOT NULL,
    is_reverted boolean NOT NULL,
    position bigint NOT NULL
);
CREATE INDEX withdrawals_of_account ON mainstay.withdrawals (account, id);
CREATE INDEX withdrawals_by_name ON mainstay.withdrawals (account, withdraw_order_id, id);
