-- Which accounts trade with themselves, or back and forth with mostly one other account?
--
-- matched_percent is the part of what two accounts traded with each other that went both ways; of_their_volume_percent
-- the part of all their trading in that market that was with each other, which is low for a market maker's customers.
-- An account's trade with itself is always listed: self-trade prevention should not let it happen.
--
-- :min_trades = 4                  fewer trades between two accounts are chance
-- :min_matched_percent = 80
-- :min_volume_percent = 50
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    trades from this moment on
-- :to = '2100-01-01 00:00:00'      trades before this moment
WITH
    fills AS
    (
        SELECT symbol, quantity, quote_quantity, aggressor_side, taker_account, maker_account
        FROM trades FINAL
        WHERE ({symbol:String} = '' OR symbol = {symbol:String})
            AND time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
    ),
    pairs AS
    (
        SELECT
            symbol,
            least(taker_account, maker_account) AS first_account,
            greatest(taker_account, maker_account) AS second_account,
            count() AS trades,
            sum(quantity) AS volume,
            sum(quote_quantity) AS quote_volume,
            sumIf(quantity, if(aggressor_side = 'BUY', taker_account, maker_account) = first_account) AS first_bought
        FROM fills
        GROUP BY symbol, first_account, second_account
    ),
    totals AS
    (
        SELECT symbol, arrayJoin([taker_account, maker_account]) AS account, sum(quantity) AS volume
        FROM fills
        GROUP BY symbol, account
    )
SELECT
    symbol,
    first_account,
    second_account,
    pairs.trades AS trades,
    pairs.volume AS volume,
    pairs.quote_volume AS quote_volume,
    toBool(first_account = second_account) AS self_trade,
    if(self_trade, 100, 200 * toFloat64(least(first_bought, pairs.volume - first_bought)) / toFloat64(pairs.volume))
        AS matched_percent,
    200 * toFloat64(pairs.volume) / toFloat64(of_first.volume + if(self_trade, 0, of_second.volume))
        AS of_their_volume_percent
FROM pairs
JOIN totals AS of_first ON of_first.symbol = pairs.symbol AND of_first.account = pairs.first_account
JOIN totals AS of_second ON of_second.symbol = pairs.symbol AND of_second.account = pairs.second_account
WHERE self_trade
    OR (trades >= {min_trades:UInt32}
        AND matched_percent >= {min_matched_percent:Float64}
        AND of_their_volume_percent >= {min_volume_percent:Float64})
ORDER BY self_trade DESC, of_their_volume_percent DESC, symbol, first_account, second_account
