"""`worker.py`, whose claims last six seconds and not a minute: so long waits who comes after a killed one."""

import os
import sys
from datetime import timedelta
from functools import partial

import worker
from activities.messages import Terms

if __name__ == "__main__":
    setattr(worker, "Terms", partial(Terms, lease=timedelta(seconds=6)))  # noqa: B010 it is a class there
    code = worker.main()
    sys.stdout.flush()
    os._exit(code)
