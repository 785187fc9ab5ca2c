"""Exactness: how a pure core becomes a stage that a crash can't hurt.

`partition.py` (pure) numbers, repeats and suppresses; `snapshots.py` (pure) cuts and joins state; `service.py` runs the
commit order over a `log.py` port; `kafka_log.py` and `kafka_reader.py` are that port on the real broker.
"""
