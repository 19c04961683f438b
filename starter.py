"""The command line: place orders, report facts, ask, rehearse, and see the whole thing run.

Exit codes: 0 done; 1 it ran, but not to the wished end; 2 wrong input; 3 nobody answers; 4 no such order;
70 a defect of ours.
"""

import os
import sys

import typer

from commands import customers, demo, health, inbox, keys, letters, orders, reconcile, rehearse, sends
from commands.terminal import door, run, show
from runtime.return_commands import Counter, add_return_commands
from runtime.settings import Settings, read_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for part in (orders, rehearse, demo, letters, sends, reconcile, health):
    app.add_typer(part.app)
app.add_typer(inbox.app, name="inbox")
app.add_typer(keys.app, name="keys")
app.add_typer(customers.app, name="customers")


def _insert(order_id: str, settings: Settings, how_to: tuple[str, ...], gift_note: str | None) -> bytes:
    from activities.papers import Insert, insert_pdf

    code = f"{settings.shop.url}/orders/{order_id}/return"
    sheet = Insert(settings.shop.name, order_id, "How to use it", how_to, gift_note, code)
    return insert_pdf(sheet)


add_return_commands(app, Counter(run, show, door, read_settings, _insert))


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
