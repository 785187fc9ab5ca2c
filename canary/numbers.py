"""Decimal texts to whole numbers of a unit, and back. Exact; no float, no Decimal."""

from functools import lru_cache

LARGEST = 2**63 - 1
MILLION = 1_000_000


class NotPlain(ValueError):
    """The text is not 1 to 40 digits, with at most a dot and 1 to 18 digits behind it."""


class TooFine(ValueError):
    """The number is no whole count of its unit."""


def is_plain(text: str) -> bool:
    whole, dot, fraction = text.partition(".")
    if not (1 <= len(whole) <= 40 and whole.isascii() and whole.isdigit()):
        return False
    return not dot or (1 <= len(fraction) <= 18 and fraction.isascii() and fraction.isdigit())


@lru_cache(maxsize=65536)
def units_of(text: str, decimals: int) -> int:
    """How many units of 10^-decimals the text stands for."""
    if not is_plain(text):
        raise NotPlain
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise TooFine
    return int(whole + fraction.ljust(decimals, "0"))


@lru_cache(maxsize=65536)
def text_of(units: int, decimals: int) -> str:
    """The shortest plain text of units × 10^-decimals."""
    if units < 0:
        return "-" + text_of(-units, decimals)
    whole, rest = divmod(units, 10**decimals)
    if not rest:
        return str(whole)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0")


def signed_units_of(text: str, decimals: int) -> int:
    """As `units_of`, but one leading minus is allowed: fee rates."""
    return -units_of(text[1:], decimals) if text[:1] == "-" else units_of(text, decimals)


def digits_behind_dot(text: str) -> int:
    return len(text.partition(".")[2].rstrip("0"))


def fee_of(notional: int, rate_ppm: int) -> int:
    """Notional × rate, rounded towards zero."""
    fee = abs(notional * rate_ppm) // MILLION
    return fee if rate_ppm >= 0 else -fee
