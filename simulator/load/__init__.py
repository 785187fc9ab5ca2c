"""B3's traffic on a running exchange, through its real doors: `glassbook load`.

`generator.py` is one process that sends, `sending.py` has them all send; `run.py` puts a run on an exchange together;
`verdict.py` says what it showed. What decides who sends what and when (`mix.py`, `schedule.py`, `flow.py`) is pure, and
follows from a seed.
"""
