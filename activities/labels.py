"""`make_label`: what the customer sends it back with, made once and kept in the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from journey.facts import Model
from journey.names import OpaqueId, label_key
from journey.return_case import Label
from journey.return_policy import Way
from ledger import Ledger
from ledger.returns import Paper


class LabelRequest(Model):
    """A label for a return, by the way that was chosen."""

    order_id: OpaqueId
    return_id: OpaqueId
    way: Way


@dataclass(frozen=True)
class Address:
    """Where something goes. Personal."""

    name: str
    lines: tuple[str, ...]
    country: str


@dataclass(frozen=True)
class Wanted:
    """A label that is wanted. `reference` is opaque; it is printed and coded on it."""

    reference: str
    way: Way
    sender: Address
    receiver: Address


@dataclass(frozen=True)
class Made:
    """A label: the paper, its QR code as a PNG, and how the carrier names it."""

    provider_id: str
    carrier: str
    tracking_number: str
    media_type: str
    content: bytes
    code: bytes | None = None


class NoLabel(Exception):
    """No label can be had. `permanent`: asking again does not help. `reason` holds nothing personal."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Labels(Protocol):
    """Makes labels. Asked in two steps, so that a label is bought once: `reserve` costs nothing and may be
    repeated; `make` with the same reservation is the same label."""

    name: str

    async def reserve(self, wanted: Wanted) -> str:
        """The provider's id for what will be bought. Raises `NoLabel`."""
        ...

    async def make(self, reservation: str, wanted: Wanted) -> Made:
        """Buy it, or fetch what was bought already. Raises `NoLabel`."""
        ...


class LabelDesk:
    """The activity and what it needs; `warehouse` is where returns go."""

    def __init__(
        self,
        ledger: Ledger,
        labels: Labels,
        warehouse: Address,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._labels = labels
        self._warehouse = warehouse
        self._now = now

    @activity.defn
    async def make_label(self, request: LabelRequest) -> Label:
        """Make the label once; asked again, it is the same one.

        Raises a non-retryable `ApplicationError` of type `NoLabel` when there is none to be had.
        """
        try:
            return await self._label(request)
        except NoLabel as error:
            raise ApplicationError(error.reason, type="NoLabel", non_retryable=error.permanent) from None
        except Exception as error:
            raise ApplicationError(f"{type(error).__name__} while making a label", type="NoLabel") from None

    async def _label(self, request: LabelRequest) -> Label:
        key = label_key(request.return_id)
        kept = await self._ledger.paper(request.order_id, key)
        if kept is None or kept.content is None:
            kept = await self._made(request, key, kept.provider_id if kept else None)
        return Label(key=key, carrier=kept.carrier, tracking_number=kept.tracking_number)

    async def _made(self, request: LabelRequest, key: str, reservation: str | None) -> Paper:
        wanted = await self._wanted(request)
        paper = Paper(
            order_id=request.order_id,
            key=key,
            kind=str(request.way),
            provider=self._labels.name,
            provider_id=reservation,
            created_at=self._now(),
        )
        if reservation is None:
            paper = paper.model_copy(update={"provider_id": await self._labels.reserve(wanted)})
            await self._ledger.keep_paper(paper)
        made = await self._labels.make(paper.provider_id or "", wanted)
        fields = ("carrier", "tracking_number", "media_type", "content", "code", "provider_id")
        paper = paper.model_copy(update={name: getattr(made, name) for name in fields})
        await self._ledger.keep_paper(paper)
        return paper

    async def _wanted(self, request: LabelRequest) -> Wanted:
        pointer = await self._ledger.order(request.order_id)
        profile = await self._ledger.profile(pointer.customer_id) if pointer else None
        if pointer is None or profile is None:
            raise NoLabel("the ledger does not know the customer", permanent=True)
        name = pointer.recipient or profile.name or "Customer"
        sender = Address(name, pointer.address, profile.country or "")
        reference = f"{request.order_id}-{request.return_id}"
        return Wanted(reference, request.way, sender, self._warehouse)
