"""An analyst's SQL reads the exchange's tables and nothing else, neither host nor network, and it changes nothing.

Each refusal is ClickHouse's own code: 164 READONLY, 497 ACCESS_DENIED, 452 SETTING_CONSTRAINT_VIOLATION, 358
INTO_OUTFILE_NOT_ALLOWED, or 62 SYNTAX_ERROR for what its grammar doesn't have over HTTP.
"""

from pathlib import Path

import pytest

from tests.integration.embedded_clickhouse import EmbeddedClickHouse, code

REFUSED = {62, 164, 358, 452, 497}

HOST_AND_NETWORK = """
SELECT * FROM file('/etc/passwd')
SELECT file('/etc/passwd')
SELECT `file`('/etc/passwd')
SELECT FILE('/etc/passwd')
SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS a)
SELECT * APPLY(x -> file(x)) FROM (SELECT '/etc/passwd' AS a)
SELECT COLUMNS('a') APPLY(x -> file(x)) FROM (SELECT '/etc/passwd' AS a)
SELECT * REPLACE (file('/etc/passwd') AS a) FROM (SELECT 1 AS a)
SELECT arrayMap(x -> file(x), ['/etc/passwd'])
WITH x AS (SELECT * FROM file('/etc/passwd')) SELECT * FROM x
WITH file('/etc/passwd') AS x SELECT x
SELECT 1 WHERE 1 IN (SELECT 1 FROM file('/etc/passwd'))
SELECT (SELECT file('/etc/passwd'))
SELECT quantile(0.5)(length(file('/etc/passwd')))
SELECT sum(1) FILTER (WHERE file('/etc/passwd') = '')
SELECT row_number() OVER (ORDER BY file('/etc/passwd'))
SELECT 1 ORDER BY file('/etc/passwd')
SELECT 1 GROUP BY file('/etc/passwd')
SELECT 1 HAVING file('/etc/passwd') = ''
SELECT 1 LIMIT length(file('/etc/passwd'))
SELECT * FROM numbers(length(file('/etc/passwd')))
SELECT * FROM (SELECT 1 AS a) AS x JOIN (SELECT file('/etc/passwd') AS a) AS y USING (a)
SELECT 1 UNION ALL SELECT length(file('/etc/passwd'))
SELECT 1 EXCEPT SELECT length(file('/etc/passwd'))
SELECT * FROM view(SELECT * FROM file('/etc/passwd'))
SELECT * FROM values('a String', file('/etc/passwd'))
DESCRIBE TABLE file('/etc/passwd')
DESC file('/etc/passwd')
DESCRIBE (SELECT file('/etc/passwd'))
DESCRIBE (SELECT * FROM url('http://127.0.0.1'))
EXPLAIN SELECT file('/etc/passwd')
EXPLAIN PIPELINE SELECT * FROM file('/etc/passwd')
EXPLAIN QUERY TREE SELECT file('/etc/passwd')
EXPLAIN TABLE OVERRIDE file('x') COLUMNS (a Int8)
SHOW TABLES WHERE file('/etc/passwd') = ''
SHOW COLUMNS FROM trades WHERE file('/etc/passwd') = ''
SHOW INDEX FROM trades WHERE file('/etc/passwd') = ''
SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')
SELECT * FROM (SELECT * FROM url('http://127.0.0.1/'))
SELECT * FROM s3('http://127.0.0.1:1/b/x', 'CSV', 'a String')
SELECT * FROM gcs('http://127.0.0.1:1/b/x', 'CSV', 'a String')
SELECT * FROM azureBlobStorage('x', 'y', 'z')
SELECT * FROM hdfs('hdfs://x/y', 'CSV', 'a String')
SELECT * FROM remote('127.0.0.1', 'system', 'one')
SELECT * FROM remoteSecure('127.0.0.1', 'system', 'one')
SELECT * FROM cluster('default', 'system', 'one')
SELECT * FROM executable('x', 'CSV', 'a String')
SELECT * FROM python('x')
SELECT * FROM Python('x')
SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM sqlite('/tmp/x', 't')
SELECT * FROM jdbc('x', 'y')
SELECT * FROM odbc('x', 'y')
SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'e String')
SELECT * FROM redis('127.0.0.1:1', 'a', 'a Int8')
SELECT * FROM icebergLocal('/x')
SELECT * FROM deltaLakeLocal('/x')
SELECT * FROM filesystem('/')
SELECT * FROM prometheusQuery('a', 'b', 1)
SELECT * FROM dictionary('x')
SELECT dictGet('x', 'y', 1)
SELECT joinGet('trades', 'y', 1)
SELECT * FROM merge('system', '.*')
SELECT * FROM loop(system.users)
SELECT * FROM viewExplain('x', 'y', (SELECT 1))
SELECT * FROM mergeTreeIndex('glassbook', 'trades')
SELECT * FROM input('a Int8')
SELECT * FROM eval('SELECT 1')
SELECT * FROM fuzzQuery('SELECT 1')
SELECT hasColumnInTable('127.0.0.1:1', 'u', 'p', 'system', 'one', 'dummy')
SELECT aiGenerate('x')
SELECT getServerSetting('path')
SELECT getMacro('x')
SELECT getClientHTTPHeader('x')
SELECT addressToLine(1)
SELECT filesystemAvailable()
SELECT 1 INTO OUTFILE '{leak}'
SELECT 1 INTO OUTFILE '{leak}' TRUNCATE FORMAT CSV
EXPLAIN SELECT 1 INTO OUTFILE '{leak}'
SHOW TABLES INTO OUTFILE '{leak}'
DESCRIBE system.one INTO OUTFILE '{leak}'
EXISTS TABLE system.one INTO OUTFILE '{leak}'
INSERT INTO trades FROM INFILE '/etc/passwd' FORMAT LineAsString
INSERT INTO FUNCTION file('{leak}') SELECT 1
BACKUP TABLE trades TO File('{leak}')
"""

