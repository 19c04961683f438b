"""Give money back, and see what became of it."""

from typing import Annotated

import typer

from commands.return_screen import refunds_view
from commands.returns import By, ask_for
from commands.terminal import AsJson, OrderId, opened_ledger, run, show
from journey.facts import Model
from journey.refunds import RefundState
from journey.return_contract import CaseKind
from journey.return_policy import Settlement
from ledger.payments import Refund

app = typer.Typer()


class RefundList(Model):
    """Refunds, the oldest first."""

    refunds: tuple[Refund, ...]


@app.command()
def refund(  # noqa: PLR0913, PLR0917
    order_id: OrderId,
    amount: Annotated[int, typer.Argument(help="In minor units.")],
    by: By,
    goodwill: Annotated[bool, typer.Option(help="Nothing was wrong with the goods.")] = False,
    credit: Annotated[bool, typer.Option(help="As store credit.")] = False,
    request_id: Annotated[str | None, typer.Option(help="The same id gets the same answer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give money back; above the policy's limit another person has to approve (`return decide`)."""
    kind = CaseKind.GOODWILL if goodwill else CaseKind.REFUND
    settlement = Settlement.CREDIT if credit else Settlement.REFUND
    asked = {"kind": kind, "amount": amount, "settlement": settlement, "by": by}
    ask_for(order_id, lambda: {**asked, "request_id": request_id}, as_json)


@app.command()
def refunds(
    order: Annotated[str | None, typer.Option(help="Only this order's.")] = None,
    state: RefundState | None = None,
    as_json: AsJson = False,
) -> None:
    """All refunds, or those of an order or in a state: parked and failed ones wait for a person."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            found = await (ledger.refunds_of(order) if order else ledger.refunds())
        found = [each for each in found if state in (None, each.state)]
        show(RefundList(refunds=tuple(found)), as_json, refunds_view(found))

    run(command())
