"""What an order costs, and what that depends on: load, partitions and processes, resting orders.

`parts.py` measures, with `glassbook load`'s own runs and the engine's benchmark; `found.py` is what was found. From it
alone come the words (`bends.py`), the charts and the page: a reason for a bend is computed, or it is not given.
"""