SECRETS_OF_THE_SERVER = """
SELECT * FROM system.users
SELECT * FROM system.server_settings
SELECT * FROM `system`.`server_settings`
SELECT * FROM "system"."server_settings"
SELECT * FROM /* a */ system /* b */ . /* c */ users
SELECT * FROM system.named_collections
SELECT * FROM system.user_directories
SELECT * FROM system.processes
SELECT * FROM system.stack_trace
SELECT * FROM system.disks
SELECT * FROM system.query_log
SELECT 1 IN system.users
SELECT 1 GLOBAL NOT IN system.users
SELECT count() FROM system.one WHERE 1 IN (SELECT 1 FROM system.users)
SELECT * FROM system.one UNION ALL SELECT 1 FROM system.users
WITH x AS (SELECT * FROM system.users) SELECT * FROM x
SELECT * FROM {s:Identifier}.users
SELECT * FROM system.{u:Identifier}
SELECT * FROM {s:Identifier}.{u:Identifier}
SHOW PROCESSLIST
SHOW USERS
SHOW ACCESS
"""

CHANGES = """
INSERT INTO trades VALUES (1)
INSERT INTO trades SELECT 1
WITH x AS (SELECT 1) INSERT INTO trades SELECT * FROM x
CREATE TABLE x (a Int8) ENGINE = Memory
CREATE TEMPORARY TABLE x (a Int8)
CREATE VIEW x AS SELECT 1
CREATE MATERIALIZED VIEW x ENGINE = Memory AS SELECT 1
CREATE DATABASE x
CREATE FUNCTION f AS x -> x
CREATE USER x
CREATE ROLE x
CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(1)
CREATE NAMED COLLECTION x AS a = 1
ATTACH TABLE x
DETACH TABLE trades
DROP TABLE trades
DROP DATABASE glassbook
UNDROP TABLE trades
TRUNCATE TABLE trades
RENAME TABLE trades TO u
EXCHANGE TABLES trades AND u
ALTER TABLE trades ADD COLUMN x Int8
ALTER TABLE trades DELETE WHERE 1
DELETE FROM trades WHERE 1
UPDATE trades SET a = 1 WHERE 1
OPTIMIZE TABLE trades
CHECK TABLE trades
SYSTEM SHUTDOWN
SYSTEM RELOAD CONFIG
SYSTEM FLUSH LOGS
SYSTEM STOP MERGES
SYSTEM DROP MARK CACHE
KILL QUERY WHERE 1
KILL QUERY WHERE 1 SYNC
GRANT SELECT ON *.* TO default
REVOKE SELECT ON *.* FROM default
SET ROLE writer
SET ROLE ALL
SET ROLE NONE
SET DEFAULT ROLE writer TO default
EXECUTE AS default SELECT 1
RESTORE TABLE trades FROM File('x')
BEGIN TRANSACTION
ALTER USER default IDENTIFIED BY 'x'
DROP USER default
CREATE SETTINGS PROFILE x
CREATE QUOTA x
CREATE ROW POLICY x ON trades USING 1
DROP FUNCTION file
SELECT 1; DROP TABLE trades
SELECT 1 PARALLEL WITH DROP TABLE trades
"""

