"""Place an order, report what happened to it, ask how it is, and act on its journey."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from temporalio.client import Client

from commands import screen
from commands.terminal import AsJson, Failure, OrderId, PlaybookFile, door, run, say, show, valid
from journey.contract import StepRequest, describe
from journey.facts import KINDS
from journey.record import begun
from journey.said_before import step_was_said
from journey.wording import did_you_mean
from ledger import Ledger
from runtime.orderfiles import read_fact_file, read_order
from runtime.orders import (
    Reported,
    UnknownOrder,
    order_status,
    place_order,
    report_fact,
    request_update,
)
from runtime.playbooks import load_playbook
from runtime.settings import read_settings

app = typer.Typer()


@app.command()
def place(order: Path, playbook: PlaybookFile = None, as_json: AsJson = False) -> None:
    """Place the order of ORDER.json: its journey starts."""

    async def command() -> int:
        settings = read_settings()
        file, book = read_order(order), load_playbook(playbook or settings.playbook)
        async with door(settings) as (client, ledger):
            placed, who = file.placed(), file.customer_profile()
            new = await place_order(client, ledger, placed, who, book, file.consents(), file.captured())
            try:
                status = await order_status(client, ledger, file.order.order_id)
            except ConnectionError as error:
                say(str(error), "yellow")
                status = describe(begun(placed), book, placed.at)
        show(status, as_json, screen.status_view(status))
        if not new:
            raise Failure(1, f"order {file.order.order_id} had been placed before; nothing was changed")
        return 0

    run(command())


@app.command()
def signal(order_id: OrderId, fact: Path, as_json: AsJson = False) -> None:
    """Report the fact of FACT.json to an order's journey."""

    async def command() -> None:
        reported = read_fact_file(fact, strict=False)
        if reported.kind in KINDS:
            read_fact_file(fact)
        else:
            near = did_you_mean(reported.kind, KINDS)
            say(f"{reported.kind}: not a kind that is known here; it is kept and shown{near}", "yellow")
        async with door() as (client, ledger):
            known = await _is_known(client, ledger, order_id, str(reported.body.get("fact_id")))
            what = await report_fact(client, ledger, order_id, reported.kind, reported.body)
            what = Reported.REPEATED if known and what is Reported.RECORDED else what
        if as_json:
            print(json.dumps({"order_id": order_id, "kind": reported.kind, "result": what}))  # noqa: T201
        else:
            Console().print(f"order {order_id}: {screen.words(reported.kind)}: {what}")

    run(command())


async def _is_known(client: Client, ledger: Ledger, order_id: str, fact_id: str) -> bool:
    """Whether the journey's story has it. A signal is not answered, so it is looked up before; where nobody
    answers, it is not known."""
    with suppress(UnknownOrder, ConnectionError):
        story = (await order_status(client, ledger, order_id)).happened
        return any(each.fact_id == fact_id for each in story)
    return False


@app.command()
def status(
    order_id: OrderId,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what waits for something to happen.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What happened to an order, what is next, when and why, and what was not sent and why."""

    async def command() -> None:
        async with door() as (client, ledger):
            found = await order_status(client, ledger, order_id)
        show(found, as_json, screen.status_view(found, everything))

    run(command())


def _updated(order_id: str, as_json: bool, name: str, **request: str) -> None:
    async def command() -> None:
        arguments = [valid(StepRequest, request)] if request else []
        async with door() as (client, ledger):
            if (ended := await ledger.journey(order_id)) is None:
                await request_update(client, order_id, name, *arguments)
            elif not any(step_was_said(ended.state, name, each) for each in arguments):
                raise Failure(1, f"order {order_id}: the journey is over")
            found = await order_status(client, ledger, order_id)
        show(found, as_json, screen.status_view(found))

    run(command())


@app.command()
def pause(order_id: OrderId, as_json: AsJson = False) -> None:
    """Hold everything an order has ahead; the waits keep their place."""
    _updated(order_id, as_json, "pause")


@app.command()
def resume(order_id: OrderId, as_json: AsJson = False) -> None:
    """Let a paused order go on."""
    _updated(order_id, as_json, "resume")


@app.command()
def skip(
    order_id: OrderId,
    key: str,
    reason: Annotated[str, typer.Option(help="A word such as customer_asked; it stays in the history.")] = (
        "operator_decision"
    ),
    as_json: AsJson = False,
) -> None:
    """Leave out one step, by the key that `status` shows."""
    _updated(order_id, as_json, "skip_step", key=key, reason=reason)


@app.command()
def retry(order_id: OrderId, key: str, as_json: AsJson = False) -> None:
    """Try a parked step again, by the key that `status` shows."""
    _updated(order_id, as_json, "retry_step", key=key)
