"""The report: the table, the targets, and what the machine was; as Markdown."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.compare.measure import Measurement, Results, Subject, median

_COLUMNS = (
    *("requests/s", "lowest to highest", "p50, ms", "p99, ms", "processor, µs a request"),
    *("memory, MB", "bytes an answer", "server's core", "other core"),
)
_BUSY_ENOUGH = 0.95
_TOO_BUSY = 0.90
_FROM_VALKEY = 0.999


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted of the ratio of one subject to another; `stretch` may be out of reach."""

    what: str
    subject: str
    other: str
    read: Callable[[Measurement], float]
    least: float | None = None
    stretch: float | None = None
    below: float | None = None

    def met(self, ratio: float, wanted: float | None) -> str:
        """Say whether a ratio is what is wanted."""
        if self.below is not None:
            return "met" if ratio < self.below else "missed"
        return "-" if wanted is None else "met" if ratio >= wanted else "missed"


def _rate(measurement: Measurement) -> float:
    return measurement.rate


def _p99(measurement: Measurement) -> float:
    return measurement.outcome.p99


TARGETS = (
    Target("rate / bare handler", "service", "bare", _rate, 0.75, 1.0),
    Target("rate / FastAPI", "service", "fastapi", _rate, 6, 8),
    Target("rate / Fastify", "service", "fastify", _rate, 0.8, 1.1),
    Target("rate of 304s / of 200s", "304", "service", _rate, 1.15),
    Target("p99 / FastAPI", "service", "fastapi", _p99, below=1),
    Target("p99 / Fastify", "service", "fastify", _p99, below=1),
)


def report(results: Results, *, about: Sequence[str], missing: Sequence[str]) -> str:
    """Return the whole report."""
    paragraphs = [
        "# This service beside its peers",
        "\n".join(f"- {line}" for line in about),
        _table(results),
        _targets(results),
        *_remarks(results),
        *missing,
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _table(results: Results) -> str:
    lines = [f"| | {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * len(_COLUMNS)}"]
    for subject, measured in results.items():
        rates = [one.rate for one in measured]
        cells = (
            subject.label,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{median(measured, lambda one: one.outcome.p50) * 1e3:.2f}",
            f"{median(measured, _p99) * 1e3:.2f}",
            f"{median(measured, lambda one: one.cost) * 1e6:.1f}",
            f"{measured[-1].resident / 1e6:.0f}",
            f"{median(measured, lambda one: one.outcome.answer_bytes):.0f}",
            f"{median(measured, lambda one: one.server_busy):.0%}",
            f"{median(measured, lambda one: one.others_busy):.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _targets(results: Results) -> str:
    named = {subject.name: measured for subject, measured in results.items()}
    lines = [
        "| this service | ratio | target | | stretch | | by processor time |",
        "|---|---:|---:|---|---:|---|---:|",
    ]
    for target in TARGETS:
        ours, theirs = named.get(target.subject), named.get(target.other)
        if ours and theirs:
            lines.append(_verdict(target, ours, theirs))
    return "\n".join(lines) if len(lines) > 2 else ""


def _verdict(target: Target, ours: list[Measurement], theirs: list[Measurement]) -> str:
    ratio = side_by_side(ours, theirs, target.read)
    has_stretch = target.stretch is not None
    cells = (
        target.what,
        f"{ratio:.2f}",
        f">= {target.least:g}" if target.below is None else f"< {target.below:g}",
        target.met(ratio, target.least),
        f">= {target.stretch:g}" if has_stretch else "",
        target.met(ratio, target.stretch) if has_stretch else "",
        f"{side_by_side(theirs, ours, lambda one: one.cost):.2f}" if target.read is _rate else "",
    )
    return f"| {' | '.join(cells)} |"


def side_by_side(
    dividends: Sequence[Measurement],
    divisors: Sequence[Measurement],
    read: Callable[[Measurement], float],
) -> float:
    """Return the median of the ratios of what was measured in the same round."""
    return statistics.median(
        read(one) / read(other) for one, other in zip(dividends, divisors, strict=True)
    )


def _remarks(results: Results) -> list[str]:
    """Say of which figures it is doubtful that they tell of the server."""
    remarks = [
        f"{subject.label}: {doubt}"
        for subject, measured in results.items()
        for doubt in _doubts(subject, measured)
    ]
    return remarks or ["The load was never the bottleneck: the servers' core was, by the table."]


def _doubts(subject: Subject, measured: Sequence[Measurement]) -> Iterator[str]:
    server = median(measured, lambda one: one.server_busy)
    others = median(measured, lambda one: one.others_busy)
    failed = sum((Counter(one.outcome.failed) for one in measured), Counter())
    if server < _BUSY_ENOUGH:
        yield (
            f"its core was busy with it for {server:.0%} only. Something else ran there, or it had "
            "to wait: trust the processor time more than the rate."
        )
    if others > _TOO_BUSY:
        yield f"load and Valkey took {others:.0%} of the other core: they may be the bottleneck."
    if failed:
        yield f"requests failed: {dict(failed)}. Do not use this run."
    if subject.reads and any(one.found < one.outcome.requests * _FROM_VALKEY for one in measured):
        yield "not all answers came from Valkey. Do not use this run."
