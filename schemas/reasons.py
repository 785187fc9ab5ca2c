"""Every reason why something is refused, in one place: stable codes for programs, a sentence for people."""

from enum import StrEnum


class Reason(StrEnum):
    """A stable reason code. Codes are never renamed or reused; `TEXTS` says each one in words."""

    # what can be seen from the bytes alone
    NOT_JSON = "NOT_JSON"
    DUPLICATE_FIELD = "DUPLICATE_FIELD"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    MISSING_FIELD = "MISSING_FIELD"
    WRONG_TYPE = "WRONG_TYPE"
    NOT_CANONICAL = "NOT_CANONICAL"
    BAD_DECIMAL = "BAD_DECIMAL"
    NOT_POSITIVE = "NOT_POSITIVE"
    TOO_LARGE = "TOO_LARGE"
    BAD_CLIENT_ORDER_ID = "BAD_CLIENT_ORDER_ID"
    BAD_COMBINATION = "BAD_COMBINATION"
    RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
    # who says so
    NO_SIGNATURE = "NO_SIGNATURE"
    BAD_KEY = "BAD_KEY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    WRONG_ACCOUNT = "WRONG_ACCOUNT"
    WRONG_EXCHANGE = "WRONG_EXCHANGE"
    DELEGATION_EXPIRED = "DELEGATION_EXPIRED"
    KEY_REVOKED = "KEY_REVOKED"
    NOT_OPERATOR = "NOT_OPERATOR"
    ROOT_KEY_REQUIRED = "ROOT_KEY_REQUIRED"
    # when, and whether again
    TOO_OLD = "TOO_OLD"
    TOO_NEW = "TOO_NEW"
    WINDOW_TOO_LONG = "WINDOW_TOO_LONG"
    NONCE_REUSED = "NONCE_REUSED"
    NONCE_TOO_OLD = "NONCE_TOO_OLD"
    DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"
    DUPLICATE_TRANSFER = "DUPLICATE_TRANSFER"
    # the market's terms
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    MARKET_NOT_OPEN = "MARKET_NOT_OPEN"
    MARKET_HALTED = "MARKET_HALTED"
    OFF_TICK = "OFF_TICK"
    OFF_LOT = "OFF_LOT"
    BELOW_MIN_QUANTITY = "BELOW_MIN_QUANTITY"
    ABOVE_MAX_QUANTITY = "ABOVE_MAX_QUANTITY"
    BELOW_MIN_NOTIONAL = "BELOW_MIN_NOTIONAL"
    OUTSIDE_PRICE_BAND = "OUTSIDE_PRICE_BAND"
    NOTIONAL_OVERFLOW = "NOTIONAL_OVERFLOW"
    STALE_REVISION = "STALE_REVISION"
    BAD_LISTING = "BAD_LISTING"
    # halts and busts
    DUPLICATE_HALT = "DUPLICATE_HALT"
    TOO_MANY_HALTS = "TOO_MANY_HALTS"
    UNKNOWN_TRADE = "UNKNOWN_TRADE"
    TRADE_DIFFERS = "TRADE_DIFFERS"
    ALREADY_BUSTED = "ALREADY_BUSTED"
    TOO_MANY_BUSTS = "TOO_MANY_BUSTS"
    # the account
    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"
    REGISTRATION_CLOSED = "REGISTRATION_CLOSED"
    UNKNOWN_ASSET = "UNKNOWN_ASSET"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    BALANCE_OVERFLOW = "BALANCE_OVERFLOW"
    TOO_MANY_OPEN_ORDERS = "TOO_MANY_OPEN_ORDERS"
    TOO_MANY_PENDING_AMENDS = "TOO_MANY_PENDING_AMENDS"
    TOO_MANY_KEYS = "TOO_MANY_KEYS"
    TOO_MANY_TRANSFERS = "TOO_MANY_TRANSFERS"
    TOO_MANY_WITHDRAWALS = "TOO_MANY_WITHDRAWALS"
    BAD_TIMEOUT = "BAD_TIMEOUT"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    UNKNOWN_WITHDRAWAL = "UNKNOWN_WITHDRAWAL"
    # the order
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_CLOSED = "ORDER_CLOSED"
    WOULD_TAKE = "WOULD_TAKE"
    AMEND_BELOW_FILLED = "AMEND_BELOW_FILLED"
    NOT_AMENDABLE = "NOT_AMENDABLE"
    NOT_FUNDED = "NOT_FUNDED"
    ALREADY_EXPIRED = "ALREADY_EXPIRED"
    # why an order left the book, where its status alone doesn't say
    TIME_IN_FORCE = "TIME_IN_FORCE"
    VALID_UNTIL = "VALID_UNTIL"
    SELF_TRADE = "SELF_TRADE"
    DELISTED = "DELISTED"
    # the log
    NO_GENESIS = "NO_GENESIS"
    GENESIS_EXISTS = "GENESIS_EXISTS"
    WRONG_PARTITION = "WRONG_PARTITION"
    UNKNOWN_RECORD = "UNKNOWN_RECORD"
    BUCKET_CLOSED = "BUCKET_CLOSED"
    # only the gateway says these
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    WRONG_CONTENT_TYPE = "WRONG_CONTENT_TYPE"
    BAD_PARAMETER = "BAD_PARAMETER"
    RATE_LIMITED = "RATE_LIMITED"
    OVERLOADED = "OVERLOADED"
    STORAGE_FULL = "STORAGE_FULL"
    LOG_UNAVAILABLE = "LOG_UNAVAILABLE"
    NOT_READY = "NOT_READY"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    NO_LIQUIDITY = "NO_LIQUIDITY"
    HISTORY_UNAVAILABLE = "HISTORY_UNAVAILABLE"
    UNKNOWN_INTERVAL = "UNKNOWN_INTERVAL"
    BAD_RANGE = "BAD_RANGE"
    NO_DEMONSTRATION = "NO_DEMONSTRATION"
    UNKNOWN_STREAM = "UNKNOWN_STREAM"
    UNKNOWN_METHOD = "UNKNOWN_METHOD"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"


