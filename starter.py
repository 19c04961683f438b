"""The command line: place orders, report facts, ask, rehearse, and see the whole thing run.

Exit codes: 0 done; 1 it ran, but not to the wished end; 2 wrong input; 3 nobody answers; 4 no such order;
70 a defect of ours.
"""

import os
import sys

import typer

from commands import (
    customers,
    demo,
    health,
    inbox,
    keys,
    letters,
    orders,
    reconcile,
    refunds,
    rehearse,
    returns,
    sends,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
SHELVES = {
    "Look at it": (demo, rehearse, letters),
    "Orders": (orders,),
    "Returns and refunds": (refunds,),
    "Customers and their letters": (sends,),
    "Run it": (health, reconcile),
}
"""How the help sorts the commands. Groups of commands stand on a shelf, too."""

for shelf, parts in SHELVES.items():
    for part in parts:
        for command in part.app.registered_commands:
            command.rich_help_panel = shelf
        app.add_typer(part.app)
app.add_typer(returns.app, name="return", rich_help_panel="Returns and refunds")
app.add_typer(customers.app, name="customers", rich_help_panel="Customers and their letters")
app.add_typer(inbox.app, name="inbox", rich_help_panel="Run it")
app.add_typer(keys.app, name="keys", rich_help_panel="Run it")


def main() -> None:
    try:
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        # A process that used the SDK can abort while the interpreter exits, after all its work is done.
        os._exit(code)


if __name__ == "__main__":
    main()
