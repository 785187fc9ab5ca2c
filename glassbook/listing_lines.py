"""Where things stand in a TOML file: the line of a table and of a key in it, which tomllib doesn't tell.

Reads the layout that listings have: a table's header, and each key, begin a line; an inline table is one line, as TOML
demands. For anything laid out otherwise the answer is the line of what surrounds it.
"""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_.-]+))\s*=""")
_INLINE = re.compile(r"\s*\{")


class Lines:
    """Lines count from 1. `index` counts the tables of an array from 0."""

    def __init__(self, text: str) -> None:
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        table, index = "", 0
        counts: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = header[2].strip("\"'")
                index = counts.get(table, 0) if header[1] == "[[" else 0
                counts[table] = index + 1
                self._tables[table, index] = number
            elif _INLINE.match(line):
                index = counts.get(table, 0)
                counts[table] = index + 1
                self._tables[table, index] = number
            elif key := _KEY.match(line):
                name = next(name for name in key.groups() if name is not None)
                if table:
                    self._keys[table, index, name] = number
                else:
                    self._tables[name, 0] = number
                    table = name if line.rstrip().endswith("[") else ""

    def table(self, name: str, index: int = 0) -> int:
        """The line of a table's header; 1 where there is none."""
        return self._tables.get((name, index)) or self._tables.get((name, 0)) or 1

    def key(self, table: str, name: str, index: int = 0) -> int:
        """The line of a key, or of its table."""
        return self._keys.get((table, index, name)) or self.table(table, index)
