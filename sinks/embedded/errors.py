"""ClickHouse's errors: their codes, their text, and the HTTP status that a server gives each.

The codes are ClickHouse's own (src/Common/ErrorCodes.cpp), the statuses those of its HTTP interface
(src/Server/HTTP/exceptionCodeToHTTPStatus.cpp), but for the two that say "try again" or "make room".
"""

import re
from enum import IntEnum


class Code(IntEnum):
    """The codes that this program itself raises or looks at."""

    BAD_ARGUMENTS = 36
    CHECKSUM_DOESNT_MATCH = 40
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_COMPRESSION_METHOD = 89
    UNKNOWN_SETTING = 115
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    TOO_BIG_AST = 168
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
    NOT_ENOUGH_SPACE = 243
    CANNOT_DECOMPRESS = 271
    TOO_MANY_BYTES = 307
    INTO_OUTFILE_NOT_ALLOWED = 358
    SESSION_NOT_FOUND = 372
    SESSION_IS_LOCKED = 373
    INVALID_SESSION_TIMEOUT = 374
    QUERY_WAS_CANCELLED = 394
    TOO_MANY_ROWS_OR_BYTES = 396
    SETTING_CONSTRAINT_VIOLATION = 452
    ACCESS_DENIED = 497
    SET_NON_GRANTED_ROLE = 512
    AUTHENTICATION_FAILED = 516
    UNSUPPORTED_MEDIA_TYPE = 779
    STD_EXCEPTION = 1001


class ClickHouseError(Exception):
    """An answer to a statement that can't be carried out. `message` is without code and name."""

    def __init__(self, code: int, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code, self.message = int(code), message
        self.name = name or (Code(code).name if code in Code._value2member_map_ else "")

    def text(self, version: str) -> str:
        """As a server writes it, with a line's end."""
        ending = "" if self.message.endswith((".", "!", "?")) else "."
        return f"Code: {self.code}. DB::Exception: {self.message}{ending} ({self.name}) (version {version} (chDB))\n"

    @property
    def status(self) -> int:
        return http_status(self.code)


_PREFIX = re.compile(r"\s*Code: (\d+)\. DB::Exception: ")
_VERSION = re.compile(r"\s*\(version [^()]*\)\.?\s*$")
_WRITING_FAILED = {74, 75, 76, 481, 1001, 1002}  # which of them, depends on the file
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]*)\)\s*$")


def from_engine(text: str) -> ClickHouseError:
    """What chDB raised. It wraps an error in itself now and then, with code and name at both ends each time."""
    code, name, message = Code.STD_EXCEPTION.value, "", text.strip()
    if found := _PREFIX.search(message):
        message = message[found.start() :]
    while found := _PREFIX.match(message):
        code, message = int(found[1]), message[found.end() :]
    while found := _VERSION.search(message) or _NAME.search(message):
        if found.re is _NAME:
            name = name or found[1]
        message = message[: found.start()].rstrip()
    if code in _WRITING_FAILED and "No space left on device" in message:
        code, name = Code.NOT_ENOUGH_SPACE, Code.NOT_ENOUGH_SPACE.name
    return ClickHouseError(code, message.removesuffix(".") or "unknown error", name or "STD_EXCEPTION")


_STATUSES: dict[int, set[int]] = {
    401: {194},
    403: {192, 193, 497, 512, 516},
    400: {
        6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676,
    },
    404: {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511},
    408: {159},
    411: {381},
    413: {229, Code.TOO_MANY_BYTES},
    415: {779},
    501: {48},
    503: {76, 209, 439, Code.TOO_MANY_SIMULTANEOUS_QUERIES},
    507: {Code.NOT_ENOUGH_SPACE},
}  # fmt: skip
_STATUS_OF = {int(code): status for status, codes in _STATUSES.items() for code in codes}


def http_status(code: int) -> int:
    return _STATUS_OF.get(code, 500)
