"""A day of traffic as a file, and how it is cut into signed batches."""

from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glassbook.errors import GlassbookError
from simulator.day.flow import CANCELS, TIMES_IN_FORCE, day_rows
from simulator.day.replay import baskets, first_orders
from simulator.day.rows import Row, about_day, read_day, write_day
from simulator.load.flow import BASKET

ORDERS = 3_000


def written(path: Path, orders: int = ORDERS, seed: int = 1) -> Path:
    for _ in write_day(path, day_rows(seed, orders), seed, orders, 450, 100):
        pass
    return path


def test_the_same_seed_gives_the_same_bytes_and_another_another(tmp_path):
    one, again, other = (
        written(tmp_path / name, seed=seed).read_bytes() for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == again != other


def test_what_is_read_is_what_was_written(tmp_path):
    path = written(tmp_path / "day")
    rows = list(read_day(path))
    assert rows == list(day_rows(1, ORDERS))
    about = about_day(path)
    assert (about.seed, about.orders, about.rows, about.symbols, about.brokers) == (1, ORDERS, len(rows), 450, 100)


def test_a_longer_day_begins_as_a_shorter_one_does():
    shorter = list(day_rows(7, 500))
    assert list(islice(day_rows(7, 600), len(shorter))) == shorter


def test_it_has_the_rates_and_shares_of_the_exchange():
    rows = list(day_rows(1, 20_000))
    orders = [row for row in rows if not row.is_cancel]
    assert len(orders) == 20_000
    assert len(orders) / (rows[-1].time_ms / 1000) == pytest.approx(700, rel=0.05)
    assert (len(rows) - len(orders)) / len(rows) == pytest.approx(CANCELS, abs=0.02)
    assert [row.time_ms for row in rows] == sorted(row.time_ms for row in rows)
    busiest = sum(row.symbol < 10 for row in orders) / len(orders)
    assert 0.3 < busiest < 0.6 and len({row.symbol for row in orders}) > 440


def test_a_cancel_names_an_order_that_its_broker_has_sent_before_and_each_once():
    sent: set[tuple[int, int]] = set()
    cancelled: set[tuple[int, int]] = set()
    for row in day_rows(3, 5_000):
        place = row.broker, row.order
        if row.is_cancel:
            assert place in sent and place not in cancelled
            cancelled.add(place)
        else:
            assert place not in sent
            sent.add(place)
            assert (row.lifetime_ms > 0) == (TIMES_IN_FORCE[row.time_in_force] == "GTD")
            assert row.price_ticks > 0 and row.lots > 0
    assert cancelled


def test_a_basket_is_one_brokers_and_no_longer_than_a_batch():
    rows = list(day_rows(1, 2_000))
    found = list(baskets(rows))
    assert [row for basket in found for row in basket] == rows
    assert all(len({row.broker for row in basket}) == 1 and len(basket) <= BASKET for basket in found)
    assert sum(len(basket) == BASKET for basket in found) > 0.95 * len(found)


def test_a_part_of_a_day_ends_with_the_last_of_its_orders():
    part = list(first_orders(day_rows(1, 2_000), 100))
    assert sum(not row.is_cancel for row in part) == 100 and not part[-1].is_cancel
    assert len(list(first_orders(day_rows(1, 50), 100))) == len(list(day_rows(1, 50)))


@pytest.mark.parametrize("kind", ["absent", "text", "of another format", "without a format"])
def test_another_file_is_named(tmp_path, kind):
    path = tmp_path / "other"
    if kind == "text":
        path.write_text("time,broker\n")
    elif kind != "absent":
        table = pa.Table.from_pylist([Row(1, 2, 3, True)._asdict()])
        pq.write_table(table.replace_schema_metadata({"format": "x"} if "another" in kind else None), path)
    with pytest.raises(GlassbookError, match=str(path)):
        about_day(path)
