"""The return policy: the part of a playbook that says what may come back, how, and for what money."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from journey.facts import Model
from journey.names import Code, Label
from journey.times import Duration

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amounts = dict[Currency, Annotated[int, Field(ge=0)]]
"""Minor units by currency (ISO 4217)."""

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EEA = (*_EU.split(), "IS", "LI", "NO")
"""Where the right of withdrawal holds: 14 days (Directive 2011/83/EU, Article 9)."""

WITHDRAWAL_DAYS = 14


class Way(StrEnum):
    """How goods come back."""

    PICKUP = "pickup"
    DROP_OFF = "drop_off"
    PRINTERLESS = "printerless"
    BOXLESS = "boxless"
    KEEP = "keep"


class Settlement(StrEnum):
    """What the customer gets for them."""

    REFUND = "refund"
    EXCHANGE = "exchange"
    CREDIT = "credit"
    REPLACEMENT = "replacement"


class Payer(StrEnum):
    """Who pays for the way back."""

    SHOP = "shop"
    CUSTOMER = "customer"


class RefundOn(StrEnum):
    """When the money goes back."""

    FIRST_SCAN = "first_scan"
    RECEIVED = "received"
    INSPECTED = "inspected"


class Reason(Model):
    """Why something comes back."""

    name: Code
    evidence: bool = Field(default=False, description="Whether a photo is wanted.")
    our_fault: bool = Field(
        default=False, description="The shop pays the way, takes no fee, and final sale does not count."
    )
    review: bool = Field(default=False, description="Whether a person decides in any case.")


class Exceptional(Model):
    """What differs for some categories or countries; what is absent stays as it is."""

    categories: tuple[Label, ...] = Field(default=(), description="Empty: all.")
    countries: tuple[Country, ...] = Field(default=(), description="Empty: all.")
    window: Duration | None = None
    final_sale: bool | None = None
    withdrawal: bool | None = Field(
        default=None, description="False for goods without the right, such as opened hygiene articles."
    )
    restocking_percent: int | None = Field(default=None, ge=0, le=100)

    def fits(self, category: str | None, country: str) -> bool:
        return (not self.categories or category in self.categories) and (
            not self.countries or country in self.countries
        )


class ClaimPolicy(Model):
    """Lost, stolen, damaged, never arrived."""

    home: tuple[Country, ...] = Field(default=(), description="Not abroad; empty: nothing is abroad.")
    wait: Duration = Field(default="3 days", description="After the expected date.")
    wait_abroad: Duration = "10 days"
    within: Duration = Field(default="60 days", description="After delivery, for stolen and damaged.")
    approve_up_to: Amounts = Field(default_factory=dict)


class ReturnPolicy(Model):
    """All of it has defaults; amounts are minor units by currency."""

    window: Duration = Field(default="30 days", description="From the line's delivery.")
    final_sale: bool = False
    withdrawal: bool = True
    withdrawal_countries: tuple[Country, ...] = EEA
    holidays: dict[Country, tuple[date, ...]] = Field(
        default_factory=dict, description="Days that are no working days, beside Saturdays and Sundays."
    )
    restocking_percent: int = Field(default=0, ge=0, le=100)
    exceptions: tuple[Exceptional, ...] = Field(default=(), description="The first that fits counts.")
    reasons: tuple[Reason, ...] = (
        Reason(name="changed_mind"),
        Reason(name="does_not_fit"),
        Reason(name="not_as_described", our_fault=True),
        Reason(name="wrong_item", our_fault=True),
        Reason(name="defective", our_fault=True, evidence=True),
    )
    ways: tuple[Way, ...] = Field(default=(Way.DROP_OFF, Way.PRINTERLESS), description="The first is usual.")
    settlements: tuple[Settlement, ...] = tuple(Settlement)
    shipping_paid_by: Payer = Payer.CUSTOMER
    return_shipping: Amounts = Field(default_factory=dict, description="The price of the way back.")
    refund_shipping: bool = Field(default=True, description="Once the whole order has come back.")
    approve_up_to: Amounts = Field(
        default_factory=dict, description="Above it a person decides; for a currency not named, nobody does."
    )
    keep_below: Amounts = Field(default_factory=dict, description="Below it the customer keeps the goods.")
    second_person_above: Amounts = Field(
        default_factory=dict, description="Above it an operator's refund needs another operator's word."
    )
    refund_on: RefundOn = RefundOn.INSPECTED
    remind_after: Duration = Field(default="7 days", description="The label was not used.")
    expire_after: Duration = Field(default="21 days", description="The label was never used.")
    wait_for_rest: Duration = Field(default="7 days", description="After the first part came back.")
    inspect_within: Duration = Field(default="5 days", description="Then an operator is alerted.")
    pay_difference_within: Duration = Field(default="7 days", description="For a dearer exchange.")
    claims: ClaimPolicy = ClaimPolicy()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        names = [reason.name for reason in self.reasons]
        if len(names) != len(set(names)):
            raise ValueError("reasons: each name should appear once")
        if not self.reasons or not self.ways or not self.settlements:
            raise ValueError("reasons: reasons, ways and settlements should each have at least one item")
        return self

    def reason(self, name: str) -> Reason | None:
        return next((reason for reason in self.reasons if reason.name == name), None)

    def for_goods(self, category: str | None, country: str) -> "Terms":
        """What holds for goods of a category in a country."""
        fitting = [each for each in self.exceptions if each.fits(category, country)]

        def said(field: str) -> object:
            values = (getattr(each, field) for each in fitting)
            return next((value for value in values if value is not None), getattr(self, field))

        return Terms.model_validate({field: said(field) for field in Terms.model_fields})


class Terms(Model):
    """What holds for one line."""

    window: Duration
    final_sale: bool
    withdrawal: bool
    restocking_percent: int
