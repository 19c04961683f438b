"""Asking others what they may have failed to tell us: what is asked, what came of it, and when it is a sign
that a shop has stopped telling."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from journey.facts import Model
from journey.names import Code
from journey.times import Instant

OVERLAP = timedelta(minutes=15)
"""How far before the last pass the next one begins: a shop's list may lag behind its orders."""

FIRST_LOOK = timedelta(hours=1)
"""How far back the very first pass looks: who begins today wants no letters about last year's orders."""

GRACE = timedelta(minutes=5)
"""How late a webhook may be before its absence says something."""

MOST_TOPICS = 50
"""Topics that are remembered of one shop."""


class PassKind(StrEnum):
    """Who is asked: a shop for orders, a payment provider for refunds, a mail provider for letters."""

    SHOP = "shop"
    PAYMENTS = "payments"
    MAIL = "mail"


class PassName(Model):
    """One pass: who is asked, and which of them."""

    kind: PassKind
    provider: Code

    def __str__(self) -> str:
        return f"{self.kind}:{self.provider}"


class ReconciliationRequest(Model):
    """`since` looks further back than the last pass, once; only shops have such a moment."""

    passes: tuple[PassName, ...] = Field(min_length=1)
    since: Instant | None = None


class PassRequest(Model):
    """`token` is the same for every attempt at a pass, so that it goes on where the last attempt was."""

    name: PassName
    token: str = Field(min_length=1, max_length=300)
    since: Instant | None = None


class PassReport(Model):
    """What came of a pass. Nothing personal is in it."""

    name: str
    seen: int = Field(default=0, description="Orders, refunds or letters that were looked at.")
    filled: int = Field(default=0, description="Events that had never come, and were taken in or settled.")
    unread: int = Field(default=0, description="What could not be read; it is parked in the inbox.")
    warnings: tuple[str, ...] = ()
    problem: str = Field(default="", description="Why the pass did not reach its end.")


class ReconciliationEnd(Model):
    """The passes of one run, in their order."""

    passes: tuple[PassReport, ...]


class Gaps(NamedTuple):
    """What a pass found that a webhook should have brought by then."""

    events: int = 0
    oldest: datetime | None = None

    def and_at(self, moment: datetime) -> "Gaps":
        return Gaps(self.events + 1, min(moment, self.oldest or moment))


class Standing(Model):
    """How it stands with one of those who are asked, from one pass to the next."""

    name: str
    watermark: Instant | None = Field(default=None, description="When the last whole pass began.")
    topics: tuple[str, ...] = Field(default=(), description="Subscriptions that were seen there.")
    lost: dict[str, Instant] = Field(default_factory=dict, description="Those that are gone, since when.")
    heard: dict[str, Instant] = Field(
        default_factory=dict, description="When each topic last came by itself."
    )
    inbox_number: int = Field(default=0, description="Up to which row of the inbox `heard` is true.")
    silent_since: Instant | None = None
    unheard: int = Field(default=0, description="Events that never came since then, as far as passes tell.")
    problem: str = Field(default="", description="Why the last pass did not reach its end.")

    @property
    def last_heard(self) -> datetime | None:
        return max(self.heard.values(), default=None)

    def warnings(self) -> tuple[str, ...]:
        """What a person should look at, in words without anything personal."""
        told = [f"{self.name}: {self.problem}"] if self.problem else []
        for topic, since in sorted(self.lost.items()):
            told.append(f"{self.name}: the subscription to {topic} is lost since {since:%Y-%m-%d %H:%M} UTC")
        if self.silent_since:
            told.append(
                f"{self.name}: no webhook came since {self.silent_since:%Y-%m-%d %H:%M} UTC, though there "
                f"was something to tell ({self.unheard} events)"
            )
        return tuple(told)


def heard_more(standing: Standing, heard: Mapping[str, datetime], number: int) -> Standing:
    """The standing after what came by webhook since it was last looked at. A topic that comes is not lost,
    whoever keeps its subscription now; and a shop that is heard is not silent."""
    latest = {**standing.heard, **heard}
    kept = dict(sorted(latest.items(), key=lambda item: item[1])[-MOST_TOPICS:])
    back = {topic for topic, since in standing.lost.items() if heard.get(topic, since) > since}
    changes: dict[str, object] = {
        "heard": kept,
        "inbox_number": number,
        "lost": {topic: since for topic, since in standing.lost.items() if topic not in back},
        "topics": tuple(topic for topic in standing.topics if topic not in back),
    }
    if heard and standing.silent_since and max(heard.values()) > standing.silent_since:
        changes |= {"silent_since": None, "unheard": 0}
    return standing.model_copy(update=changes)


def subscribed(standing: Standing, told: Mapping[str, bool] | None, now: datetime) -> Standing:
    """The standing after the shop told its subscriptions: which topics, and whether each is at work. What
    was there in an earlier pass and is gone, is lost; a shop that did not say leaves all as it was."""
    if told is None:
        return standing
    working = {topic for topic, at_work in told.items() if at_work}
    known = sorted({*standing.topics, *told})[:MOST_TOPICS]
    lost = {topic: standing.lost.get(topic, now) for topic in known if topic not in working}
    return standing.model_copy(update={"topics": tuple(known), "lost": lost})


def listened(standing: Standing, gaps: Gaps, now: datetime) -> Standing:
    """The standing after a pass found gaps. A shop is silent when nothing at all came by webhook since the
    oldest of them: single ones are lost now and then, and that is what passes are for."""
    if gaps.oldest is None:
        return standing
    last = standing.last_heard
    if last is not None and last > gaps.oldest:
        return standing
    since = standing.silent_since or last or gaps.oldest
    return standing.model_copy(
        update={"silent_since": min(since, now), "unheard": standing.unheard + gaps.events}
    )
