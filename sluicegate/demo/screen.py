"""How the demo looks on a terminal: 80 by 24 is enough. Pure: what is known in, something to draw out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from approvals.person import Person
from approvals.web.text import plain
from engine.ledger.model import ActionKind, OutcomeKind, PrincipalRole, ReviewRequest, VerdictKind
from sluicegate.demo.pairs import Pair, Piece, Span, excerpt
from sluicegate.demo.watch import Flow, Tally, able

ENTITIES = 5
_LABEL = 10  # characters before a record
ID_SHOWN = 10  # characters of a request's id, enough to name it
_REQUESTS = 3  # lines for what waits, where there is no room for more
_FIXED_LINES = 14  # of everything that is always there
_MADE_UP = "one of them, before and after (people and secrets are made up):"
_BARS = " ▁▂▃▄▅▆▇█"
_OUTCOMES = (
    (OutcomeKind.CLEAN, "clean", "as they came", ""),
    (OutcomeKind.REDACTED, "redacted", "", "green"),
    (OutcomeKind.HELD, "held", "for a person", "yellow"),
    (OutcomeKind.DENIED, "denied", "by the policy", "red"),
    (OutcomeKind.QUARANTINED, "quarantined", "not readable", "red"),
)
_BEFORE, _AFTER = "bold red", "bold green"


class Guide(NamedTuple):
    """Where everything is, in words to type: the page, the command, what to set so that it asks as ada."""

    url: str
    command: str
    exports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """All that is on the screen."""

    tally: Tally
    flow: Flow
    rates: Sequence[float]  # records a second, a value for each of the last seconds
    pair: Pair | None
    people: Sequence[Person]
    guide: Guide
    seconds: float  # since the start


def render(view: View, width: int, height: int) -> RenderableType:
    """The live screen, in ``width`` by ``height`` characters."""
    steps = next_steps(view)
    # What can be had is shared out: commands must not be cut, so the list of requests gives way.
    room = height - _FIXED_LINES - sum(-(-max(1, step.cell_len) // width) for step in steps)
    lines = 2 if room >= _REQUESTS + 4 else 1
    room -= 2 * (lines - 1)
    parts: list[RenderableType] = [_head(view, width), _counts(view, width), Text()]
    parts += _waiting(view, width, max(1, min(room, 10)))
    parts += [Text(_MADE_UP, style="dim"), *_pair_lines(view.pair, width, lines), Text(), *steps]
    return Group(*parts)


def status_line(view: View) -> str:
    """All of it in one line, for where there is no screen."""
    outcomes = view.tally.outcomes
    top = ", ".join(f"{entity} {count:,}" for entity, count in view.tally.entities.most_common(3))
    counts = ", ".join(f"{outcomes[kind]:,} {name}" for kind, name, _, _ in _OUTCOMES)
    verdicts = ", ".join(f"{view.tally.count_verdicts(kind):,} {kind}" for kind in _SHOWN_VERDICTS)
    return (
        f"{_clock(view.seconds)}  {view.flow.records:,} records ({view.flow.rate:.0f}/s, {view.flow.lag:,} behind): "
        f"{counts}; {len(view.tally.waiting())} waiting, {verdicts}" + (f"; {top}" if top else "")
    )


def farewell(view: View) -> list[str]:
    """What there was, once all has stopped."""
    outcomes = view.tally.outcomes
    counts = ", ".join(f"{outcomes[kind]:,} {name}" for kind, name, _, _ in _OUTCOMES)
    verdicts = ", ".join(f"{view.tally.count_verdicts(kind):,} {kind}" for kind in _SHOWN_VERDICTS)
    lines = [f"{view.flow.records:,} records in {_clock(view.seconds)}: {counts}."]
    if view.flow.lag:
        lines.append(f"{view.flow.lag:,} were not read any more.")
    waiting = len(view.tally.waiting())
    return [*lines, f"{waiting} wait for a person, {verdicts}. 'sluicegate demo --keep' goes on from here."]


def next_steps(view: View) -> list[Text]:
    """What to do now: look at the page, decide, from a terminal too."""
    guide = view.guide
    theirs = next((r for r in view.tally.waiting() if any(p.id == "ada" for p in able(r, view.people))), None)
    request_id = theirs.request_id[:ID_SHOWN] if theirs else "ID"
    return [
        Text.assemble("Open ", (guide.url, "bold cyan"), ", sign in as Ada or Grace. Or in a terminal, as Ada:"),
        *(_command(export) for export in guide.exports),
        _command(f"{guide.command} approvals list"),
        _command(f'{guide.command} approvals approve {request_id} --reason "checked"'),
        Text.assemble(("Also: show, deny, who-can ID; list --state decided. ", "dim"), "Ctrl-C stops everything."),
    ]


def _head(view: View, width: int) -> RenderableType:
    flow = view.flow
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    behind = Text(f"engine {flow.lag:,} behind", style="yellow" if flow.lag > max(200.0, 2 * flow.rate) else "dim")
    line.add_row(
        Text.assemble(("sluicegate demo", "bold"), (f"  {_clock(view.seconds)}", "dim")),
        Text.assemble((_spark(view.rates), "cyan"), f" {flow.rate:,.0f}/s  ", behind),
    )
    return Group(line, Text("─" * width, style="dim"))


def _counts(view: View, width: int) -> RenderableType:
    tally = view.tally
    table = Table.grid(padding=(0, 1), expand=False)
    table.add_column(justify="left", no_wrap=True, width=12)
    table.add_column(justify="right", no_wrap=True, width=9)
    table.add_column(justify="left", no_wrap=True, width=14)
    table.add_column(no_wrap=True, width=2)
    table.add_column(no_wrap=True, width=22)
    table.add_column(justify="right", no_wrap=True, width=7)
    table.add_column(no_wrap=True)
    top = tally.entities.most_common(ENTITIES)
    most = top[0][1] if top else 1
    rows: list[tuple[Text, ...]] = [
        (Text("records in", style="bold"), Text(f"{view.flow.records:,}", style="bold"), Text(), Text()),
    ]
    total = max(1, tally.accounted)
    for kind, name, more, style in _OUTCOMES:
        count = tally.outcomes[kind]
        share = f"{100 * count / total:.1f} %" if kind in (OutcomeKind.CLEAN, OutcomeKind.REDACTED) else more
        shown = style if count else "dim"
        rows.append((Text(name, style=shown), Text(f"{count:,}", style=shown), Text(share, style="dim"), Text()))
    right: list[tuple[Text, ...]] = [(Text("redacted, by kind", style="bold"), Text(), Text())]
    for entity, count in top:
        bar = "━" * max(1, round(min(width - 74, 30) * count / most))
        right.append((Text(entity), Text(f"{count:,}"), Text(bar, style="green")))
    right += [(Text(), Text(), Text())] * (len(rows) - len(right))
    for one, other in zip(rows, right, strict=True):
        table.add_row(*one, *other)
    return table


_SHOWN_VERDICTS = (VerdictKind.APPROVED, VerdictKind.DENIED, VerdictKind.EXPIRED)


def _waiting(view: View, width: int, lines: int) -> list[RenderableType]:
    tally = view.tally
    waiting = tally.waiting()
    head = Text(f"{len(waiting)} waiting for a person", style="bold yellow" if waiting else "bold")
    head = Text.assemble(head)
    if repeats := tally.repeats():
        head.append(f" (+{repeats} repeats)", style="dim")
    for kind in _SHOWN_VERDICTS:
        count = tally.count_verdicts(kind)
        if not count and kind is VerdictKind.EXPIRED:
            continue
        style = {VerdictKind.APPROVED: "green", VerdictKind.DENIED: "red"}.get(kind, "yellow") if count else "dim"
        head.append(f"   {kind} {count}", style=style)
    legend = Text("✗ takes part in it", style="dim")
    if width - head.cell_len - legend.cell_len > 1:
        head.append(" " * (width - head.cell_len - legend.cell_len)).append_text(legend)
    rows = [_waiting_line(request, view.people, width) for request in waiting[::-1][:lines]]
    rows += [Text()] * (lines - len(rows))
    return [head, *rows]


def _waiting_line(request: ReviewRequest, people: Sequence[Person], width: int) -> Text:
    """One request: its id, what is asked, and who may decide on it."""
    who = Text()
    allowed = able(request, people)
    for person in people:
        mark = ("✓", "green") if person in allowed else ("✗", "red")
        who.append(f"  {person.name.split()[0]} ", style="dim").append(*mark)
    verb = "has run" if request.kind is ActionKind.FACT else "wants"
    asks = Text(plain(f"{initiator(request)} {verb} {request.action} on {request.resource}"))
    line = Text.assemble("  ", (f"{request.request_id[:ID_SHOWN]}  ", "cyan"))
    line.append_text(_cropped(asks, width - line.cell_len - who.cell_len))
    return line.append(" " * (width - line.cell_len - who.cell_len)).append_text(who)


def initiator(request: ReviewRequest) -> str:
    """The subject of whoever initiated it, without the path of a role."""
    first = next((p for p in request.principals if p.role is PrincipalRole.INITIATOR), request.principals[0])
    return first.subject.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _pair_lines(pair: Pair | None, width: int, lines: int) -> list[Text]:
    if pair is None:
        return [Text()] * (2 * lines)
    room = (width - _LABEL) * lines - 2
    out = []
    for name, text, spans, style in (
        ("came in", pair.before, pair.before_spans, _BEFORE),
        ("went out", pair.after, pair.after_spans, _AFTER),
    ):
        out += _wrapped(name, _marked(text, spans, room, style), width, lines)
    return out


def _marked(text: str, spans: Sequence[Span], room: int, style: str) -> Text:
    return marked(excerpt(text, spans, width=room), style)


def marked(pieces: Sequence[Piece], style: str) -> Text:
    """A record with what was redacted highlighted; nothing in it can move the cursor."""
    return Text.assemble(*((plain(p.text), style if p.redacted else "") for p in pieces))


def _wrapped(name: str, text: Text, width: int, lines: int) -> list[Text]:
    out = []
    for number in range(lines):
        head = _cropped(text, width - _LABEL, mark=False)
        text = text[len(head) :]
        out.append(Text.assemble((f"{'' if number else name:<{_LABEL}}", "dim"), head))
    return out


def _cropped(text: Text, width: int, *, mark: bool = True) -> Text:
    """As much of ``text`` as fits into ``width`` cells."""
    out = text.copy()
    out.truncate(max(1, width), overflow="ellipsis" if mark else "crop")
    return out


def _command(words: str) -> Text:
    return Text(f"  {words}", style="bold", overflow="fold")


def _spark(rates: Sequence[float]) -> str:
    top = max([*rates, 1.0])
    return "".join(_BARS[min(8, round(8 * rate / top))] for rate in rates)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
