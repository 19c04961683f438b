"""What is said from outside about returns: of those run elsewhere it counts, of our own only they speak."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from journey.contract import JourneyStatus
from journey.own_returns import OursToTell
from ledger.inbox import InboxRow
from runtime.embedded import Server
from runtime.orders import handle
from tests.doors import World as Doors
from tests.doors import open_world, standard_headers, until
from tests.world import World, dev_world, line, short_playbook

BOOK = short_playbook(day=3600)


@pytest_asyncio.fixture
async def opened(server: Server, tmp_path: Path) -> AsyncIterator[tuple[World, Doors]]:
    async with (
        dev_world(server, tmp_path, BOOK) as shop,
        open_world(shop.ledger, lambda: shop.client, BOOK) as doors,
    ):
        yield shop, doors


async def with_a_return(shop: World, doors: Doors) -> str:
    """An order with a return of ours, r1, of the first of its two lines."""
    order_id = await shop.place_order("ann", line("l1", unit_price=2_000), line("l2", unit_price=4_500))
    await shop.ship(order_id)
    await shop.deliver(order_id)
    asked = {"lines": [{"line_id": "l1", "quantity": 1}], "reason": "changed_mind"}
    granted = await doors.http.post(f"/v1/orders/{order_id}/returns", json=asked, headers=doors.key)
    assert granted.json()["id"] == f"{order_id}:r1"
    return order_id


def said(kind: str, return_id: str = "r1", **more: Any) -> dict[str, Any]:
    outcome = {"outcome": "refunded"} if kind == "return_closed" else {}
    at = datetime.now(UTC).isoformat()
    return {
        "kind": kind,
        "fact_id": f"erp:{kind}:{return_id}",
        "at": at,
        "return_id": return_id,
        **outcome,
        **more,
    }


async def row_of(doors: Doors, event_id: str) -> InboxRow:
    async def ended() -> InboxRow | None:
        rows = [row for row in await doors.ledger.inbox_rows() if row.event_id == event_id]
        return rows[0] if rows and rows[0].ended_at else None

    return await until(ended)


def closings(status: JourneyStatus) -> list[str | None]:
    return [each.note for each in status.happened if each.kind == "return_closed"]


@pytest.mark.parametrize("kind", ["return_opened", "return_closed"])
async def test_a_back_end_cannot_open_or_close_a_return_that_is_run_here(
    opened: tuple[World, Doors], kind: str
) -> None:
    shop, doors = opened
    order_id = await with_a_return(shop, doors)
    url = f"/v1/orders/{order_id}/facts"
    before = len((await shop.status(order_id)).happened)
    answer = await doors.http.post(url, json=said(kind), headers=doors.key)
    assert (answer.status_code, answer.json()["error"][:11]) == (409, "return_id: ")
    assert f"/v1/returns/{order_id}:r1" in answer.json()["error"]
    posing = await doors.http.post(url, json=said(kind, "r9", source="returns"), headers=doors.key)
    assert (posing.status_code, posing.json()["error"][:8]) == (422, "source: ")
    assert len((await shop.status(order_id)).happened) == before
    with pytest.raises(OursToTell, match=r"starter\.py return"):
        await shop.tell(order_id, **said(kind))


async def test_a_shop_that_runs_returns_elsewhere_may_still_tell_of_them(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await with_a_return(shop, doors)
    for kind in ("return_opened", "return_closed"):
        fact = said(kind, "erp-7", lines=[{"line_id": "l2", "quantity": 1}])
        answer = await doors.http.post(f"/v1/orders/{order_id}/facts", json=fact, headers=doors.key)
        assert (answer.status_code, answer.json()) == (202, {"result": "accepted"})
    assert closings(await shop.until(order_id, closings)) == ["refunded"]


async def test_a_signed_webhook_that_closes_our_return_ends_with_a_stated_outcome(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await with_a_return(shop, doors)
    told = said("return_closed") | {"order_id": order_id}
    assert (await doors.post("standard", told)).json() == {"result": "accepted"}
    row = await row_of(doors, "msg_1")
    assert (row.state, row.reason[:20]) == ("dispatched", "refused: return_id: ")
    assert f"/v1/returns/{order_id}:r1" in row.reason
    assert closings(await shop.status(order_id)) == []
    posing = json.dumps(said("return_closed", "r9") | {"order_id": order_id, "source": "returns"}).encode()
    at = int(datetime.now(UTC).timestamp())
    answer = await doors.post("standard", posing, standard_headers(posing, "msg_2", at))
    assert (answer.status_code, answer.json()["error"][:8]) == (422, "source: ")
    # What only our own return may say, it says.
    cancelled = await until(lambda: _cancelled(doors, f"{order_id}:r1"))
    assert cancelled == 200
    assert closings(await shop.until(order_id, closings)) == ["cancelled"]


async def _cancelled(doors: Doors, return_id: str) -> int | None:
    url = f"/v1/returns/{return_id}/cancellation"
    answer = await doors.http.post(url, json={}, headers=doors.key)
    return answer.status_code if answer.status_code != 503 else None


async def test_a_signal_past_the_doors_leaves_a_line_in_the_story_and_no_more(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await with_a_return(shop, doors)
    fact = said("return_closed")
    await handle(shop.client, order_id).signal(fact.pop("kind"), fact)
    status = await shop.until(order_id, closings)
    (note,) = closings(status)
    assert note is not None and note.startswith("return_id: r1 is run here")
    assert (await doors.http.get(f"/v1/returns/{order_id}:r1", headers=doors.key)).json()["outcome"] is None
