"""Exported files as a source. Before the first record is given, every file is held against the manifest."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from glassbook.errors import GlassbookError
from glassbook.export_manifest import COLUMNS, ExportedFile, read_manifest, sha256_of
from glassbook.verify_source import Bounds, LogRecord, Place, order_of
from schemas.topics import JUDGED

ROWS = 2_000  # of each file in memory at once


class FileSource:
    """A folder that `glassbook export` wrote. `say_total` and `step` are told of the files that are hashed first."""

    def __init__(self, folder: Path, say_total: Callable[[int], None], step: Callable[[int], None]) -> None:
        self._folder = folder
        self.manifest = read_manifest(folder)
        missing = [topic for topic in JUDGED if topic not in self.manifest.topics]
        if missing:
            raise GlassbookError(
                f"{folder} holds only {', '.join(self.manifest.topics)}, and to check it takes {', '.join(missing)}"
                " too: export without --topic"
            )
        self._files = {file.place: file for file in self.manifest.files}
        say_total(len(self._files))
        for file in self._files.values():
            self._check(file)
            step(1)

    @property
    def bounds(self) -> Mapping[Place, Bounds]:
        return {place: file.bounds for place, file in self._files.items() if place[0] in JUDGED}

    def where(self, place: Place, offset: int) -> str:
        return f"{self._folder / self._files[place].file}, offset {offset}" if place in self._files else ""

    def records(self, topics: tuple[str, ...]) -> Iterator[LogRecord]:
        streams = [self._timed(file) for place, file in self._files.items() if place[0] in topics]
        for _, record in heapq.merge(*streams, key=lambda timed: timed[0]):
            yield record

    def _timed(self, file: ExportedFile) -> Iterator[tuple[tuple[int, int, Place], LogRecord]]:
        time_ms = 0
        for record in self._of(file):
            time_ms = max(time_ms, record.log_time_ms)
            yield order_of(time_ms, file.place), record

    def _of(self, file: ExportedFile) -> Iterator[LogRecord]:
        path, after = self._folder / file.file, file.first - 1
        try:
            with pq.ParquetFile(path) as parquet:
                for batch in parquet.iter_batches(ROWS):
                    for record in _records(batch, file):
                        if not after < record.offset < file.end or record.partition != file.partition:
                            raise GlassbookError(f"{path}: offset {record.offset} is out of its place")
                        after = record.offset
                        yield record
        except (pa.ArrowException, OSError) as error:
            raise GlassbookError(f"{path} can't be read: {error}") from None

    def _check(self, file: ExportedFile) -> None:
        """That it is the file of which the manifest speaks."""
        path = self._folder / file.file
        try:
            size = path.stat().st_size
            if size != file.bytes:
                raise GlassbookError(f"{path} is damaged: it has {size} bytes, and the manifest says {file.bytes}")
            if sha256_of(path) != file.sha256:
                raise GlassbookError(f"{path} is damaged: its SHA-256 isn't the manifest's")
            with pq.ParquetFile(path) as parquet:
                rows, columns = parquet.metadata.num_rows, parquet.schema_arrow
        except FileNotFoundError:
            raise GlassbookError(f"{path} is missing") from None
        except (pa.ArrowException, OSError) as error:
            raise GlassbookError(f"{path} can't be read: {error}") from None
        if not columns.equals(COLUMNS):
            raise GlassbookError(f"{path} has other columns than an export: {', '.join(columns.names)}")
        if rows != file.records:
            raise GlassbookError(f"{path} holds {rows} records, and the manifest says {file.records}")


def _records(batch: Any, file: ExportedFile) -> Iterator[LogRecord]:
    _, offsets, times, keys, values = batch.columns
    numbers = batch.column(0).to_pylist()
    rows = zip(
        numbers, offsets.to_pylist(), times.cast(pa.int64()).to_pylist(), keys.to_pylist(), values.to_pylist(),
        strict=True,
    )  # fmt: skip
    for partition, offset, time_ms, key, value in rows:
        yield LogRecord(file.topic, partition, offset, time_ms, key, value)
