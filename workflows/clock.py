"""The time by which a workflow decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from temporalio import workflow

COARSE = timedelta(minutes=10)


class Clock:
    """Temporal's clock, where a replay shows the same as the first run did.

    It does not while a local activity runs: a first task that took long is replayed at a later time, and so
    is what was signalled meanwhile. This clock stands still then, and until the first task is about to end.
    """

    def __init__(self) -> None:
        begun = workflow.info().workflow_start_time
        # Coarsely, so that a replay some seconds later says the same, and yet a run that found no worker for
        # days does not take itself to be young.
        self._time = begun + (workflow.now() - begun) // COARSE * COARSE
        self._stands = True

    def now(self) -> datetime:
        if not self._stands:
            self._time = workflow.now()
        return self._time

    def go(self) -> None:
        """Call it before waiting for anything but a local activity."""
        self._stands = False

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Around a local activity."""
        self.now()
        self._stands = True
        try:
            yield
        finally:
            self._stands = False
