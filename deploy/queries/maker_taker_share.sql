-- How much of its volume did each account make, how much did it take, and what did it pay in fees?
--
-- A negative fee is a rebate.
--
-- :account = ''                    one account; empty for all
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    trades from this moment on
-- :to = '2100-01-01 00:00:00'      trades before this moment
SELECT
    side.2 AS account,
    fee_asset AS quote_asset,
    count() AS fills,
    sumIf(quote_quantity, side.1 = 'MAKER') AS made,
    sumIf(quote_quantity, side.1 = 'TAKER') AS taken,
    100 * toFloat64(made) / toFloat64(made + taken) AS maker_percent,
    sum(side.3) AS fees
FROM
(
    SELECT
        fee_asset,
        quote_quantity,
        arrayJoin([('MAKER', maker_account, maker_fee), ('TAKER', taker_account, taker_fee)]) AS side
    FROM trades FINAL
    WHERE ({symbol:String} = '' OR symbol = {symbol:String})
        AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
)
WHERE {account:String} = '' OR account = {account:String}
GROUP BY account, quote_asset
ORDER BY quote_asset, made + taken DESC, account
