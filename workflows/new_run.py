"""Going on in a new run without losing what came meanwhile."""

from datetime import timedelta

from temporalio import workflow


async def everything_is_heard() -> None:
    """Wait for an event of the history, and for the handlers.

    The server refuses to end a run while something has come that it has not heard. Where the run ends right
    after a local activity, the SDK then replays the end first and what came afterwards: signals would be lost
    with the old run, and after an update the server refuses the end again and again. After a timer both come
    to the workflow together.
    """
    # Runs that ended before this was known are played again as they were.
    if workflow.patched("a-timer-before-a-new-run"):
        await workflow.sleep(timedelta(milliseconds=1), summary="a new run begins")
    await workflow.wait_condition(workflow.all_handlers_finished)
