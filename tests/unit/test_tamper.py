"""What `glassbook tamper` writes: each manipulation, played on a recorded history, is called what its list says."""

import json
from pathlib import Path

import pytest

from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.tamper import MANIPULATIONS, Forgery, forge, manipulation_of
from glassbook.tamper_local import check_local
from glassbook.verify import Outcome, Report, Verification, Wanted
from glassbook.verify_source import LogRecord
from schemas.topics import ACCOUNTS, ORDERS
from simulator.canary_log import Record
from simulator.own_system import own_settings
from tests.unit.verified_log import LogSource, recorded

LOG, EVERY = recorded(3)


def records_of(topic: str) -> list[LogRecord]:
    return list(LogSource(LOG, EVERY).unordered((topic,)))


def forged(name: str) -> Forgery:
    return forge(MANIPULATIONS[name], records_of(MANIPULATIONS[name].topic))


def verified(forgery: Forgery) -> Report:
    """What is said of the log with the forgery behind its last record."""
    records = LOG[forgery.place]
    last_ms = max(record.log_time_ms for records in LOG.values() for record in records)
    record = Record(records[-1].offset + 1, last_ms, forgery.key or b"", forgery.value)
    source = LogSource(LOG | {forgery.place: [*records, record]}, EVERY)
    return Verification(source, Wanted(goes_on=True)).run(lambda count: None)


@pytest.mark.parametrize("name", [name for name, one in MANIPULATIONS.items() if one.topic not in (ACCOUNTS, ORDERS)])
def test_a_forgery_on_a_public_topic_is_called_what_the_list_says(name: str) -> None:
    report = verified(forged(name))
    assert report.outcome is Outcome.DIVERGENCE
    assert [alert.kind for alert in report.differences] == [MANIPULATIONS[name].kind]


def test_a_replayed_order_is_called_what_the_list_says() -> None:
    assert MANIPULATIONS["replayed-order"].kind in [
        alert.kind for alert in verified(forged("replayed-order")).differences
    ]


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_forgery_keeps_the_form_of_its_model(name: str) -> None:
    forgery = forged(name)
    model, written = json.loads(forgery.model.value or b""), json.loads(forgery.value)
    assert written.keys() == model.keys() and written != model
    assert forgery.key == forgery.model.key and forgery.place == forgery.model.place


@pytest.mark.parametrize("name", [name for name, one in MANIPULATIONS.items() if one.takes_next])
def test_what_takes_the_next_number_stands_ahead_of_all(name: str) -> None:
    forgery = forged(name)
    written = json.loads(forgery.value)
    highest = max(
        content["edge_sequence"]
        for record in records_of(MANIPULATIONS[name].topic)
        if record.place == forgery.place
        and (content := json.loads(record.value or b"")).get("source", {}).get("partition")
        == written["source"]["partition"]
    )
    assert written["edge_sequence"] > highest


def test_the_newest_record_of_the_market_is_taken() -> None:
    manipulation, trades = MANIPULATIONS["altered-price"], records_of("trades")
    of_market = [record for record in trades if b'"symbol":"ABC-USD"' in (record.value or b"")]
    forgery = forge(manipulation, trades, "ABC-USD")
    assert forgery.model.log_time_ms == max(record.log_time_ms for record in of_market)


def test_where_nothing_was_traded_there_is_nothing_to_forge() -> None:
    with pytest.raises(GlassbookError, match="of NO-SUCH to make it from: trade first"):
        forge(MANIPULATIONS["altered-price"], records_of("trades"), "NO-SUCH")


def test_an_unknown_manipulation() -> None:
    with pytest.raises(GlassbookError, match="no manipulation 'burn'"):
        manipulation_of("burn")


# --- only here


@pytest.mark.parametrize("servers", ["10.1.1.1:9092", "kafka.example.org:9092", "127.0.0.1:9092,10.1.1.1:9092"])
def test_brokers_elsewhere_are_refused(tmp_path: Path, servers: str) -> None:
    DataFolder(tmp_path).make_folders()
    DataFolder(tmp_path).create_instance(1)
    with pytest.raises(GlassbookError, match="not on this machine"):
        check_local(own_settings(tmp_path, bootstrap_servers=servers))


def test_a_data_folder_without_an_exchange_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GlassbookError, match="there is no exchange in"):
        check_local(own_settings(tmp_path))
