"""Exported files: what one writes another checks; whatever is damaged is refused with its reason, never judged."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glassbook.errors import GlassbookError
from glassbook.export import export
from glassbook.export_manifest import COLUMNS, MANIFEST, sha256_of
from glassbook.export_read import FileSource
from glassbook.verify import Outcome, Verification, Wanted
from schemas.topics import ACCOUNTS, DEPTH, JUDGED, TRADES
from tests.unit.verified_log import LogSource, exported, recorded

LOG, EVERY = recorded(2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exported(LOG, EVERY, tmp_path / "history")
    return tmp_path / "history"


def opened(folder: Path) -> FileSource:
    return FileSource(folder, lambda total: None, lambda count: None)


def test_files_and_log_agree_on_the_hash(folder: Path) -> None:
    source = opened(folder)
    report = Verification(source, Wanted()).run(lambda count: None)
    of_the_log = Verification(LogSource(LOG, EVERY), Wanted()).run(lambda count: None)
    assert report.outcome is Outcome.EXACT
    assert report.hash == of_the_log.hash == source.manifest.hash
    assert list(source.records(JUDGED)) == list(LogSource(LOG, EVERY).records(JUDGED))


def test_the_files_are_read_by_arrow_alone(folder: Path) -> None:
    table = pq.read_table(folder / "trades-0.parquet")
    assert table.schema.equals(COLUMNS)
    assert table["value"].to_pylist() == [record.value for record in LOG[TRADES, 0]]


def test_a_second_export_replaces_the_first_and_leaves_nothing_beside_it(folder: Path) -> None:
    before = (folder / MANIFEST).read_bytes()
    exported(LOG, EVERY, folder)
    assert (folder / MANIFEST).read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["history"]


def test_values_that_are_no_json_and_none_at_all_come_back_as_they_were(tmp_path: Path) -> None:
    place = (ACCOUNTS, 0)
    values: tuple[Any, ...] = (b"\xff", b"", None)
    odd = [LOG[place][0]._replace(value=value, offset=3 * number) for number, value in enumerate(values)]
    exported(LOG | {place: odd}, EVERY, tmp_path / "odd")
    found = [record for record in opened(tmp_path / "odd").records((ACCOUNTS,)) if record.partition == 0]
    assert [(record.offset, record.value) for record in found] == [(0, b"\xff"), (3, b""), (6, None)]


# --- where it may be written


def test_it_never_writes_over_what_no_export_wrote(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(GlassbookError, match=r"holds thesis.txt"):
        exported(LOG, EVERY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlassbookError, match="is no folder"):
        exported(LOG, EVERY, tmp_path / "file")


def test_an_export_that_breaks_off_leaves_what_was_there(folder: Path) -> None:
    class Broken(LogSource):
        def unordered(self, topics: Any) -> Any:
            yield next(super().unordered(topics))
            raise GlassbookError("the broker is gone")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    source: Any = Broken(LOG, EVERY)
    with pytest.raises(GlassbookError, match="the broker is gone"):
        export(source, [topic for topic, _ in EVERY], folder, "test", lambda count: None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["history"]


def test_the_draft_of_an_export_that_was_killed_is_cleared_away(tmp_path: Path) -> None:
    draft = tmp_path / ".history.draft"
    draft.mkdir()
    (draft / "trades-99.parquet").write_bytes(b"half")
    exported(LOG, EVERY, tmp_path / "history")
    assert not (tmp_path / "history" / "trades-99.parquet").exists()


def test_two_exports_into_one_folder_at_once(tmp_path: Path) -> None:
    draft = tmp_path / ".history.draft"
    draft.mkdir()
    with (draft / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GlassbookError, match="another export is writing"):
            exported(LOG, EVERY, tmp_path / "history")


# --- what is damaged


def truncated(folder: Path) -> None:
    path = folder / "trades-0.parquet"
    path.write_bytes(path.read_bytes()[:-7])


def edited(folder: Path) -> None:
    path = folder / "trades-0.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def missing(folder: Path) -> None:
    (folder / "ledger-0.parquet").unlink()


def without_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def manifest_with(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / MANIFEST).read_text())
        change(content)
        (folder / MANIFEST).write_text(json.dumps(content))

    return damage


def of_trades(content: dict[str, Any]) -> dict[str, Any]:
    return next(file for file in content["files"] if file["file"] == "trades-0.parquet")


def rewritten(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """The file written anew, and the manifest brought to agree with it."""

    def damage(folder: Path) -> None:
        path = folder / "trades-0.parquet"
        pq.write_table(change(pq.read_table(path)), path)
        manifest_with(
            lambda content: of_trades(content).update(bytes=path.stat().st_size, sha256=sha256_of(path))
        )(folder)  # fmt: skip

    return damage


def no_parquet(folder: Path) -> None:
    path = folder / "trades-0.parquet"
    path.write_bytes(b"not parquet")
    manifest_with(
        lambda content: of_trades(content).update(bytes=path.stat().st_size, sha256=sha256_of(path))
    )(folder)  # fmt: skip


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a truncated file": (truncated, r"trades-0.parquet is damaged: it has \d+ bytes"),
    "an edited byte": (edited, "trades-0.parquet is damaged: its SHA-256"),
    "a missing file": (missing, "ledger-0.parquet is missing"),
    "no manifest": (without_manifest, "is .* a folder that `glassbook export` wrote"),
    "a torn manifest": (lambda folder: (folder / MANIFEST).write_text('{"format'), "manifest.json is damaged"),  # type: ignore[dict-item]
    "no object": (lambda folder: (folder / MANIFEST).write_text("[]"), "manifest.json is damaged"),  # type: ignore[dict-item]
    "another format": (manifest_with(lambda m: m.update(format="other")), "is of format other 1"),
    "a later version": (manifest_with(lambda m: m.update(version=2)), "is of format glassbook-export 2"),
    "a path out of the folder": (
        manifest_with(lambda m: of_trades(m).update(file="../trades-0.parquet")), r"names a file '../trades-0.parquet'",
    ),
    "a file of another partition": (manifest_with(lambda m: of_trades(m).update(partition=7)), "names a file"),
    "a file twice": (manifest_with(lambda m: m["files"].append(m["files"][0])), "twice"),
    "counts that can't be": (manifest_with(lambda m: of_trades(m).update(records=10**9)), "what can't be"),
    "a partition left out": (
        manifest_with(lambda m: m["files"].remove(of_trades(m))), "not all of its partitions",
    ),
    "no Parquet": (no_parquet, "trades-0.parquet can't be read"),
    "a row left out": (rewritten(lambda table: table.slice(1)), r"holds \d+ records, and the manifest says"),
    "other columns": (
        rewritten(lambda table: table.append_column("more", pa.nulls(len(table), pa.int8()))), "other columns",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_said_and_not_judged(folder: Path, damage: str) -> None:
    do, says = DAMAGES[damage]
    do(folder)
    with pytest.raises(GlassbookError, match=says):
        opened(folder)


def test_rows_out_of_order_are_said(folder: Path) -> None:
    rewritten(lambda table: table.take(list(range(len(table)))[::-1]).cast(COLUMNS))(folder)
    with pytest.raises(GlassbookError, match="is out of its place"):
        list(opened(folder).records(JUDGED))


def test_a_record_edited_with_its_manifest_is_a_divergence_and_no_damage(folder: Path) -> None:
    def edit(table: Any) -> Any:
        rows = table.to_pylist()
        at = next(number for number, row in enumerate(rows) if b'"record":"trade"' in row["value"])
        rows[at]["value"] = rows[at]["value"].replace(b'"aggressor_side":"', b'"aggressor_side":"X', 1)
        return pa.Table.from_pylist(rows, schema=COLUMNS)

    rewritten(edit)(folder)
    report = Verification(opened(folder), Wanted()).run(lambda count: None)
    assert report.outcome is Outcome.DIVERGENCE


def test_an_export_of_some_topics_can_not_be_verified(tmp_path: Path) -> None:
    manifest = exported(LOG, EVERY, tmp_path / "tape", topics=(TRADES, DEPTH))
    assert manifest.hash == "" and manifest.topics == [TRADES, DEPTH]
    with pytest.raises(GlassbookError, match="to check it takes accounts, orders, ledger too"):
        opened(tmp_path / "tape")
