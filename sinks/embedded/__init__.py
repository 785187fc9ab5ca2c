"""ClickHouse's engine in one process, behind ClickHouse's own HTTP interface."""
