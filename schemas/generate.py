"""`python -m schemas.generate`: writes JSON Schemas of all commands and records, and the AsyncAPI document.

`schemas/json/commands` and `schemas/json/records` hold a self-contained file for each; `schemas/asyncapi.json`
describes every topic. All of it follows from `commands.py`, `records.py` and `topics.py`; nothing is edited by hand.
With `--release` the present schemas become those that later ones are compared with (`schemas/json/released`).
"""

import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec

from schemas.alerts import Alert
from schemas.candles import CandlesRecord
from schemas.commands import AccountCommand, DelegateKey, OperatorCommand
from schemas.journal import LedgerRecord
from schemas.records import AccountsRecord, DeadLetter, Depth, OrdersRecord, TradesRecord
from schemas.topics import (
    ACCOUNTS,
    ALERTS,
    CANDLES,
    DEAD_LETTERS,
    DEPTH,
    LEDGER,
    ORDERS,
    PUBLIC_TOPICS,
    SNAPSHOTS,
    TRADES,
    Topic,
    topics,
)

FOLDER = Path(__file__).parent
JSON_FOLDER = FOLDER / "json"
RELEASED = JSON_FOLDER / "released"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What a first start without settings of its own makes.
ACCOUNT_PARTITIONS, ORDER_PARTITIONS, REPLICATION = 4, 8, 1

COMMANDS: tuple[type, ...] = get_args(AccountCommand) + get_args(OperatorCommand)
RECORDS: dict[str, tuple[type, ...]] = {
    ACCOUNTS: get_args(AccountsRecord),
    ORDERS: get_args(OrdersRecord),
    TRADES: get_args(TradesRecord),
    DEPTH: (Depth,),
    LEDGER: get_args(LedgerRecord),
    CANDLES: get_args(CandlesRecord),
    ALERTS: (Alert,),
    DEAD_LETTERS: (DeadLetter,),
}


def file_name(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


# --- JSON Schema


def definitions(kinds: Iterable[type], ref: str) -> dict[str, Any]:
    """The schemas of these types and all that they hold, by name; `ref` is where references look for them."""
    _, found = msgspec.json.schema_components([*kinds, *COMMANDS], ref_template=ref)
    found["Command"] = {
        "title": "Command",
        "description": "A signed command, by its canonical bytes.",
        "anyOf": [{"$ref": ref.format(name=kind.__name__)} for kind in COMMANDS],
    }
    # To msgspec these are raw bytes, which keep their exact form; what they hold is known all the same.
    found["SignedCommand"]["properties"]["command"] = {"$ref": ref.format(name="Command")}
    found["Delegation"]["properties"]["command"] = {"$ref": ref.format(name=DelegateKey.__name__)}
    return {name: _portable(schema) for name, schema in sorted(found.items())}


def _portable(schema: Any) -> Any:
    """Python's \\Z, the end of a text and nothing before it, is JavaScript's and so JSON Schema's $."""
    if isinstance(schema, dict):
        return {
            name: value.replace("\\Z", "$") if name == "pattern" and isinstance(value, str) else _portable(value)
            for name, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema


def schema_of(kind: type) -> dict[str, Any]:
    """One type's schema, with the definitions that it needs and no others."""
    everything = definitions(_everything(), "#/$defs/{name}")
    needed, open_names = {kind.__name__}, [kind.__name__]
    while open_names:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(everything[open_names.pop()])):
            if name not in needed:
                needed.add(name)
                open_names.append(name)
    own = {name: schema for name, schema in everything.items() if name in needed}
    return {"$schema": DIALECT, "$ref": f"#/$defs/{kind.__name__}", "$defs": own}


def _everything() -> list[type]:
    return [kind for kinds in RECORDS.values() for kind in kinds]


def json_schemas() -> dict[str, dict[str, Any]]:
    """Path below schemas/json -> schema."""
    found = {f"commands/{file_name(kind)}.json": schema_of(kind) for kind in COMMANDS}
    return found | {f"records/{file_name(kind)}.json": schema_of(kind) for kind in _everything()}


# --- AsyncAPI


def asyncapi() -> dict[str, Any]:
    """An AsyncAPI 3 document of all topics, as a first start makes them."""
    declared = topics(ACCOUNT_PARTITIONS, ORDER_PARTITIONS, REPLICATION)
    messages = {kind.__name__: _message(kind) for kind in _everything()}
    messages["SnapshotPart"] = {
        "name": "SnapshotPart",
        "summary": "A chunk of a stage's state, or the manifest that makes a snapshot whole. Internal to the stages.",
        "contentType": "application/octet-stream",
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Glassbook",
            "version": "1",
            "description": "The topics of an exchange that anybody can check. `accounts` and `orders` are the truth and"
            " are kept for ever; everything else follows from them. Public topics may be read by everybody: a record"
            " whose edge_sequence isn't above the last one's is a repeat, and dropped.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in declared},
        "operations": {
            f"read-{name}": {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
            for name in sorted(PUBLIC_TOPICS)
        },
        "components": {
            "messages": messages,
            "schemas": definitions(_everything(), "#/components/schemas/{name}"),
        },
    }


def _message(kind: type) -> dict[str, Any]:
    name = kind.__name__
    tag: str = kind.__struct_config__.tag  # type: ignore[attr-defined]
    summary = " ".join((kind.__doc__ or "").split())
    return {"name": tag, "title": name, "summary": summary, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _channel(topic: Topic) -> dict[str, Any]:
    names = [kind.__name__ for kind in RECORDS.get(topic.name, ())] if topic.name != SNAPSHOTS else ["SnapshotPart"]
    return {
        "address": topic.name,
        "description": f"Partitioned by {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": topic.replication,
                "topicConfiguration": {name: _typed(name, value) for name, value in topic.config.items()},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _typed(name: str, value: str) -> Any:
    """Kafka's settings are texts; the binding has lists and integers."""
    if name == "cleanup.policy":
        return value.split(",")
    return int(value) if re.fullmatch(r"-?[0-9]+", value) else value


# --- files


def documents() -> dict[Path, str]:
    """Every generated file with its content."""
    found: dict[Path, Any] = {JSON_FOLDER / path: schema for path, schema in json_schemas().items()}
    found[FOLDER / "asyncapi.json"] = asyncapi()
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in found.items()}


def main(arguments: list[str]) -> None:
    for folder in ("commands", "records"):
        shutil.rmtree(JSON_FOLDER / folder, ignore_errors=True)
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if "--release" in arguments:
        shutil.rmtree(RELEASED, ignore_errors=True)
        for folder in ("commands", "records"):
            shutil.copytree(JSON_FOLDER / folder, RELEASED / folder)


if __name__ == "__main__":
    main(sys.argv[1:])
