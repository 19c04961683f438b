"""Who may be written to, and when: the one decision that the claim of a send asks for. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from journey.messages import SendRequest, SendResult
from journey.playbook import Cap, MessageClass
from journey.times import DAY, deadline, fit, later

MOST_MOVES = 50
"""Hours, quiet hours, caps and holidays move a moment to and fro; a few moves settle every real case."""


@dataclass(frozen=True)
class Recipient:
    """What is known of a customer at the moment of a claim.

    `agreed` is their last word on this class of letters, None if there is none. `barred` says why this
    address or this customer is written to no more. `written` are the letters of the last time, each with
    its class and moment. `holidays` are dates in the customer's country.
    """

    zone: str
    agreed: bool | None = None
    barred: str | None = None
    written: tuple[tuple[MessageClass, datetime], ...] = ()
    holidays: frozenset[date] = frozenset()


class Verdict(NamedTuple):
    """Why a letter is not sent now: suppressed, expired, or held `until` then."""

    result: SendResult
    reason: str
    until: datetime | None = None


def verdict(request: SendRequest, recipient: Recipient, now: datetime) -> Verdict | None:
    """Why this letter may not be sent to this customer now; None if it may."""
    if reason := _never(request, recipient):
        return Verdict(SendResult.SUPPRESSED, reason)
    moment, reason = _first_moment(request, recipient, now)
    if request.expires_at is not None and moment > request.expires_at:
        late = f"too late to say after {request.expires_at:%Y-%m-%d %H:%M} UTC"
        return Verdict(SendResult.EXPIRED, f"{reason}; {late}" if reason else late)
    return Verdict(SendResult.HELD, reason, moment) if moment > now else None


def _never(request: SendRequest, recipient: Recipient) -> str | None:
    if recipient.barred:
        return recipient.barred
    if request.message_class is MessageClass.TRANSACTIONAL:
        return None
    if recipient.agreed is False:
        return f"unsubscribed from {request.message_class}"
    if recipient.agreed is None and request.message_class in request.limits.need_consent:
        return f"no consent for {request.message_class}"
    return None


Move = tuple[datetime, str]
Rule = Callable[[SendRequest, Recipient, datetime], Move]


def _first_moment(request: SendRequest, recipient: Recipient, now: datetime) -> Move:
    """The first moment from now on that no rule moves any further, and the first reason to move."""
    paced = request.day_seconds != DAY
    rules: tuple[Rule, ...] = (_by_caps,) if paced else (_by_caps, _by_holidays, _by_quiet, _by_window)
    moment, reason = now, ""
    for _ in range(MOST_MOVES):
        moves = [rule(request, recipient, moment) for rule in rules]
        furthest, why = max(moves, key=lambda move: move[0])
        if furthest <= moment:
            break
        moment, reason = furthest, reason or why
    return moment, reason


def _by_caps(request: SendRequest, recipient: Recipient, at: datetime) -> Move:
    caps = [cap for cap in request.limits.caps if request.message_class in cap.classes]
    return max(((_free(cap, request, recipient, at), _cap_in_words(cap)) for cap in caps), default=(at, ""))


def _free(cap: Cap, request: SendRequest, recipient: Recipient, at: datetime) -> datetime:
    """When one more letter is within the cap."""
    ends = sorted(
        later(written, cap.within, recipient.zone, request.day_seconds)
        for message_class, written in recipient.written
        if message_class in cap.classes
    )
    counting = [end for end in ends if end > at]
    return counting[-cap.most] if len(counting) >= cap.most else at


def _cap_in_words(cap: Cap) -> str:
    return f"at most {cap.most} {' or '.join(cap.classes)} in {cap.within}"


def _by_holidays(request: SendRequest, recipient: Recipient, at: datetime) -> Move:
    day = at.astimezone(ZoneInfo(recipient.zone)).date()
    if request.message_class in request.limits.holidays_for and day in recipient.holidays:
        return deadline(day, recipient.zone), "a public holiday"
    return at, ""


def _by_quiet(request: SendRequest, recipient: Recipient, at: datetime) -> Move:
    return fit(at, request.limits.hours(request.message_class), recipient.zone), "quiet hours"


def _by_window(request: SendRequest, recipient: Recipient, at: datetime) -> Move:
    return fit(at, request.window, recipient.zone), "outside the hours of the step"
