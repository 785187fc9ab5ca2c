"""docs/signing.md against the code: the order of fields is what other people's signatures hang on."""

import re
from pathlib import Path
from typing import get_args

import msgspec

from glassbook.client.vectors.material import every_command
from schemas.commands import AccountCommand, Command, OperatorCommand, encode_command
from schemas.market import Market
from schemas.signing import BATCH_PREFIX, MAX_BATCH, P256_ORDER, READ_PREFIX

TEXT = (Path(__file__).parent.parent.parent / "docs" / "signing.md").read_text()
ROW = re.compile(r"\| (`\w+`)? *\| `(\w+)` \| *(?:`?(\w+)`? )?\|")


def documented() -> dict[str, list[tuple[str, str | None]]]:
    tables: dict[str, list[tuple[str, str | None]]] = {}
    section = TEXT.partition("<!-- commands -->")[2].partition("<!-- /commands -->")[0]
    for kind, field, default in ROW.findall(section):
        if kind:
            fields = tables.setdefault(kind.strip("`"), [])
        fields.append((field, default or None))
    return tables


def common() -> list[str]:
    section = TEXT.partition("### What every command")[2].partition("### The kinds")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_commands_fields_in_order_and_their_defaults():
    tables = documented()
    kinds: tuple[type[Command], ...] = get_args(AccountCommand) + get_args(OperatorCommand)
    assert list(tables) == [str(kind.__struct_config__.tag) for kind in kinds]
    for kind in kinds:
        head = common()[1:] if kind in get_args(AccountCommand) else []
        fields = [field.encode_name for field in msgspec.structs.fields(kind)]
        assert head + [name for name, _ in tables[str(kind.__struct_config__.tag)]] == fields
        defaults = {field.encode_name: field.default for field in msgspec.structs.fields(kind) if not field.required}
        said = {name: default for name, default in tables[str(kind.__struct_config__.tag)] if default}
        assert said == {name: _in_words(default) for name, default in defaults.items()}


def _in_words(default: object) -> str:
    return "absent" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def test_the_fields_of_a_market():
    sentence = TEXT.partition("The fields of a `market`")[2].partition("\n")[0]
    assert re.findall(r"`(\w+)`", sentence) == [field.encode_name for field in msgspec.structs.fields(Market)]


def test_bytes_are_written_by_the_documented_order_alone():
    """A client that knows only the page makes the same bytes."""
    tables, head = documented(), common()
    for _, _, command in every_command():
        given = msgspec.json.decode(encode_command(command))
        account_command = isinstance(command, get_args(AccountCommand))
        order = (head if account_command else ["command"]) + [name for name, _ in tables[given["command"]]]
        ordered = {name: given[name] for name in order if name in given}
        assert msgspec.json.encode(ordered) == encode_command(command)


def test_constants():
    assert f"`{BATCH_PREFIX.decode()[:-1]}\\n`" in TEXT
    assert f"the {len(BATCH_PREFIX)} bytes" in TEXT
    assert f"    {READ_PREFIX.decode()}" in TEXT
    assert f"Up to {MAX_BATCH:,} commands" in TEXT
    assert f"{P256_ORDER:X}" in TEXT
