"""What an analyst's statement may name: functions, table functions, system tables, settings and their ceilings.

Lists of what is let in, not of what is kept out: a function, table or setting that a newer engine brings is refused
until somebody has looked at it. The engine's own rights stand behind them (`access.py`); these cover what those leave.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

# Functions by the engine's own categories. Left out: AI, Dictionary, Embedded Dictionary, Introspection, Internal,
# Machine Learning, and Other, which has the function that reads files.
FUNCTION_CATEGORIES = {
    "Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional", "Dates and Times",
    "Distance", "Encoding", "Encryption", "Financial", "Geo Polygon", "Geo", "Hash", "IP Address", "JSON", "Logical",
    "Map", "Mathematical", "Null", "NumericIndexedVector", "QBit", "Random Number", "Rounding", "String Replacement",
    "String Search", "String Splitting", "String", "Time Series", "Time Window", "Tuple", "Type Conversion", "URL",
    "UUID", "Window Functions",
}  # fmt: skip
OTHER_FUNCTIONS = {
    "FQDN", "_CAST", "__bitBoolMaskAnd", "__bitBoolMaskOr", "__bitSwapLastTwo", "__bitWrapperFunc", "__getScalar",
    "__scalarSubqueryResult", "array_concat_agg", "bar", "blockNumber", "blockSerializedSize", "blockSize", "byteSize",
    "caseWithExpression", "connectionId", "countDigits", "currentDatabase", "currentProfiles", "currentQueryID",
    "currentRoles", "currentSchemas", "currentUser", "defaultProfiles", "defaultRoles", "defaultValueOfArgumentType",
    "defaultValueOfTypeName", "digits", "displayName", "dumpColumnStructure", "enabledProfiles", "enabledRoles",
    "errorCodeToName", "finalizeAggregation", "flipCoordinates", "formatQuery", "formatQueryOrNull",
    "formatQuerySingleLine", "formatQuerySingleLineOrNull", "formatReadableDecimalSize", "formatReadableQuantity",
    "formatReadableSize", "formatReadableTimeDelta", "getMaxTableNameLengthForDatabase", "getSetting",
    "getSettingOrDefault", "getSizeOfEnumType", "getSubcolumn", "getTypeSerializationStreams", "globalVariable",
    "hostName", "identity", "ignore", "indexHint", "initialQueryID", "initialQueryStartTime", "initializeAggregation",
    "isConstant", "isDecimalOverflow", "lowCardinalityIndices", "lowCardinalityKeys", "materialize",
    "minSampleSizeContinuous", "minSampleSizeConversion", "neighbor", "nested", "normalizeQuery",
    "normalizeQueryKeepNames", "normalizedQueryHash", "normalizedQueryHashKeepNames", "parseISO8601Duration",
    "parseReadableSize", "parseReadableSizeOrNull", "parseReadableSizeOrZero", "parseTimeDelta", "partitionId",
    "pgGetUserById", "pgTableIsVisible", "queryID", "revision", "rowNumberInAllBlocks", "rowNumberInBlock",
    "runningAccumulate", "runningDifference", "runningDifferenceStartingWithFirstValue", "shardCount", "shardNum",
    "sleep", "sleepEachRow", "throwIf", "toColumnTypeName", "toTypeName", "transform", "uptime", "variantElement",
    "variantType", "version", "visibleWidth",
}  # fmt: skip
TABLE_FUNCTIONS = {
    "generate_series", "generaterandom", "generateseries", "null", "numbers", "numbers_mt", "primes",
    "sqlstandardvalues", "values", "view",
}  # fmt: skip
# What a writer may name besides, as function, table function or engine.
WRITERS_ALSO = {"format", "input", "joinget", "joingetornull", "merge", "null"}
# The rest of `system` shows other people's statements, keys, users, or how the host is laid out.
SYSTEM_TABLES = {
    "aggregate_function_combinators", "clusters", "codecs", "collations", "columns", "completions", "constraints",
    "contributors", "current_roles", "data_skipping_index_types", "data_skipping_indices", "data_type_families",
    "database_engines", "databases", "dictionaries", "enabled_roles", "errors", "events", "formats", "functions",
    "keywords", "licenses", "merge_tree_settings", "merges", "metrics", "mutations", "numbers", "numbers_mt", "one",
    "parts", "parts_columns", "primes", "projections", "settings", "settings_changes", "table_engines",
    "table_functions", "tables", "time_zones", "view_refreshes", "zeros", "zeros_mt",
}  # fmt: skip

# Settings of answers and arithmetic, by the beginning of their names or in full. Those of inserts mean nothing to who
# may only read, and drivers send them with each question.
SETTING_PREFIXES = (
    "async_insert", "cast_", "date_time_", "format_", "input_format_", "insert_", "join_", "optimize_",
    "output_format_", "use_query_c", "use_skip_ind", "use_index_for", "distinct_over", "group_by_", "type_json_",
    "wait_for_async_insert",
)  # fmt: skip
_NOT_THOUGH = re.compile("schema|template|path|file|url|secret|director|confluent|disk")
SETTINGS = {
    "add_http_cors_header", "aggregate_functions_null_for_empty", "allow_deprecated_error_prone_window_functions",
    "allow_experimental_analyzer", "allow_suspicious_low_cardinality_types", "any_join_distinct_right_table_keys",
    "asterisk_include_alias_columns", "asterisk_include_materialized_columns", "bool_false_representation",
    "bool_true_representation", "cancel_http_readonly_queries_on_client_close", "connect_timeout",
    "count_distinct_implementation", "decimal_check_overflow", "describe_compact_output",
    "empty_result_for_aggregation_by_empty_set", "enable_analyzer", "enable_http_compression",
    "enable_named_columns_in_function_tuple", "enable_optimize_predicate_expression", "extremes", "final",
    "formatdatetime_f_prints_single_zero", "formatdatetime_parsedatetime_m_is_month_name",
    "http_headers_progress_interval_ms", "http_max_field_value_size", "http_response_buffer_size",
    "http_wait_end_of_query", "http_write_exception_in_output_format", "http_zlib_compression_level",
    "join_use_nulls", "limit", "log_queries", "low_cardinality_allow_in_native_format",
    "max_block_size", "max_bytes_in_join", "max_bytes_to_read", "max_rows_in_join", "max_rows_to_group_by",
    "max_rows_to_read", "network_compression_method", "network_zstd_compression_level", "offset",
    "prefer_column_name_to_alias", "read_overflow_mode", "receive_timeout", "result_overflow_mode",
    "select_sequential_consistency", "send_logs_level", "send_progress_in_http_headers", "send_timeout",
    "session_timezone", "short_circuit_function_evaluation", "show_table_uuid_in_table_create_query_if_not_nil",
    "timeout_overflow_mode", "totals_mode", "transform_null_in", "union_default_mode", "use_client_time_zone",
    "variant_throw_on_type_mismatch",
}  # fmt: skip


# How long a statement may be, data of an INSERT apart; by itself, and when `max_query_size` asks for more.
QUERY_BYTES, MOST_QUERY_BYTES = 256 << 10, 1 << 20
# The engine is asked about statements in statements, where each byte may have become two.
ENGINE_QUERY_BYTES = 4 << 20


class Ceilings(NamedTuple):
    """The most that one query of an analyst may take."""

    seconds: int
    result_rows: int
    result_bytes: int
    memory_bytes: int
    threads: int

    def settings(self) -> dict[str, int]:
        return {
            "max_execution_time": self.seconds,
            "max_result_rows": self.result_rows,
            "max_result_bytes": self.result_bytes,
            "max_memory_usage": self.memory_bytes,
            "max_threads": self.threads,
            "max_query_size": ENGINE_QUERY_BYTES,
            "max_ast_depth": 1000,
            "max_ast_elements": 50_000,
            "max_expanded_ast_elements": 500_000,
            "max_subquery_depth": 100,
            "max_temporary_data_on_disk_size_for_query": self.result_bytes,
        }


class Catalog(NamedTuple):
    """What the running engine knows, in lower case."""

    functions: Mapping[str, tuple[str, str]]  # name -> what it is an alias of, or itself, and its category
    table_functions: frozenset[str]
    settings: frozenset[str]
    system_tables: frozenset[str]


class Rules(NamedTuple):
    refused_functions: frozenset[str]  # in lower case
    refused_to_writers: frozenset[str]
    refused_table_functions: frozenset[str]
    refused_tables: frozenset[str]  # of `system`
    free_settings: frozenset[str]
    ceilings: Mapping[str, int]


def rules(catalog: Catalog, ceilings: Ceilings) -> Rules:
    others = {name.lower() for name in OTHER_FUNCTIONS}
    refused = {
        name
        for name, (original, category) in catalog.functions.items()
        if category not in FUNCTION_CATEGORIES and original not in others
    }
    tables = catalog.table_functions - TABLE_FUNCTIONS
    free = {name for name in catalog.settings if _is_free(name)}
    # A name that is a table function alone has no business among expressions either.
    return Rules(
        frozenset(refused | (tables - set(catalog.functions))),
        frozenset((refused | tables) - WRITERS_ALSO),
        frozenset(tables),
        catalog.system_tables - SYSTEM_TABLES,
        frozenset(free - set(ceilings.settings())),
        ceilings.settings(),
    )


def _is_free(name: str) -> bool:
    return name in SETTINGS or (name.startswith(SETTING_PREFIXES) and not _NOT_THOUGH.search(name))
