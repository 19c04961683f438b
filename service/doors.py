"""What the doors stand on: everything that a route needs, built by whoever starts the service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from temporalio.client import Client

from journey.playbook import Playbook
from ledger import Ledger
from service.intake import Intake
from service.links import Links
from service.sources.all import SOURCES, Sources

LARGEST_BODY = 1_000_000
"""Bytes. The largest posts are mail providers' batches of events."""


@dataclass(frozen=True)
class Doors:
    """The ledger, the intake, the way to Temporal, the playbook, and which sources have secrets."""

    ledger: Ledger
    intake: Intake
    reach: Callable[[], Client | None]
    playbook: Playbook
    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    largest_body: int = LARGEST_BODY
    links: Links | None = None
    sources: Sources = field(default_factory=lambda: SOURCES)
    test_orders: bool = False
    """Whether orders that were placed to try a shop are taken for real ones."""


async def _doors(request: Request) -> Doors:
    # Not `def`: that would hand every request to a thread and back.
    doors: Doors = request.app.state.doors
    return doors


TheDoors = Annotated[Doors, Depends(_doors)]
