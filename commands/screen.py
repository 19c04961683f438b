"""What the command line shows to people: tables that fit a terminal, a timeline, a live demo."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from journey.contract import JourneyStatus
from journey.plan import PlannedStep, Standing
from journey.state import Result
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


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def status_view(status: JourneyStatus) -> RenderableType:
    """What happened, what is next, when and why, what was sent, what was not and why."""
    if status.ending:
        standing = f"over since {moment(status.ended_at)} UTC ({words(status.ending)})"
    else:
        standing = "paused" if status.paused else "running"
    head = Text.assemble((f"order {status.order_id}", "bold"), f"  {status.stage}  {standing}")
    if status.attention:
        head.append(f"  needs attention: {status.attention}", style="red")
    return Group(head, "", _happened(status), "", _ahead(status.ahead), "", _done(status))


def _happened(status: JourneyStatus) -> Table:
    table = _table("when (UTC)", "what", "about", "note", title="Happened")
    for each in status.happened:
        table.add_row(moment(each.at), words(each.kind), each.about or "", Text(each.note or ""))
    return table


def _ahead(ahead: Iterable[PlannedStep]) -> Table:
    table = _table("when (UTC)", "what", "why", "stopped by", title="Ahead")
    for step in ahead:
        when = moment(step.due) if step.standing is Standing.DATED else words(step.standing)
        table.add_row(when, step.key, step.why, ", ".join(words(c) for c in step.stops_if))
    return table


def _done(status: JourneyStatus) -> Table:
    table = _table("when (UTC)", "what", "result", "why", title="Over")
    for outcome in status.done:
        table.add_row(moment(outcome.at), outcome.key, result_text(outcome.result), Text(outcome.reason))
    return table


def rehearsal_view(rehearsal: Rehearsal, zone: str) -> RenderableType:
    """The timeline in the customer's zone: facts and steps in the order in which they came."""
    table = _table("date", "", "what", "outcome", "why")
    facts = [(entry.at, 0, entry) for entry in rehearsal.facts]
    steps = [(entry.at, 1, entry) for entry in rehearsal.entries]
    for at, is_step, entry in sorted(facts + steps, key=lambda row: (row[0], row[1])):
        table.add_row(f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}", *_row(entry, bool(is_step)))
    sent = sum(entry.outcome == Result.SENT for entry in rehearsal.entries)
    played = f"{rehearsal.days} days in {rehearsal.seconds} s"
    foot = f"order {rehearsal.order_id}: {played}, {sent} letters, {words(rehearsal.ending)}"
    return Group(table, "", Text(foot, style="bold"))


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
    table = _table("order", "story", "stage", "letters", "progress", "next", title=f"Day {day:.0f}")
    for status in sorted(statuses, key=lambda each: each.order_id):
        sent = sum(outcome.result is Result.SENT for outcome in status.done)
        dated = next((step for step in status.ahead if step.standing is Standing.DATED), None)
        ahead = sum(step.standing is Standing.DATED for step in status.ahead)
        upcoming = Text(words(status.ending) if status.ending else dated.key if dated else "listening")
        table.add_row(
            status.order_id,
            words(names.get(status.order_id, "")),
            words(status.stage),
            str(sent),
            ProgressBar(total=max(len(status.done) + ahead, 1), completed=len(status.done), width=16),
            upcoming,
        )
    return table
