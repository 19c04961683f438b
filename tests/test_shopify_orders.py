"""What becomes of an order at Shopify, from its webhooks to the letters that follow from them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from journey.facts import LineQuantity, Order, ReturnOutcome, understand
from journey.fold import fold
from journey.plan import PlannedStep, Stage, Standing, plan, stage
from journey.proration import paid_for_lines, paid_in_all
from journey.state import JourneyState, OrderState
from ledger import Ledger
from ledger.incoming import Incoming
from runtime.playbooks import load_playbook
from service.sources.all import translate
from tests import payloads

DEFAULT = load_playbook(Path("playbooks/default.yaml"))
NOW = datetime(2026, 3, 20, 16, tzinfo=UTC)
LINE = payloads.shopify_order()["line_items"][0]
RETURN = str(payloads.SHOPIFY_RETURN["id"])
REFUND = payloads.SHOPIFY_REFUND | {"return": {"id": payloads.SHOPIFY_RETURN["id"]}}


def told(body: dict[str, Any], at: datetime = NOW) -> list[Incoming]:
    return translate("shopify", json.dumps(body).encode(), at)


def known(bodies: Iterable[dict[str, Any]]) -> OrderState:
    """What an order's journey knows after these webhooks, each an hour after the one before."""
    state = OrderState()
    for hours, body in enumerate(bodies):
        at = NOW + timedelta(hours=hours)
        for each in told(body, at):
            for deed in each.deeds:
                state = fold(state, understand(deed.kind, deed.body, at))
    return state


def ahead(bodies: Iterable[dict[str, Any]], now: datetime) -> dict[str, PlannedStep]:
    state = JourneyState(facts=known(bodies))
    return {planned.key: planned for planned in plan(state, DEFAULT, now)}


def delivered() -> list[dict[str, Any]]:
    return [
        payloads.shopify_order(),
        payloads.shopify_fulfillment(),
        payloads.shopify_event(status="delivered"),
    ]


@pytest.mark.parametrize(
    "ends", list(permutations([payloads.SHOPIFY_RETURN, REFUND, payloads.shopify_return_over("closed")]))
)
def test_a_return_that_is_refunded_at_shopify_is_one_return_and_refunded_whatever_comes_first(
    ends: tuple[dict[str, Any], ...],
) -> None:
    returns = known([*delivered(), *ends]).returns
    assert list(returns) == [RETURN]
    closed = returns[RETURN].closed
    assert closed is not None
    assert (closed.outcome, f"{closed.at:%m-%d %H:%M}") == (ReturnOutcome.REFUNDED, "03-20 15:00")


def test_a_return_that_is_refunded_at_shopify_holds_no_letter_back() -> None:
    opened = [*delivered(), payloads.SHOPIFY_RETURN]
    soon = datetime(2026, 3, 21, tzinfo=UTC)
    assert ahead(opened, soon)["feedback_request"].standing is Standing.HELD
    assert ahead([*opened, REFUND], soon)["feedback_request"].why == "returned"


def test_two_refunds_of_one_return_are_for_the_lines_of_both() -> None:
    first = REFUND | {"id": 1, "refund_line_items": [{"line_item_id": 1, "quantity": 2}]}
    second = REFUND | {"id": 2, "refund_line_items": [{"line_item_id": 2, "quantity": 1}]}
    for bodies in ([first, second], [second, first], [first, second, first]):
        closed = known(bodies).returns[RETURN].closed
        assert closed is not None
        assert closed.lines == (LineQuantity(line_id="1", quantity=2), LineQuantity(line_id="2", quantity=1))


def test_a_refund_that_is_told_twice_is_told_once_in_whatever_order_its_lines_are() -> None:
    parts = [{"line_item_id": each, "quantity": 1} for each in (2, 1)]
    bodies = [REFUND | {"refund_line_items": parts}]
    assert known(bodies * 2).returns == known(bodies).returns


def test_a_refund_that_names_no_return_is_a_return_of_its_own() -> None:
    assert list(known([payloads.SHOPIFY_REFUND]).returns) == [f"refund-{payloads.SHOPIFY_REFUND['id']}"]
    assert list(known([payloads.SHOPIFY_REFUND | {"return": None}]).returns) != [RETURN]


OPENED, OVER = payloads.SHOPIFY_RETURN, payloads.shopify_return_over("closed")


@pytest.mark.parametrize(
    ("came_in", "is_missing"),
    [
        ([payloads.SHOPIFY_REFUND], False),
        ([payloads.SHOPIFY_REFUND, OPENED, OVER], False),
        ([payloads.SHOPIFY_REFUND, OPENED], True),
        ([OPENED, OVER], True),
        ([payloads.SHOPIFY_REFUND | {"id": 7}], True),
    ],
)
async def test_a_refund_that_came_in_without_its_return_is_missing_only_where_the_return_waits_for_its_end(
    tmp_path: Path, came_in: list[dict[str, Any]], is_missing: bool
) -> None:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    for body in came_in:
        await ledger.accept(told(body), NOW)
    assert bool(await ledger.missing(told(REFUND))) is is_missing
    await ledger.close()


def test_money_alone_is_no_return_unless_it_is_given_for_one() -> None:
    money: dict[str, Any] = {"refund_line_items": []}
    assert known([payloads.SHOPIFY_REFUND | money]).returns == {}
    assert known([REFUND | money]).returns[RETURN].kept_nothing


CALLED_OFF = payloads.shopify_fulfillment(status="cancelled", updated_at="2026-03-03T09:00:00-05:00")


