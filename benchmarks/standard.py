"""The standard journey: nine messages, three carrier facts that come apart, four waits on dates."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from temporalio.client import WorkflowHandle

from journey.facts import Line, Order, OrderPlaced
from journey.playbook import Playbook
from ledger.customers import Profile
from runtime.playbooks import load_playbook

ANN = Profile(customer_id="c_ann", email="ann@mail.example", name="Ann Lee")
FACTS = (
    ("parcel_shipped", {"tracking_number": "00340434161094042557", "carrier": "DHL"}),
    ("parcel_moved", {"status": "out_for_delivery"}),
    ("parcel_moved", {"status": "delivered"}),
)
ANSWERS = ("shipping_confirmation/p1", "out_for_delivery/p1", "delivered/p1")
"""The letters by which one knows that each fact has been heard."""

AT_ONCE = ("order_confirmation", "welcome")
DATED = ("survey", "feedback_request", "replenishment/l1", "next_purchase_offer")


def playbook(day_seconds: float, *, at_one_instant: bool = False) -> Playbook:
    """Its dates fall on the 10th, 30th, 50th and 70th day after the delivery, or all on the 10th."""
    book = load_playbook(Path(__file__).with_name("standard.yaml"))
    waits = {"replenishment": "-50 days", "feedback_request": "10 days", "next_purchase_offer": "10 days"}
    if at_one_instant:
        steps = tuple(
            step.model_copy(update={"wait": waits.get(step.name, step.wait)}) for step in book.steps
        )
        book = book.model_copy(update={"steps": steps})
    return book.model_copy(update={"day_seconds": day_seconds})


def placed(order_id: str) -> OrderPlaced:
    line = Line(
        line_id="l1",
        sku="FILTER-02-100",
        title="Paper filters size 02, 100 pieces",
        quantity=1,
        unit_price=590,
        category="coffee",
        lifespan_days=60,
        guide_url="https://shop.example/guides/filters",
    )
    order = Order(
        order_id=order_id,
        customer_id="c_ann",
        currency="EUR",
        country="DE",
        zone="Europe/Berlin",
        lines=(line,),
        first_order=True,
    )
    return OrderPlaced(fact_id=f"placed:{order_id}", at=datetime.now(UTC), order=order)


def fact(number: int) -> tuple[str, dict[str, Any]]:
    """The kind and the body of one of the three facts, which happens now."""
    kind, body = FACTS[number]
    common = {"fact_id": f"dhl:{number}", "at": datetime.now(UTC).isoformat(), "source": "dhl"}
    return kind, {**common, "parcel_id": "p1", **body}


class Cost(NamedTuple):
    """What a journey cost: events and bytes of its history, Actions that Temporal Cloud would bill."""

    events: int
    bytes: int
    actions: int
    kinds: dict[str, int]


_BILLED = {
    "workflow_execution_started",
    "workflow_execution_signaled",
    "workflow_execution_update_accepted",
    "timer_started",
    "activity_task_scheduled",
    "upsert_workflow_search_attributes",
}


async def cost_of(handle: WorkflowHandle[Any, Any]) -> Cost:
    """Count the history of a journey that is over. All local activities of one workflow task are one
    Action; a retry of an activity is one more, but a standard journey has none."""
    history = await handle.fetch_history()
    described = (await handle.describe()).raw_description.workflow_execution_info
    kinds = Counter(
        (e.WhichOneof("attributes") or "").removesuffix("_event_attributes") for e in history.events
    )
    batches = {
        e.marker_recorded_event_attributes.workflow_task_completed_event_id
        for e in history.events
        if e.HasField("marker_recorded_event_attributes")
    }
    actions = sum(kinds[kind] for kind in _BILLED) + len(batches)
    return Cost(len(history.events), described.history_size_bytes, actions, dict(sorted(kinds.items())))
