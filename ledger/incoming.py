"""What a door hands to the inbox: an event, verified and translated."""

import hashlib
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import EmailStr, Field, StringConstraints

from journey.facts import Model
from journey.names import Code, Label, OpaqueId
from journey.times import Instant
from ledger.customers import Profile
from ledger.orders import OrderPointer
from ledger.payments import Payment

PLACE = "order_placed"
"""The deed that starts a journey; every other kind of fact is signalled."""

ERASE = "erase_customer"
"""The deed that forgets a customer. It is no fact of an order."""


MAIL = "mail_event"
"""The deed that settles what was in doubt of a letter."""

REFUND = "refund_reported"
"""The deed that takes over what a payment provider says of a refund."""

CAPTURE = "capture_reported"
"""The deed that raises what was captured of a payment to what its provider says."""

EXPORT = "customer_asks_for_data"
"""A deed for a person: the shop hands a customer what is known of them."""


SHOP = "shop_asks_to_be_forgotten"
"""A deed for a person: a shop has left, and wants all its customers forgotten."""

GONE = "deleted_in_the_shop"
"""A deed for a person: an order or a customer was deleted in the shop."""

UNPAID = "unpaid"
"""The reason of a cancellation that was told of an order which had not been paid. Where nobody placed that
order here, there is nothing to be called off."""


TEST_ORDER = "a test order"
"""Why what a shop tells of an order that was placed to try it has no effect."""

OF_RETURN = ":of:"
"""Between the id of a refund and the return that it names, in the id of the fact that it ended."""

LONGEST_ID = 255
"""Characters of an event's id."""


def bounded(event_id: str, longest: int = LONGEST_ID) -> str:
    """An id that fits. A longer one is known by its hash, since two that are cut may be the same; no id of
    our own has an `@`, so it is never taken for another."""
    if len(event_id) <= longest:
        return event_id
    return f"sha256@{hashlib.sha256(event_id.encode()).hexdigest()}"


class Deed(Model):
    """One thing to be done in the background. Nothing personal is in it."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    body: dict[str, Any]


class Consent(Model):
    """What a customer said about marketing, when, and where."""

    granted: bool
    at: Instant
    source: Code


class Person(Model):
    """What an event tells of a customer. Personal; it is written to the customer's own rows, never to the
    inbox."""

    profile: Profile
    at: Instant = Field(description="When this was true; what is older never replaces what is newer.")
    birthday: date | None = None
    consent: Consent | None = None

    def by(self, now: datetime) -> "Person":
        """The same, told now at the latest: a word from the future would outweigh every later one."""
        said = self.consent
        if said is not None and said.at > now:
            said = said.model_copy(update={"at": now})
        return self.model_copy(update={"at": min(self.at, now), "consent": said})

    @property
    def is_consent_alone(self) -> bool:
        """Whether nothing else is told of the customer."""
        named = self.profile.model_fields_set
        return self.consent is not None and self.birthday is None and named == {"customer_id"}


class ProviderEvent(Model):
    """What a provider tells of something that we asked of it under our own reference."""

    provider: OpaqueId
    event_id: str = Field(max_length=LONGEST_ID)
    reference: str = Field(max_length=200)
    event: str = Field(max_length=80)
    at: Instant
    reason: str = Field(default="", max_length=200, description="A code; never the provider's sentence.")
    details: dict[str, Any] = Field(default_factory=dict)


class Wish(Model):
    """A deed about whoever has an address, where the sender knows no more. Personal, and never in the
    inbox: `Ledger.named` adds the deeds about ids, and the address is kept beside them while it is needed."""

    kind: str
    email: EmailStr


class Incoming(Model):
    """One event of one source. `problem` is set when it could not be translated: it is then parked with
    its raw body, and can be replayed."""

    source: OpaqueId
    event_id: str = Field(min_length=1, max_length=LONGEST_ID)
    body_hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of what makes it itself.")
    topic: str = Field(max_length=80)
    order_id: OpaqueId | None = None
    tracking_number: Label | None = Field(default=None, description="Where a carrier knows only this.")
    deeds: tuple[Deed, ...] = ()
    person: Person | None = None
    pointer: OrderPointer | None = None
    payment: Payment | None = None
    provider_event: ProviderEvent | None = None
    wish: Wish | None = None
    problem: str = ""
    raw: str | None = None
    is_test: bool = Field(default=False, description="It is about an order that was placed to try the shop.")

    @property
    def ignored(self) -> str:
        """Why it has no effect, if it has none for a reason."""
        return TEST_ORDER if self.is_test and not self.deeds else ""

    def unless_test(self) -> "Incoming":
        """The same without any effect, if it is about an order that was placed to try the shop."""
        if not self.is_test:
            return self
        nothing = {"deeds": (), "person": None, "pointer": None, "problem": "", "raw": None}
        return self.model_copy(update=nothing)


class Acceptance(StrEnum):
    """What the inbox says."""

    NEW = "accepted"
    REPEATED = "repeated"
    CONFLICT = "conflict"
    """The id is known, with another body."""
    PARKED = "parked"
