-- How much of what each account orders is filled?
--
-- filled_percent is the mean over the account's orders of the part that was filled: parts can be averaged over markets,
-- quantities can't. The whole is the quantity as last amended; for a market buy that was given an amount to spend it is
-- that amount. What the ledger refused never was an order.
--
-- :account = ''                    one account; empty for all
-- :symbol = ''                     one market; empty for all
-- :from = '1970-01-01 00:00:00'    orders opened from this moment on
-- :to = '2100-01-01 00:00:00'      orders opened before this moment
WITH
    placed AS
    (
        SELECT
            account,
            -- Only the opening says which market the order is for.
            anyIf(order_events.symbol, event = 'order_opened') AS market,
            anyIf(time, event = 'order_opened') AS opened,
            argMaxIf(
                order_events.quantity, (entry_sequence, event_index), event IN ('order_opened', 'order_amended')
            ) AS wanted_quantity,
            anyIf(max_quote, event = 'order_opened') AS wanted_quote,
            sumIf(assumeNotNull(order_events.quantity), event = 'order_filled') AS filled_quantity,
            sumIf(assumeNotNull(quote_quantity), event = 'order_filled') AS filled_quote,
            countIf(event = 'order_closed' AND status = 'FILLED') AS closings_filled
        FROM order_events FINAL
        WHERE order_id != '' AND ({account:String} = '' OR account = {account:String})
        GROUP BY account, order_id
        HAVING countIf(event = 'order_opened') > 0 AND ({symbol:String} = '' OR market = {symbol:String})
            AND opened >= {from:DateTime64(3, 'UTC')} AND opened < {to:DateTime64(3, 'UTC')}
    )
SELECT
    account,
    count() AS orders,
    countIf(closings_filled > 0) AS filled,
    countIf(closings_filled = 0 AND filled_quantity > 0) AS partly_filled,
    countIf(filled_quantity = 0) AS not_filled,
    100 * (filled + partly_filled) / orders AS orders_with_a_fill_percent,
    100 * avg(
        if(wanted_quantity IS NULL, toFloat64(filled_quote), toFloat64(filled_quantity))
        / toFloat64(assumeNotNull(ifNull(wanted_quantity, wanted_quote)))
    ) AS filled_percent
FROM placed
GROUP BY account
ORDER BY orders DESC, account
SETTINGS optimize_aggregation_in_order = 1 -- orders lie in this order: memory does not grow with their number
