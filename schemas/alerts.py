"""The records of `alerts`: where what was published doesn't follow from what came before, with the evidence."""

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    LATE = "LATE"  # nothing wrong was seen, but something that is due hasn't come
    WRONG = "WRONG"  # what was published contradicts its input


class Evidence(Struct, frozen=True):
    """A record that an alert rests on, by its place on the log."""

    topic: str
    partition: int
    offset: int


class Alert(Struct, frozen=True, tag_field="record", tag="alert", kw_only=True):
    """On `alerts`: one divergence. `evidence` begins with the first bad record and is as small as will prove it."""

    alert_id: str  # the same divergence has the same id, whoever finds it and how often
    kind: str
    severity: Severity
    symbol: str  # empty where no single market is concerned
    time_ms: int  # log time of the first bad record
    expected: str
    found: str
    evidence: list[Evidence]
