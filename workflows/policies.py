"""Timeouts and retries, each named once."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


class LocalOptions(TypedDict):
    """Options of a local activity."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class Options(TypedDict):
    """Options of a regular activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta | None
    cancellation_type: ActivityCancellationType
    retry_policy: RetryPolicy


AT_ONCE = LocalOptions(
    start_to_close_timeout=timedelta(seconds=5), retry_policy=RetryPolicy(maximum_attempts=1)
)
"""The first try of anything: inside the workflow task, which costs one event and no round trip."""

PATIENTLY = Options(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=30),
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=5),
    ),
)
"""When the first try failed: visible to operators with attempts and last failure. It ends after half an
hour, so that the loop asks again whether the message should be sent at all."""

ASK_AGAIN = timedelta(minutes=30)
"""How long the loop waits after patience ended before it tries the same step again."""

LEAST_PAUSE = timedelta(minutes=2)
"""Between two looks at a refund that has not ended: the activity's clock may be behind the server's."""

UNTIL_DONE = Options(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=None,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=10),
    ),
)
"""For what must be written down before a journey ends."""

UNTIL_FORGOTTEN = Options(
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_close_timeout=None,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=3,
        maximum_interval=timedelta(hours=6),
    ),
)
"""For what the law gives a month: a provider may be away for days, and a large table takes minutes."""


class LongOptions(TypedDict):
    """Options of an activity that goes through somebody's list."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


A_PASS = LongOptions(
    start_to_close_timeout=timedelta(minutes=30),
    schedule_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(minutes=5),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        backoff_coefficient=2,
        maximum_interval=timedelta(minutes=2),
    ),
)
"""A pass of reconciliation: it says after each page that it lives, and another worker takes it up where it
was. After an hour the next one of the schedule goes on instead."""

FACTS_PER_RUN = 4_000
"""A run refuses its 10,001st signal; a new run begins well before."""

LOOK_AGAIN = timedelta(days=30)
"""A journey that is held without a deadline looks at itself this often."""

LARGEST_FACT = 200_000
"""Bytes. An order of 500 lines has less; what is larger could not be read within a workflow task."""
