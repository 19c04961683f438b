"""From what shops and carriers write to what facts hold. What cannot be used is left out, never guessed."""

import base64
import binascii
import re
from datetime import UTC, date, datetime
from decimal import Decimal, DecimalException
from typing import Annotated, Any

from babel.numbers import get_currency_precision
from pydantic import BaseModel, BeforeValidator, ConfigDict, EmailStr, HttpUrl, TypeAdapter, ValidationError

from journey.times import EARLIEST, LATEST
from service.sources.source import Forged, NotReadable

_EMAIL: TypeAdapter[str] = TypeAdapter(EmailStr)
_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


class Wire(BaseModel):
    """What somebody else's payload has; the fields that we do not use are not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


def _id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("should be an identifier")
    text = re.sub(r"[^A-Za-z0-9_.:#-]", "-", str(value).strip())[:64].lstrip("_.:-")
    if not text:
        raise ValueError("should be an identifier")
    return text


Id = Annotated[str, BeforeValidator(_id)]
"""Somebody's identifier, with what an opaque id may not have replaced."""


def _loose_text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


Loose = Annotated[str, BeforeValidator(_loose_text)]
"""A text that may be missing, empty or of a wrong type, which all mean nothing."""


def label(text: str | None, longest: int = 100) -> str | None:
    """A shop's own name for a thing, without what labels may not have."""
    kept = "".join(char for char in text or "" if char.isprintable() and char != "@").strip()
    return kept[:longest] or None


def one_line(text: str | None, longest: int = 200) -> str | None:
    """A name or a line of an address that is safe in a mail's header."""
    kept = "".join(char if char.isprintable() else " " for char in text or "")
    return " ".join(kept.split())[:longest].strip() or None


def email(text: str | None) -> str | None:
    """An address that can be written to, or nothing."""
    try:
        return _EMAIL.validate_python((text or "").strip())
    except ValidationError:
        return None


def url(text: str | None) -> str | None:
    try:
        return str(_URL.validate_python(text or ""))
    except ValidationError:
        return None


def currency(text: str) -> str:
    """ISO 4217. Raises `NotReadable`."""
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise NotReadable("currency: should be an ISO 4217 code such as EUR")
    return text.upper()


def country(text: str | None) -> str | None:
    code = (text or "").strip().upper()
    return code if re.fullmatch(r"[A-Z]{2}", code) else None


def minor_units(amount: str, of: str) -> int:
    """`19.99` in minor units of a currency: cents, whole yen, a thousandth of a dinar.

    Raises `NotReadable`.
    """
    try:
        value = Decimal(amount) * 10 ** get_currency_precision(of)
        if value.is_finite() and 0 <= value < 10**15:
            return int(value.to_integral_value())
    except DecimalException:
        pass
    raise NotReadable("price: should be an amount such as 19.99")


def moment(text: Any) -> datetime | None:
    """A moment from a timestamp of any of the usual kinds; without a zone it is taken to be UTC, and a bare
    date to be its noon. Nothing, for what is empty or no time at all."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _sane(_from_epoch(text))
    if not isinstance(text, str) or not text.strip():
        return None
    words = text.strip().replace(" ", "T", 1)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
            return _sane(
                datetime.combine(date.fromisoformat(words), datetime.min.time(), UTC).replace(hour=12)
            )
        read = datetime.fromisoformat(words)
        return _sane(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _from_epoch(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _sane(when: datetime | None) -> datetime | None:
    """In UTC: an id that is made of a time is the same in whatever zone a platform writes it."""
    try:
        utc = when.astimezone(UTC) if when is not None else None
    except OverflowError:
        return None
    return utc if utc is not None and EARLIEST.year < utc.year < LATEST.year else None


def day(text: Any) -> date | None:
    """The calendar day that a text begins with. Nothing, for what cannot be reckoned with."""
    try:
        found = date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
    return found if EARLIEST.year < found.year < LATEST.year else None


def base64_bytes(text: str) -> bytes:
    """Raises `Forged` for what is no base64, as a signature that is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Forged from None
