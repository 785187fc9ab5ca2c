"""Tables on the terminal. An amount that is cut off would be another amount, so nothing ever is."""

from rich.console import Console
from rich.table import Table

UNLIMITED_WIDTH = 10_000


def print_table(table: Table) -> None:
    """Folds cells where the terminal is too narrow. In a pipe or a file, lines are as long as they need to be."""
    for column in table.columns:
        column.overflow = "fold"
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNLIMITED_WIDTH
    console.print(table)
