"""What the canary remembers in bytes is what a bounded queue would hold."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from canary.ring import Ring

WIDTH = 4
entry = st.binary(min_size=WIDTH, max_size=WIDTH)
short = st.tuples(st.sampled_from([b"aa", b"ab"]), st.sampled_from([b"aa", b"bb"])).map(b"".join)


@given(st.integers(1, 8), st.lists(st.one_of(entry, short, st.none()), max_size=40))
def test_it_holds_the_last_entries(most: int, steps: list[bytes | None]) -> None:
    ring, model = Ring(WIDTH, most), deque[bytes](maxlen=most)
    for step in steps:  # none: all is forgotten
        if step is None:
            ring.clear()
            model.clear()
        else:
            ring.append(step)
            model.append(step)
        assert [ring[age] for age in range(len(ring))] == list(model)[::-1]
        assert ring.dump() == b"".join(model)
        again = Ring(WIDTH, most)
        again.extend(ring.dump())
        assert again.dump() == ring.dump()
        for part, at in ((b"aa", 0), (b"aa", 2), (b"bb", 2), (b"aab", 1)):
            assert ring.ages_of(part, at) == [
                age for age, kept in enumerate(list(model)[::-1]) if kept[at : at + len(part)] == part
            ]
