"""The questions of `deploy/queries`: one SQL file each, which says in its leading comment what it asks and may be told.

The comment's first paragraph is the question in words, what follows are notes, and a line `-- :name = 'value'  text` is
a parameter with its default. The SQL takes it as ClickHouse's own `{name:Type}`, so that values never become SQL.
"""

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from glassbook.errors import GlassbookError

QUERIES = Path(__file__).parent.parent / "deploy" / "queries"
# As an analyst reads them: what was traded, by whom, and whether it all adds up.
ORDER = (
    "vwap", "traded_range", "top_symbols", "volatility", "order_to_trade_ratio", "fill_ratio", "maker_taker_share",
    "wash_trade_suspects", "candle_gaps", "balance_sheet",
)  # fmt: skip

_PARAMETER = re.compile(r":(?P<name>[a-z_]+) = (?P<quote>'?)(?P<default>.*?)(?P=quote)(?:\s{2,}(?P<text>.*))?$")
_PLACE = re.compile(r"\{([a-z_]+):[^}]+\}")


class Parameter(NamedTuple):
    name: str
    default: str
    text: str


class Question(NamedTuple):
    name: str
    text: str
    notes: str
    parameters: tuple[Parameter, ...]
    sql: str

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize().replace("Vwap", "VWAP")

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Its parameters' values: what is given where it has such a parameter, its default elsewhere."""
        return {parameter.name: given.get(parameter.name, parameter.default) for parameter in self.parameters}


def questions(folder: Path = QUERIES) -> list[Question]:
    return [read_question(folder / f"{name}.sql") for name in ORDER]


def read_question(path: Path) -> Question:
    """Raises GlassbookError for a file that isn't written as the module says."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise GlassbookError(f"can't read the query {path}: {error.strerror}") from error
    length = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    comment = [line.removeprefix("--").strip() for line in lines[:length]]
    parameters = [Parameter(*_parameter(path, line)) for line in comment if line.startswith(":")]
    paragraphs = "\n".join(line for line in comment if not line.startswith(":")).split("\n\n")
    text, *notes = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()] or [""]
    sql = "\n".join(lines[length:])
    if not text or not sql.strip():
        raise GlassbookError(f"{path} needs its question as a leading comment, and then SQL")
    asked, told = set(_PLACE.findall(sql)), {parameter.name for parameter in parameters}
    if asked != told:
        raise GlassbookError(f"{path}: its SQL and its comment differ in parameters: {', '.join(sorted(asked ^ told))}")
    return Question(path.stem, text, " ".join(notes), tuple(parameters), sql)


def defaults(sql: str) -> dict[str, str]:
    """What anybody's SQL says of its parameters in its leading comment: name → default."""
    comment = takewhile(lambda line: line.startswith("--"), sql.splitlines())
    found = filter(None, (_PARAMETER.match(line.removeprefix("--").strip()) for line in comment))
    return {parameter["name"]: parameter["default"] for parameter in found}


def _parameter(path: Path, line: str) -> tuple[str, str, str]:
    found = _PARAMETER.match(line)
    if found is None:
        raise GlassbookError(f"{path}: this is no parameter: {line}")
    return found["name"], found["default"], found["text"] or ""
