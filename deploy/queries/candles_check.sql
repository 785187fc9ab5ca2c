-- Are the candles what the trades give? Each row is a difference; there should be none.
--
-- Recomputes all seven intervals from `trades` and compares both ways with `candles`. A bucket counts once candles that
-- end five seconds later are in the table, and its last trade is, so that what is still on its way is no difference;
-- what retention has taken from one of the two tables isn't either.
WITH
    map('1s', 1, '1m', 60, '5m', 300, '15m', 900, '1h', 3600, '4h', 14400, '1d', 86400) AS seconds,
    closed AS
    (
        SELECT log_partition, max(addSeconds(open_time, seconds[interval])) AS closed_until
        FROM candles
        GROUP BY log_partition
    ),
    known AS
    (
        SELECT symbol, min(sequence) AS oldest, max(sequence) AS newest
        FROM trades
        GROUP BY symbol
    )
SELECT 'missing or different in candles' AS difference, *
FROM
(
    SELECT
        symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
        taker_buy_quote_volume, first_sequence, last_sequence
    FROM candles_check
    INNER JOIN closed USING (log_partition)
    WHERE addSeconds(open_time, seconds[interval] + 5) <= closed_until
        AND open_time >= (SELECT min(open_time) FROM candles)
        AND (symbol, interval, open_time) NOT IN
        (
            SELECT symbol, interval, open_time
            FROM candles
            INNER JOIN known USING (symbol)
            WHERE last_sequence > newest
        )
    EXCEPT ALL
    SELECT
        symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
        taker_buy_quote_volume, first_sequence, last_sequence
    FROM candles
)
UNION ALL
SELECT 'not what the trades give' AS difference, *
FROM
(
    SELECT
        symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
        taker_buy_quote_volume, first_sequence, last_sequence
    FROM candles
    INNER JOIN known USING (symbol)
    WHERE first_sequence >= oldest AND last_sequence <= newest
    EXCEPT ALL
    SELECT
        symbol, interval, open_time, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
        taker_buy_quote_volume, first_sequence, last_sequence
    FROM candles_check
)
ORDER BY symbol, interval, open_time, difference
