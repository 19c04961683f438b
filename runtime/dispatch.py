"""From the inbox to the journeys: what was acknowledged has its effect, however long Temporal is away.

Any number of dispatchers share the work. A crash between a delivery and its receipt delivers again, which
changes nothing: a journey counts a fact once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from temporalio.client import Client

from ledger import incoming
from ledger.inbox import InboxRow, InboxState, Verdict
from ledger.parked import to_hand_over
from runtime import unbegun
from runtime.delivery import ORDER_PATIENCE, Delivery, TemporalIsAway, again, is_away, parked, waiting
from runtime.returns import UnknownReturn, report_return_fact

LEASE = timedelta(minutes=1)
"""How long a claimed row is ours; longer than a sweep lasts. So long waits what a killed dispatcher had."""

AT_ONCE = 16
"""Orders that are delivered to side by side."""

BATCH = 50
"""Rows claimed at a time."""

IDLE = 1.0
"""Seconds until the inbox is looked at again without being told to."""

GATHER = 0.05
"""Seconds for which what comes in is gathered, so that a busy door is not slowed by many small sweeps."""

Reach = Callable[[], Client | None]
"""Gives the client, or `None` while Temporal has never been reached."""

Erase = Callable[[Client, str], Awaitable[str]]
"""Forgets the customer of this id, and says in a few words what came of it. Raises `ConnectionError`."""


class Dispatcher:
    """Delivers what lies in the inbox."""

    def __init__(self, delivery: Delivery, reach: Reach, *, erase: Erase | None = None) -> None:
        self._delivery = delivery
        self._ledger, self._now = delivery.ledger, delivery.now
        self._reach = reach
        self._erase = erase
        self._look_at: datetime | None = None
        self._news = asyncio.Event()
        self._ending = False
        self._log = structlog.get_logger("thereafter.dispatch")

    def poke(self) -> None:
        """Something has come in."""
        self._news.set()

    def end(self) -> None:
        """Let `run` come to its end with the sweep that it is at."""
        self._ending = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until told to end."""
        while not self._ending:
            self._news.clear()
            if await self._swept():
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    await self._news.wait()
            await asyncio.sleep(GATHER)

    async def _swept(self) -> int:
        try:
            return await self.sweep()
        except (Exception, asyncio.CancelledError) as error:
            # The ledger may be away as well; what is in it is not lost. Only who ends us may cancel us, not
            # what was cancelled beneath us: a dispatcher that is gone would be missed by nobody.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            self._log.warning("sweep failed", problem=type(error).__name__)
            return 0

    async def sweep(self) -> int:
        """Deliver once what is due; how many rows reached their end."""
        client = self._reach()
        if client is None:
            return 0
        await self._begin_returns(client)
        rows = await self._ledger.claim_inbox(BATCH, self._now(), LEASE)
        turn = asyncio.Semaphore(AT_ONCE)
        told = await asyncio.gather(*(self._in_turn(client, turn, own) for own in _by_order(rows)))
        verdicts = [verdict for own in told for verdict in own]
        if verdicts:
            await self._ledger.settle_inbox(verdicts, self._now())
        return sum(verdict.state is not InboxState.RECEIVED for verdict in verdicts)

    async def _begin_returns(self, client: Client) -> None:
        """Now and then: what was granted and never began waits for nobody to ask."""
        now = self._now()
        if self._look_at is None or self._look_at <= now:
            self._look_at = now + unbegun.EVERY
            await unbegun.begin_returns(client, self._ledger, self._delivery.playbook, now)

    async def _in_turn(self, client: Client, turn: asyncio.Semaphore, rows: list[InboxRow]) -> list[Verdict]:
        async with turn:
            verdicts: list[Verdict] = []
            for row in rows:
                # What holds one event of an order holds those behind it.
                held = verdicts and verdicts[-1].state is InboxState.RECEIVED and not verdicts[-1].counts
                verdicts.append(_after(row, verdicts[-1]) if held else await self._verdict(client, row))
            return verdicts

    async def _verdict(self, client: Client, row: InboxRow) -> Verdict:
        try:
            match row.deeds[0].kind:
                case incoming.ERASE:
                    return await self._forgotten(client, row)
                case incoming.EXPORT:
                    return parked(row, to_hand_over(row.deeds))
                case incoming.SHOP:
                    return parked(row, f"{row.deeds[0].body['shop']} has left: all its customers are to go")
                case incoming.GONE:
                    return await self._gone(row)
                case incoming.MAIL:
                    event_id = str(row.deeds[0].body["event_id"])
                    return _done(row, await self._ledger.settle_mail(event_id, self._now()))
                case incoming.REFUND:
                    return await self._refunded(client, row)
                case incoming.CAPTURE:
                    return await self._of_payment(row, await self._ledger.settle_capture(row.deeds[0].body))
                case _:
                    return await self._delivery.of(client, row)
        except (TemporalIsAway, ConnectionError):
            return again(row, self._now(), "Temporal is away", seconds=3)
        except Exception as error:
            if is_away(error):
                return again(row, self._now(), "Temporal is away", seconds=3)
            # An error's text may quote what is personal, so only its name is kept.
            self._log.warning("not delivered", number=row.number, problem=type(error).__name__)
            return again(row, self._now(), f"{type(error).__name__} while it was delivered", counts=True)

    async def _refunded(self, client: Client, row: InboxRow) -> Verdict:
        """Take over what is told of a refund, then tell the returns that wait for it: again after a crash,
        since who waits follows from the ledger."""
        told, concerned = await self._ledger.settle_refund(row.deeds[0].body, self._now())
        for each in concerned:
            with suppress(UnknownReturn):
                await report_return_fact(client, each.order_id, each.return_id, incoming.REFUND, {})
        return await self._of_payment(row, told)

    async def _of_payment(self, row: InboxRow, told: str | None) -> Verdict:
        """What is told of a payment may come before the payment itself, as a fact before its order."""
        body, now = row.deeds[0].body, self._now()
        if told is None and now - row.received_at < ORDER_PATIENCE:
            # Not as often as a fact: Stripe may be used for much that is no order here.
            return waiting(row, now, "waits for its payment", at_most=3600)
        await self._ledger.provider_event_handled(str(body["provider"]), str(body["event_id"]), now)
        return _done(row, told or "no order here was paid by it")

    async def _gone(self, row: InboxRow) -> Verdict:
        """Nothing is done by itself: shops tidy up, and the topic, which tells what it was, is not signed."""
        match row.deeds[0].body:
            case {"customer": number} if await self._ledger.profile(f"woo-{number}") is not None:
                return parked(
                    row, f"woo-{number}: the shop deleted the account; forget them, if they want it"
                )
            case {"order": order_id} if await self._is_live(order_id):
                return parked(
                    row, f"order {order_id} was deleted in the shop: cancel it here, or let it go on"
                )
        return _done(row, "it is not here")

    async def _is_live(self, order_id: str) -> bool:
        known = await self._ledger.order(order_id) is not None
        return known and await self._ledger.journey(order_id) is None

    async def _forgotten(self, client: Client, row: InboxRow) -> Verdict:
        if self._erase is None:
            return parked(row, "nobody here can forget a customer")
        try:
            told = [await self._erase(client, str(deed.body["customer_id"])) for deed in row.deeds]
        except ConnectionError:
            raise TemporalIsAway from None
        return _done(row, "; ".join(dict.fromkeys(told)))


def _done(row: InboxRow, reason: str) -> Verdict:
    return Verdict(number=row.number, state=InboxState.DISPATCHED, reason=reason)


def _by_order(rows: list[InboxRow]) -> list[list[InboxRow]]:
    groups: defaultdict[str, list[InboxRow]] = defaultdict(list)
    for row in rows:
        groups[row.order_id or f"{row.source}/{row.tracking_number or row.number}"].append(row)
    # Facts come before their order now and then; it goes first all the same.
    return [sorted(own, key=lambda row: row.deeds[0].kind != incoming.PLACE) for own in groups.values()]


def _after(row: InboxRow, held: Verdict) -> Verdict:
    return held.model_copy(update={"number": row.number})