LIMITS_LIFTED = """
SELECT 1 SETTINGS max_execution_time = 0
SELECT 1 SETTINGS max_execution_time = 100000
SELECT 1 SETTINGS max_execution_time = DEFAULT
SELECT 1 SETTINGS max_memory_usage = 0
SELECT 1 SETTINGS max_memory_usage = '1T'
SELECT 1 SETTINGS max_result_rows = 0
SELECT 1 SETTINGS max_result_rows = -1
SELECT 1 SETTINGS max_threads = 100
SELECT 1 FORMAT CSV SETTINGS max_memory_usage = 0
SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)
SELECT * FROM (SELECT getSetting('max_result_rows') SETTINGS max_result_rows = 0)
SELECT 1 UNION ALL (SELECT 2 SETTINGS max_memory_usage = 0)
WITH x AS (SELECT 1 SETTINGS readonly = 0) SELECT * FROM x
SELECT 1 WHERE 1 IN (SELECT 1 SETTINGS readonly = 0)
SELECT 1 SETTINGS readonly = 0
SELECT 1 SETTINGS allow_ddl = 1
SELECT 1 SETTINGS profile = 'default'
SELECT 1 SETTINGS log_comment = 'x'
SELECT 1 SETTINGS `max_memory_usage` = 0
SELECT 1 SETTINGS allow_introspection_functions = 1
SELECT 1 SETTINGS format_schema = '/etc/passwd'
SELECT 1 SETTINGS input_format_record_errors_file_path = 'x'
SELECT 1 SETTINGS additional_table_filters = {'a': 'b'}
DESCRIBE system.one SETTINGS max_memory_usage = 0
SET readonly = 0
SET max_execution_time = 0
SET profile = 'default'
SET allow_introspection_functions = 1
"""

