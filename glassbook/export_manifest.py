"""What an export holds: `manifest.json` beside one Parquet file a partition. docs/verify.md describes it for outsiders.

A manifest is read as what a stranger wrote: names are held to their form, so that no file outside the folder is opened.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from glassbook.errors import GlassbookError
from glassbook.verify_hash import PartitionHash, hash_of_all
from glassbook.verify_source import EXPORTED, Bounds, Place
from schemas.topics import JUDGED

FORMAT = "glassbook-export"
VERSION = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_PARTITIONS = 100_000
FILE_NAME = re.compile(r"(?P<topic>[a-z]+)-(?P<partition>0|[1-9][0-9]{0,5})\.parquet")

COLUMNS: Any = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("log_time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
    ]
)


class ExportedFile(msgspec.Struct, frozen=True):
    """`sha256` is the file's; `records_sha256` its records' (see verify_hash). Offsets: the first, and behind the last
    that the partition had."""

    file: str
    topic: str
    partition: int
    first: int
    end: int
    records: int
    bytes: int
    sha256: str
    records_sha256: str

    @property
    def place(self) -> Place:
        return self.topic, self.partition

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.first, self.end)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: str = FORMAT
    version: int = VERSION
    exchange: str
    topics: list[str]
    hash: str = ""  # of the records of the topics that `glassbook verify` checks; empty where one of them is left out
    files: list[ExportedFile]


def file_name(place: Place) -> str:
    return f"{place[0]}-{place[1]}.parquet"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of_checked(partitions: list[PartitionHash]) -> str:
    """As `glassbook verify` gives it of all that was exported."""
    if not set(JUDGED) <= {partition.topic for partition in partitions}:
        return ""
    return hash_of_all(partition for partition in partitions if partition.topic in JUDGED)


def read_manifest(folder: Path) -> Manifest:
    """Raises GlassbookError where it is missing, damaged, of another format, or names what it may not."""
    path = folder / MANIFEST
    try:
        size = path.stat().st_size
        if size > MAX_MANIFEST_BYTES:
            raise GlassbookError(f"{path} has {size} bytes: no export has such a manifest")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise GlassbookError(f"there is no {path}: is {folder} a folder that `glassbook export` wrote?") from None
    except OSError as error:
        raise GlassbookError(f"{path} can't be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise GlassbookError(f"{path} is damaged: {error}") from None
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise GlassbookError(
            f"{path} is of format {manifest.format} {manifest.version}, and this reads {FORMAT} {VERSION}"
        )
    _check_files(manifest, path)
    return manifest


def _check_files(manifest: Manifest, path: Path) -> None:
    seen: set[Place] = set()
    for file in manifest.files:
        named = FILE_NAME.fullmatch(file.file)
        if named is None or named["topic"] not in EXPORTED or file.file != file_name(file.place):
            raise GlassbookError(f"{path} names a file {file.file!r} for {file.topic}-{file.partition}: it is damaged")
        if file.place in seen:
            raise GlassbookError(f"{path} names {file.file} twice: it is damaged")
        if not 0 <= file.first <= file.end or not 0 <= file.records <= file.end - file.first:
            raise GlassbookError(f"{path} says of {file.file} what can't be: it is damaged")
        seen.add(file.place)
    for topic in manifest.topics:
        numbers = sorted(partition for name, partition in seen if name == topic)
        if not numbers or numbers != list(range(len(numbers))):
            raise GlassbookError(f"{path} names {topic} and not all of its partitions: it is damaged")
