-- How many messages (orders, amends and cancels) does each market take in for one trade?
--
-- It counts the orders that were opened in the period, with all amends and cancels of them that took effect. Without a
-- trade there is no ratio.
--
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    orders and trades from this moment on
-- :to = '2100-01-01 00:00:00'      orders and trades before this moment
WITH
    placed AS
    (
        SELECT
            -- Only the opening says which market the order is for.
            anyIf(symbol, event = 'order_opened') AS symbol,
            anyIf(time, event = 'order_opened') AS opened,
            countIf(event = 'order_amended') AS amends,
            countIf(event = 'order_closed' AND status = 'CANCELLED') AS cancels
        FROM order_events FINAL
        WHERE order_id != '' AND event IN ('order_opened', 'order_amended', 'order_closed')
        GROUP BY account, order_id
        HAVING countIf(event = 'order_opened') > 0
            AND opened >= {from:DateTime64(3, 'UTC')} AND opened < {to:DateTime64(3, 'UTC')}
    ),
    counted AS
    (
        SELECT symbol, count() AS orders, sum(amends) AS amends, sum(cancels) AS cancels, 0 AS trades
        FROM placed
        GROUP BY symbol
        UNION ALL
        SELECT symbol, 0, 0, 0, count()
        FROM trades FINAL
        WHERE time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}
        GROUP BY symbol
    )
SELECT
    symbol,
    sum(counted.orders) AS orders,
    sum(counted.amends) AS amends,
    sum(counted.cancels) AS cancels,
    sum(counted.trades) AS trades,
    if(trades = 0, NULL, (orders + amends + cancels) / trades) AS messages_per_trade,
    if(trades = 0, NULL, orders / trades) AS orders_per_trade
FROM counted
WHERE {symbol:String} = '' OR symbol = {symbol:String}
GROUP BY symbol
ORDER BY symbol
SETTINGS optimize_aggregation_in_order = 1 -- orders lie in this order: memory does not grow with their number
