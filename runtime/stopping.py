"""Being asked to end: Ctrl-C, a platform's SIGTERM and a closed terminal are one wish.

Whoever dies of a signal instead leaves the server that it started behind: that has a process group of its
own.
"""

import asyncio
import signal
from collections.abc import Callable

_ASKED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def when_asked_to_stop(stop: Callable[[], object]) -> None:
    """Call `stop` in the running loop for each such signal that is not ignored, as below `nohup`."""
    for number in _ASKED_BY:
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop)
