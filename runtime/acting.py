"""Acting on a return, by whoever stands at a door: what was said before is answered as before, also after its
end, and a return that never began begins."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from temporalio.client import Client

from journey.contract import StepRequest
from journey.playbook import Playbook
from journey.return_case import ReturnCase, ReturnStatus
from journey.return_contract import CancelRequest, CureRequest, DecisionRequest
from journey.said_before import said_otherwise, was_said
from ledger import Ledger
from ledger.returns import ReturnRow
from runtime.returns import Refused, UnknownReturn, return_status, start_again, update_return

Wish = DecisionRequest | CancelRequest | CureRequest | StepRequest


MOST_ASKS, ASK_AFTER = 40, 0.25
"""Of a return that is about to begin, and the seconds between two."""

F = TypeVar("F")


class NotBegun(ConnectionError):
    """The return's journey had not begun, and is told to begin now: ask again."""


async def act(  # noqa: PLR0913, PLR0917
    client: Client,
    ledger: Ledger,
    playbook: Playbook,
    row: ReturnRow,
    name: str,
    wanted: Wish,
    update_id: str | None = None,
) -> ReturnStatus | ReturnRow:
    """Where the return is after `decide_return`, `cancel_return`, `cure_refund`, `retry_step` or `skip_step`,
    from its journey; the row, where it is over and the same was said before.

    Raises `Refused`, `NotBegun`, and `ConnectionError` when no worker answers.
    """
    try:
        found: ReturnStatus | ReturnRow = await update_return(
            client, row.order_id, row.return_id, name, wanted, update_id
        )
    except (Refused, UnknownReturn) as problem:
        found = await as_it_is(client, ledger, playbook, row)
        if not was_said(_case(found), name, wanted) and not said_otherwise(_case(found), wanted):
            over = Refused("this return is over", None)
            raise (problem if isinstance(problem, Refused) else over) from None
    if said_otherwise(_case(found), wanted):
        raise Refused("request_id: was used before for another cure", "request_id_reused")
    return found


async def as_it_is(
    client: Client, ledger: Ledger, playbook: Playbook, row: ReturnRow
) -> ReturnStatus | ReturnRow:
    """From its journey; one that is over has none to ask, and one that has not begun is begun.

    Raises `NotBegun`, and `ConnectionError` when no worker answers.
    """
    if row.closed_at is None:
        with suppress(UnknownReturn):
            return await return_status(client, row.order_id, row.return_id)
        # It may have ended since the row was read.
        row = await ledger.return_row(row.order_id, row.return_id) or row
    if row.closed_at is None:
        await start_again(client, ledger, row, playbook)
        raise NotBegun("the return has not begun yet; ask again")
    return row


async def acted(  # noqa: PLR0913, PLR0917
    client: Client, ledger: Ledger, playbook: Playbook, which: tuple[str, str], name: str, wanted: Wish
) -> ReturnStatus:
    """The same as `act` of an order's return, for who waits until it has begun.

    Raises `Refused`, `UnknownReturn`, and `ConnectionError` when no worker answers.
    """
    row = await _row(ledger, which)
    found = await _begun(lambda: act(client, ledger, playbook, row, name, wanted))
    return await _as_status(ledger, found)


async def looked_at(
    client: Client, ledger: Ledger, playbook: Playbook, which: tuple[str, str]
) -> ReturnStatus:
    """How far a return is, once it has begun; from the ledger where it is over. Raises as `acted`."""
    row = await _row(ledger, which)
    found = await _begun(lambda: as_it_is(client, ledger, playbook, row))
    return await _as_status(ledger, found)


async def _row(ledger: Ledger, which: tuple[str, str]) -> ReturnRow:
    order_id, return_id = which
    row = await ledger.return_row(order_id, return_id)
    if row is None:
        raise UnknownReturn(f"order {order_id} has no return {return_id}")
    return row


async def _begun(ask: Callable[[], Awaitable[F]]) -> F:
    """What is asked of a return, once it has begun. Raises `NotBegun` if it does not."""
    for _ in range(MOST_ASKS):
        with suppress(NotBegun):
            return await ask()
        await asyncio.sleep(ASK_AFTER)
    return await ask()


async def _as_status(ledger: Ledger, found: ReturnStatus | ReturnRow) -> ReturnStatus:
    if isinstance(found, ReturnStatus):
        return found
    payment = await ledger.payment(found.order_id)
    currency = payment.currency if payment else ""
    case = ReturnCase.model_validate(found.case)
    return ReturnStatus(order_id=found.order_id, return_id=found.return_id, currency=currency, case=case)


def _case(found: ReturnStatus | ReturnRow) -> ReturnCase:
    return found.case if isinstance(found, ReturnStatus) else ReturnCase.model_validate(found.case)
