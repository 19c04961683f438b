"""Forgetting a customer, to the end: it survives whatever is killed, and has one receipt."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.forgetting import Forget
    from journey.forgetting import ErasureRequest
    from workflows import policies


@workflow.defn
class Erasure:
    """Empties the ledger's rows, waits for letters that are under way, tells the mail provider, and wipes the
    traces. The journeys of the customer go on without them: what would be written to them is suppressed."""

    @workflow.init
    def __init__(self, request: ErasureRequest) -> None:
        self._asked = False

    @workflow.run
    async def run(self, request: ErasureRequest) -> None:
        done = False
        while not done or self._asked:
            self._asked = False
            await self._empty(request)
            await workflow.execute_activity_method(
                Forget.tell_mailer, request, summary="mail provider", **policies.UNTIL_FORGOTTEN
            )
            done = await workflow.execute_activity_method(
                Forget.wipe_traces, request, summary="traces", **policies.UNTIL_FORGOTTEN
            )

    async def _empty(self, request: ErasureRequest) -> None:
        """Again after letters that were being handed over: they may have left a trace."""
        while True:
            emptied = await workflow.execute_activity_method(
                Forget.empty_rows, request, summary="rows", **policies.UNTIL_FORGOTTEN
            )
            if emptied.busy_until is None:
                return
            wait = max(emptied.busy_until - workflow.now(), timedelta(seconds=1))
            await workflow.sleep(wait, summary="letters under way")

    @workflow.signal(description="The same is wished for again.")
    def ask_again(self) -> None:
        self._asked = True
