"""History: what the topics say, as rows in ClickHouse."""