READS = """
SELECT 1;
SELECT version(), timezone(), currentUser(), hostName(), currentDatabase(), uptime()
SHOW TABLES
SHOW DATABASES
SHOW TABLES FROM system LIKE 'o%'
SHOW COLUMNS FROM one FROM system
SHOW FUNCTIONS
SHOW SETTINGS LIKE 'max_threads'
SHOW GRANTS
DESCRIBE TABLE system.one
DESC (SELECT 1 AS a, 'x' AS b)
EXISTS TABLE system.one
EXPLAIN SELECT 1
EXPLAIN QUERY TREE SELECT 1
EXPLAIN PIPELINE SELECT 1
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT * FROM x
SELECT number, sum(number) OVER (ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM numbers(5)
SELECT groupArray(number), quantiles(0.5, 0.9)(number), uniqExact(number), countIf(number > 1) FROM numbers(5)
SELECT argMax(number, number), topK(2)(number), avgWeighted(1, 2), stddevPop(number), sumMap([1], [2]) FROM numbers(4)
SELECT * EXCEPT(number) REPLACE(1 AS x) FROM (SELECT number, number AS x FROM numbers(2))
SELECT * APPLY(toString) FROM numbers(2)
SELECT COLUMNS('num') APPLY(x -> x + 1) FROM numbers(2)
SELECT number FROM numbers(5) WHERE number IN (SELECT number FROM numbers(2)) AND exists(SELECT 1)
SELECT CASE 1 WHEN 2 THEN 3 END, if(1, 2, 3), 1::String, CAST(1 AS UInt8), [1, 2][1], (1, 2).1, map('a', 1)['a']
SELECT toStartOfInterval(now(), INTERVAL 5 MINUTE), formatDateTime(now(), '%Y'), extract(YEAR FROM now())
SELECT 1 UNION ALL SELECT 2 UNION DISTINCT SELECT 2
(SELECT 1) UNION ALL (SELECT 2)
SELECT 1 INTERSECT SELECT 1
SELECT * FROM (SELECT 1 AS a) AS x LEFT JOIN (SELECT 1 AS a) AS y USING (a)
SELECT * FROM (SELECT [1, 2] AS a) ARRAY JOIN a
SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS
SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY ROLLUP(k)
SELECT DISTINCT ON (number % 2) number FROM numbers(5)
SELECT number FROM numbers(3) ORDER BY number WITH FILL TO 10 INTERPOLATE
SELECT number FROM numbers(3) QUALIFY row_number() OVER (ORDER BY number) = 1
SELECT number FROM numbers(3) ORDER BY number LIMIT 1 BY number LIMIT 2 OFFSET 1
SELECT * FROM values('a Int8, b String', (1, 'x'))
SELECT * FROM view(SELECT 1)
SELECT name, value, readonly FROM system.settings LIMIT 3
SELECT name FROM system.tables LIMIT 3
SELECT table_name FROM information_schema.tables LIMIT 3
SELECT * FROM system.{o:Identifier}
SELECT 1 SETTINGS max_execution_time = 1.5, max_memory_usage = 1000000, join_use_nulls = 1
SELECT 1 FORMAT JSONCompact SETTINGS output_format_json_quote_64bit_integers = 1
SELECT JSONExtractString('{"a": "b"}', 'a'), base64Encode('x'), splitByChar(',', 'a,b'), cityHash64('x'), MD5('x')
SELECT toDecimal128('1.5', 18) * 2, round(1.234, 2), fromUnixTimestamp64Milli(1), toDateTime64('2020-01-01', 3, 'UTC')
SELECT transform(1, [1], ['a'], 'b'), query_id(), user(), database(), arraySort(x -> -x, [1, 2]), bar(1, 0, 10, 10)
SELECT lagInFrame(number) OVER (ORDER BY number), rank() OVER (ORDER BY number) FROM numbers(3)
SELECT 1 AS `format`, 2 AS settings
SELECT 1 -- a comment
/* a comment */ SELECT 1
SET max_block_size = 100
USE system
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module", autouse=True)
def trades(embedded: EmbeddedClickHouse) -> None:
    assert embedded.write("CREATE OR REPLACE TABLE trades (a UInt8) ENGINE = MergeTree ORDER BY a").is_success
    assert embedded.write("INSERT INTO trades VALUES (1), (2)").is_success


@pytest.mark.parametrize("sql", [*lines(HOST_AND_NETWORK), *lines(SECRETS_OF_THE_SERVER)])
def test_it_sees_neither_host_nor_network_nor_secrets(embedded: EmbeddedClickHouse, sql: str, tmp_path: Path) -> None:
    leak = tmp_path / "leak"
    for database in ("glassbook", "system"):
        text = sql.replace("{leak}", str(leak))
        answer = embedded.ask(text, param_s="system", param_u="users", database=database)
        assert code(answer) in REFUSED, answer.text
        assert "root:" not in answer.text
    assert not leak.exists()


@pytest.mark.parametrize("sql", lines(CHANGES))
def test_it_changes_nothing(embedded: EmbeddedClickHouse, sql: str) -> None:
    answer = embedded.ask(sql)
    assert code(answer) in REFUSED, answer.text
    assert code(embedded.ask(sql, readonly=0)) in REFUSED
    assert embedded.ask("SELECT sum(a) FROM trades").text == "3\n"


@pytest.mark.parametrize("sql", lines(LIMITS_LIFTED))
def test_it_lifts_no_limit(embedded: EmbeddedClickHouse, sql: str) -> None:
    assert code(embedded.ask(sql)) in REFUSED, embedded.ask(sql).text
    assert code(embedded.ask(sql, session_id="lifting")) in REFUSED


# Where the engine may see a string's end or a comment elsewhere than whoever puts INTO OUTFILE into the text.
ODD_TEXTS = r"""
SELECT '; SELECT file(\'/etc/passwd\') FORMAT CSV'
SELECT 'a\' ; SELECT 1 --'
SELECT $$ ' FORMAT CSV $$
SELECT $a$ ' $b$ FORMAT CSV ' $a$
SELECT '$$', '$$ FORMAT CSV ; SELECT 1'
SELECT 1 AS `a'b`, ' FORMAT CSV SETTINGS x'
SELECT 1 AS "a'b", ' FORMAT CSV'
SELECT 1 AS `a\`b`, ' FORMAT CSV'
SELECT 1 /* ' */, ' FORMAT CSV /* '
SELECT 1 # ' FORMAT CSV
SELECT 1 #! ' FORMAT CSV
SELECT 1 -- ' FORMAT CSV ; SELECT 2
SELECT 'a''b', ' FORMAT CSV'
SELECT 1e3, 0x1f, 1_000, .5 AS x, ' FORMAT CSV'
SELECT 1 /* /* */, ' */ FORMAT CSV'
SELECT 1 AS FORMAT, 2 AS CSV
SELECT format FROM (SELECT 1 AS format)
"""


@pytest.mark.parametrize("sql", lines(ODD_TEXTS))
def test_odd_texts_mean_what_the_engine_says(embedded: EmbeddedClickHouse, sql: str) -> None:
    answer = embedded.ask(sql, default_format="CSV")
    assert answer.is_success or code(answer) == 62, answer.text
    assert "root:" not in answer.text
    if answer.is_success:
        assert answer.text.count("\n") == 1


@pytest.mark.parametrize("sql", lines(READS))
def test_it_may_ask(embedded: EmbeddedClickHouse, sql: str) -> None:
    answer = embedded.ask(sql, param_o="one")
    assert answer.is_success, answer.text


def test_a_request_that_asks_for_more_gets_what_it_may_have(embedded: EmbeddedClickHouse) -> None:
    sql = "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage'), getSetting('max_threads') <= 64"
    for asked in ("0", "1000000000000", "-1", "nonsense"):
        answer = embedded.ask(sql, max_execution_time=asked, max_memory_usage=asked, max_threads=asked)
        assert answer.text == f"5\t{512 << 20}\t1\n", asked
    assert embedded.ask(sql, max_execution_time=2, max_memory_usage=1 << 20).text == f"2\t{1 << 20}\t1\n"
    assert embedded.ask("SELECT 1", readonly=1, log_comment="x", add_http_cors_header=1).is_success
    for name in ("profile", "allow_ddl", "allow_introspection_functions", "format_schema", "max_untracked_memory"):
        assert code(embedded.ask("SELECT 1", **{name: 1})) in (115, 452), name


def test_what_the_clients_send_goes_through(embedded: EmbeddedClickHouse) -> None:
    settings = {
        "wait_end_of_query": 1, "send_progress_in_http_headers": 1, "http_headers_progress_interval_ms": 10_000,
        "cancel_http_readonly_queries_on_client_close": 1, "date_time_input_format": "best_effort",
        "cast_string_to_dynamic_use_inference": 1, "enable_http_compression": 1, "client_protocol_version": 54405,
        "output_format_json_quote_64bit_integers": 1, "http_write_exception_in_output_format": 0, "buffer_size": 1000,
        "output_format_arrow_string_as_string": 1, "extremes": 0, "quota_key": "x", "stacktrace": 0,
        "result_overflow_mode": "throw", "log_queries": 1, "join_use_nulls": 1, "session_timezone": "Asia/Tokyo",
        "async_insert": 0, "wait_for_async_insert": 1,
    }  # fmt: skip
    assert embedded.ask("SELECT 1", **settings).text == "1\n"


def test_not_even_the_writer_reaches_the_host(embedded: EmbeddedClickHouse, tmp_path: Path) -> None:
    leak = tmp_path / "leak"
    embedded.write("CREATE OR REPLACE TABLE wishes (a String) ENGINE = MergeTree ORDER BY a")
    for sql in (
        "SELECT file('/etc/passwd')",
        "INSERT INTO wishes SELECT file('/etc/passwd')",
        "INSERT INTO wishes VALUES (file('/etc/passwd'))",
        "INSERT INTO wishes SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "INSERT INTO wishes FROM INFILE '/etc/passwd' FORMAT LineAsString",
        f"INSERT INTO FUNCTION file('{leak}') SELECT 1",
        f"SELECT 1 INTO OUTFILE '{leak}'",
        f"SHOW TABLES INTO OUTFILE '{leak}'",
        f"DESCRIBE wishes INTO OUTFILE '{leak}'",
        "CREATE TABLE x (a String) ENGINE = File(CSV, '/etc/passwd')",
        "CREATE TABLE x (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
        "CREATE TABLE x (a String) ENGINE = Executable('x', CSV)",
        "CREATE TABLE x (a String) ENGINE = MySQL('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "CREATE VIEW x AS SELECT * FROM file('/etc/passwd')",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(FILE(PATH '/x' FORMAT CSV)) LAYOUT(FLAT()) LIFETIME(1)",
        "CREATE FUNCTION f AS x -> file(x)",
        "CREATE DATABASE other",
        "DROP DATABASE glassbook",
        "CREATE USER x",
        "GRANT ALL ON *.* TO default",
        "SYSTEM SHUTDOWN",
        f"BACKUP TABLE wishes TO File('{leak}')",
    ):
        assert not embedded.write(sql).is_success, sql
    assert embedded.write("SELECT count() FROM wishes").text == "0\n"
    assert not leak.exists()
