"""Decimal strings at the edges, integers inside.

A number travels as a plain decimal string (`"223.81"`): no sign, no exponent, no bare dot. Inside it is a count
of the smallest unit, such as ticks, lots or an asset's minor units. Floats never appear.
"""

import re

MAX_INTEGER = 2**63 - 1
_PLAIN = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,18})?", re.ASCII)


class DecimalError(ValueError):
    """A string that isn't a plain decimal, or is finer than its unit."""


class TooManyDecimals(DecimalError):
    """A plain decimal that is finer than its unit."""


def parse_decimal(text: str, decimals: int) -> int:
    """`text` as a count of units of 10**-decimals. Trailing zeros beyond that are allowed, other digits are not.

    >>> parse_decimal("223.81", 4)
    2238100
    """
    if _PLAIN.fullmatch(text) is None:
        raise DecimalError(f"{text[:40]!r} is not a plain decimal such as 12.5")
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise TooManyDecimals(f"{text!r} has more than {decimals} decimals")
        fraction = fraction[:decimals]
    return int(whole + fraction.ljust(decimals, "0"))


def format_decimal(units: int, decimals: int) -> str:
    """The shortest plain decimal of `units` × 10**-decimals; a leading minus for negative amounts.

    >>> format_decimal(2238100, 4)
    '223.81'
    """
    if not decimals:
        return str(units)
    digits = str(abs(units)).rjust(decimals + 1, "0")
    fraction = digits[-decimals:].rstrip("0")
    whole = digits[:-decimals]
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
