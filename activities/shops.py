"""What is asked of a shop, so that a webhook that never came is made up for, and how the asking ends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol


class ShopRefused(Exception):
    """The shop will not answer this, and asking again changes nothing: a token that is not valid, a scope
    that is missing. `reason` is for operators and holds nothing personal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ShopBusy(Exception):
    """The shop does not answer now: 429, a 5xx, a timeout. `retry_after` is in seconds, where it said so."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Changed(NamedTuple):
    """Something that changed in the shop, in the words in which its webhook would have told of it."""

    at: datetime
    body: dict[str, Any]


class Page(NamedTuple):
    """Some of the orders that changed; `cursor` asks for the following ones, if there are any."""

    orders: int
    changes: tuple[Changed, ...]
    cursor: str | None
    expected: int | None = None
    """How many orders there are in all, where the shop says so."""


class Shop(Protocol):
    """A shop that can be asked, by whatever API it has. Each question raises `ShopRefused` or `ShopBusy`."""

    source: str
    """The source whose webhooks bring the same things, in the same words."""

    async def changed(self, since: datetime, cursor: str | None = None) -> Page:
        """Orders that changed since then, and what belongs to them. Orders that change meanwhile may come
        twice; none is left out."""
        ...

    async def subscriptions(self) -> Mapping[str, bool] | None:
        """The topics that are subscribed to for us, as webhooks name them, and whether each is at work;
        `None` where the shop does not say."""
        ...
