"""From a planned step to what `send_message` is asked."""

from datetime import datetime

from journey.messages import ParcelContent, SendRequest
from journey.moments import View
from journey.plan import PlannedStep
from journey.playbook import Per, Playbook
from journey.state import JourneyState, Parcel


def send_request(
    state: JourneyState, playbook: Playbook, step: PlannedStep, now: datetime | None = None
) -> SendRequest:
    """Everything a letter may say, by value; the customer by pointer. `now` is the journey's clock.

    Raises `ValueError` for a step that has no due time.
    """
    if step.due is None or state.facts.placed is None:
        raise ValueError(f"{step.key} has no due time, so there is nothing to send")
    order = state.facts.order
    view = View(state, playbook, order)
    parcel = state.facts.parcels[step.subject] if step.per is Per.PARCEL and step.subject else None
    told = playbook.step(step.step)
    line = view.line(step.subject) if step.per is Per.LINE and step.subject else None
    return SendRequest(
        order_id=order.order_id,
        key=step.key,
        step=step.step,
        letter=step.letter,
        message_class=step.message_class,
        order=order,
        placed_at=state.facts.placed.at,
        parcel=_parcel_content(view, parcel) if parcel else None,
        line=line,
        rating=state.facts.rating.stars if state.facts.rating else None,
        runs_out_at=view.moment("runs_out", Per.LINE, line.line_id) if line else None,
        due=step.due,
        expires_at=step.expires_at,
        retried_at=state.retried.get(step.key),
        window=told.window if told else None,
        limits=playbook.limits,
        day_seconds=playbook.day_seconds,
        asked_at=now,
    )


def _parcel_content(view: View, parcel: Parcel) -> ParcelContent:
    said = parcel.shipment
    return ParcelContent(
        parcel_id=parcel.parcel_id,
        tracking_number=said.tracking_number if said else None,
        tracking_url=said.tracking_url if said else None,
        carrier=said.carrier if said else None,
        lines=said.lines if said else (),
        status=parcel.checkpoint.status if parcel.checkpoint else None,
        shipped_at=parcel.shipped_at,
        expected_by=view.expected_at(parcel),
        delivered_at=parcel.delivered_at,
    )
