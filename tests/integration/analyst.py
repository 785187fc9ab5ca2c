"""An analyst: puts a made-up history into a real ClickHouse, and asks the questions of deploy/queries of it."""

import itertools
from typing import Any

from glassbook.clickhouse import access
from glassbook.clickhouse_keys import SINK
from glassbook.report_questions import questions
from glassbook.settings import Settings
from sinks.migrations import read_migrations
from tests.integration.made_up_history import History, Row

Answer = list[dict[str, Any]]
QUESTIONS = {question.name: question for question in questions()}


class Analyst:
    """Asks the questions of the history that ClickHouse holds."""

    def __init__(self, settings: Settings) -> None:
        self._writer, self._reader = access(settings, SINK).client(), access(settings).client()
        self._shown: History | None = None
        self.make_tables()

    def make_tables(self) -> None:
        """Those that aren't there."""
        for migration in read_migrations():
            for statement in migration.statements:
                self._writer.command(statement)

    def drop(self, table: str) -> None:
        self._writer.command(f"DROP TABLE {table}")
        self._shown = None

    def show(self, history: History) -> "Analyst":
        """Puts this history in the place of the one before."""
        if history is not self._shown:
            for table, rows in history.tables().items():
                self._writer.command(f"TRUNCATE TABLE {table}")
                # Twice: what was sent again after a crash may lie in another part, and must not count.
                self._insert(table, rows)
                self._insert(table, rows)
        self._shown = history
        return self

    def _insert(self, table: str, rows: list[Row]) -> None:
        for columns, alike in itertools.groupby(sorted(rows, key=sorted), key=sorted):
            self._writer.insert(table, [[row[column] for column in columns] for row in alike], columns)

    def ask(self, name: str, **given: str) -> Answer:
        question = QUESTIONS[name]
        return list(self._reader.query(question.sql, parameters=question.values(given)).named_results())
