"""What was captured for an order, and what was given back: the one place that decides about money.

`refunded + pending + unknown + new <= captured` is checked under a lock on the order's payment.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import Field
from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey import names
from journey.facts import Model
from journey.names import OpaqueId
from journey.refunds import IN_DOUBT, NOT_PAID, Purpose, RefundRequest, RefundState
from journey.times import Instant
from ledger.database import Database
from ledger.money_tables import payments, refunds, refunds_elsewhere

OVER_CAP = "more than is left of what was captured"
CREDIT = "store_credit"
"""The provider of credit: the shop itself."""


class Payment(Model):
    """What the customer paid, and where. Nothing personal is in it."""

    order_id: OpaqueId
    provider: str = Field(max_length=40)
    provider_id: str = Field(min_length=1, max_length=200, pattern=r"^[^\s@]+$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    captured: int = Field(ge=0, description="In minor units.")
    created_at: Instant


class Refund(Model):
    """One refund's row. The key, the reference, the amount and the currency never change."""

    business_key: str
    reference: str
    order_id: str
    key: str
    provider: str
    purpose: Purpose
    why: str
    currency: str
    requested: int
    amount: int
    state: RefundState
    reason: str
    provider_id: str | None
    cures: str | None
    attempts: int
    created_at: Instant
    claimed_at: Instant | None
    leased_until: Instant | None
    ended_at: Instant | None


class Seen(NamedTuple):
    """A refund as the provider lists or reports it."""

    provider_id: str
    amount: int
    state: RefundState
    reference: str | None = None
    """Ours, if it carries one."""
    reason: str = ""


class RefundClaim(NamedTuple):
    """`granted`: this attempt, and no other, may ask the provider before the lease ends."""

    refund: Refund
    granted: bool


class Balance(Model):
    """An order's money, in minor units."""

    captured: int
    refunded: int = Field(description="Ours, whatever is not certainly unpaid.")
    elsewhere: int = Field(description="Made without us, in the provider's dashboard for example.")

    @property
    def left(self) -> int:
        return max(0, self.captured - self.refunded - self.elsewhere)


_RANK = {
    RefundState.PARKED: 0,
    RefundState.CLAIMED: 1,
    RefundState.UNCLEAR: 1,
    RefundState.PENDING: 2,
    RefundState.REQUIRES_ACTION: 3,
    RefundState.SUCCEEDED: 4,
    RefundState.FAILED: 5,
    RefundState.PAID_OTHERWISE: 6,
}
"""The higher word stays, in whatever order they come: failed after succeeded happens, the reverse does not.
What we took for refused and the provider has after all, counts; what a person paid otherwise, stays paid."""


