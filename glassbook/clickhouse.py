"""How the programs of the exchange reach ClickHouse: the embedded one, or the server that CLICKHOUSE_URL names.

An `Access` says where and as whom, and opens clickhouse-connect's clients. To the embedded server a program shows a
token signed with its own key, and signs the next one by itself; an analyst needs none. A real server gets what stands
in the URL: user and password, or a client certificate.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError

if TYPE_CHECKING:  # a second to import: only for who opens a client
    import httpx
    from clickhouse_connect.driver.asyncclient import AsyncClient
    from clickhouse_connect.driver.client import Client

DATABASE = "glassbook"
HOST = "127.0.0.1"
ANALYST = ""  # nobody in particular: reads only
CONNECT_S = 5
URL_FORM = "http(s)://user:password@host:port/database?client_cert=FILE&client_cert_key=FILE&ca_cert=FILE"
# What a URL may say besides; by the names of clickhouse-connect.
_OPTIONS = {"ca_cert", "client_cert", "client_cert_key", "compress", "server_host_name", "tls_mode", "verify"}


class Place(Protocol):
    """The settings that say where ClickHouse is."""

    @property
    def clickhouse_url(self) -> str: ...
    @property
    def clickhouse_port(self) -> int: ...
    @property
    def data_dir(self) -> Path: ...


class Address(NamedTuple):
    interface: str
    host: str
    port: int
    database: str = DATABASE

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.interface}://{host}:{self.port}"


@dataclass(frozen=True)
class Access:
    """Where ClickHouse is, and as whom to go there. What it shows of itself has no password in it."""

    address: Address
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)
    embedded: bool = False

    def client(self, **more: Any) -> "Client":
        """A client of its own connections. Raises clickhouse-connect's errors when the server is away."""
        from clickhouse_connect import get_client
        from clickhouse_connect.driver.httputil import get_pool_manager

        arguments = self._arguments() | more
        if self.embedded:
            # Loopback is not for a proxy that the environment may name.
            arguments.setdefault("pool_mgr", get_pool_manager())
        return get_client(**arguments)

    async def async_client(self, **more: Any) -> "AsyncClient":
        from clickhouse_connect import get_async_client

        return await get_async_client(**self._arguments() | more)

    def http(self, **more: Any) -> "httpx.Client":
        """Plain HTTP, for who wants the server's own bytes."""
        import httpx

        options, headers = self.options, dict[str, str]()
        context: ssl.SSLContext | bool = True
        if self.address.interface == "https":
            ca_file = options.get("ca_cert")
            context = ssl.create_default_context(cafile=None if ca_file == "certifi" else ca_file)
            if options.get("client_cert"):
                context.load_cert_chain(options["client_cert"], options.get("client_cert_key"))
                headers["X-ClickHouse-SSL-Certificate-Auth"] = "on"
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token()}"
        elif "username" in options:
            headers["X-ClickHouse-User"] = options["username"]
            if options["password"]:
                headers["X-ClickHouse-Key"] = options["password"]
        headers["X-ClickHouse-Database"] = self.address.database
        return httpx.Client(
            base_url=str(self.address), headers=headers, verify=context, trust_env=not self.embedded, **more
        )

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            **self.address._asdict(),
            "connect_timeout": CONNECT_S,
            "compress": not self.embedded,
            # A session serves one query at a time, and is good for temporary tables alone.
            "autogenerate_session_id": False,
            "client_name": "glassbook",
        }
        if self.token is not None:
            arguments["token_provider"] = self.token
        return arguments | self.options


def connector(place: Place, program: str) -> Callable[[], Awaitable["AsyncClient"]]:
    """What opens a client for a program that lives without ClickHouse: whatever is wrong, it is as if it were away.

    Raises OSError when called and ClickHouse cannot be used.
    """

    async def connect() -> "AsyncClient":
        try:
            return await access(place, program).async_client()
        except GlassbookError as error:
            raise OSError(str(error)) from error

    return connect


def access(place: Place, program: str = ANALYST) -> Access:
    """As `program` (`clickhouse_keys.SINK`, `GATEWAY`), or as nobody in particular, who may read."""
    if place.clickhouse_url:
        return _at_url(place.clickhouse_url)
    address = Address("http", HOST, place.clickhouse_port)
    if program == ANALYST:
        return Access(address, embedded=True)
    from glassbook.clickhouse_keys import TokenSigner  # with all of `cryptography`: not for who only reads

    folder = DataFolder(place.data_dir)
    instance = folder.instance()
    if instance is None:
        raise GlassbookError(f"there is no exchange in {folder.root} yet: start it with 'glassbook up'")
    return Access(address, token=TokenSigner(folder.clickhouse_keys, program, instance.id).token, embedded=True)


def _at_url(url: str) -> Access:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise GlassbookError(f"CLICKHOUSE_URL is no URL ({error}): {URL_FORM}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GlassbookError(f"CLICKHOUSE_URL must look like {URL_FORM}")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if unknown := sorted(set(options) - _OPTIONS):
        raise GlassbookError(f"CLICKHOUSE_URL has an unknown option {unknown[0]}: {URL_FORM}")
    for name in ("ca_cert", "client_cert", "client_cert_key"):
        file = options.get(name)
        if file not in (None, "certifi") and not Path(file).is_file():
            raise GlassbookError(f"CLICKHOUSE_URL names a {name} that isn't there: {file}")
    options["username"] = unquote(parts.username or "default")
    options["password"] = unquote(parts.password or "")
    database = unquote(parts.path.strip("/")) or DATABASE
    default_port = 8443 if parts.scheme == "https" else 8123
    return Access(Address(parts.scheme, parts.hostname, port or default_port, database), options)
