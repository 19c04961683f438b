"""The time by which a workflow decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from temporalio import workflow

COARSE = timedelta(minutes=10)


class Clock:
    """Temporal's clock, where a replay shows the same as the first run did.

    It does not while a local activity runs: a first task that took long is replayed at a later time. This
    clock stands still then, and until the first task is about to end.
    """

    def __init__(self) -> None:
        begun = workflow.info().workflow_start_time
        # Coarsely, so that a replay some seconds later says the same, and yet a run that found no worker for
        # days does not take itself to be young.
        self._time = begun + (workflow.now() - begun) // COARSE * COARSE
        self._stands = self._begins = True

    def now(self) -> datetime:
        if not self._stands:
            self._time = workflow.now()
        return self._time

    def heard(self) -> datetime:
        """When a signal or an update came, for the handlers. A run that is not in the cache is told of it
        before a local activity's end by its first task, and after it by a replay: so it may not hang on
        whether the clock stands."""
        return self._time if self._begins else workflow.now()

    def go(self) -> None:
        """Call it before waiting for anything but a local activity."""
        self._stands = self._begins = False

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Around a local activity."""
        self.now()
        self._stands = True
        try:
            yield
        finally:
            self.go()
