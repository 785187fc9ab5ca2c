-- Which markets trade most, for each quote asset?
--
-- Amounts of different quote assets can't be compared, so each has a ranking of its own.
--
-- :limit = 20                      so many markets of each quote asset
-- :from = '1970-01-01 00:00:00'    trades from this moment on
-- :to = '2100-01-01 00:00:00'      trades before this moment
SELECT
    quote_asset,
    rank() OVER (PARTITION BY quote_asset ORDER BY quote_volume DESC) AS rank,
    symbol,
    trades,
    quote_volume,
    100 * toFloat64(quote_volume) / toFloat64(sum(quote_volume) OVER (PARTITION BY quote_asset)) AS share_percent
FROM
(
    SELECT
        symbol,
        any(fee_asset) AS quote_asset, -- fees are in the quote asset
        count() AS trades,
        sum(quote_quantity) AS quote_volume
    FROM trades FINAL
    WHERE time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
    GROUP BY symbol
)
ORDER BY quote_asset, rank, symbol
LIMIT {limit:UInt32} BY quote_asset
