"""Tables for people, who paste from them: what names a thing is never wrapped or cut, however narrow the
terminal is."""

from collections.abc import Collection

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

NARROW = 100
"""Letters in a line, below which a table leaves out what is least."""


class Listing(Table):
    """A table whose columns without wrapping are as wide as what is in them; the others have the loss."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for column in self.columns:
            if column.no_wrap:
                column.min_width = max((cell_len(str(cell)) for cell in column.cells), default=0)
        yield from super().__rich_console__(console, options)


def table(*columns: str, title: str | None = None, whole: Collection[str] = ()) -> Table:
    """A table with these headers, of which those that are `whole` are pasted from."""
    made = Listing(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in whole)
    return made


def is_narrow() -> bool:
    return Console().width < NARROW


def put(*views: object) -> None:
    """Print to people. A line that is longer than the terminal goes on in the next one."""
    Console().print(*views, crop=False)
