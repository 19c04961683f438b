"""Rows that several tell of, each in its own time: every field is the newest word on it.

A word is told with when it was true, in a column of its own. A later one replaces an earlier one, in whatever
order they come in; an earlier one fills what nobody has told; what is not told changes nothing.
"""

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Column, ColumnElement, Table, case

from ledger.database import Insert, insert_into


@cache
def newest_words(
    is_sqlite: bool, table: Table, key: Column[str], fields: tuple[tuple[str, str], ...]
) -> Insert:
    """An insert that merges fields, each named with the column of its time, with the row of the same key."""
    statement = insert_into(table, is_sqlite)
    return statement.on_conflict_do_update(index_elements=[key], set_=merged(statement, table, fields))


def merged(
    statement: Insert, table: Table, fields: Iterable[tuple[str, str]]
) -> dict[str, ColumnElement[object]]:
    """What such an insert writes over a row that is there."""
    written: dict[str, ColumnElement[object]] = {}
    for name, time in fields:
        known, told = table.c[time], statement.excluded[time]
        newer = told.is_not(None) & (known.is_(None) | (known <= told))
        written[name] = case((newer, statement.excluded[name]), else_=table.c[name])
        written[time] = case((newer, told), else_=known)
    return written
