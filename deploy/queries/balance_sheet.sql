-- Does all that is owed and owned in each asset sum to zero?
--
-- What the exchange owes to its accounts (free, reserved and in withdrawals under way) and has earned in fees came in from
-- the world, so the world's book is what it holds, negative. Clearing books are zero when every trade's two legs are
-- settled. Each asset ends with the sum of all its postings: anything but zero is an error.
--
-- :asset = ''                      one asset; empty for all
-- :accounts = 20                   the so many largest accounts of each asset stand by themselves, the others in one line
-- :to = '2100-01-01 00:00:00'      the books before this moment
WITH
    books AS
    (
        SELECT
            asset,
            splitByChar(':', book)[1] AS kind,
            if(kind IN ('free', 'reserved', 'pending'), 'accounts', kind) AS section,
            substring(book, length(kind) + 2) AS owner,
            sum(amount) AS balance
        FROM postings FINAL
        WHERE ({asset:String} = '' OR asset = {asset:String}) AND time < {to:DateTime64(3, 'UTC')}
        GROUP BY asset, book
    ),
    owners AS
    (
        SELECT
            asset,
            section,
            owner,
            sum(balance) AS amount,
            row_number() OVER (PARTITION BY asset, section ORDER BY amount DESC, owner) AS place
        FROM books
        GROUP BY asset, section, owner
    ),
    lines AS
    (
        SELECT
            asset,
            section,
            if(section = 'accounts' AND place > {accounts:UInt32}, '', owner) AS owner,
            count() AS owners,
            sum(amount) AS amount
        FROM owners
        GROUP BY ALL
        UNION ALL
        SELECT asset, 'sum', '', 0, sum(balance)
        FROM books
        GROUP BY asset
    )
SELECT
    asset,
    section,
    if(section = 'accounts' AND owner = '', concat(toString(owners), ' other accounts'), owner) AS of,
    lines.amount AS amount
FROM lines
ORDER BY
    asset,
    indexOf(['accounts', 'clearing', 'fees', 'world', 'sum'], section),
    owner = '',
    lines.amount DESC,
    of
