"""The rules of returns: who may send what back, until when, for how much. Pure; `now` is given."""

from datetime import datetime

from journey.facts import Line, LineQuantity
from journey.proration import goods_value
from journey.return_contract import (
    BY_OPERATOR,
    CLAIMS,
    CaseKind,
    Deadlines,
    HeldUnits,
    Refusal,
    ReturnDecision,
    ReturnRequest,
    Rule,
    Sums,
    Verdict,
)
from journey.return_policy import Reason, Settlement, Way
from journey.return_sums import Charges, sums_of
from journey.returns_desk import Desk
from journey.state import Parcel, Shipment


def decide(desk: Desk, request: ReturnRequest, return_id: str) -> ReturnDecision:
    """The answer to a request. Raises `Refusal`, which names the rule."""
    if request.kind in BY_OPERATOR:
        return _operators_refund(desk, request, return_id)
    reason = _reason(desk, request)
    asked = _asked(desk, request)
    for number, (line, _) in enumerate(asked):
        _check_line(desk, request, reason, line, f"lines.{number}")
    held = tuple(_hold(desk, line, quantity, f"lines.{n}") for n, (line, quantity) in enumerate(asked))
    withdrawing = request.kind is CaseKind.RETURN and all(_withdrawing(desk, line) for line, _ in asked)
    keeps = _keeps(desk, request, held)
    way = Way.KEEP if keeps else _way(desk, request)
    _check_settlement(desk, request)
    charges = Charges(restocking=not (reason.our_fault or withdrawing), way_back=not reason.our_fault)
    sums = sums_of(desk, request, held, way, charges)
    verdict, why = _verdict(desk, request, reason, sums)
    return ReturnDecision(
        return_id=return_id,
        kind=request.kind,
        verdict=verdict,
        why=why,
        lines=tuple(LineQuantity(line_id=line.line_id, quantity=quantity) for line, quantity in asked),
        held=held,
        ways=(Way.KEEP,) if keeps else desk.policy.ways,
        way=way,
        settlement=request.settlement,
        deadlines=_deadlines(desk, asked, way),
        sums=sums,
        in_withdrawal=withdrawing,
        asked_by=request.by,
        asked_key=request.key_id,
    )


def _operators_refund(desk: Desk, request: ReturnRequest, return_id: str) -> ReturnDecision:
    if request.amount is None:
        raise Refusal(Rule.AMOUNT_MISSING, "amount", f"a {request.kind} should say how much")
    limit = desk.policy.second_person_above.get(desk.order.currency)
    second = limit is not None and request.amount > limit
    return ReturnDecision(
        return_id=return_id,
        kind=request.kind,
        verdict=Verdict.NEEDS_SECOND_PERSON if second else Verdict.APPROVED,
        why=f"above {limit} {desk.order.currency}" if second else "",
        settlement=request.settlement if request.settlement is Settlement.CREDIT else Settlement.REFUND,
        sums=Sums(refund=request.amount),
        asked_by=request.by,
        asked_key=request.key_id,
    )


def _reason(desk: Desk, request: ReturnRequest) -> Reason:
    if request.kind in CLAIMS:
        damaged = request.kind is CaseKind.DAMAGED
        if damaged and request.evidence is None:
            raise Refusal(Rule.EVIDENCE_MISSING, "evidence", "a photo is wanted of what is damaged")
        return Reason(name=request.kind, our_fault=True)
    known = ", ".join(reason.name for reason in desk.policy.reasons)
    if request.reason is None or (reason := desk.policy.reason(request.reason)) is None:
        raise Refusal(Rule.UNKNOWN_REASON, "reason", f"should be one of: {known}")
    if reason.evidence and request.evidence is None:
        raise Refusal(Rule.EVIDENCE_MISSING, "evidence", f"a photo is wanted for {reason.name}")
    return reason


def _asked(desk: Desk, request: ReturnRequest) -> list[tuple[Line, int]]:
    """The lines and quantities, each line once. Empty means all that is left and may come back."""
    known = {line.line_id: line for line in desk.order.lines}
    wanted: dict[str, int] = {}
    for number, part in enumerate(request.lines):
        if part.line_id not in known:
            raise Refusal(Rule.UNKNOWN_LINE, f"lines.{number}.line_id", "is no line of this order")
        wanted[part.line_id] = wanted.get(part.line_id, 0) + part.quantity
    if not wanted:
        wanted = {line.line_id: len(desk.free_units(line)) for line in desk.order.lines}
    asked = [(known[line_id], quantity) for line_id, quantity in wanted.items() if quantity]
    if not asked:
        raise Refusal(Rule.NOTHING_LEFT, "lines", "everything has been returned or is being returned")
    return asked


def _hold(desk: Desk, line: Line, quantity: int, where: str) -> HeldUnits:
    free = desk.free_units(line)
    if len(free) < quantity:
        text = f"{len(free)} of {line.quantity} are left to return, not {quantity}"
        raise Refusal(Rule.ALREADY_RETURNED, f"{where}.quantity", text)
    return HeldUnits(line_id=line.line_id, units=tuple(free[:quantity]))


