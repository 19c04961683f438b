"""Delivering one event of the inbox to its journey, and what to do when that does not work."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from journey.facts import OrderPlaced
from journey.own_returns import OursToTell
from journey.playbook import Playbook
from journey.return_contract import ReturnMoved
from journey.return_facts import FACTS as RETURN_FACTS
from ledger import Ledger
from ledger.inbox import InboxRow, InboxState, Verdict
from ledger.incoming import PLACE, TEST_ORDER, UNPAID, Deed, Incoming, bounded
from ledger.tracking import Tracked
from runtime.orders import (
    Reported,
    UnknownOrder,
    check_ours,
    handle,
    knowing_if_first,
    start_journey,
    tell_journey,
)
from runtime.returns import UnknownReturn, report_return_fact, start_again

ORDER_PATIENCE = timedelta(days=2)
"""How long a fact waits for its order. A shop's topics arrive in any order, but within hours."""

MOST_ATTEMPTS = 10
"""Attempts that failed for a reason of their own, after which a row is parked."""

MOST_EVENTS = 8_000
"""A run with a longer history is left alone until it has gone on in a new one: it would refuse its
10,001st signal, and a constant stream of them could keep it from ever going on."""

LOOK_EVERY = 50
"""Facts delivered to one order before its history is looked at. Between two looks, a run grows by so many
for each dispatcher: forty of them together stay below what it refuses."""

MOST_COUNTED = 10_000
"""Orders whose facts are counted. Then all are forgotten: a run is looked at fifty facts later for that."""

_AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.PERMISSION_DENIED,
}
_BUSY = {RPCStatusCode.RESOURCE_EXHAUSTED}


def utc_now() -> datetime:
    return datetime.now(UTC)


def is_away(error: Exception) -> bool:
    """Whether Temporal could not take it in for now, which says nothing about what it was to take in."""
    return isinstance(error, RPCError) and error.status in _AWAY | _BUSY


class TemporalIsAway(Exception):
    """Nobody answers, or not to us. It says nothing about the row."""


