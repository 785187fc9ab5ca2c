"""Writes an export: one Parquet file a partition, then the manifest; in a draft beside the folder, renamed at the end.

So a folder holds a whole export or none: who is interrupted leaves only a draft, which the next export clears away.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from glassbook.errors import GlassbookError
from glassbook.export_manifest import (
    COLUMNS,
    FILE_NAME,
    MANIFEST,
    ExportedFile,
    Manifest,
    file_name,
    hash_of_checked,
    sha256_of,
)
from glassbook.verify_hash import PartitionHash, RunningHash
from glassbook.verify_source import Bounds, LogRecord, Place
from glassbook.verify_topics import TopicSource

ROWS = 5_000  # of a partition in memory at once, and in a group of its file
STEP = 5_000
LOCK = "lock"


class _PartitionFile:
    """The file of one partition while it is written."""

    def __init__(self, folder: Path, place: Place, bounds: Bounds) -> None:
        self._path = folder / file_name(place)
        self._place = place
        self._bounds = bounds
        self._writer: Any = pq.ParquetWriter(self._path, COLUMNS, compression="zstd")
        self._rows: list[LogRecord] = []
        self._hash = RunningHash(place)

    def add(self, record: LogRecord) -> None:
        self._hash.add(record)
        self._rows.append(record)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        _, partitions, offsets, times, keys, values = zip(*self._rows, strict=True)
        columns = [
            pa.array(column, kind) for column, kind in
            zip((partitions, offsets, times, keys, values), COLUMNS.types, strict=True)
        ]  # fmt: skip
        self._writer.write_table(pa.Table.from_arrays(columns, schema=COLUMNS))
        self._rows.clear()

    def close(self) -> tuple[ExportedFile, PartitionHash]:
        if self._rows:
            self._flush()
        self._writer.close()
        hashed = self._hash.result()
        written = ExportedFile(
            self._path.name, *self._place, *self._bounds, hashed.records, self._path.stat().st_size,
            sha256_of(self._path), hashed.sha256,
        )  # fmt: skip
        return written, hashed


def export(
    source: TopicSource, topics: Sequence[str], folder: Path, exchange: str, step: Callable[[int], None]
) -> Manifest:
    """Writes all that the source holds of these topics. Raises GlassbookError where the folder isn't for an export."""
    _check_folder(folder)
    try:
        with _draft_of(folder) as draft:
            manifest = _write(source, topics, draft, exchange, step)
            _install(draft, folder)
    except (OSError, pa.ArrowException) as error:
        raise GlassbookError(f"{folder} can't be written: {error}") from None
    return manifest


def _write(
    source: TopicSource, topics: Sequence[str], draft: Path, exchange: str, step: Callable[[int], None]
) -> Manifest:
    files = {place: _PartitionFile(draft, place, bounds) for place, bounds in sorted(source.bounds.items())}
    unsaid = 0
    for record in source.unordered(topics):
        files[record.place].add(record)
        unsaid += 1
        if unsaid == STEP:
            step(unsaid)
            unsaid = 0
    closed = [file.close() for file in files.values()]
    step(unsaid)
    hashed = hash_of_checked([partition for _, partition in closed])
    manifest = Manifest(exchange=exchange, topics=list(topics), hash=hashed, files=[file for file, _ in closed])
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (draft / MANIFEST).write_bytes(encoded + b"\n")
    return manifest


# --- whole or not at all


def _check_folder(folder: Path) -> None:
    """An export may go where nothing is, or where an earlier one is: never over anything else."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise GlassbookError(f"{folder} is no folder: name one that is new, empty, or an earlier export")
    foreign = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
    if foreign:
        raise GlassbookError(
            f"{folder} holds {foreign[0]}, which no export wrote: name a folder that is new or empty, or an earlier"
            " export"
        )


def _is_ours(name: str) -> bool:
    return name == MANIFEST or FILE_NAME.fullmatch(name) is not None


@contextmanager
def _draft_of(folder: Path) -> Iterator[Path]:
    """An empty folder beside it, for this process alone; gone in the end, unless it was renamed."""
    draft = folder.absolute().with_name(f".{folder.absolute().name}.draft")
    draft.mkdir(parents=True, exist_ok=True)
    with (draft / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GlassbookError(f"another export is writing {folder} now") from None
        for left in draft.iterdir():
            if left.name != LOCK:
                left.unlink()
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _install(draft: Path, folder: Path) -> None:
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    (draft / LOCK).unlink()
    former = folder.absolute().with_name(f".{folder.absolute().name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    draft.rename(folder)
    shutil.rmtree(former, ignore_errors=True)
