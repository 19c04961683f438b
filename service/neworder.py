"""An order as a shop's back-end tells of it: the order, when it was paid, and who bought it."""

from collections.abc import Iterator
from datetime import date
from typing import Literal

from pydantic import EmailStr, Field

from journey.facts import LARGEST_SUM, Model, Order, OrderPlaced, Zone
from journey.names import OpaqueId
from journey.times import Instant
from ledger.customers import OneLine, Profile
from ledger.incoming import Consent, Deed, Person
from ledger.orders import OrderPointer
from ledger.payments import Payment
from runtime.languages import Language
from service.clocks import WORD_AHEAD, Dated


class CustomerDetails(Model):
    """A customer. Personal: it goes to the ledger, never to Temporal."""

    email: EmailStr | None = None
    name: OneLine | None = None
    phone: str | None = Field(default=None, pattern=r"^[0-9+()./ -]{3,40}$")
    locale: Language = Field(default="en", description="BCP 47, such as `pt-BR`.")
    zone: Zone | None = Field(default=None, description="IANA; by default the order's.")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1.")
    birthday: date | None = None
    consent: Consent | None = Field(default=None, description="To marketing; when and where it was given.")

    def dated(self, within: str = "") -> Iterator[Dated]:
        """The times in it, by the names of their fields."""
        if self.consent is not None:
            yield Dated(f"{within}consent.at", self.consent.at, WORD_AHEAD)

    def person(self, customer_id: str, at: Instant, **otherwise: str) -> Person:
        """What is told here, with other words where nothing was said."""
        told = self.model_dump(exclude_unset=True, exclude_none=True, exclude={"birthday", "consent"})
        profile = Profile.model_validate({**otherwise, **told, "customer_id": customer_id})
        return Person(profile=profile, at=at, birthday=self.birthday, consent=self.consent)


class PaymentDetails(Model):
    """What was captured, and where: whatever is given back is given back from there."""

    provider: Literal["stripe", "demo"]
    id: str = Field(
        pattern=r"^[^\s@]{1,200}$", description="The provider's own: `ch_...` or `pi_...` at Stripe."
    )
    captured: int = Field(ge=0, le=LARGEST_SUM, description="In minor units of the order's currency.")


class Customer(CustomerDetails):
    """Who ordered."""

    customer_id: OpaqueId = Field(description="The shop's own id of the customer. Opaque: no address.")


class NewOrder(Order):
    """A paid order with its customer, who stays out of the order itself."""

    customer_id: OpaqueId = Field(default="pending", exclude=True, json_schema_extra={"readOnly": True})
    placed_at: Instant = Field(description="When it was paid.")
    customer: Customer
    payment: PaymentDetails | None = Field(
        default=None, description="Without it nothing can be refunded. It may be told later."
    )
    recipient: OneLine | None = Field(default=None, description="Who receives it, if somebody else.")
    address: tuple[OneLine, ...] = Field(default=(), max_length=10, description="Its lines, as on a label.")

    def dated(self) -> Iterator[Dated]:
        """The times in it, by the names of their fields."""
        yield Dated("placed_at", self.placed_at)
        yield from self.customer.dated("customer.")

    def placed(self, source: str) -> OrderPlaced:
        """The fact that starts the journey."""
        extra = {"placed_at", "customer", "payment", "recipient", "address"}
        fields = self.model_dump(exclude=extra, exclude_unset=True)
        order = Order.model_validate({**fields, "customer_id": self.customer.customer_id})
        return OrderPlaced(fact_id=f"placed:{self.order_id}", at=self.placed_at, source=source, order=order)

    def person(self) -> Person:
        customer = self.customer
        return customer.person(customer.customer_id, self.placed_at, zone=self.zone, country=self.country)

    def pointer(self) -> OrderPointer:
        return OrderPointer(
            order_id=self.order_id,
            customer_id=self.customer.customer_id,
            placed_at=self.placed_at,
            recipient=self.recipient,
            address=self.address,
        )

    def paid(self) -> Payment | None:
        """The payment, if it was told."""
        if self.payment is None:
            return None
        return Payment(
            order_id=self.order_id,
            provider=self.payment.provider,
            provider_id=self.payment.id,
            currency=self.currency,
            captured=self.payment.captured,
            created_at=self.placed_at,
        )

    def deed(self, source: str) -> Deed:
        placed = self.placed(source)
        return Deed(
            kind="order_placed", body=placed.model_dump(mode="json", exclude={"kind"}, exclude_unset=True)
        )
