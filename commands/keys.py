"""Who may use our API."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.tables import put, table
from commands.terminal import AsJson, opened_ledger, run, say
from ledger.keys import Scope

app = typer.Typer(help="Keys to the HTTP API.", no_args_is_help=True)


@app.command()
def create(
    label: Annotated[str, typer.Argument(help="Whose it is, such as `shop back-end`.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it opens; by default everything.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once. Older keys stay good: rotate by making a new one first."""
    run(_create(label, scope or list(Scope), as_json))


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, without their secrets, which nobody knows."""
    run(_list(as_json))


@app.command()
def revoke(key_id: str) -> None:
    """Let a key open nothing any more, from this moment on."""
    run(_revoke(key_id))


async def _create(label: str, scopes: list[Scope], as_json: bool) -> int:
    async with opened_ledger() as ledger:
        made = await ledger.create_key(label[:80], scopes, datetime.now(UTC))
    if as_json:
        print(json.dumps({"key_id": made.key.key_id, "token": made.token}))  # noqa: T201
    else:
        print(made.token)  # noqa: T201
        say(f"its id is {made.key.key_id}; `starter.py keys revoke {made.key.key_id}` ends it")
    return 0


async def _list(as_json: bool) -> int:
    async with opened_ledger() as ledger:
        keys = await ledger.keys()
    if as_json:
        for key in keys:
            print(key.model_dump_json(exclude={"digest"}))  # noqa: T201
        return 0
    listing = table("id", "label", "opens", "made", "revoked", whole=("id",))
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
        listing.add_row(key.key_id, key.label, " ".join(key.scopes), f"{key.created_at:%Y-%m-%d}", revoked)
    put(listing)
    return 0


async def _revoke(key_id: str) -> int:
    async with opened_ledger() as ledger:
        revoked = await ledger.revoke_key(key_id, datetime.now(UTC))
    say("revoked" if revoked else f"no open key has the id {key_id}; `starter.py keys list` shows them")
    return 0 if revoked else 1