class Delivery:
    """Delivers rows by one client."""

    def __init__(
        self,
        ledger: Ledger,
        playbook: Playbook,
        *,
        now: Callable[[], datetime] = utc_now,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self.ledger = ledger
        self.now = now
        self.playbook = playbook
        self._most_events = most_events
        self._delivered: Counter[str] = Counter()
        self._log = structlog.get_logger("thereafter.delivery")

    async def of(self, client: Client, row: InboxRow) -> Verdict:
        """Deliver a row. Raises `TemporalIsAway`; anything else that is raised is the row's own trouble."""
        try:
            whose = await self._addressed(row)
            for order_id, _ in whose:
                if await self._is_full(client, order_id):
                    return again(row, self.now(), "its journey has much to read first", seconds=2)
            told = await self._told_to_each(client, row, whose)
            reason = "; ".join(dict.fromkeys(told))
            return Verdict(number=row.number, state=InboxState.DISPATCHED, reason=reason)
        except UnknownOrder:
            if row.order_id is not None and await self.ledger.is_test_order(row.order_id):
                return Verdict(number=row.number, state=InboxState.DISPATCHED, reason=TEST_ORDER)
            return _waiting(row, self.now())
        except RPCError as error:
            if error.status in _AWAY:
                raise TemporalIsAway from None
            if error.status in _BUSY or "signal count" in error.message:
                return again(row, self.now(), "Temporal asks for patience", seconds=5)
            reason = f"Temporal refuses it: {error.status.name.lower()}"
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                return parked(row, reason)
            # The state that it finds wrong may be that of a run which is just beginning or going on.
            return again(row, self.now(), reason, counts=True)

    async def _addressed(self, row: InboxRow) -> list[tuple[str, tuple[Deed, ...]]]:
        """Whose it is. A carrier knows only the number of its parcel, which may have things of several
        orders in it. Raises `UnknownOrder`."""
        if row.order_id is not None:
            return [(row.order_id, row.deeds)]
        found = await self.ledger.tracked(row.tracking_number or "", row.received_at)
        whose = [(each.order_id, _about(each, row.deeds)) for each in found]
        if not any(deeds for _, deeds in whose):
            raise UnknownOrder(row.tracking_number)
        return [(order_id, deeds) for order_id, deeds in whose if deeds]

    async def _told_to_each(
        self, client: Client, row: InboxRow, whose: list[tuple[str, tuple[Deed, ...]]]
    ) -> list[str]:
        """Orders in one parcel do not wait for each other: one that has not begun gets a row of its own,
        which waits for it. Raises `UnknownOrder` where none has begun."""
        told: list[str] = []
        apart: list[Incoming] = []
        for order_id, deeds in whose:
            try:
                told += await self._told(client, row.number, order_id, deeds)
            except UnknownOrder:
                apart.append(_apart(row, order_id, deeds))
        if len(apart) == len(whose):
            raise UnknownOrder(row.order_id or row.tracking_number)
        if apart:
            await self.ledger.accept(apart, self.now())
        return [*told, *(f"waits apart for order {each.order_id}" for each in apart)]

    async def _told(self, client: Client, number: int, order_id: str, deeds: tuple[Deed, ...]) -> list[str]:
        if deeds[0].kind in RETURN_FACTS:
            return [await self._tell_return(client, order_id, deeds[0])]
        deeds, refusals = await self._ours_to_take(number, order_id, deeds)
        told = await self._deliver(client, order_id, deeds) if deeds else []
        return [*told, *refusals]

    async def _ours_to_take(
        self, number: int, order_id: str, deeds: tuple[Deed, ...]
    ) -> tuple[tuple[Deed, ...], list[str]]:
        """The deeds without what only our own returns may say, and why each of those is refused."""
        kept, refusals = [], []
        for deed in deeds:
            try:
                await check_ours(self.ledger, order_id, deed.kind, deed.body)
                kept.append(deed)
            except OursToTell as refusal:
                refusals.append(f"refused: {refusal}")
                self._log.warning("refused", number=number, kind=deed.kind, field=refusal.field)
        return tuple(kept), refusals

    async def _deliver(self, client: Client, order_id: str, deeds: tuple[Deed, ...]) -> list[str]:
        told = [await self._placed(client, deeds)] if deeds[0].kind == PLACE else []
        # The first fact travelled with the start, if there was one.
        for deed in deeds[2:] if told and told[0] == "delivered" else deeds[len(told) :]:
            told.append(str(await tell_journey(client, self.ledger, order_id, deed.kind, deed.body)))
        if len(self._delivered) >= MOST_COUNTED:
            self._delivered.clear()
        self._delivered[order_id] += len(deeds)
        return list(dict.fromkeys(told))

    async def _tell_return(self, client: Client, order_id: str, deed: Deed) -> str:
        """What happened to a return goes to the return's own journey."""
        return_id = str(deed.body["return_id"])
        try:
            await report_return_fact(client, order_id, return_id, deed.kind, deed.body)
        except UnknownReturn:
            known = await self.ledger.return_row(order_id, return_id)
            if known is None or known.closed_at is None:
                if known is not None:
                    await start_again(client, self.ledger, known, self.playbook)
                raise UnknownOrder(order_id) from None
            return "the return is over; it changes nothing"
        return str(Reported.RECORDED)

    async def _placed(self, client: Client, deeds: tuple[Deed, ...]) -> str:
        """Start the journey, with the first fact if there is one: signal-with-start."""
        placed = OrderPlaced.model_validate(deeds[0].body)
        order_id = placed.order.order_id
        if await self.ledger.journey(order_id) is not None:
            return "known already"
        first = (deeds[1].kind, deeds[1].body) if len(deeds) > 1 else None
        placed = await knowing_if_first(self.ledger, placed)
        if not await start_journey(client, placed, self.playbook, first):
            return "known already"
        await self.ledger.wake_inbox(order_id, self.now())
        return "delivered" if first else "started"

    async def _is_full(self, client: Client, order_id: str) -> bool:
        """Whether the order's run has as many events as it can bear; looked at now and then."""
        if self._delivered[order_id] < LOOK_EVERY:
            return False
        if await _events(client, order_id) >= self._most_events:
            return True
        del self._delivered[order_id]
        return False


async def _events(client: Client, order_id: str) -> int:
    try:
        described = await handle(client, order_id).describe(rpc_timeout=timedelta(seconds=5))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return 0
        raise
    return described.history_length


def again(row: InboxRow, now: datetime, reason: str, *, seconds: float = 0, counts: bool = False) -> Verdict:
    """Try a row again later; one that has failed too often for its own reasons is parked."""
    if counts and row.attempts + 1 >= MOST_ATTEMPTS:
        return parked(row, reason)
    wait = timedelta(seconds=seconds or min(2.0**row.attempts, 300))
    return Verdict(
        number=row.number, state=InboxState.RECEIVED, reason=reason, due_at=now + wait, counts=counts
    )


def waiting(row: InboxRow, now: datetime, reason: str, *, at_most: float) -> Verdict:
    """Try a row again later, seldom and seldomer, with so many seconds between two times at most."""
    age = (now - row.received_at).total_seconds()
    return again(row, now, reason, seconds=max(2.0, min(age / 4, at_most)))


def parked(row: InboxRow, reason: str) -> Verdict:
    """Leave a row to the operators."""
    return Verdict(number=row.number, state=InboxState.PARKED, reason=reason)


def _waiting(row: InboxRow, now: datetime) -> Verdict:
    age = now - row.received_at
    if age >= ORDER_PATIENCE and _was_never_paid(row):
        reason = "cancelled before it was paid"
        return Verdict(number=row.number, state=InboxState.DISPATCHED, reason=reason)
    if age >= ORDER_PATIENCE:
        return parked(row, "nobody placed this order here")
    # The order itself wakes it when it comes.
    return waiting(row, now, "waits for its order", at_most=600)


def _about(whose: Tracked, deeds: tuple[Deed, ...]) -> tuple[Deed, ...]:
    """What a carrier tells of a number, as facts about the parcel, or about the return that comes back in
    it. When that is expected to arrive is of no use to it."""
    if whose.return_id is not None:
        return tuple(_of_return(deed, whose.return_id) for deed in deeds if deed.kind in _MOVED)
    return tuple(_of_parcel(deed, str(whose.parcel_id)) for deed in deeds if deed.kind not in RETURN_FACTS)


def _apart(row: InboxRow, order_id: str, deeds: tuple[Deed, ...]) -> Incoming:
    """What a row tells one of several orders. Its id and hash are always the same, so that it
    is kept once."""
    return Incoming(
        source=row.source,
        event_id=bounded(f"{row.event_id} {order_id}"),
        body_hash=sha256(f"{row.body_hash} {order_id}".encode()).hexdigest(),
        topic=row.topic,
        order_id=order_id,
        deeds=deeds,
    )


_MOVED = ("parcel_moved", "return_moved")


def _of_return(deed: Deed, return_id: str) -> Deed:
    told = {name: value for name, value in deed.body.items() if name in ReturnMoved.model_fields}
    return Deed(kind="return_moved", body={**told, "return_id": return_id})


def _was_never_paid(row: InboxRow) -> bool:
    """Whether it only calls off what was not paid. The order has had its time to come: its topics arrive in
    any order, and who pays on delivery is sent the goods unpaid."""
    return all(deed.kind == "order_cancelled" and deed.body.get("reason") == UNPAID for deed in row.deeds)


def _of_parcel(deed: Deed, parcel_id: str) -> Deed:
    body: dict[str, Any] = {**deed.body, "parcel_id": parcel_id}
    return deed.model_copy(update={"body": body})
