"""A person's keys: a folder with a file for each, found by name. Nobody else can read them."""

import os
import re
from pathlib import Path

from platformdirs import user_config_path

from glassbook.client.keys import BadKey, Key, KeyFile, load_key_file, save_key
from schemas.records import Delegation

VARIABLE = "GLASSBOOK_KEYS_DIR"
DEFAULT_NAME = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyFolder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadKey(f"{name!r} is no name for a key: letters, digits, dots, dashes and underscores, at most 64")
        return self.root / f"{name}.json"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.root.glob("*.json") if _NAME.fullmatch(path.stem))

    def load(self, name: str) -> KeyFile:
        if not self.path(name).exists():
            known = ", ".join(self.names())
            there = f"there are {known}" if known else "there are none yet"
            raise BadKey(f"there is no key {name} in {self.root} ({there}): make one with `glassbook keys new {name}`")
        return load_key_file(self.path(name))

    def save(self, name: str, key: Key, delegation: Delegation | None = None) -> Path:
        path = self.path(name)
        save_key(path, key, delegation)
        return path


def own_keys() -> KeyFolder:
    given = os.environ.get(VARIABLE)
    return KeyFolder(Path(given).expanduser().absolute() if given else user_config_path("glassbook") / "keys")