@pytest.mark.parametrize("bodies", list(permutations([*delivered()[:2], CALLED_OFF])))
def test_of_a_fulfillment_that_is_cancelled_no_letter_follows(bodies: tuple[dict[str, Any], ...]) -> None:
    planned = ahead(bodies, datetime(2026, 3, 9, 18, tzinfo=UTC))
    of_parcels = [each for key, each in planned.items() if key.endswith("/123456")]
    assert len(of_parcels) > 5
    assert {each.standing for each in of_parcels} <= {Standing.STOPPED, Standing.WAITING}
    assert planned["stalled/123456"].why == "cancelled"
    assert stage(known(bodies)) is Stage.PLACED
    # The control: without the cancellation, it says that the parcel has stalled.
    not_cancelled = ahead(delivered()[:2], datetime(2026, 3, 9, 18, tzinfo=UTC))
    assert not_cancelled["stalled/123456"].standing is Standing.DATED


def test_goods_of_a_cancelled_fulfillment_that_are_sent_again_are_delivered_once_they_are() -> None:
    again = payloads.shopify_fulfillment(id=7, created_at="2026-03-04T09:00:00-05:00")
    arrived = payloads.shopify_event(fulfillment_id=7, id=8, status="delivered")
    sent_again = [*delivered()[:2], CALLED_OFF, again]
    assert stage(known(sent_again)) is Stage.SHIPPED
    assert stage(known([*sent_again, arrived])) is Stage.DELIVERED


def test_a_parcel_that_was_called_off_and_arrives_all_the_same_has_arrived() -> None:
    scan = payloads.shopify_event(id=9, status="in_transit", happened_at="2026-03-08T09:00:00Z")
    bodies = [*delivered()[:2], scan, CALLED_OFF]
    assert stage(known(bodies)) is Stage.PLACED
    assert stage(known([*bodies, delivered()[2]])) is Stage.DELIVERED


def lines(number: int) -> list[dict[str, Any]]:
    return [LINE | {"id": each} for each in range(1, number + 1)]


def placed(body: dict[str, Any]) -> Order:
    return known([body]).order


def test_an_order_of_501_lines_is_kept_with_500_of_them_and_people_are_told_once() -> None:
    first = told(payloads.shopify_order(line_items=lines(501)))
    order, note = first
    assert len(placed(payloads.shopify_order(line_items=lines(501))).lines) == 500
    assert (order.problem, note.problem) == (
        "",
        "an order here has at most 500 lines: of 501, the others are left out",
    )
    assert "lanted" not in note.model_dump_json()
    again = told(payloads.shopify_order(line_items=lines(501), updated_at="2026-03-05T10:00:00Z"))[1]
    assert (again.event_id, again.body_hash) == (note.event_id, note.body_hash)
    assert len(told(payloads.shopify_order(line_items=lines(500)))) == 1


def test_an_order_of_more_lines_than_are_kept_is_delivered_when_its_parcels_are() -> None:
    order = payloads.shopify_order(line_items=lines(501)[::-1])
    parcel = payloads.shopify_fulfillment(line_items=lines(501))
    arrived = payloads.shopify_event(status="delivered")
    assert stage(known([order, parcel, arrived])) is Stage.DELIVERED
    two = [
        parcel | {"line_items": lines(501)[:7]},
        payloads.shopify_fulfillment(id=7, line_items=lines(508)[7:]),
    ]
    assert stage(known([order, *two, arrived])) is Stage.SHIPPED
    of_the_other = payloads.shopify_event(status="delivered", id=8, fulfillment_id=7)
    assert stage(known([order, *two, arrived, of_the_other])) is Stage.DELIVERED


def test_refunds_and_returns_of_more_lines_than_are_kept_are_told() -> None:
    parts = [{"line_item_id": each, "quantity": 1} for each in range(1, 502)]
    opened = [{"quantity": 1, "fulfillment_line_item": {"line_item": {"id": each}}} for each in range(1, 502)]
    bodies = [REFUND | {"refund_line_items": parts}, payloads.SHOPIFY_RETURN | {"return_line_items": opened}]
    told_of = known(bodies).returns[RETURN]
    assert told_of.closed is not None
    assert (len(told_of.closed.lines), len(told_of.opened_lines)) == (500, 500)


@pytest.mark.parametrize("off", ["-10.00", "-0.01", "-5000.00"])
def test_a_line_that_takes_something_off_leaves_no_more_to_refund_than_was_paid(off: str) -> None:
    bought = [LINE | {"id": 1, "price": "33.33"}, LINE | {"id": 2, "quantity": 1, "current_quantity": 1}]
    discount = LINE | {"id": 3, "name": "Rounding", "price": off, "quantity": 1, "current_quantity": 1}
    order = placed(payloads.shopify_order(line_items=[bought[0], discount, bought[1]]))
    assert [line.line_id for line in order.lines] == ["1", "2"]
    whole = 2 * 3333 + 19900
    assert paid_in_all(order) == max(0, whole + round(float(off) * 100))
    assert min(paid_for_lines(order).values()) >= 0


def test_a_line_that_takes_something_off_an_order_later_counts_as_well() -> None:
    later = payloads.shopify_order(
        updated_at="2026-03-05T10:00:00Z",
        line_items=[LINE, LINE | {"id": 3, "price": "-10.00", "quantity": 1, "current_quantity": 1}],
    )
    assert paid_in_all(known([payloads.shopify_order(), later]).order) == 2 * 19900 - 1000
