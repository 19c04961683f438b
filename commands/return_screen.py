"""What people see of returns and refunds in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from activities.letters.formats import decimal_amount
from commands.tables import table
from journey.facts import LineQuantity
from journey.names import step_key
from journey.return_case import ReturnCase, ReturnStatus
from journey.return_contract import BY_OPERATOR, ReturnDecision
from journey.return_policy import Way
from ledger.payments import Refund
from ledger.returns import ReturnRow


def _words(code: str) -> str:
    return code.replace("_", " ")


def money(amount: int, currency: str | None) -> str:
    """An amount of minor units as people read it."""
    if currency is None:
        return f"{amount} (minor units)"
    return f"{decimal_amount(amount, currency)} {currency}"


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "-"


def decision_view(decision: ReturnDecision, currency: str | None) -> RenderableType:
    """The answer to a request."""
    rows = table("what", "answer")
    for what, said in _decided(decision, currency):
        rows.add_row(what, said)
    return rows


def _decided(decision: ReturnDecision, currency: str | None) -> Iterator[tuple[str, str]]:
    yield "return", decision.return_id
    yield "verdict", _words(decision.verdict) + (f": {decision.why}" if decision.why else "")
    if decision.kind not in BY_OPERATOR:
        yield "lines", _lines(decision.lines)
        offered = ", ".join(map(_words, decision.ways))
        yield "way", _words(decision.way) + (f" (offered: {offered})" if offered else "")
        if decision.way is not Way.KEEP:
            yield "send by", _moment(decision.deadlines.send_by)
    yield "gets back", f"{money(decision.sums.back, currency)} as {_words(decision.settlement)}"
    if decision.sums.due:
        yield "pays", f"{money(decision.sums.due, currency)} for the exchange"


def _lines(lines: Sequence[LineQuantity]) -> str:
    return ", ".join(f"{part.line_id} x {part.quantity}" for part in lines)


def return_view(status: ReturnStatus, words: str | None = None) -> RenderableType:
    """How far a return is, what it waits for, and what happened."""
    case = status.case
    title = f"return {status.return_id} of order {status.order_id}"
    head = Text.assemble((title, "bold"), f"  {_words(case.outcome or case.stage)}")
    if case.needs:
        head.append(f"  needs attention: {_words(case.needs)}", style="red")
    facts = table("", "")
    facts.show_header = False
    for what, said in _known(status, case, words):
        facts.add_row(what, said)
    story = table("when (UTC)", "what", "note")
    for each in case.story:
        story.add_row(f"{each.at:%Y-%m-%d %H:%M}", _words(each.kind), each.note or "")
    letters = table("letter", "when (UTC)", "result", "why", whole=("letter", "when (UTC)"))
    for name, letter in case.letters.items():
        when = f"{letter.due:%Y-%m-%d %H:%M}"
        letters.add_row(step_key(name, status.return_id), when, letter.result or "ahead", letter.reason)
    told = Group(head, "", facts, "", story)
    return Group(told, "", letters) if case.letters else told


def _known(status: ReturnStatus, case: ReturnCase, words: str | None) -> Iterator[tuple[str, str]]:
    if status.waits_for:
        until = f", until {_moment(status.next_look)}" if status.next_look else ""
        yield "waits for", f"{status.waits_for}{until}"
    if case.decision.lines:
        yield "lines", _lines(case.decision.lines)
    if case.label:
        parts = (case.label.carrier, case.label.tracking_number)
        yield "label", " ".join(part for part in parts if part) or case.label.key
    given = money(case.decision.sums.back, status.currency)
    yield "money", f"{given} as {_words(case.settled_as or case.decision.settlement)}"
    if case.money:
        because = f": {case.money.reason}" if case.money.reason else ""
        yield "refund", f"{case.money.key} {_words(case.money.state)}{because}"
    if words:
        yield "words", words


def needs(row: ReturnRow) -> str | None:
    """Why a person should look at a return."""
    return ReturnCase.model_validate(row.case).needs


def returns_view(rows: list[ReturnRow]) -> RenderableType:
    """Returns, and which of them wait for a person."""
    found = table("order", "return", "kind", "stage", "opened (UTC)", "attention", whole=("order", "return"))
    for row in rows:
        outcome = row.case.get("outcome") or row.stage
        attention = _words(needs(row) or "")
        opened = f"{row.opened_at:%Y-%m-%d %H:%M}"
        found.add_row(row.order_id, row.return_id, _words(row.kind), _words(outcome), opened, attention)
    return found if rows else Text("no returns")


def refunds_view(refunds: list[Refund]) -> RenderableType:
    """Refunds, and why they are where they are."""
    whole = ("order", "key", "amount", "state")
    rows = table("order", "key", "amount", "state", "provider", "reason", whole=whole)
    for each in refunds:
        amount = money(each.amount, each.currency)
        rows.add_row(each.order_id, each.key, amount, _words(each.state), each.provider, each.reason)
    return rows if refunds else Text("no refunds")


def papers_view(files: list[str]) -> RenderableType:
    return Text("\n".join(files) or "no papers")
