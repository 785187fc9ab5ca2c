-- Where are there no candles, and is a trade missing there?
--
-- A bucket without a trade has no candle, so a gap may just be a quiet time. The trade sequences of the candles around it
-- tell: where they are contiguous the gap is QUIET, else candles are MISSING. The candle before a market's first one would
-- have to hold the trades below its first sequence; gap_from is empty there.
--
-- :interval = '1m'                 1s, 1m, 5m, 15m, 1h, 4h or 1d
-- :symbol = ''                     one market; empty for all
-- :limit = 1000                    at most so many gaps: those with missing trades first, then the longest
WITH transform({interval:String}, ['1s', '1m', '5m', '15m', '1h', '4h', '1d'], [1, 60, 300, 900, 3600, 14400, 86400], 0)
    AS interval_s
SELECT
    symbol,
    if(is_first, NULL, earlier_open + toIntervalSecond(interval_s)) AS gap_from,
    open_time AS gap_to,
    if(is_first, NULL, intDiv(dateDiff('second', earlier_open, open_time), interval_s) - 1) AS empty_buckets,
    toInt64(first_sequence) - toInt64(earlier_last) - 1 AS missing_trades,
    if(missing_trades = 0, 'QUIET', 'MISSING') AS verdict
FROM
(
    SELECT
        symbol,
        open_time,
        first_sequence,
        row_number() OVER neighbours = 1 AS is_first,
        lagInFrame(open_time) OVER neighbours AS earlier_open,
        lagInFrame(last_sequence) OVER neighbours AS earlier_last
    FROM candles FINAL
    WHERE throwIf({interval:String} NOT IN ('1s', '1m', '5m', '15m', '1h', '4h', '1d'), 'there is no such interval') = 0
        AND interval = {interval:String} AND ({symbol:String} = '' OR symbol = {symbol:String})
    WINDOW neighbours AS (PARTITION BY symbol ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE missing_trades != 0 OR empty_buckets > 0
ORDER BY missing_trades != 0 DESC, empty_buckets DESC, symbol, gap_to
LIMIT {limit:UInt32}
