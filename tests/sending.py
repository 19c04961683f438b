"""What the tests of sending share: a request, a customer, a writer of letters, a clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.mailer import Letter, LetterError
from activities.messages import Messages, Terms
from journey.facts import Line, Order
from journey.messages import SendRequest
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.customers import Profile
from ledger.permissions import Consent
from ledger.send_rules import Bid

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YES = [
    Consent(
        customer_id="c_ann", message_class=each, granted=True, at=NOON - timedelta(days=9), source="order"
    )
    for each in (MessageClass.CARE, MessageClass.MARKETING)
]
ANN = Profile(customer_id="c_ann", email="ann@shop.example", name="Ann Lee")
TERMS = Terms(mail_from="The Shop <orders@shop.example>")

ORDER = Order(
    order_id="1001",
    customer_id="c_ann",
    currency="EUR",
    country="DE",
    zone="Europe/Berlin",
    lines=(Line(line_id="l1", sku="tea", title="Tea", quantity=1, unit_price=450),),
)


BID = Bid("scripted", NOON, TERMS.lease)


async def introduce_ann(ledger: Ledger) -> None:
    """She has said yes to everything."""
    await ledger.keep_customer(ANN)
    for consent in YES:
        await ledger.keep_consent(consent)


def request_for(
    message_class: MessageClass = MessageClass.TRANSACTIONAL,
    step: str = "survey",
    retried_at: datetime | None = None,
    order_id: str = "1001",
    **more: Any,
) -> SendRequest:
    return SendRequest(
        order_id=order_id,
        key=step,
        step=step,
        letter=step,
        message_class=message_class,
        order=ORDER,
        placed_at=NOON,
        due=NOON,
        retried_at=retried_at,
        **more,
    )


@dataclass
class Clock:
    """A clock that somebody else turns."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def turn(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class PlainLetters:
    """Writes the shortest letter, or fails as it is told."""

    failure: Exception | None = None
    written: list[str] = field(default_factory=list)

    def render(self, request: SendRequest, profile: Profile) -> Letter:
        if self.failure is not None:
            raise self.failure
        self.written.append(request.key)
        return Letter(subject=f"{request.step} for {profile.name}", html="<p>Hello</p>", text="Hello")


__all__ = [
    "ANN",
    "BID",
    "NOON",
    "ORDER",
    "TERMS",
    "Clock",
    "LetterError",
    "Messages",
    "PlainLetters",
    "introduce_ann",
    "request_for",
]
