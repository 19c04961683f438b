"""`python -m service`: the doors, until SIGTERM or Ctrl-C. They stay open while Temporal is away."""

import os
import sys

import uvloop

from ledger.database import LedgerError
from runtime.inputs import InputError
from runtime.logs import configure_logs, configure_telemetry
from runtime.settings import read_settings
from service.serving import serve


def main() -> int:
    configure_logs()
    try:
        settings = read_settings()
        settings.home.mkdir(parents=True, exist_ok=True)
        configure_telemetry()
        uvloop.run(serve(settings))
    except InputError as error:
        return _failed(2, str(error))
    except (ConnectionError, LedgerError, OSError) as error:
        return _failed(3, str(error))
    except KeyboardInterrupt:
        return 0
    return 0


def _failed(code: int, text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
