-- One row an order, open or not, with its outcome. Filter by account, and by account and order_id, to read only those.
-- Status: OPEN, FILLED, CANCELLED, EXPIRED, REJECTED by the matcher, REFUSED by the ledger before it was an order.
CREATE OR REPLACE VIEW orders AS
WITH
    (entry_sequence, event_index) AS place,
    event = 'order_opened' AS is_opening,
    event = 'order_closed' AS is_closing,
    event = 'order_filled' AS is_fill,
    event = 'command_refused' AND order_events.client_order_id != '' AS is_refusal,
    event IN ('order_opened', 'order_amended') AS states_terms,
    maxIf(place, states_terms) AS stated_at,
    -- Self-trade prevention takes quantity off without a trade; an amend states the whole quantity anew.
    arraySum(taken -> if(taken.1 > stated_at, assumeNotNull(taken.2), 0),
        groupArrayIf((place, order_events.quantity), event = 'order_decremented')) AS decremented
SELECT
    account,
    order_id,
    anyIf(order_events.client_order_id, is_opening OR is_refusal) AS client_order_id,
    anyIf(order_events.symbol, is_opening) AS symbol,
    anyIf(order_events.side, is_opening) AS side,
    anyIf(order_events.type, is_opening) AS type,
    anyIf(order_events.time_in_force, is_opening) AS time_in_force,
    anyIf(order_events.post_only, is_opening) AS post_only,
    anyIf(order_events.valid_until, is_opening) AS valid_until,
    argMaxIf(order_events.price, place, states_terms) AS price,
    argMaxIf(order_events.quantity, place, states_terms) - decremented AS quantity,
    anyIf(order_events.max_quote, is_opening) AS max_quote,
    multiIf(
        countIf(is_opening) = 0, 'REFUSED',
        countIf(is_closing) = 0, 'OPEN',
        anyIf(order_events.status, is_closing)
    ) AS status,
    anyIf(order_events.reason, is_closing OR is_refusal) AS reason,
    anyIf(order_events.detail, is_refusal) AS detail,
    countIf(is_fill) AS fills,
    sumIf(assumeNotNull(order_events.quantity), is_fill) AS filled_quantity,
    sumIf(assumeNotNull(order_events.quote_quantity), is_fill) AS filled_quote,
    if(fills = 0, NULL, CAST(
        divideDecimal(toDecimal256(filled_quote, 18), toDecimal256(filled_quantity, 18), 18),
        'Nullable(Decimal(38, 18))'
    )) AS average_price,
    sumIf(assumeNotNull(order_events.fee), is_fill) AS fees,
    anyIf(order_events.fee_asset, is_fill) AS fee_asset,
    minIf(time, is_opening OR is_refusal) AS opened_time,
    maxOrNullIf(time, is_closing OR is_refusal) AS closed_time,
    max(time) AS updated_time
FROM order_events
WHERE order_id != ''
GROUP BY account, order_id
HAVING countIf(is_opening OR is_refusal) > 0;

-- What each account has of each asset, as the sum of all postings.
CREATE OR REPLACE VIEW balances AS
SELECT
    account,
    asset,
    sumIf(amount, startsWith(book, 'free:')) AS free,
    sumIf(amount, startsWith(book, 'reserved:')) AS reserved,
    sumIf(amount, startsWith(book, 'pending:')) AS pending,
    sum(amount) AS total
FROM postings
WHERE book LIKE 'free:%' OR book LIKE 'reserved:%' OR book LIKE 'pending:%'
GROUP BY account, asset;

-- The exchange's own books: fees earned, what came from and went to the world, and each market's clearing. Clearing is zero
-- whenever both legs of every trade are settled.
CREATE OR REPLACE VIEW exchange_books AS
SELECT book, asset, sum(amount) AS balance
FROM postings
WHERE book IN ('fees', 'world') OR book LIKE 'clearing:%'
GROUP BY book, asset;

-- Candles of all intervals as the trades give them: what `candles` must hold for every bucket that is closed.
CREATE OR REPLACE VIEW candles_check AS
SELECT
    symbol,
    bucket.1 AS interval,
    fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli(time), bucket.2) * bucket.2, 'UTC') AS open_time,
    argMin(price, sequence) AS open,
    max(price) AS high,
    min(price) AS low,
    argMax(price, sequence) AS close,
    sum(quantity) AS volume,
    sum(trades.quote_quantity) AS quote_volume,
    count() AS trades,
    sumIf(quantity, aggressor_side = 'BUY') AS taker_buy_volume,
    sumIf(trades.quote_quantity, aggressor_side = 'BUY') AS taker_buy_quote_volume,
    min(sequence) AS first_sequence,
    max(sequence) AS last_sequence,
    any(log_partition) AS log_partition
FROM trades
ARRAY JOIN
    [('1s', 1000), ('1m', 60000), ('5m', 300000), ('15m', 900000), ('1h', 3600000), ('4h', 14400000), ('1d', 86400000)]
    AS bucket
GROUP BY symbol, interval, open_time;
