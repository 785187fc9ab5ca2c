"""Where an INSERT ends and its data begin, and where a statement's FORMAT stands: lexical questions only.

Nothing rests on them but convenience. What a statement means is for the engine's own parser to say (`gate.py`).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    rb"""
      (?P<blank>\s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z))
    | (?P<text>'(?:[^'\\]|\\.|'')*(?:'|\Z) | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<quoted>`(?:[^`\\]|\\.|``)*(?:`|\Z) | "(?:[^"\\]|\\.|"")*(?:"|\Z))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>\d[\w.]*)
    | (?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_DATA_BEGINS = re.compile(rb"[ \t\f]*\r?\n?")
_OPENING, _CLOSING = b"([{", b")]}"


class Token(NamedTuple):
    kind: str
    text: bytes
    start: int
    end: int
    depth: int  # brackets open around it

    def says(self, *words: str) -> bool:
        return self.kind == "word" and self.text.decode().upper() in words


class Insert(NamedTuple):
    """`head` names table and columns, `settings` is its clause; the data in `format` begin at `data` of the whole."""

    head: bytes
    settings: bytes
    format: str
    data: int


class Selecting(NamedTuple):
    """INSERT ... SELECT ... FROM input('structure') FORMAT x: `before` and `after` are around input(...)."""

    before: bytes
    structure: bytes  # the literal, with its quotes
    after: bytes
    format: str
    data: int


def tokens(sql: bytes) -> Iterator[Token]:
    """All but white space and comments. Linear; lazy, so that data behind a head are not looked at."""
    depth = 0
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "", found.group()
        if kind == "tag":
            kind = "text"
        if kind == "blank":
            continue
        if kind == "sign" and text in _CLOSING:
            depth -= 1
        yield Token(kind, text, found.start(), found.end(), depth)
        if kind == "sign" and text in _OPENING:
            depth += 1


def first_words(sql: bytes, count: int) -> list[str]:
    """The first so many tokens, in capitals."""
    return [token.text.decode(errors="replace").upper() for token, _ in zip(tokens(sql), range(count), strict=False)]


def split_insert(sql: bytes) -> Insert | Selecting | None:
    """None if this is no INSERT, or one without data of its own. Looks at the head alone, however long the data."""
    found = tokens(sql)
    if (first := next(found, None)) is None or not first.says("INSERT"):
        return None
    token = _behind_target(found)
    data_from: tuple[Token, Token, Token] | None = None
    selecting, settings = False, 0
    last: list[Token] = []
    while token is not None:
        last = [*last[-3:], token]
        if len(last) == 4 and last[0].says("INPUT") and last[2].kind == "text" and token.text == b")":
            data_from = (last[0], last[2], token)
        selecting = selecting or token.says("SELECT", "WITH")
        if token.depth == 0 and token.says("SETTINGS") and not settings:
            settings = token.start
        if token.depth == 0 and token.says("VALUES") and not selecting:
            return Insert(*_head(sql, settings, token.start), "Values", token.end)
        if token.depth == 0 and token.says("FORMAT"):
            name = next(found, None)
            if name is None or name.kind != "word":
                return None
            begin = _DATA_BEGINS.match(sql, name.end)
            data = begin.end() if begin else name.end
            if data_from is None:
                return None if selecting else Insert(*_head(sql, settings, token.start), name.text.decode(), data)
            opened, structure, closed = data_from
            around = sql[: opened.start], structure.text, sql[closed.end : token.start]
            return Selecting(*around, name.text.decode(), data)
        if token.says("INFILE"):
            return None
        token = next(found, None)
    return None


def _head(sql: bytes, settings: int, end: int) -> tuple[bytes, bytes]:
    return (sql[:settings], sql[settings:end]) if settings else (sql[:end], b"")


def _behind_target(found: Iterator[Token]) -> Token | None:
    """The first token behind INTO [TABLE] [FUNCTION] name: the name may be any word, FORMAT and VALUES as well."""
    token = next(found, None)
    while token is not None and token.says("INTO", "TABLE", "FUNCTION"):
        token = next(found, None)
    token = next(found, None)
    while token is not None and token.text == b".":
        next(found, None)
        token = next(found, None)
    return token


def place_of_output(sql: bytes) -> tuple[bytes, bytes]:
    """Where INTO OUTFILE would stand: what comes before, and the FORMAT clause and what follows, if there is one."""
    end, output = 0, None
    last: list[Token] = []
    for token in tokens(sql):
        if token.depth == 0 and token.text == b";":
            break
        if len(last) == 2 and last[0].says("FORMAT") and last[1].kind == "word" and token.says("SETTINGS"):
            output = last[0].start
        last = [*last[-1:], token]
        end = token.end
    if len(last) == 2 and last[0].says("FORMAT") and last[0].depth == 0 and last[1].kind == "word":
        output = last[0].start
    return (sql[:end], b"") if output is None else (sql[:output], sql[output:end])
