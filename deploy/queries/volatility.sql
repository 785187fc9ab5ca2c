-- How much did each market's price move (realised volatility)?
--
-- It is the root of the summed squares of the logarithmic returns from each candle's close to the next one's; a bucket
-- without a trade is no return. The annual figure counts a year as 365 days, for markets that never close. One candle has
-- no return, so there is no figure.
--
-- :interval = '1m'                 the candles that it is taken from: 1s, 1m, 5m, 15m, 1h, 4h or 1d
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    candles that open from this moment on
-- :to = '2100-01-01 00:00:00'      candles that open before this moment
SELECT
    symbol,
    count() AS candles,
    count() - 1 AS returns,
    dateDiff('second', min(open_time), max(open_time)) AS seconds,
    if(returns = 0, NULL, 100 * sqrt(sum(change * change))) AS realised_percent,
    if(returns = 0, NULL, realised_percent * sqrt(365 * 86400 / seconds)) AS annualised_percent,
    if(returns = 0, NULL, 100 * (exp(max(abs(change))) - 1)) AS largest_move_percent
FROM
(
    SELECT
        symbol,
        open_time,
        toFloat64(close) AS price,
        lagInFrame(price, 1, price) OVER
            (PARTITION BY symbol ORDER BY open_time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS earlier_price,
        log(price / earlier_price) AS change
    FROM candles FINAL
    WHERE throwIf({interval:String} NOT IN ('1s', '1m', '5m', '15m', '1h', '4h', '1d'), 'there is no such interval') = 0
        AND interval = {interval:String} AND ({symbol:String} = '' OR symbol = {symbol:String})
        AND open_time >= {from:DateTime64(3, 'UTC')} AND open_time < {to:DateTime64(3, 'UTC')}
)
GROUP BY symbol
ORDER BY symbol
