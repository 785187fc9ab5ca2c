"""Where an INSERT's data begin, and where a statement's FORMAT stands."""

import pytest

from sinks.embedded.lexer import Insert, Selecting, first_words, place_of_output, split_insert


@pytest.mark.parametrize(
    ("sql", "head", "settings", "form", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", b"", "CSV", b"1,2\n"),
        (b"insert into t format CSV 1,2", b"insert into t ", b"", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT Native\n\n\x00;'", b"INSERT INTO t ", b"", "Native", b"\n\x00;'"),
        (b"INSERT INTO t VALUES (1), (2)", b"INSERT INTO t ", b"", "Values", b" (1), (2)"),
        (b"INSERT INTO format FORMAT CSV 1", b"INSERT INTO format ", b"", "CSV", b"1"),
        (b"INSERT INTO d.`values` (`format`) VALUES 1", b"INSERT INTO d.`values` (`format`) ", b"", "Values", b" 1"),
        (b"INSERT INTO t SETTINGS a='FORMAT' FORMAT TSV 1", b"INSERT INTO t ", b"SETTINGS a='FORMAT' ", "TSV", b"1"),
        (b"/* x */ INSERT INTO t -- VALUES\n FORMAT TSV\r\n1", b"/* x */ INSERT INTO t -- VALUES\n ", b"", "TSV", b"1"),
        (b"INSERT INTO settings (settings) VALUES ", b"INSERT INTO settings (settings) ", b"", "Values", b" "),
    ],
)  # fmt: skip
def test_an_insert_is_cut_where_its_data_begin(
    sql: bytes, head: bytes, settings: bytes, form: str, data: bytes
) -> None:
    found = split_insert(sql)
    assert isinstance(found, Insert)
    assert (found.head, found.settings, found.format, sql[found.data :]) == (head, settings, form, data)


@pytest.mark.parametrize(
    "sql",
    [b"SELECT 1", b"INSERT INTO t SELECT 1", b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", b"INSERT", b"INSERT INTO t",
     b"", b"INSERT INTO t SELECT input FROM x FORMAT CSV", b"INSERT INTO t FORMAT 'CSV' 1"],
)  # fmt: skip
def test_what_has_no_data_is_not_cut(sql: bytes) -> None:
    assert split_insert(sql) is None


def test_data_may_pass_through_input() -> None:
    sql = b"INSERT INTO t SELECT a + 1 FROM input('a Int8, b String') WHERE b FORMAT CSV\n1,x\n"
    found = split_insert(sql)
    assert found == Selecting(b"INSERT INTO t SELECT a + 1 FROM ", b"'a Int8, b String'", b" WHERE b ", "CSV", 77)
    assert sql[77:] == b"1,x\n"


@pytest.mark.parametrize(
    ("sql", "before", "rest"),
    [
        (b"SELECT 1", b"SELECT 1", b""),
        (b"SELECT 1 ; -- done", b"SELECT 1", b""),
        (b"SELECT 1 FORMAT CSV", b"SELECT 1 ", b"FORMAT CSV"),
        (b"SELECT 1 FORMAT /* x */ CSV SETTINGS a = 1;", b"SELECT 1 ", b"FORMAT /* x */ CSV SETTINGS a = 1"),
        (b"SELECT format('FORMAT CSV', b) FROM format", b"SELECT format('FORMAT CSV', b) FROM format", b""),
        (b"SELECT 'it''s \\' FORMAT CSV'", b"SELECT 'it''s \\' FORMAT CSV'", b""),
        (b"SELECT $tag$ ' FORMAT CSV $tag$", b"SELECT $tag$ ' FORMAT CSV $tag$", b""),
        (b"SELECT 1 -- FORMAT CSV", b"SELECT 1", b""),
    ],
)
def test_where_into_outfile_would_stand(sql: bytes, before: bytes, rest: bytes) -> None:
    assert place_of_output(sql) == (before, rest)


def test_first_words() -> None:
    assert first_words(b" -- x\n /* y */ (select 1", 2) == ["(", "SELECT"]
    assert first_words(b"", 1) == []
