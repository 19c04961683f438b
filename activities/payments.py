"""What is asked of those who move money, and how each attempt ends."""

from typing import Protocol

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
