"""Records that stand where nothing is due: strangers', copies, records too many, records that name nothing."""

from itertools import islice

from canary.board import Board, Verdict
from canary.explain import Explainer, fits, missing_kind, words
from canary.frames import encode
from canary.histories import Histories
from canary.published import symbol_of
from canary.reader import Found, Reader, hash_of
from schemas.alerts import Evidence, Kind, Severity
from schemas.topics import PUBLIC_TOPICS


class Strays:
    """Takes them out of the queue of their edge, and says what they are."""

    def __init__(self, board: Board, explainer: Explainer, histories: Histories, input_topic: str) -> None:
        self._board = board
        self._explainer = explainer
        self._histories = histories
        self._input_topic = input_topic
        self.unjudged_copies = 0

    def set_aside(self, reader: Reader, index: int, present: int) -> bool:
        """Whether the record was taken out: it isn't the next of its edge, while the input at `present` is judged."""
        found = reader.waiting[index]
        origin = found.origin
        if origin is not None and origin.source.offset < reader.judged_from:
            del reader.waiting[index]
            reader.take(found, origin.edge_sequence)
            return True
        if origin is not None and self._comes_late(reader, found):
            del reader.waiting[index]
            reader.take(found, origin.edge_sequence)
            return True
        if origin is not None and origin.source.partition != self._histories.partition:
            return False
        if origin is None or found.forged:
            del reader.waiting[index]
            self._strange(reader, found)
            return True
        last = reader.mark
        if index:
            before = reader.waiting[index - 1].origin
            assert before is not None
            last = max(last, before.edge_sequence)
        offset, sequence = origin.source.offset, origin.edge_sequence
        if offset > present or (offset == present and sequence > last):
            return False
        if sequence <= last:
            self._compare_copy(reader, index, found, sequence)
            del reader.waiting[index]
        else:
            del reader.waiting[index]
            self._extra(reader, found, offset, sequence)
        return True

    def _comes_late(self, reader: Reader, found: Found) -> bool:
        """Whether the record was given up, and comes after all."""
        for number, overdue in enumerate(reader.overdue):
            if fits(overdue.record, found):
                if number:
                    self.miss(reader, found, number)
                reader.resolve()
                return True
        return False

    def miss(self, reader: Reader, found: Found, number: int) -> None:
        """The edge has gone on without the first of what was given up."""
        missing = [reader.resolve() for _ in range(number)]
        first = missing[0]
        kind = missing_kind(reader.topic, first.record, later=False)
        place = Evidence(reader.topic, reader.partition, found.offset)
        cause = Evidence(self._input_topic, self._histories.partition, first.offset)
        verdict = Verdict(kind, words(encode(first.record)), "nothing of it", getattr(first.record, "symbol", ""))
        self._board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, [cause, place], place)
        self._histories.count_missed((reader.topic, reader.partition), number)

    def _strange(self, reader: Reader, found: Found) -> None:
        place = Evidence(reader.topic, reader.partition, found.offset)
        text = words(found.value)
        if found.origin is None:
            if reader.topic in PUBLIC_TOPICS:
                verdict = Verdict(Kind.RECORD_FORGED, "a record of this topic", text)
                self._board.raise_alert(Severity.NOTICE, verdict, found.log_time_ms, [place], place)
        else:
            reader.forged.append(found)

    def from_elsewhere(self, reader: Reader, index: int) -> bool:
        """Whether the record names an input that isn't read here. It stays where it stands, in another one's place, if
        it has the number of that one; else it is taken out."""
        found = reader.waiting[index]
        origin = found.origin
        if origin is None or origin.source.partition == self._histories.partition:
            return False
        place = Evidence(reader.topic, reader.partition, found.offset)
        ours, symbol = f"a source on partition {self._histories.partition}", symbol_of(reader.topic, found.value)
        verdict = Verdict(Kind.EDGE_FORGED, ours, words(found.value), symbol)
        self._board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, [place], place)
        return True

    def _compare_copy(self, reader: Reader, index: int, found: Found, sequence: int) -> None:
        """Copies of one sequence must be the same bytes."""
        first = reader.first_copy(sequence)
        for other in islice(reader.waiting, index):
            if other.origin is not None and other.origin.edge_sequence == sequence:
                first = hash_of(other.value), other.offset
        if first is None:
            self.unjudged_copies += 1
        elif first[0] != hash_of(found.value):
            place = Evidence(reader.topic, reader.partition, found.offset)
            before = Evidence(reader.topic, reader.partition, first[1])
            symbol = symbol_of(reader.topic, found.value)
            verdict = Verdict(Kind.COPIES_DIFFER, f"the bytes at {first[1]}", words(found.value), symbol)
            self._board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, [place, before], place)

    def _extra(self, reader: Reader, found: Found, offset: int, sequence: int) -> None:
        """A record that its input, which was judged already, did not cause."""
        place = Evidence(reader.topic, reader.partition, found.offset)
        verdict = self._explainer.extra(reader.topic, found, None)
        places = [Evidence(self._input_topic, self._histories.partition, offset), place]
        self._board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, places, place)
        reader.take(found, sequence)
        self._histories.count_extra((reader.topic, reader.partition), found.value, offset)

    def drop_baseless(self, reader: Reader, ends: int) -> None:
        """The first in the queue names an input that isn't there: the input was cut, or the record forged."""
        found = reader.waiting.popleft()
        assert found.origin is not None
        offset = found.origin.source.offset
        place = Evidence(reader.topic, reader.partition, found.offset)
        end = Evidence(self._input_topic, self._histories.partition, ends)
        verdict = Verdict(Kind.LOG_TRUNCATED, f"{end.topic}-{end.partition} to reach {offset}", f"it ends at {ends}")
        self._board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, [end, place], place)
