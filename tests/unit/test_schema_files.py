"""The checked-in schemas: they are what the code says, fit what was released, and old records can still be read."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from schemas import codec
from schemas.commands import decode_command, encode_command
from schemas.compatibility import problems
from schemas.generate import COMMANDS, FOLDER, JSON_FOLDER, RECORDS, RELEASED, documents, file_name
from schemas.topics import ACCOUNTS, CANDLES, LEDGER, ORDERS, TRADES, topics

SAMPLES = FOLDER / "samples"
GENERATED = documents()


def released() -> list[Path]:
    return sorted(RELEASED.rglob("*.json"))


@pytest.mark.parametrize("path", sorted(GENERATED), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_file_is_what_is_generated(path):
    assert path.read_text() == GENERATED[path], "run `make schemas`"


def test_nothing_else_lies_there():
    there = {path for path in JSON_FOLDER.rglob("*.json") if RELEASED not in path.parents}
    assert there == {path for path in GENERATED if JSON_FOLDER in path.parents}


@pytest.mark.parametrize("path", released(), ids=lambda path: path.stem)
def test_what_was_released_still_holds(path):
    """A change that breaks old clients or the old log fails here: make it another way, or a new kind."""
    current = JSON_FOLDER / path.relative_to(RELEASED)
    assert current.exists(), f"{path.stem} was taken away"
    assert problems(json.loads(path.read_text()), json.loads(current.read_text())) == []


def test_every_kind_was_released_or_is_new():
    names = {file_name(kind) for kinds in RECORDS.values() for kind in kinds} | {file_name(kind) for kind in COMMANDS}
    assert {path.stem for path in released()} <= names


# --- samples


def tag(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def samples(folder: str) -> list[Path]:
    return sorted((SAMPLES / folder).rglob("*.json"))


@pytest.mark.parametrize("path", samples("records"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_record_of_old_can_be_read_and_is_written_the_same(path):
    raw = path.read_bytes().rstrip(b"\n")
    kinds = RECORDS[path.parent.name]
    decoders: dict[str, Callable[[bytes], Any]] = {
        ACCOUNTS: codec.decode_accounts,
        ORDERS: codec.decode_orders,
        LEDGER: codec.ledger_decoder().decode,
        TRADES: codec.trades_decoder().decode,
        CANDLES: codec.candles_decoder().decode,
    }
    record = decoders.get(path.parent.name, msgspec.json.Decoder(kinds[0]).decode)(raw)
    assert type(record) in kinds
    assert codec.encode(record) == raw
    schema = json.loads((JSON_FOLDER / "records" / f"{file_name(type(record))}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(raw))


@pytest.mark.parametrize("path", samples("commands"), ids=lambda path: path.stem)
def test_a_command_of_old_can_be_read_and_fits_its_schema(path):
    raw = path.read_bytes().rstrip(b"\n")
    command = decode_command(raw)
    assert encode_command(command) == raw
    schema = json.loads((JSON_FOLDER / "commands" / f"{file_name(type(command))}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(raw))


def test_every_kind_has_a_sample():
    there = {(path.parent.name, json.loads(path.read_bytes())["record"]) for path in samples("records")}
    for topic, kinds in RECORDS.items():
        assert {record for name, record in there if name == topic} == {tag(kind) for kind in kinds}
    commands = {json.loads(path.read_bytes())["command"] for path in samples("commands")}
    assert commands == {tag(kind) for kind in COMMANDS}


def test_every_event_has_a_sample():
    text = "".join(path.read_text() for path in samples("records"))
    schemas = (JSON_FOLDER / "records" / "execution_report.json", JSON_FOLDER / "records" / "ledger_entry.json")
    events = {
        definition["properties"]["event"]["enum"][0]
        for path in schemas
        for definition in json.loads(path.read_text())["$defs"].values()
        if "event" in definition.get("properties", {})
    }
    assert {event for event in events if f'"event":"{event}"' not in text} == set()


# --- the AsyncAPI document


def test_the_asyncapi_document_has_every_topic_as_it_is_made():
    document = json.loads((FOLDER / "asyncapi.json").read_text())
    declared = {topic.name: topic for topic in topics(4, 8, 1)}
    assert document["channels"].keys() == declared.keys()
    for name, channel in document["channels"].items():
        kafka = channel["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (name, declared[name].partitions)
        configuration = {
            setting: ",".join(value) if isinstance(value, list) else str(value)
            for setting, value in kafka["topicConfiguration"].items()
        }
        assert configuration == declared[name].config
        assert channel["messages"], f"{name} has no message"


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    text = (FOLDER / "asyncapi.json").read_text()
    document = json.loads(text)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        place = document
        for step in reference.split("/"):
            assert step in place, f"#/{reference} leads nowhere"
            place = place[step]


def test_patterns_are_those_of_json_schema():
    """Python's end of text is a letter Z to JavaScript."""
    assert "\\\\Z" not in "".join(GENERATED.values())
