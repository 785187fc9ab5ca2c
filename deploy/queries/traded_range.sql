-- Between which prices did each market trade, day by day (UTC)?
--
-- Open and close are those of the first and last trade by sequence: many trades can have the same time.
--
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    trades from this moment on
-- :to = '2100-01-01 00:00:00'      trades before this moment
SELECT
    symbol,
    toDate(time) AS day,
    argMin(price, sequence) AS open,
    max(price) AS high,
    min(price) AS low,
    argMax(price, sequence) AS close,
    high - low AS range,
    100 * toFloat64(range) / toFloat64(low) AS range_percent
FROM trades FINAL
WHERE ({symbol:String} = '' OR symbol = {symbol:String})
    AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
GROUP BY symbol, day
ORDER BY symbol, day
