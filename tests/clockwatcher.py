"""A workflow that does what none may: it asks the machine for the time."""

from datetime import UTC, datetime
from typing import Any

from temporalio import workflow


@workflow.defn(name="OrderJourney")
class Clockwatcher:
    @workflow.run
    async def run(self, start: Any) -> str:
        return datetime.now(UTC).isoformat()
