"""Reading the files that the command line is given: an order, and the facts that happened to it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    EmailStr,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from journey.facts import FactBase, KnownFact, Model, Order, OrderPlaced, Text, Zone
from journey.names import OpaqueId
from journey.playbook import MessageClass
from journey.return_facts import FACTS
from journey.times import Instant
from journey.wording import did_you_mean
from ledger.customers import Profile
from ledger.payments import Payment
from ledger.permissions import Consent
from runtime.inputs import (
    InputError,
    LineOf,
    Source,
    complaints,
    json_lines,
    parse_json,
    read_text,
)
from runtime.languages import Language

_MODELS: dict[str, type[FactBase]] = {
    model.model_fields["kind"].default: model for model in get_args(get_args(KnownFact)[0])
}
OF_RETURNS = {"return_requested", "return_decided", "return_cancelled", "refund_cured", *FACTS}
"""Requests and facts about returns: they are read where they are handed over."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


OneLine = Annotated[Text, AfterValidator(_one_line)]
"""Text that is safe in a mail's header."""


class Customer(Model):
    """Who ordered: for the ledger, never for Temporal."""

    customer_id: OpaqueId
    email: EmailStr
    name: OneLine
    locale: Language = Field(default="en", description="BCP 47.")
    phone: Annotated[OneLine, Field(max_length=40)] | None = None
    zone: Zone | None = Field(default=None, description="By default the order's.")
    consent: tuple[MessageClass, ...] = Field(
        default=(), description="Classes of letters that the customer said yes to with this order."
    )


class PaymentFile(Model):
    """What was captured, and where: for the ledger, which gives it back."""

    provider: Annotated[str, StringConstraints(pattern=r"^(demo|stripe)$")]
    id: Annotated[str, StringConstraints(pattern=r"^[^\s@]{1,200}$")] = Field(
        description="The provider's own: `ch_...` or `pi_...` at Stripe."
    )
    captured: int = Field(ge=0, description="In minor units.")


class OrderFile(Model):
    """An order as a file has it: the order's own fields, `placed_at` and `customer`, side by side."""

    placed_at: Instant
    customer: Customer
    payment: PaymentFile | None = Field(default=None, description="By default all of it, at the demo's.")
    fields: Order = Field(description="The order, which does not know its customer yet.")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "customer_id" in data:
            raise ValueError("customer_id: should stand within `customer`")
        around = {key: value for key, value in data.items() if key in ("placed_at", "customer", "payment")}
        fields = {key: value for key, value in data.items() if key not in around}
        return {**around, "fields": {**fields, "customer_id": "pending"}}

    @property
    def order(self) -> Order:
        return self.fields.model_copy(update={"customer_id": self.customer.customer_id})

    def placed(self) -> OrderPlaced:
        """The fact that starts the journey."""
        return OrderPlaced(
            fact_id=f"placed:{self.order.order_id}", at=self.placed_at, source="file", order=self.order
        )

    def captured(self) -> Payment | None:
        """The payment for the ledger, if the file names one."""
        if self.payment is None:
            return None
        return Payment(
            order_id=self.order.order_id,
            provider=self.payment.provider,
            provider_id=self.payment.id,
            currency=self.order.currency,
            captured=self.payment.captured,
            created_at=self.placed_at,
        )

    def customer_profile(self) -> Profile:
        """The customer for the ledger, in the order's zone unless the file names another."""
        fields = self.customer.model_dump(exclude_none=True, exclude={"consent"})
        return Profile(**{"zone": self.fields.zone, "country": self.fields.country, **fields})

    def consents(self) -> list[Consent]:
        """What the customer said yes to, when the order was placed."""
        return [
            Consent(
                customer_id=self.customer.customer_id,
                message_class=message_class,
                granted=True,
                at=self.placed_at,
                source="order",
            )
            for message_class in self.customer.consent
        ]


class ReportedFact(NamedTuple):
    """A fact as it was reported, whether or not it can be understood."""

    kind: str
    body: dict[str, Any]
    at: datetime
    """When it is reported: the line's `reported_at`, by default the time at which it happened."""


def read_order(path: Path) -> OrderFile:
    """Read ORDER.json. Raises `InputError`."""
    text = read_text(path)
    data = _parsed(text, path)
    if not isinstance(data, dict):
        raise InputError(f"{path}:1: should be a JSON object with named fields such as order_id")
    try:
        return OrderFile.model_validate(data)
    except ValidationError as error:
        told = complaints(error, OrderFile, Source(path, json_lines(text)), flattened="fields")
        raise InputError(told) from None


def read_fact_file(path: Path, *, strict: bool = True) -> ReportedFact:
    """Read FACT.json, a single fact. Raises `InputError`."""
    text = read_text(path)
    return _reported(_parsed(text, path), Source(path, json_lines(text)), strict)


def read_facts(path: Path, *, strict: bool = False) -> list[ReportedFact]:
    """Read FACTS.jsonl, one fact a line, in the order of the file. Unless `strict`, a fact only needs a
    kind and a time: whether it is understood is for the journey to say. Raises `InputError` that lists
    every line that is wrong."""
    facts, wrong = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            facts.append(_reported(_parsed(line, path, number), Source(path, _always(number)), strict))
        except InputError as error:
            wrong.append(str(error))
    if wrong:
        raise InputError("\n".join(wrong))
    return facts


def _always(line: int) -> LineOf:
    return lambda loc: line


def _parsed(text: str, path: Path, line: int | None = None) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{line or error.lineno}: is not JSON: {error.msg}") from None
    except ValueError as error:
        raise InputError(f"{path}:{line or 1}: {error}") from None


def _reported(data: Any, source: Source, strict: bool) -> ReportedFact:
    if not isinstance(data, dict):
        raise InputError(source.wrong((), "should be a JSON object with named fields such as kind"))
    body = {key: value for key, value in data.items() if key not in ("kind", "reported_at")}
    kind = data.get("kind")
    if not isinstance(kind, str) or not kind:
        raise InputError(source.wrong(("kind",), f"should be one of: {', '.join(_MODELS)}"))
    if strict:
        _check(kind, body, source)
    return ReportedFact(kind, body, _reported_at(data, source))


def _check(kind: str, body: dict[str, Any], source: Source) -> None:
    if kind in OF_RETURNS:
        return
    if kind not in _MODELS:
        text = f"should be one of: {', '.join(_MODELS)}{did_you_mean(kind, _MODELS)}"
        raise InputError(source.wrong(("kind",), text))
    try:
        _MODELS[kind].model_validate(body)
    except ValidationError as error:
        raise InputError(complaints(error, _MODELS[kind], source)) from None


def _reported_at(data: dict[str, Any], source: Source) -> datetime:
    field = "reported_at" if "reported_at" in data else "at"
    try:
        return _INSTANT.validate_python(data.get(field))
    except ValidationError:
        right = "should be a moment with an offset such as 2026-05-01T10:00:00+02:00"
        raise InputError(source.wrong((field,), right)) from None
