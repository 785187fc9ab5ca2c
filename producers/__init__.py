"""The order gateway: signed commands in over REST, onto the log, and the log's own answer back.

It owns no state: `view.py` and `books.py` (pure) show what the log says, `intake.py` (pure) what a command's bytes say.
It refuses only what can be told from the command itself and the market's terms; nonces, funds and limits are judged by
the ledger, where there is an order between them.
"""
