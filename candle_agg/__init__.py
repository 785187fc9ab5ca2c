"""Candles: a symbol's trades as open, high, low, close and volumes, in seven intervals.

`candles.py` is the arithmetic and `core.py` the state machine of one `trades` partition; both are pure. Faust carries
the stream (`app.py`, with `runs.py` and `faust_log.py` between it and us); exactness is that of `stage/`.
"""
