"""How long each table keeps its rows. A change is one ALTER, and only where the table doesn't have it already.

The tables drop whole parts and recalculate ages without rewriting rows (their settings say so), so that neither a
change nor growing old costs more than looking at a column of times.
"""

import re
from collections.abc import Mapping

import structlog

from sinks.store import Store

logger = structlog.get_logger()
# Table → the time by which its rows grow old.
TIMES = {"trades": "time", "candles": "open_time", "order_events": "time", "postings": "time", "alerts": "time"}
_TTL = re.compile(r" TTL (.+?)(?: SETTINGS |$)")


def apply_retention(store: Store, days: Mapping[str, int]) -> list[str]:
    """Table → days, 0 for ever. Returns the names of the tables that were changed."""
    names = ", ".join(f"'{name}'" for name in TIMES)
    found = store.rows(
        f"SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND name IN ({names})"
    )
    changed = []
    for name, engine in found:
        kept = _TTL.search(engine)
        wanted = f"toDateTime({TIMES[name]}) + toIntervalDay({days[name]})" if days.get(name) else None
        if (kept[1] if kept else None) == wanted:
            continue
        store.run(f"ALTER TABLE {name} {f'MODIFY TTL {wanted}' if wanted else 'REMOVE TTL'}")
        logger.info("retention changed", table=name, days=days.get(name, 0))
        changed.append(str(name))
    return changed
