"""Every setting of a local system, with its default: from GLASSBOOK_* variables, or a file `glassbook.env` or `.env`.

Only `__main__` modules and the command line read it; everything else is given what it needs. A stage that the
supervisor starts finds all settings in its environment, so that no file can change under it.
"""

import ipaddress
import os
from pathlib import Path
from typing import Self

from platformdirs import user_cache_path
from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError

HOST = "127.0.0.1"
# Linux hands out ports from here on to outgoing connections. librdkafka, retrying while its broker is down, can be
# given the broker's very port, connects to itself, and keeps the broker from coming back.
FIRST_EPHEMERAL_PORT = 32768
MAX_BROKERS = 3
DEFAULT_LISTING = Path(__file__).parent.parent / "deploy" / "listing.toml"
# Broker i listens on kafka_port + 10 i, its controller one above.
PORT_STEP = 10


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="GLASSBOOK_",
        env_file=("glassbook.env", ".env"),
        env_ignore_empty=True,
        extra="ignore",
        validate_by_name=True,
    )

    data_dir: Path = Path("data")
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("glassbook"))
    kafka_port: int = Field(19092, ge=1024, lt=FIRST_EPHEMERAL_PORT - PORT_STEP * MAX_BROKERS)
    bootstrap_servers: str = ""  # empty: the brokers of data_dir
    gateway_host: str = HOST
    gateway_port: int = Field(8000, ge=1, lt=FIRST_EPHEMERAL_PORT)
    rate_per_account: int = Field(2_000, ge=1)  # commands and private reads a second, in each gateway process
    rate_per_address: int = Field(10_000, ge=1)  # requests a second
    gateway_in_flight: int = Field(1_000, ge=1)  # commands and reads that wait for answers, in each gateway process
    gateway_processes: int = Field(1, ge=1, le=64)
    # Play money for anybody on this machine, where the gateway listens on nothing else and the operator's key is here.
    demonstration_accounts: bool = True
    quiet: bool = False  # `glassbook up` without market makers and takers, which trade where play money is given
    makers_mandate_s: int = Field(30, ge=3, le=3600)  # so long after its maker was killed an order is cancelled
    feed_port: int = Field(8001, ge=1, lt=FIRST_EPHEMERAL_PORT)  # of `python -m feeds`, streams without order entry
    # What one process of streams allows; see docs/streams.md.
    feed_connections: int = Field(5_000, ge=1, le=100_000)
    feed_connections_per_address: int = Field(500, ge=1)
    feed_streams_per_connection: int = Field(200, ge=1, le=10_000)
    feed_unconflated_streams: int = Field(500, ge=0)  # subscriptions to single changes, of all connections
    feed_messages_per_s: int = Field(50, ge=1)  # of a connection, besides order entry
    feed_frame_ms: int = Field(100, ge=10, le=10_000)
    candle_web_port: int = Field(0, ge=0, lt=FIRST_EPHEMERAL_PORT)  # of Faust's own view of candle_agg; 0: none
    clickhouse_port: int = Field(8123, ge=1, lt=FIRST_EPHEMERAL_PORT)
    # A real server instead of the embedded one: http(s)://user:password@host:port/database, and for certificates
    # ?client_cert=FILE&client_cert_key=FILE&ca_cert=FILE
    clickhouse_url: str = Field(
        "", validation_alias=AliasChoices("GLASSBOOK_CLICKHOUSE_URL", "CLICKHOUSE_URL"), repr=False
    )
    # What one query of an analyst may take of the embedded ClickHouse.
    clickhouse_query_s: int = Field(60, ge=1, le=3600)
    clickhouse_query_memory_mb: int = Field(512, ge=64)
    clickhouse_result_rows: int = Field(10_000_000, ge=1)
    clickhouse_result_mb: int = Field(1024, ge=1)
    clickhouse_body_mb: int = Field(256, ge=1, le=2048)  # the largest request, unpacked
    # A sink writes a batch at so many rows, or when its first record is so old.
    sink_batch_rows: int = Field(100_000, ge=1, le=1_000_000)
    sink_batch_ms: int = Field(1_000, ge=10, le=60_000)
    # After so many days ClickHouse drops a table's rows, by whole months; 0: never. The log keeps them all.
    retention_days_trades: int = Field(0, ge=0, le=36_500)
    retention_days_candles: int = Field(0, ge=0, le=36_500)
    retention_days_order_events: int = Field(0, ge=0, le=36_500)
    retention_days_postings: int = Field(0, ge=0, le=36_500)
    retention_days_alerts: int = Field(0, ge=0, le=36_500)
    canary_late_ms: int = Field(10_000, ge=1_000, le=3_600_000)  # log time after which an outcome that is due is late
    canary_halts: bool = True  # a divergence halts its market, until the operator resumes it
    # Where each alert of the canary is posted to, signed; empty: nowhere. Often it holds a secret.
    alert_webhook: str = Field("", pattern=r"^(https?://[^\s/]+.*)?$", repr=False)
    alert_webhook_attempts: int = Field(8, ge=1, le=20)  # the last one about a minute behind the first
    listing: Path = DEFAULT_LISTING  # the markets of a new exchange
    engine_version: int = Field(3, ge=1, le=3)  # the rules of a new exchange; 3: mandates to cancel all
    open_registration: bool = True  # anybody may open an account: right on one's own machine, wrong elsewhere
    account_partitions: int = Field(4, ge=1)
    order_partitions: int = Field(8, ge=1)  # at the first start; a listing may ask for more later
    # A process's name in its stage's consumer group. Started again under it, it gets its partitions back at once.
    member: str = Field("1", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    # After it a dead stage's partitions go to another member. A broker that was killed should be back by then: after it
    # its members have to join anew, which takes them a second or two.
    session_timeout_ms: int = Field(4000, ge=1000)
    disk_reserve_mb: int = Field(512, ge=16)  # below it no start and no new orders

    @field_validator("data_dir", "cache_dir", "listing")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _own_brokers(self) -> Self:
        if not self.bootstrap_servers:
            self.bootstrap_servers = self.broker_addresses(DataFolder(self.data_dir).broker_count() or 1)
        return self

    @property
    def gateway_url(self) -> str:
        return f"http://{self.gateway_host}:{self.gateway_port}"

    @property
    def offers_play_money(self) -> bool:
        """Whether this is a demonstration: on this machine, for this machine."""
        return self.demonstration_accounts and is_loopback(self.gateway_host)

    def broker_port(self, broker: int) -> int:
        """The port of broker 1, 2 or 3."""
        return self.kafka_port + PORT_STEP * (broker - 1)

    def broker_addresses(self, brokers: int) -> str:
        return ",".join(f"{HOST}:{self.broker_port(broker)}" for broker in range(1, brokers + 1))

    def environment(self) -> dict[str, str]:
        """Every setting as the variable that carries it to a child process."""
        return {f"GLASSBOOK_{name.upper()}": str(value) for name, value in self.model_dump().items()}


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_settings() -> Settings:
    """Settings, or a GlassbookError of one line that says which variable is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"GLASSBOOK_{'_'.join(str(part) for part in first['loc']).upper()}"
        given = os.environ.get(name, first.get("input"))
        raise GlassbookError(f"{name} is {given!r}, but: {first['msg']}") from error
