"""One durable timer."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow


class Alarm:
    """A timer that is armed again only for an earlier time, since each arming costs events: most that
    carriers report moves a watchdog further away. One that rings too early makes the loop look again."""

    def __init__(self) -> None:
        self._due: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    @property
    def rang(self) -> bool:
        return self._timer is not None and self._timer.done()

    def set(self, due: datetime | None, summary: str) -> None:
        if due is not None and self._due is not None and self._due <= due and not self.rang:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            wait = max(due - workflow.now(), timedelta(milliseconds=1))
            self._timer = asyncio.create_task(workflow.sleep(wait, summary=summary))
