"""What the command line shows to people: tables that fit a terminal, a timeline, a live demo."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from commands.tables import table
from journey.contract import JourneyStatus
from journey.plan import PlannedStep, Standing
from journey.state import Result
from journey.times import LATEST
from runtime.rehearsal import Entry, Rehearsal

_COLOURS: dict[str, str] = {
    Result.SENT: "green",
    Result.SUPPRESSED: "yellow",
    Result.STOPPED: "yellow",
    Result.EXPIRED: "magenta",
    Result.SKIPPED: "cyan",
    Result.PARKED: "red",
}


def words(code: str) -> str:
    """A code as people read it."""
    return code.replace("_", " ")


def result_text(result: str) -> Text:
    return Text(words(result), style=_COLOURS.get(result, "blue"))


def moment(at: datetime | None, zone: str = "UTC") -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if at else "-"


def status_view(status: JourneyStatus, everything: bool = False) -> RenderableType:
    """What happened, what is next, when and why, what was sent, what was not and why; and what waits for
    something to happen, if `everything` is wanted."""
    if status.ending:
        standing = f"over since {moment(status.ended_at)} UTC ({words(status.ending)})"
    else:
        standing = "paused" if status.paused else "running"
    head = Text.assemble((f"order {status.order_id}", "bold"), f"  {status.stage}  {standing}")
    if status.attention:
        head.append(f"  needs attention: {status.attention}", style="red")
    return Group(head, "", _happened(status), "", _ahead(status.ahead, everything), "", _done(status))


def _happened(status: JourneyStatus) -> Table:
    rows = table("when (UTC)", "what", "about", "note", title="Happened", whole=("when (UTC)",))
    for each in status.happened:
        rows.add_row(moment(each.at), words(each.kind), each.about or "", Text(each.note or ""))
    return rows


def _ahead(ahead: Sequence[PlannedStep], everything: bool) -> RenderableType:
    """What has a date, the next one first; what an operator should see; then what has none."""
    rows = table("when (UTC)", "what", "why", "stopped by", title="Ahead", whole=("when (UTC)", "what"))
    shown = [step for step in ahead if everything or step.standing is not Standing.WAITING]
    for step in sorted(shown, key=lambda each: (each.standing is not Standing.DATED, each.due or LATEST)):
        when = moment(step.due) if step.standing is Standing.DATED else words(step.standing)
        rows.add_row(when, step.key, step.why, ", ".join(words(c) for c in step.stops_if))
    waiting = len(ahead) - len(shown)
    folded = Text(f"{waiting} more wait for something to happen; --all shows them", style="dim")
    return Group(rows, folded) if waiting else rows


def _done(status: JourneyStatus) -> Table:
    rows = table("when (UTC)", "what", "result", "why", title="Over", whole=("when (UTC)", "what", "result"))
    for outcome in status.done:
        rows.add_row(moment(outcome.at), outcome.key, result_text(outcome.result), Text(outcome.reason))
    return rows


def rehearsal_view(rehearsal: Rehearsal, zone: str) -> RenderableType:
    """The timeline in the customer's zone: facts and steps in the order in which they came."""
    rows = table("date", "", "what", "outcome", "why", whole=("date", "", "what", "outcome"))
    facts = [(entry.at, 0, entry) for entry in rehearsal.facts]
    steps = [(entry.at, 1, entry) for entry in rehearsal.entries]
    for at, is_step, entry in sorted(facts + steps, key=lambda row: (row[0], row[1])):
        rows.add_row(f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}", *_row(entry, bool(is_step)))
    sent = sum(entry.outcome == Result.SENT for entry in rehearsal.entries)
    played = f"{rehearsal.days} days in {rehearsal.seconds} s"
    foot = f"order {rehearsal.order_id}: {played}, {sent} letters, {words(rehearsal.ending)}"
    return Group(rows, "", Text(foot, style="bold"))


def _row(entry: Entry, is_step: bool) -> tuple[Text, Text, Text, Text]:
    if is_step:
        mark = Text("✉" if entry.outcome == Result.SENT else "·")
        return mark, Text(entry.step), result_text(entry.outcome), Text(entry.reason)
    about = "" if entry.step == "order" else f" {entry.step}"
    return (
        Text("→", style="blue"),
        Text(words(entry.outcome) + about, style="blue"),
        Text(""),
        Text(entry.reason),
    )


def demo_view(statuses: list[JourneyStatus], names: dict[str, str], day: float) -> RenderableType:
    """Every order on a line: how far it is, what was sent, what is next."""
    rows = table(
        "order", "story", "stage", "letters", "progress", "next", title=f"Day {day:.0f}", whole=("order",)
    )
    for status in sorted(statuses, key=lambda each: each.order_id):
        sent = sum(outcome.result is Result.SENT for outcome in status.done)
        dated = next((step for step in status.ahead if step.standing is Standing.DATED), None)
        ahead = sum(step.standing is Standing.DATED for step in status.ahead)
        upcoming = Text(words(status.ending) if status.ending else dated.key if dated else "listening")
        rows.add_row(
            status.order_id,
            words(names.get(status.order_id, "")),
            words(status.stage),
            str(sent),
            ProgressBar(total=max(len(status.done) + ahead, 1), completed=len(status.done), width=16),
            upcoming,
        )
    return rows


def demo_line(statuses: list[JourneyStatus], orders: int, day: float) -> str:
    """How far the demo is, in a line."""
    over = sum(status.ending is not None for status in statuses)
    sent = sum(outcome.result is Result.SENT for status in statuses for outcome in status.done)
    return f"day {day:.0f}: {over} of {orders} orders over, {sent} letters"
