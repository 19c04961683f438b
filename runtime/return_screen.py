"""What people see of returns and refunds in a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from journey.names import step_key
from journey.return_case import ReturnStatus
from journey.return_contract import ReturnDecision
from ledger.payments import Refund


def _words(code: str) -> str:
    return code.replace("_", " ")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def decision_view(decision: ReturnDecision) -> RenderableType:
    """The answer to a request."""
    rows = _table("what", "answer")
    rows.add_row("return", decision.return_id)
    rows.add_row("verdict", _words(decision.verdict) + (f": {decision.why}" if decision.why else ""))
    rows.add_row("lines", ", ".join(f"{part.line_id} x {part.quantity}" for part in decision.lines))
    rows.add_row("way", f"{_words(decision.way)} (offered: {', '.join(map(_words, decision.ways))})")
    rows.add_row("send by", str(decision.deadlines.send_by or "-"))
    rows.add_row("gets back", str(decision.sums.refund))
    return rows


def return_view(status: ReturnStatus) -> RenderableType:
    """How far a return is."""
    case = status.case
    head = Text.assemble((f"return {status.return_id} of order {status.order_id}", "bold"), f"  {case.stage}")
    if case.needs:
        head.append(f"  needs attention: {_words(case.needs)}", style="red")
    if status.waits_for:
        head.append(f"  waits for {status.waits_for}")
    story = _table("when (UTC)", "what", "note")
    for each in case.story:
        story.add_row(f"{each.at:%Y-%m-%d %H:%M}", _words(each.kind), each.note or "")
    letters = _table("letter", "when (UTC)", "result", "why")
    for name, letter in case.letters.items():
        when = f"{letter.due:%Y-%m-%d %H:%M}"
        letters.add_row(step_key(name, status.return_id), when, letter.result or "ahead", letter.reason)
    return Group(head, "", story, "", letters) if case.letters else Group(head, "", story)


def refunds_view(refunds: list[Refund]) -> RenderableType:
    """Refunds, and why they are where they are."""
    table = _table("order", "key", "amount", "state", "provider", "reason")
    for each in refunds:
        amount = f"{each.amount} {each.currency}"
        table.add_row(each.order_id, each.key, amount, _words(each.state), each.provider, each.reason)
    return table


def papers_view(files: list[str]) -> RenderableType:
    return Text("\n".join(files) or "no papers")
