"""The plot: bars of requests a second and of processor time a request, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.compare.measure import Results, median

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR = 760, 230, 90, 30, 20
_OURS, _THEIRS = "#1f6feb", "#9aa4b2"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: how long, and what stands beside it."""

    label: str
    value: float
    text: str
    ours: bool


def chart(results: Results) -> str:
    """Return the plot."""
    rates, costs = [], []
    for subject, measured in results.items():
        ours = subject.name in {"service", "304"}
        rate = median(measured, lambda one: one.rate)
        cost = median(measured, lambda one: one.cost) * 1e6
        rates.append(Bar(subject.label, rate, f"{rate:,.0f}", ours))
        costs.append(Bar(subject.label, cost, f"{cost:.0f}", ours))
    upper = _panel("Requests a second on one core (more is better)", rates, 30)
    lower_top = 30 + (len(rates) + 2) * _ROW
    lower = _panel("Processor time a request, µs (less is better)", costs, lower_top)
    height = lower_top + (len(costs) + 1) * _ROW
    size = f'width="{_WIDTH}" height="{height}"'
    look = 'role="img" font-family="sans-serif" font-size="14"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {look}>',
            "<title>This service beside its peers</title>",
            f'<rect {size} fill="white"/>',
            *upper,
            *lower,
            "</svg>",
            "",
        )
    )


def _panel(title: str, bars: Sequence[Bar], top: int) -> list[str]:
    longest = max(bar.value for bar in bars)
    lines = [f'<text x="16" y="{top}" font-weight="bold">{escape(title)}</text>']
    for number, bar in enumerate(bars):
        lines += _bar(bar, top + 14 + number * _ROW, longest)
    return lines


def _bar(bar: Bar, y: int, longest: float) -> list[str]:
    width = (_WIDTH - _LEFT - _RIGHT) * bar.value / longest
    middle = y + _BAR * 0.75
    colour = _OURS if bar.ours else _THEIRS
    return [
        f'<text x="{_LEFT - 10}" y="{middle:g}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
        f'<text x="{_LEFT + width + 8:.1f}" y="{middle:g}">{escape(bar.text)}</text>',
    ]
