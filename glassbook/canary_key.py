"""The canary's own key: made when it is first needed, in the data folder, where only its user can read it."""

from pathlib import Path

from glassbook.client.keys import Key, load_key, save_key


def canary_key(path: Path) -> Key:
    if not path.exists():
        save_key(path, Key.new())
    return load_key(path)
