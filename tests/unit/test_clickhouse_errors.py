"""The engine's errors, with what chDB puts around them, as a server's."""

import pytest

from sinks.embedded.errors import ClickHouseError, Code, from_engine, http_status


@pytest.mark.parametrize(
    ("raised", "code", "name", "message"),
    [
        ("Code: 60. DB::Exception: No table x. (UNKNOWN_TABLE)", 60, "UNKNOWN_TABLE", "No table x"),
        (
            "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'y'. (UNKNOWN_SETTING)"
            " (version 26.9.2.1). (UNKNOWN_SETTING)",
            115, "UNKNOWN_SETTING", "Unknown setting 'y'",
        ),
        ("Failed: Code: 76. DB::Exception: Locked. (CANNOT_OPEN_FILE)", 76, "CANNOT_OPEN_FILE", "Locked"),
        ("Code: 395. DB::Exception: Of (A_B) and (version 1). (THROWN)", 395, "THROWN", "Of (A_B) and"),
        ("something else", 1001, "STD_EXCEPTION", "something else"),
        ("", 1001, "STD_EXCEPTION", "unknown error"),
        (
            "Code: 75. DB::Exception: Cannot write, errno: 28, strerror: No space left on device. (CANNOT_WRITE)",
            243, "NOT_ENOUGH_SPACE", "Cannot write, errno: 28, strerror: No space left on device",
        ),
    ],
)  # fmt: skip
def test_from_engine(raised: str, code: int, name: str, message: str) -> None:
    error = from_engine(raised)
    assert (error.code, error.name) == (code, name)
    assert error.message.startswith(message)


def test_the_text_of_an_error() -> None:
    error = ClickHouseError(Code.READONLY, "Not that")
    assert error.text("26.9") == "Code: 164. DB::Exception: Not that. (READONLY) (version 26.9 (chDB))\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (62, 400),
        (497, 403),
        (516, 403),
        (60, 404),
        (159, 408),
        (307, 413),
        (48, 501),
        (202, 503),
        (243, 507),
        (395, 500),
    ],
)
def test_http_statuses(code: int, status: int) -> None:
    assert http_status(code) == status