class Payments(Database):
    """The rows of payments and refunds."""

    async def keep_payment(self, payment: Payment) -> bool:
        """Write what was captured, once; whether it was new."""
        statement = self.insert(payments).values(payment.model_dump()).on_conflict_do_nothing()
        async with self.writing() as db:
            return (await db.execute(statement.returning(payments.c.order_id))).one_or_none() is not None

    async def payment(self, order_id: str) -> Payment | None:
        async with self.reading() as db:
            row = (await db.execute(select(payments).where(payments.c.order_id == order_id))).one_or_none()
        return Payment.model_validate(row._asdict()) if row else None

    async def balance(self, order_id: str) -> Balance:
        """What was captured and what of it is spoken for. All zero for an order without a payment."""
        async with self.reading() as db:
            return await balance_in(db, order_id)

    async def refund(self, order_id: str, key: str) -> Refund | None:
        found = await self.refunds(refunds.c.business_key == names.send_key(order_id, key))
        return found[0] if found else None

    async def refunds_of(self, order_id: str) -> list[Refund]:
        return await self.refunds(refunds.c.order_id == order_id)

    async def refunds(self, *wanted: ColumnElement[bool]) -> list[Refund]:
        """The oldest first."""
        query = select(refunds).where(*wanted).order_by(refunds.c.created_at, refunds.c.business_key)
        async with self.reading() as db:
            return [_refund(row) for row in await db.execute(query)]

    async def refunds_in(self, state: RefundState) -> list[Refund]:
        return await self.refunds(refunds.c.state == state)

    async def claim_refund(
        self, request: RefundRequest, provider: str, step: int, now: datetime, lease: timedelta
    ) -> RefundClaim:
        """Commit the intent under the key, whose amount is frozen from then on.

        Granted to the first that asks, and again once an earlier attempt is in doubt and its lease is over;
        the reference, which is the provider's key, stays. What is above the cap is parked, never asked for.
        `step` is the least amount that the provider can move; a smaller rest is given to the customer.
        """
        async with self.writing() as db:
            await lock_money(db, request.order_id)
            kept = await _by_key(db, names.send_key(request.order_id, request.key))
            if kept is None:
                kept = await self._open_refund(db, request, provider, step, now)
                return RefundClaim(await _attempt(db, kept, now, lease), True) if _open(kept) else _no(kept)
            if not _may_try_again(kept, now):
                return _no(kept)
            return RefundClaim(await _attempt(db, kept, now, lease), granted=True)

    async def park_refund(self, request: RefundRequest, reason: str, now: datetime) -> Refund:
        """Note a refund that cannot even be asked for. One that was claimed keeps what became of it."""
        async with self.writing() as db:
            await lock_money(db, request.order_id)
            kept = await _by_key(db, names.send_key(request.order_id, request.key))
            return kept or await self._insert(
                db, request, now, {"state": RefundState.PARKED, "reason": reason}
            )

    async def end_refund_attempt(
        self, refund: Refund, state: RefundState, reason: str, now: datetime
    ) -> Refund:
        """This attempt's end, unless there has been another since or the end is known already."""
        async with self.writing() as db:
            await lock_money(db, refund.order_id)
            kept = await _known(db, refund.business_key)
            if kept.attempts != refund.attempts or kept.state not in IN_DOUBT:
                return kept
            ended = now if state not in IN_DOUBT else None
            return await _change(db, kept, state=state, reason=reason, ended_at=ended)

    async def observe_refunds(self, order_id: str, seen: Iterable[Seen], now: datetime) -> None:
        """Take over what the provider says: ours by their references, all others as made elsewhere.
        May be repeated, and come in any order."""
        async with self.writing() as db:
            await lock_money(db, order_id)
            for each in seen:
                ours = await _by_reference(db, order_id, each.reference) if each.reference else None
                if ours is not None:
                    await _told(db, ours, each, now)
                else:
                    await self._elsewhere(db, order_id, each, now)

    async def mark_paid(self, order_id: str, key: str, reason: str, now: datetime) -> Refund:
        """A person paid a failed refund in another way: from then on it counts. Raises `ValueError` for one
        that has not failed, or was made again."""
        async with self.writing() as db:
            await lock_money(db, order_id)
            kept = await _known(db, names.send_key(order_id, key))
            if kept.state not in NOT_PAID:
                raise ValueError(f"refund {key} is {kept.state}, so there is nothing to pay otherwise")
            if await _is_cured(db, kept):
                raise ValueError(f"refund {key} has been made again")
            return await _change(db, kept, state=RefundState.PAID_OTHERWISE, reason=reason, ended_at=now)

    async def _open_refund(
        self, db: AsyncConnection, request: RefundRequest, provider: str, step: int, now: datetime
    ) -> Refund:
        left = (await balance_in(db, request.order_id)).left
        amount = min(-(-request.amount // step) * step, max(left, request.amount))
        problem = await _not_curable(db, request) or (OVER_CAP if request.amount > left else "")
        values: dict[str, Any] = {"provider": provider, "amount": amount, "state": RefundState.CLAIMED}
        if problem:
            values |= {"state": RefundState.PARKED, "reason": problem}
        elif request.cures:
            values["cures"] = names.send_key(request.order_id, request.cures)
        return await self._insert(db, request, now, values)

    async def _insert(
        self, db: AsyncConnection, request: RefundRequest, now: datetime, values: dict[str, Any]
    ) -> Refund:
        row = request.model_dump(include={"order_id", "key", "currency", "purpose", "why"}) | {
            "business_key": names.send_key(request.order_id, request.key),
            "reference": secrets.token_hex(16),
            "provider": "nobody",
            "requested": request.amount,
            "amount": request.amount,
            "reason": "",
            "attempts": 0,
            "created_at": now,
        }
        statement = self.insert(refunds).values(row | values).returning(*refunds.c)
        return _refund((await db.execute(statement)).one())

    async def _elsewhere(self, db: AsyncConnection, order_id: str, seen: Seen, now: datetime) -> None:
        values = {
            "provider_id": seen.provider_id,
            "order_id": order_id,
            "amount": seen.amount,
            "state": seen.state,
            "seen_at": now,
        }
        # Once failed, always failed: an older list that arrives later does not count it again.
        alive = refunds_elsewhere.c.state != RefundState.FAILED
        await db.execute(
            self.upsert(refunds_elsewhere, values, [refunds_elsewhere.c.provider_id], where=alive)
        )


def _no(refund: Refund) -> RefundClaim:
    return RefundClaim(refund, granted=False)


def _open(refund: Refund) -> bool:
    return refund.state in IN_DOUBT


def _may_try_again(refund: Refund, now: datetime) -> bool:
    if refund.state not in IN_DOUBT:
        return False
    in_flight = refund.state is RefundState.CLAIMED and refund.leased_until and now < refund.leased_until
    return not in_flight


def _refund(row: Row[Any]) -> Refund:
    return Refund.model_validate(row._asdict())


async def lock_money(db: AsyncConnection, order_id: str) -> None:
    """Everything about an order's money waits for this row (on SQLite, for the one writer)."""
    await db.execute(select(payments.c.order_id).where(payments.c.order_id == order_id).with_for_update())


async def balance_in(db: AsyncConnection, order_id: str) -> Balance:
    """An order's money, within the caller's transaction."""
    ours = select(func.coalesce(func.sum(refunds.c.amount), 0)).where(
        refunds.c.order_id == order_id, refunds.c.state.not_in(NOT_PAID)
    )
    others = select(func.coalesce(func.sum(refunds_elsewhere.c.amount), 0)).where(
        refunds_elsewhere.c.order_id == order_id, refunds_elsewhere.c.state.not_in(NOT_PAID)
    )
    captured = select(payments.c.captured).where(payments.c.order_id == order_id)
    return Balance(
        captured=(await db.execute(captured)).scalar_one_or_none() or 0,
        refunded=int((await db.execute(ours)).scalar_one()),
        elsewhere=int((await db.execute(others)).scalar_one()),
    )


async def _by_key(db: AsyncConnection, business_key: str) -> Refund | None:
    row = (await db.execute(select(refunds).where(refunds.c.business_key == business_key))).one_or_none()
    return _refund(row) if row else None


async def _known(db: AsyncConnection, business_key: str) -> Refund:
    kept = await _by_key(db, business_key)
    if kept is None:
        raise ValueError(f"there is no refund {business_key}")
    return kept


async def _by_reference(db: AsyncConnection, order_id: str, reference: str) -> Refund | None:
    where = (refunds.c.reference == reference) & (refunds.c.order_id == order_id)
    row = (await db.execute(select(refunds).where(where))).one_or_none()
    return _refund(row) if row else None


async def _not_curable(db: AsyncConnection, request: RefundRequest) -> str:
    """Why this refund may not take another's place; nothing if it may, or takes none."""
    if request.cures is None:
        return ""
    failed = await _known(db, names.send_key(request.order_id, request.cures))
    if failed.state not in NOT_PAID:
        return f"{request.cures} is {failed.state}"
    return f"{request.cures} has been made again" if await _is_cured(db, failed) else ""


async def _is_cured(db: AsyncConnection, refund: Refund) -> bool:
    where = refunds.c.cures == refund.business_key
    return (await db.execute(select(refunds.c.business_key).where(where))).one_or_none() is not None


async def _attempt(db: AsyncConnection, refund: Refund, now: datetime, lease: timedelta) -> Refund:
    return await _change(
        db,
        refund,
        state=RefundState.CLAIMED,
        reason="",
        attempts=refund.attempts + 1,
        claimed_at=now,
        leased_until=now + lease,
    )


async def _told(db: AsyncConnection, refund: Refund, seen: Seen, now: datetime) -> None:
    if _RANK[seen.state] > _RANK[refund.state]:
        values = {"state": seen.state, "provider_id": seen.provider_id, "reason": seen.reason}
        await _change(db, refund, **values, ended_at=now)


async def _change(db: AsyncConnection, refund: Refund, **values: Any) -> Refund:
    where = refunds.c.business_key == refund.business_key
    statement = update(refunds).where(where).values(values).returning(*refunds.c)
    return _refund((await db.execute(statement)).one())