TEXTS: dict[Reason, str] = {
    Reason.NOT_JSON: "The body is not one JSON object.",
    Reason.DUPLICATE_FIELD: "A field stands twice in one object.",
    Reason.UNKNOWN_FIELD: "There is a field that this command does not have.",
    Reason.MISSING_FIELD: "A required field is missing.",
    Reason.WRONG_TYPE: "A field has the wrong type; numbers with decimals are strings.",
    Reason.NOT_CANONICAL: "The bytes are not the canonical form of the command.",
    Reason.BAD_DECIMAL: "A number is not a plain decimal string such as 12.5.",
    Reason.NOT_POSITIVE: "Price, quantity and amount must be above zero.",
    Reason.TOO_LARGE: "A number is above 2^63 - 1 in its unit.",
    Reason.BAD_CLIENT_ORDER_ID: "A client order id has 1 to 36 characters of A-Z a-z 0-9 . _ : -",
    Reason.BAD_COMBINATION: "These fields do not go together.",
    Reason.RECORD_TOO_LARGE: "The command is longer than 4,096 bytes.",
    Reason.NO_SIGNATURE: "The command is not signed.",
    Reason.BAD_KEY: "The public key is malformed, of small order, or of an unknown kind.",
    Reason.BAD_SIGNATURE: "The signature does not fit the bytes and the key.",
    Reason.WRONG_ACCOUNT: "The key does not belong to this account.",
    Reason.WRONG_EXCHANGE: "The command was signed for another exchange.",
    Reason.DELEGATION_EXPIRED: "The trade key's delegation has expired.",
    Reason.KEY_REVOKED: "The trade key was revoked or never registered.",
    Reason.NOT_OPERATOR: "Only the operator's key may sign this.",
    Reason.ROOT_KEY_REQUIRED: "Only the account's root key may sign this.",
    Reason.TOO_OLD: "The command's deadline has passed.",
    Reason.TOO_NEW: "The command's time lies more than a second ahead of the exchange's.",
    Reason.WINDOW_TOO_LONG: "The deadline must lie after the time and at most 60 seconds after it.",
    Reason.NONCE_REUSED: "The account has used this nonce already.",
    Reason.NONCE_TOO_OLD: "The nonce lies 1,024 or more below the account's highest.",
    Reason.DUPLICATE_CLIENT_ORDER_ID: "The account used this client order id for another command.",
    Reason.DUPLICATE_TRANSFER: "This transfer id was booked already.",
    Reason.UNKNOWN_SYMBOL: "There is no such market.",
    Reason.MARKET_NOT_OPEN: "The market does not take this command in its present state.",
    Reason.MARKET_HALTED: "The market is halted; orders can be cancelled.",
    Reason.OFF_TICK: "The price is not a multiple of the tick.",
    Reason.OFF_LOT: "The quantity is not a multiple of the lot.",
    Reason.BELOW_MIN_QUANTITY: "The quantity is below the market's minimum.",
    Reason.ABOVE_MAX_QUANTITY: "The quantity is above the market's maximum.",
    Reason.BELOW_MIN_NOTIONAL: "Price times quantity is below the market's minimum.",
    Reason.OUTSIDE_PRICE_BAND: "The price lies outside the market's price band.",
    Reason.NOTIONAL_OVERFLOW: "Price times quantity, with its fee, exceeds 2^63 - 1 minor units.",
    Reason.STALE_REVISION: "The market already has this revision or a later one.",
    Reason.BAD_LISTING: "The market's terms contradict each other or its fixed terms.",
    Reason.DUPLICATE_HALT: "The market had this halt before, or it was resumed already.",
    Reason.TOO_MANY_HALTS: "The market has had as many halts as it may have.",
    Reason.UNKNOWN_TRADE: "The market has had no such trade.",
    Reason.TRADE_DIFFERS: "The trade contradicts itself: its numbers do not fit each other or the market's grid.",
    Reason.ALREADY_BUSTED: "The trade was busted before.",
    Reason.TOO_MANY_BUSTS: "The market has had as many busts as it may have.",
    Reason.UNKNOWN_ACCOUNT: "There is no such account.",
    Reason.ACCOUNT_EXISTS: "The account is registered already.",
    Reason.REGISTRATION_CLOSED: "Accounts are admitted by the operator on this exchange.",
    Reason.UNKNOWN_ASSET: "No market trades this asset.",
    Reason.INSUFFICIENT_FUNDS: "The free balance does not cover this.",
    Reason.BALANCE_OVERFLOW: "The balance would exceed 2^63 - 1 minor units.",
    Reason.TOO_MANY_OPEN_ORDERS: "The account has as many open orders as it may have.",
    Reason.TOO_MANY_PENDING_AMENDS: "Too many amends of this order are under way.",
    Reason.TOO_MANY_KEYS: "The account has as many trade keys as it may have.",
    Reason.TOO_MANY_TRANSFERS: "The account has had as many deposits as it may have.",
    Reason.TOO_MANY_WITHDRAWALS: "Too many withdrawals wait for settlement.",
    Reason.BAD_TIMEOUT: "A timeout has 1,000 to 86,400,000 milliseconds, or is 0.",
    Reason.UNKNOWN_KEY: "The account has no such trade key.",
    Reason.UNKNOWN_WITHDRAWAL: "No such withdrawal waits for settlement.",
    Reason.UNKNOWN_ORDER: "The account has no such order.",
    Reason.ORDER_CLOSED: "The order is no longer open.",
    Reason.WOULD_TAKE: "A post-only order may not take liquidity.",
    Reason.AMEND_BELOW_FILLED: "The new quantity is not above what is filled already.",
    Reason.NOT_AMENDABLE: "Market orders cannot be amended.",
    Reason.NOT_FUNDED: "The order did not come through the ledger.",
    Reason.ALREADY_EXPIRED: "valid_until_ms lies in the past.",
    Reason.TIME_IN_FORCE: "What could not be filled at once has expired.",
    Reason.VALID_UNTIL: "The order's time has come.",
    Reason.SELF_TRADE: "The order met one of its own account.",
    Reason.DELISTED: "The market was delisted.",
    Reason.NO_GENESIS: "The partition has no genesis record yet.",
    Reason.GENESIS_EXISTS: "The partition has its genesis record already.",
    Reason.WRONG_PARTITION: "The record belongs on another partition.",
    Reason.UNKNOWN_RECORD: "The record is of no known kind.",
    Reason.BUCKET_CLOSED: "The trade is of a time whose candle is closed already.",
    Reason.BODY_TOO_LARGE: "The body is longer than 64 KiB.",
    Reason.WRONG_CONTENT_TYPE: "Send application/json.",
    Reason.BAD_PARAMETER: "A path or query parameter is malformed.",
    Reason.RATE_LIMITED: "Too many requests; see Retry-After.",
    Reason.OVERLOADED: "The gateway has more to do than it can; nothing was sent. See Retry-After.",
    Reason.STORAGE_FULL: "The exchange's disk is nearly full; nothing was accepted.",
    Reason.LOG_UNAVAILABLE: "The log cannot be written now; nothing was accepted.",
    Reason.NOT_READY: "The gateway is still reading its state; try again in a moment.",
    Reason.NOT_FOUND: "There is nothing here.",
    Reason.METHOD_NOT_ALLOWED: "This path does not take this method.",
    Reason.INTERNAL_ERROR: "The gateway failed; nothing was sent to the log.",
    Reason.NO_LIQUIDITY: "The book does not hold this much.",
    Reason.HISTORY_UNAVAILABLE: "What was asked for is too old to be answered in full now.",
    Reason.UNKNOWN_INTERVAL: "There are no candles of this interval.",
    Reason.BAD_RANGE: "The range ends before it begins, or is given from both sides.",
    Reason.NO_DEMONSTRATION: "Demonstration accounts are for a local system, and are not offered here.",
    Reason.UNKNOWN_STREAM: "There is no such stream.",
    Reason.UNKNOWN_METHOD: "There is no such method.",
    Reason.TOO_MANY_STREAMS: "The connection, or this process, has as many of these streams as it may have.",
}
