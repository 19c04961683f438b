"""Money, dates and foreign text, as a letter may show them."""

import re
import unicodedata
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberPattern, get_currency_symbol

_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_EXPONENTS = {
    code: digits for digits, codes in ((0, _WITHOUT), (3, _THREE), (4, _FOUR)) for code in codes.split()
}
"""ISO 4217 minor units that are not two. CLDR (and so Babel) differs: it gives RSD none and IQD none,
which would turn a price of 12.50 into 1,250."""

_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*:)(?=//)|\b(javascript|data|vbscript|file)(?=\s*:)")
_NOT_A_NAME = re.compile(r"[^\w\s.,'\u2019\u02bc`\u00b4\u00b7-]|\d|\w\.\w{2}|_")


_LEFT_TO_RIGHT = "\u200e"
_JOINERS = {"\u200c", "\u200d", _LEFT_TO_RIGHT, "\u200f", "\u061c"}
"""Invisible, but part of how Persian, Hindi and others are written, and unable to turn a line around."""


def exponent(currency: str) -> int:
    """How many digits of the currency are minor units (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def decimal_amount(amount: int, currency: str) -> Decimal:
    """Minor units as a decimal number of the currency."""
    return Decimal(amount).scaleb(-exponent(currency))


def money(amount: int, currency: str, locale: Locale) -> str:
    """`amount` minor units as people of that language write it, for example 1.234,50 €."""
    pattern = _money_pattern(str(locale), exponent(currency))
    value = decimal_amount(amount, currency)
    written = str(pattern.apply(value, locale, currency=currency, currency_digits=False))
    symbol = get_currency_symbol(currency, locale)
    if symbol[-1].isalpha():  # CLDR's spacing, which Babel leaves out: KWD 1.500, but $1.50
        written = re.sub(f"{re.escape(symbol)}(?=\\d)", f"{symbol}\u00a0", written)
    if locale.text_direction == "rtl" and symbol[0].isascii():
        written = written.replace(symbol, f"{_LEFT_TO_RIGHT}{symbol}{_LEFT_TO_RIGHT}")
    return written


@lru_cache(maxsize=256)
def _money_pattern(locale: str, digits: int) -> NumberPattern:
    pattern: NumberPattern = copy(Locale.parse(locale).currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    return pattern


def day(when: datetime | date, zone: str, locale: Locale) -> str:
    """The day and its weekday on the customer's calendar: Tuesday, March 3."""
    if isinstance(when, datetime):
        when = when.astimezone(ZoneInfo(zone)).date()
    return str(format_date(when, _weekday_and_day(str(locale)), locale=locale))


@lru_cache(maxsize=256)
def _weekday_and_day(locale: str) -> str:
    """CLDR's pattern for weekday, month and day, its short names made long."""
    patterns = Locale.parse(locale).datetime_skeletons
    pattern = patterns.get("MMMMEd") or patterns["MMMEd"]
    return re.sub("M{3,}", "MMMM", re.sub("[Ec]+", "EEEE", pattern.pattern))


def promised_day(by: datetime, zone: str) -> date:
    """The day that a promise names: a promise ends with the midnight after its day."""
    return (by.astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date()


def plain(text: str) -> str:
    """Somebody else's words on one line: no control or direction characters, and nothing that a mail
    client would make a link of."""
    words = " ".join("".join(map(_visible, text)).split())
    return _SCHEME.sub(lambda found: f"{found[0]} ", words)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return char if char in _JOINERS or unicodedata.category(char)[0] != "C" else ""


def first_name(name: str, locale: Locale) -> str:
    """How to greet somebody, or nothing where the name is no name (an address or a link put there to be
    carried by our letters) or the language does not greet by the first word of it."""
    name = plain(name)
    if not name or len(name) > 60 or _NOT_A_NAME.search(name):
        return ""
    return name if locale.language in {"ja", "ko", "zh", "hu", "vi"} else name.split()[0]


def secure_url(url: str | None) -> str | None:
    """The address if it is https and could be nothing else, otherwise nothing."""
    if url is None or not url.isprintable() or re.search(r"[\s<>\"'\\]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname and "@" not in parts.netloc else None
