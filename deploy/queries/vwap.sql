-- What did a unit cost on average, weighted by quantity, in each market (VWAP)?
--
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    trades from this moment on
-- :to = '2100-01-01 00:00:00'      trades before this moment
SELECT
    symbol,
    count() AS trades,
    sum(quantity) AS volume,
    sum(quote_quantity) AS quote_volume,
    divideDecimal(quote_volume, volume, 8) AS vwap
FROM trades FINAL
WHERE ({symbol:String} = '' OR symbol = {symbol:String})
    AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
GROUP BY symbol
ORDER BY symbol
