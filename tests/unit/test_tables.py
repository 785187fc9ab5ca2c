"""Tables on narrow terminals and in pipes: no figure is ever cut."""

import pytest
from rich.table import Table

from glassbook.tables import print_table

AMOUNT = "123456789.123456789012345678"


def table() -> Table:
    made = Table("asset", "amount")
    made.add_row("USDT", AMOUNT)
    return made


def test_in_a_pipe_a_row_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    print_table(table())
    assert [line for line in capsys.readouterr().out.splitlines() if "USDT" in line and AMOUNT in line]


def test_on_a_narrow_terminal_a_cell_is_folded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    print_table(table())
    said = capsys.readouterr().out
    assert AMOUNT not in said and "…" not in said
    cells = [line.split("│")[2].strip() for line in said.splitlines() if line.startswith("│")]
    assert "".join(cells) == AMOUNT
