-- Trades that the operator took back, one row each: the trade's own row stays in `trades`. `time` is that of the bust.
-- Without them: SELECT ... FROM trades WHERE (symbol, sequence) NOT IN (SELECT symbol, sequence FROM busts).
CREATE TABLE IF NOT EXISTS busts
(
    symbol LowCardinality(String),
    sequence UInt64,
    trade_id String,
    time DateTime64(3, 'UTC'),
    reason String,
    price Decimal(38, 18),
    quantity Decimal(38, 18),
    quote_quantity Decimal(38, 18),
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (symbol, sequence)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

-- The exchange's own books: fees earned, losses by busts (zero or below), what came from and went to the world, and each
-- market's clearing. Clearing is zero whenever both legs of every trade are settled.
CREATE OR REPLACE VIEW exchange_books AS
SELECT book, asset, sum(amount) AS balance
FROM postings
WHERE book IN ('fees', 'losses', 'world') OR book LIKE 'clearing:%'
GROUP BY book, asset;

-- The trades that stand: all but those taken back.
CREATE OR REPLACE VIEW standing_trades AS
SELECT * FROM trades WHERE (symbol, sequence) GLOBAL NOT IN (SELECT symbol, sequence FROM busts);

-- Candles of all intervals over the trades that stand. `candles` shows trades as they were made, and is never changed.
CREATE OR REPLACE VIEW standing_candles AS
SELECT
    symbol,
    bucket.1 AS interval,
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(time), bucket.2) * bucket.2, 'UTC') AS open_time,
    argMin(price, sequence) AS open,
    max(price) AS high,
    min(price) AS low,
    argMax(price, sequence) AS close,
    sum(quantity) AS volume,
    sum(standing_trades.quote_quantity) AS quote_volume,
    count() AS trades
FROM standing_trades
ARRAY JOIN
    [('1s', 1000), ('1m', 60000), ('5m', 300000), ('15m', 900000), ('1h', 3600000), ('4h', 14400000), ('1d', 86400000)]
    AS bucket
GROUP BY symbol, interval, open_time;
