"""`worker.py` whose claims last six seconds and whose doubts ten: so long waits who comes after a killed one.

With `trusting` nothing is claimed: what is tried again is done again, as in a shop that trusts its retries.
"""

import os
import sys
from datetime import timedelta
from functools import partial
from typing import Any

import worker
from activities.messages import Messages, NotWritten, Terms
from activities.refunds import Refunds
from journey.messages import SendReceipt, SendRequest, SendResult

SOON = timedelta(seconds=6)


class Trusting(Messages):
    """Sends without a claim, as if nothing had been sent before."""

    async def _send(self, request: SendRequest) -> SendReceipt:
        envelope = await self._compose(request)
        assert not isinstance(envelope, NotWritten)
        await self._mailer.send(envelope.mail, "unclaimed")
        return SendReceipt(result=SendResult.SENT)


def hurry(module: Any, *, trusting: bool) -> None:
    module.Terms = partial(Terms, lease=SOON, doubt=timedelta(seconds=10))
    module.Refunds = partial(Refunds, lease=SOON)
    if trusting:
        module.Messages = Trusting


if __name__ == "__main__":
    hurry(worker, trusting="trusting" in sys.argv[1:])
    code = worker.main()
    sys.stdout.flush()
    os._exit(code)
