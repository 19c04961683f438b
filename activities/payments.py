"""What is asked of those who move money, and how each attempt ends."""

from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from ledger.payments import Payment, Refund, Seen


class PaymentProvider(Protocol):
    """Gives captured money back."""

    name: str
    """Under which the ledger notes who holds a payment."""

    def step(self, currency: str) -> int:
        """The least amount, in minor units, that can be moved; every amount is a multiple of it."""
        ...

    async def refund(self, payment: Payment, refund: Refund) -> Seen:
        """Refund under the key `refund.reference`, which also travels in the metadata; asking again under
        the same key is the same refund. Raises `Refused` or `Unclear`."""
        ...

    async def list_refunds(self, payment: Payment) -> list[Seen]:
        """Every refund of the payment, whoever made it. Raises `Refused` or `Unclear`."""
        ...


class Listed(NamedTuple):
    """A refund, and the ids by which its payment may be known."""

    payments: tuple[str, ...]
    seen: Seen


class RefundPage(NamedTuple):
    """Some of a provider's refunds; `cursor` asks for the following ones, if there are any."""

    refunds: tuple[Listed, ...]
    cursor: str | None


@runtime_checkable
class RefundLister(PaymentProvider, Protocol):
    """A provider that can be asked for every refund of a time, whoever made it."""

    async def refunds_since(self, moment: datetime, cursor: str | None = None) -> RefundPage:
        """Refunds that were made since then. Raises `Refused` or `Unclear`."""
        ...
