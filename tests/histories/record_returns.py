"""Plays returns to each of their ends, and keeps the histories of the returns and of their orders for ever.

`python -m tests.histories.record_returns v2 [STORY...]` adds those stories, or all, to a folder; a file that
is there is never written again.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, update

from journey.contract import StepRequest
from journey.names import order_workflow_id, return_workflow_id
from journey.return_contract import CancelRequest, Cure, CureRequest, DecisionRequest
from journey.return_policy import ReturnPolicy
from ledger.money_tables import payments
from ledger.tables import customers
from runtime.cues import Stagehand, real_clock
from runtime.demo import Clock, Demo, read_examples
from runtime.embedded import embedded_server
from runtime.returns import update_return
from tests.histories.record import DAY, HASTY, keep_history
from tests.world import DEFAULT, ROOT, World, dev_world, line, paced

EXAMPLES = ("sent_back", "exchanged", "never_arrived")

Path_ = Callable[[World, str], Awaitable[None]]


PATIENT = {"window": "900 days", "remind_after": "300 days", "expire_after": "600 days"}
"""A busy machine may sleep for days, of which each lasts a tenth of a second."""


def policy(**changes: Any) -> Any:
    returns = ReturnPolicy.model_validate({**PATIENT, **changes})
    return paced(DEFAULT.model_copy(update={"returns": returns}), DAY)


async def record(folder: Path, names: Sequence[str]) -> None:
    """Play everything, or what is named, and keep the history of every run."""
    chosen = {name: told for name, told in STORIES.items() if not names or name in names}
    async with _world() as world:
        if not names:
            await _examples(world, folder)
        short = {name: told for name, told in chosen.items() if name not in LONG}
        await asyncio.gather(*(_story(world, folder, name, *told) for name, told in short.items()))
    async with _world(HASTY) as world:
        for name in LONG & chosen.keys():
            await _story(world, folder, name, *chosen[name])


@asynccontextmanager
async def _world(*settings: str) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="record-") as home:
        async with embedded_server(Path(home), settings) as server, dev_world(server, Path(home)) as world:
            yield world


async def _examples(world: World, folder: Path) -> None:
    clock = Clock(Path(world.settings.home) / "clock.json", DAY)
    read = [each for each in read_examples(ROOT / "examples" / "orders") if each.name in EXAMPLES]
    demo = Demo(world.client, world.ledger, read, DEFAULT, clock)

    async def look(statuses: list[Any]) -> None:
        return None

    await demo.play()
    await demo.finish(0.5, look)
    for example in demo.examples:
        order_id = example.order.order.order_id
        await keep_history(world, f"order:{order_id}", folder, example.name)
        await keep_history(world, return_workflow_id(order_id, "r1"), folder, f"return_{example.name}")


async def _story(world: World, folder: Path, name: str, book: Any, story: Path_) -> None:
    order_id = await world.place_order("ann", line("l1"), line("l2", quantity=2), playbook=book)
    await world.ship(order_id)
    await world.deliver(order_id)
    await world.until_sent(order_id, "delivered/p1")
    await story(world, order_id)
    await keep_history(world, return_workflow_id(order_id, "r1"), folder, f"return_{name}")
    if name in OF_ITS_ORDER:
        await keep_history(world, order_workflow_id(order_id), folder, name)


async def _tell(world: World, order_id: str, *kinds: str, **body: Any) -> None:
    """Report these about the first return, one after the other, as soon as it can be told."""
    hand = Stagehand(world.client, world.ledger, order_id, DEFAULT, real_clock)
    for kind in kinds:
        world.facts += 1
        now = real_clock().isoformat()
        await hand.tell(kind, {"fact_id": f"f{world.facts}", "at": now, "return_id": "r1", **body})


async def _refunded(world: World, order_id: str) -> None:
    await world.ask(order_id, lines=[{"line_id": "l2", "quantity": 2}])
    await _tell(world, order_id, "return_moved", status="in_transit")
    await _tell(world, order_id, "return_received", "return_inspected")


async def _partly(world: World, order_id: str) -> None:
    await world.ask(order_id, settlement="credit")
    await _tell(world, order_id, "return_received", lines=[{"line_id": "l2", "quantity": 1}])
    await _tell(world, order_id, "return_inspected")


async def _expired(world: World, order_id: str) -> None:
    await world.ask(order_id)


async def _cancelled(world: World, order_id: str) -> None:
    await world.ask(order_id)
    await world.until_return(order_id, lambda status: status.case.label)
    await update_return(world.client, order_id, "r1", "cancel_return", CancelRequest())


async def _decided(world: World, order_id: str, approve: bool) -> None:
    await world.ask(order_id)
    await world.until_return(order_id, lambda status: status.case.attention)
    decision = DecisionRequest(approve=approve, by="maria")
    await update_return(world.client, order_id, "r1", "decide_return", decision)
    if approve:
        await _tell(world, order_id, "return_received", "return_inspected")


async def _approved(world: World, order_id: str) -> None:
    await _decided(world, order_id, True)


async def _refused(world: World, order_id: str) -> None:
    await _decided(world, order_id, False)


async def _dearer(world: World, order_id: str) -> None:
    wanted = [line("n1", unit_price=3000).model_dump(exclude_unset=True)]
    asked = {"settlement": "exchange", "exchange_for": wanted}
    await world.ask(order_id, lines=[{"line_id": "l1", "quantity": 1}], **asked)
    await _tell(world, order_id, "return_received", "return_inspected")
    await world.until_return(order_id, lambda status: status.waits_for == "the difference")
    await _tell(world, order_id, "difference_paid")


async def _not_accepted(world: World, order_id: str) -> None:
    await world.ask(order_id)
    await _tell(world, order_id, "return_received")
    await _tell(world, order_id, "return_inspected", accepted=[])


async def _kept(world: World, order_id: str) -> None:
    await world.ask(order_id)


async def _goodwill(world: World, order_id: str) -> None:
    await world.ask(order_id, kind="goodwill", amount=200, by="maria")


async def _cured(world: World, order_id: str) -> None:
    async def held_by(provider: str) -> None:
        changed = update(payments).where(payments.c.order_id == order_id).values(provider=provider)
        async with world.ledger.writing() as db:
            await db.execute(changed)

    await held_by("gone")
    await world.ask(order_id, kind="stolen")
    await world.until_return(order_id, lambda status: status.case.attention == "refund_failed")
    await held_by("demo")
    cure = CureRequest(how=Cure.MAKE_AGAIN, by="maria")
    await update_return(world.client, order_id, "r1", "cure_refund", cure)


async def _parked(world: World, order_id: str) -> None:
    """Its letters cannot be written until the ledger knows the customer."""
    known = await world.ledger.profile("c_ann")
    assert known is not None
    async with world.ledger.writing() as db:
        await db.execute(delete(customers).where(customers.c.customer_id == "c_ann"))
    await world.ask(order_id, kind="stolen", settlement="replacement")
    await world.until_return(order_id, lambda status: status.case.parked)
    await world.ledger.keep_customer(known)
    step = StepRequest(key="return_replaced/r1")
    await update_return(world.client, order_id, "r1", "retry_step", step)


async def _long(world: World, order_id: str) -> None:
    """So much noise that it goes on in new runs."""
    await world.ask(order_id)
    await world.until_return(order_id, lambda status: status.case.attention)
    for _ in range(20):
        await _tell(world, order_id, "return_moved", status="label_made")
    decision = DecisionRequest(approve=True, by="maria")
    await update_return(world.client, order_id, "r1", "decide_return", decision)
    await world.until_return(order_id, lambda status: status.waits_for == "the first scan")
    await _tell(world, order_id, *["return_moved"] * 20, status="label_made")
    await _tell(world, order_id, "return_received")
    await world.until_return(order_id, lambda status: status.waits_for == "the inspection")
    await _tell(world, order_id, "return_inspected")


async def _others_word(world: World, order_id: str) -> None:
    """Somebody else says to the order that a return which we run is over."""
    await world.ask(order_id)
    body = {"fact_id": "erp:1", "at": real_clock().isoformat(), "return_id": "r1", "outcome": "refunded"}
    await world.journey(order_id).signal("return_closed", body)
    await world.until(order_id, lambda status: "not_understood" in {each.kind for each in status.happened})
    await _tell(world, order_id, "return_received", "return_inspected")


STORIES: dict[str, tuple[Any, Path_]] = {
    "refunded": (policy(), _refunded),
    "partly": (policy(wait_for_rest="1 day"), _partly),
    "expired": (policy(remind_after="7 days", expire_after="21 days"), _expired),
    "cancelled": (policy(), _cancelled),
    "approved": (policy(approve_up_to={"EUR": 1}), _approved),
    "refused": (policy(approve_up_to={"EUR": 1}), _refused),
    "dearer": (policy(pay_difference_within="90 days"), _dearer),
    "not_accepted": (policy(), _not_accepted),
    "kept": (policy(keep_below={"EUR": 100_000}), _kept),
    "first_scan": (policy(refund_on="first_scan"), _refunded),
    "goodwill": (policy(), _goodwill),
    "cured": (policy(), _cured),
    "parked": (policy(), _parked),
    "others_word": (policy(), _others_word),
    "long": (policy(approve_up_to={"EUR": 1}), _long),
}
LONG = {"long"}
OF_ITS_ORDER = {"others_word"}
"""Where the order's own history is kept too."""


def main() -> int:
    version, *names = sys.argv[1:]
    folder = Path(__file__).parent / version
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(record(folder, names))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
