"""What was asked of the returns desk: each request once, and never for more money than is left."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.money_tables import payments, refunds
from ledger.payments import balance_in, lock_money
from ledger.return_tables import asked, returns

UNANSWERED = timedelta(minutes=5)
"""For which a request that nobody has answered keeps its amount from others: the one who asked may have
died, and would ask again within that."""


class Asked(Model):
    """A request to the returns desk. `words` are the customer's own: personal, and nowhere else."""

    order_id: str
    request_id: str
    fingerprint: str
    words: str | None = None
    amount: int | None = None
    return_id: str | None = None
    asked_at: Instant


class AskedOtherwise(ValueError):
    """The same id was used before, for something else."""


class NotPaid(ValueError):
    """No payment is known from which money could be given back."""


class MoreThanIsLeft(ValueError):
    """More money than is left of what was captured; `left` is in minor units of `currency`."""

    def __init__(self, left: int, currency: str) -> None:
        super().__init__(f"{left} {currency} is left")
        self.left = left
        self.currency = currency


class Requests(Database):
    """The requests' rows."""

    async def claim_request(self, request: Asked) -> Asked:
        """Write a request down before it is made; the row as it is kept, which may be an earlier one's.

        Raises `AskedOtherwise`; where money is asked for, `NotPaid` and `MoreThanIsLeft`: what others have
        asked for, and what a second person still has to approve, counts as gone.
        """
        async with self.writing() as db:
            await lock_money(db, request.order_id)
            kept = await _kept(db, request.order_id, request.request_id)
            if kept is not None and kept.fingerprint != request.fingerprint:
                raise AskedOtherwise(request.request_id)
            if kept is not None:
                return kept
            if request.amount is not None:
                await _check_amount(db, request, request.amount)
            await db.execute(self.insert(asked).values(request.model_dump()))
            return request

    async def answer_request(self, request: Asked, return_id: str) -> None:
        """Note which return a request became."""
        which = (asked.c.order_id == request.order_id) & (asked.c.request_id == request.request_id)
        async with self.writing() as db:
            await db.execute(update(asked).where(which).values(return_id=return_id))

    async def drop_request(self, request: Asked) -> None:
        """Forget a request that was refused; one that became a return stays."""
        which = (asked.c.order_id == request.order_id) & (asked.c.request_id == request.request_id)
        async with self.writing() as db:
            await db.execute(delete(asked).where(which, asked.c.return_id.is_(None)))

    async def words_about(self, order_id: str) -> dict[str, str]:
        """What customers wrote about an order's returns, by return. Personal."""
        query = select(asked.c.return_id, asked.c.words).where(
            asked.c.order_id == order_id, asked.c.return_id.is_not(None), asked.c.words.is_not(None)
        )
        async with self.reading() as db:
            return {str(row.return_id): str(row.words) for row in await db.execute(query)}


async def _kept(db: AsyncConnection, order_id: str, request_id: str) -> Asked | None:
    which = (asked.c.order_id == order_id) & (asked.c.request_id == request_id)
    row = (await db.execute(select(asked).where(which))).one_or_none()
    return Asked.model_validate(row._asdict()) if row else None


async def _check_amount(db: AsyncConnection, request: Asked, amount: int) -> None:
    currency = select(payments.c.currency).where(payments.c.order_id == request.order_id)
    paid_in = (await db.execute(currency)).scalar_one_or_none()
    if paid_in is None:
        raise NotPaid(request.order_id)
    balance = await balance_in(db, request.order_id)
    left = max(0, balance.left - await _promised(db, request.order_id, request.asked_at))
    if amount > left:
        raise MoreThanIsLeft(left, paid_in)


async def _promised(db: AsyncConnection, order_id: str, now: datetime) -> int:
    """What was asked for and is neither claimed as a refund yet nor given up."""
    claimed = select(refunds.c.key).where(refunds.c.order_id == order_id, refunds.c.key == asked.c.return_id)
    over = select(returns.c.return_id).where(
        returns.c.order_id == order_id,
        returns.c.return_id == asked.c.return_id,
        returns.c.closed_at.is_not(None),
    )
    waiting = or_(asked.c.return_id.is_not(None), asked.c.asked_at > now - UNANSWERED)
    query = select(func.coalesce(func.sum(asked.c.amount), 0)).where(
        asked.c.order_id == order_id, waiting, ~claimed.exists(), ~over.exists()
    )
    return int((await db.execute(query)).scalar_one())
