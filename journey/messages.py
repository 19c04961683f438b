"""What a journey asks of `send_message`, and the answer it gets. Neither holds anything personal."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from journey.facts import CarrierStatus, Line, LineQuantity, Model, Order
from journey.playbook import Limits, MessageClass
from journey.times import DAY, Instant, Window


class ParcelContent(Model):
    """What a letter may say of a parcel."""

    parcel_id: str
    tracking_number: str | None = None
    tracking_url: str | None = None
    carrier: str | None = None
    lines: tuple[LineQuantity, ...] = Field(default=(), description="Empty: everything that was ordered.")
    status: CarrierStatus | None = None
    shipped_at: Instant | None = None
    expected_by: Instant | None = Field(default=None, description="The end of the promised day.")
    delivered_at: Instant | None = None


class ReturnContent(Model):
    """What a letter may say of a return."""

    return_id: str
    kind: str
    lines: tuple[LineQuantity, ...] = ()
    way: str = "keep"
    settlement: str = "refund"
    send_by: Instant | None = None
    amount: int = Field(default=0, description="Given back, in minor units.")
    due: int = Field(default=0, description="Still to pay for a dearer exchange, in minor units.")
    kept: int = Field(default=0, description="Fees, in minor units.")
    carrier: str | None = None
    tracking_number: str | None = None


class SendRequest(Model):
    """Send this letter, once, to the customer behind the pointer."""

    order_id: str
    key: str = Field(description="The step, with its parcel or line; unique within the order.")
    step: str
    letter: str = Field(description="The name of the template.")
    message_class: MessageClass
    order: Order
    placed_at: Instant
    parcel: ParcelContent | None = None
    line: Line | None = None
    case: ReturnContent | None = Field(default=None, description="For letters about a return.")
    rating: int | None = None
    runs_out_at: Instant | None = None
    due: Instant
    expires_at: Instant | None = None
    retried_at: Instant | None = Field(
        default=None, description="Set when an operator has a parked message tried again, and when."
    )
    window: Window | None = Field(default=None, description="The step's hours of the customer's day.")
    limits: Limits = Field(default_factory=Limits, description="The playbook's.")
    day_seconds: float = Field(default=DAY, description="The playbook's; less than 86,400 paces a demo.")
    asked_at: Instant | None = Field(
        default=None,
        description="The journey's clock, by which hours and caps are reckoned; by default the worker's.",
    )


class SendResult(StrEnum):
    """What came of it."""

    SENT = "sent"
    SUPPRESSED = "suppressed"
    HELD = "held"
    EXPIRED = "expired"
    PARKED = "parked"


class SendReceipt(Model):
    """The answer: `held` says until when; `suppressed`, `expired` and `parked` say why."""

    result: SendResult
    reason: str = ""
    until: Instant | None = None
    in_hours: bool = Field(default=False, description="`until` is within the hours of the customer's zone.")

    @model_validator(mode="after")
    def _held_until(self) -> Self:
        if self.result is SendResult.HELD and self.until is None:
            raise ValueError("until: should be set when a message is held")
        return self
