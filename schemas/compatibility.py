"""Whether a changed schema still reads what was written under the old one. Pure.

What lies on the log stays there for ever, and clients are not ours to change at will. So a later schema may add
optional fields, kinds and values, and loosen a rule; it may not take away a field or a kind, demand a new field, change
a type, a default or the order of fields (a command's bytes follow it), or tighten a rule. Whatever this module doesn't
know is refused if it changed: a rule is added here before it is relied upon.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
# Keyword -> what a looser value is, compared with the old one.
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_SAYS_NOTHING = frozenset({"title", "description", "examples", "$schema", "$id", "$comment", "$defs"})
_KNOWN = frozenset({"$ref", "anyOf", "enum", "properties", "required", "additionalProperties", "items", "prefixItems"})


def problems(old: Schema, new: Schema) -> list[str]:
    """Every way in which the new document of one kind breaks the old one, as `path: what`; empty if none."""
    return _Comparison(old, new).compare(old, new, "$")


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old_defs, self._new_defs = old.get("$defs", {}), new.get("$defs", {})
        self._under_way: set[tuple[str, str]] = set()

    def compare(self, old: Any, new: Any, path: str) -> list[str]:
        if "$ref" in old and "$ref" in new:
            pair = (old["$ref"], new["$ref"])
            if pair in self._under_way:  # recursive types, and what was compared already
                return []
            self._under_way.add(pair)
        old, new = self._resolved(old, self._old_defs), self._resolved(new, self._new_defs)
        if "anyOf" in old or "anyOf" in new:
            return self._alternatives(old, new, path)
        found = [*self._type(old, new, path), *self._values(old, new, path), *self._limits(old, new, path)]
        found += self._object(old, new, path)
        found += self._array(old, new, path)
        return found + self._unknown(old, new, path)

    @staticmethod
    def _resolved(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
        while "$ref" in schema:
            schema = {**defs[schema["$ref"].rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def _alternatives(self, old: Schema, new: Schema, path: str) -> list[str]:
        """Each of the old ones must be readable as one of the new ones."""
        found = _default_problem(old, new, path)
        choices = new.get("anyOf", [new])
        for one in old.get("anyOf", [old]):
            tag = self._tag(one, self._old_defs)
            same = [choice for choice in choices if self._tag(choice, self._new_defs) == tag]
            tried = [self._fork().compare(one, choice, path) for choice in same]
            if not tried:
                found.append(f"{path}: {_name(one)} was taken away")
            elif all(tried):
                found += sorted(tried, key=len)[0]
        return found

    def _tag(self, schema: Schema, defs: Mapping[str, Schema]) -> Any:
        """What tells alternatives apart: the tag of a struct, else the type."""
        resolved = self._resolved(schema, defs)
        for name in ("command", "record", "event"):
            values = resolved.get("properties", {}).get(name, {}).get("enum", [])
            if len(values) == 1:
                return name, values[0]
        return resolved.get("type"), "enum" in resolved

    def _fork(self) -> "_Comparison":
        fork = _Comparison({"$defs": self._old_defs}, {"$defs": self._new_defs})
        fork._under_way = set(self._under_way)
        return fork

    def _type(self, old: Schema, new: Schema, path: str) -> list[str]:
        if "type" in new and new["type"] != old.get("type"):
            return [f"{path}: was {old.get('type', 'anything')}, is {new['type']}"]
        return _default_problem(old, new, path)

    def _values(self, old: Schema, new: Schema, path: str) -> list[str]:
        if "enum" not in new:
            return []
        if "enum" not in old:
            return [f"{path}: only {new['enum']} from now on"]
        return [f"{path}: {value!r} was taken away" for value in old["enum"] if value not in new["enum"]]

    def _limits(self, old: Schema, new: Schema, path: str) -> list[str]:
        found = []
        for name in _UPPER:
            if name in new and (name not in old or new[name] < old[name]):
                found.append(f"{path}: {name} was {old.get(name, 'open')}, is {new[name]}")
        for name in _LOWER:
            if name in new and (name not in old or new[name] > old[name]):
                found.append(f"{path}: {name} was {old.get(name, 'open')}, is {new[name]}")
        if "pattern" in new and new["pattern"] != old.get("pattern"):
            found.append(f"{path}: pattern was {old.get('pattern', 'open')}, is {new['pattern']}")
        return found

    def _object(self, old: Schema, new: Schema, path: str) -> list[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        found = [f"{path}.{name}: field was taken away" for name in before if name not in after]
        demanded = set(new.get("required", [])) - set(old.get("required", []))
        found += [f"{path}.{name}: is required now" for name in sorted(demanded)]
        kept = [name for name in before if name in after]
        if kept != [name for name in after if name in before]:
            found.append(f"{path}: the order of the fields changed")
        if new.get("additionalProperties", True) is False and old.get("additionalProperties", True) is not False:
            found.append(f"{path}: unknown fields are refused now")
        if isinstance(old.get("additionalProperties"), dict):
            found += self.compare(old["additionalProperties"], new.get("additionalProperties", {}), f"{path}.*")
        for name in kept:
            found += self.compare(before[name], after[name], f"{path}.{name}")
        return found

    def _array(self, old: Schema, new: Schema, path: str) -> list[str]:
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            return [f"{path}: had {len(before)} places, has {len(after)}"]
        found = []
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            found += self.compare(one, other, f"{path}[{place}]")
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            found += self.compare(old["items"], new["items"], f"{path}[]")
        elif old.get("items") != new.get("items") and "items" in new:
            found.append(f"{path}[]: was {old.get('items', 'anything')}, is {new['items']}")
        return found

    @staticmethod
    def _unknown(old: Schema, new: Schema, path: str) -> list[str]:
        handled = _SAYS_NOTHING | _KNOWN | {*_UPPER, *_LOWER, "pattern", "type", "default"}
        names = (old.keys() | new.keys()) - handled
        return [f"{path}: {name} changed" for name in sorted(names) if old.get(name) != new.get(name)]


def _default_problem(old: Schema, new: Schema, path: str) -> list[str]:
    """What a field left out means is part of what was signed."""
    if "default" in old and old["default"] != new.get("default", old):
        return [f"{path}: its default was {old['default']!r}, is {new.get('default', 'gone')!r}"]
    return []


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", schema.get("type", "an alternative"))).rpartition("/")[2]
