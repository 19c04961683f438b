"""What the tests of sending share: a request, a customer, a writer of letters, a clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from activities.mailer import Letter, LetterError
from activities.messages import Messages, Terms
from journey.facts import Line, Order
from journey.messages import SendRequest
from journey.playbook import MessageClass
from ledger.customers import Profile

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
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


def request_for(
    message_class: MessageClass = MessageClass.TRANSACTIONAL,
    step: str = "survey",
    retried_at: datetime | None = None,
) -> SendRequest:
    return SendRequest(
        order_id="1001",
        key=step,
        step=step,
        letter=step,
        message_class=message_class,
        order=ORDER,
        placed_at=NOON,
        due=NOON,
        retried_at=retried_at,
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


__all__ = ["ANN", "NOON", "ORDER", "TERMS", "Clock", "LetterError", "Messages", "PlainLetters", "request_for"]