def _check_line(desk: Desk, request: ReturnRequest, reason: Reason, line: Line, where: str) -> None:
    if request.kind is CaseKind.RETURN:
        _check_return(desk, reason, line, where)
    elif request.kind in (CaseKind.STOLEN, CaseKind.DAMAGED):
        _check_after_delivery(desk, line, where)
    else:
        _check_before_delivery(desk, request.kind, line, where)


def _check_return(desk: Desk, reason: Reason, line: Line, where: str) -> None:
    ends = desk.window_ends(line)
    if ends is None:
        raise Refusal(Rule.NOT_DELIVERED, where, "has not been delivered yet")
    if desk.now >= ends:
        raise Refusal(Rule.WINDOW_CLOSED, where, f"could be returned until {ends:%Y-%m-%d %H:%M} UTC")
    if desk.terms(line).final_sale and not reason.our_fault and not _withdrawing(desk, line):
        raise Refusal(Rule.FINAL_SALE, where, "was a final sale")


def _withdrawing(desk: Desk, line: Line) -> bool:
    ends = desk.withdrawal_ends(line)
    return ends is not None and desk.now < ends


def _check_after_delivery(desk: Desk, line: Line, where: str) -> None:
    delivered = desk.delivered_at(line)
    if delivered is None:
        raise Refusal(Rule.NOT_DELIVERED, where, "has not been delivered yet")
    ends = desk.view.later(delivered, desk.policy.claims.within)
    if desk.now >= ends:
        raise Refusal(Rule.WINDOW_CLOSED, where, f"could be claimed until {ends:%Y-%m-%d %H:%M} UTC")


def _check_before_delivery(desk: Desk, kind: CaseKind, line: Line, where: str) -> None:
    parcels = [p for p in desk.view.facts.sent if _carries(p.shipment, line.line_id)]
    if kind is CaseKind.LOST and any(p.checkpoint and p.checkpoint.status == "lost" for p in parcels):
        return
    if desk.reported_at(line):
        text = "the carrier says that it was delivered; it may have been stolen"
        raise Refusal(Rule.DELIVERED, where, text)
    claims, country = desk.policy.claims, desk.order.country
    wait = claims.wait_abroad if claims.home and country not in claims.home else claims.wait
    expected = [at for parcel in parcels if (at := _expected(desk, parcel))]
    if not expected:
        raise Refusal(Rule.TOO_EARLY, where, "has not been shipped yet")
    ready = desk.view.later(max(expected), wait)
    if desk.now < ready:
        raise Refusal(Rule.TOO_EARLY, where, f"can be claimed from {ready:%Y-%m-%d %H:%M} UTC on")


def _carries(shipment: Shipment | None, line_id: str) -> bool:
    lines = shipment.lines if shipment else ()
    return not lines or any(part.line_id == line_id for part in lines)


def _expected(desk: Desk, parcel: Parcel) -> datetime | None:
    expected = desk.view.expected_at(parcel)
    if expected is None and parcel.shipped_at is not None:
        return desk.view.later(parcel.shipped_at, desk.view.playbook.usual_delivery)
    return expected


def _keeps(desk: Desk, request: ReturnRequest, held: tuple[HeldUnits, ...]) -> bool:
    """Whether nothing comes back: there is nothing to send, or it is not worth the way."""
    if request.kind in CLAIMS:
        return True
    limit = desk.policy.keep_below.get(desk.order.currency)
    value = goods_value(desk.order, {each.line_id: each.units for each in held})
    return limit is not None and value < limit


def _way(desk: Desk, request: ReturnRequest) -> Way:
    way = request.way or desk.policy.ways[0]
    if way not in desk.policy.ways:
        raise Refusal(Rule.WAY_NOT_OFFERED, "way", f"should be one of: {', '.join(desk.policy.ways)}")
    return way


def _check_settlement(desk: Desk, request: ReturnRequest) -> None:
    if request.settlement not in desk.policy.settlements:
        known = ", ".join(desk.policy.settlements)
        raise Refusal(Rule.SETTLEMENT_NOT_OFFERED, "settlement", f"should be one of: {known}")
    exchanging = request.settlement is Settlement.EXCHANGE
    if exchanging and not request.exchange_for:
        raise Refusal(Rule.EXCHANGE_INCOMPLETE, "exchange_for", "should say what is wanted instead")
    if not exchanging and request.exchange_for:
        raise Refusal(Rule.EXCHANGE_INCOMPLETE, "settlement", "should be exchange when exchange_for is there")


def _verdict(desk: Desk, request: ReturnRequest, reason: Reason, sums: Sums) -> tuple[Verdict, str]:
    limits = desk.policy.claims.approve_up_to if request.kind in CLAIMS else desk.policy.approve_up_to
    limit = limits.get(desk.order.currency)
    if reason.review:
        return Verdict.NEEDS_PERSON, f"{reason.name} is always looked at"
    if limit is not None and sums.refund > limit:
        return Verdict.NEEDS_PERSON, f"above {limit} {desk.order.currency}"
    return Verdict.APPROVED, ""


def _deadlines(desk: Desk, asked: list[tuple[Line, int]], way: Way) -> Deadlines:
    ends = [at for line, _ in asked if (at := desk.window_ends(line))]
    send_by = None if way is Way.KEEP else desk.view.later(desk.now, desk.policy.expire_after)
    return Deadlines(window_ends=min(ends, default=None), send_by=send_by)
