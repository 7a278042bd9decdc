"""Bar charts as SVG: a bar for the median, a dot for each sample, a dashed line for a goal. Follows the reader's colour scheme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from figure import number
from stats import median

WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 760, 230, 90, 56, 38, 20
AXIS = 34  # below the last bar

STYLE = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 15px; font-weight: 600 }
    .quiet { fill: #59636e; font-size: 12px }
    .bar { fill: #54aeff } .bar.main { fill: #0969da } .dot { fill: #1f2328; fill-opacity: .55 }
    .grid { stroke: #d1d9e0 } .goal { stroke: #cf222e; stroke-dasharray: 5 3; stroke-width: 1.5 }
    .paper { fill: #ffffff } .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc } .quiet { fill: #9198a1 } .bar { fill: #1f4b7d } .bar.main { fill: #4493f8 }
      .dot { fill: #f0f6fc } .grid { stroke: #3d444d } .goal { stroke: #ff7b72 } .paper { fill: #0d1117 } .value { stroke: #0d1117 }
    }
  </style>"""


@dataclass(frozen=True)
class Bar:
    label: str
    samples: Sequence[float]
    main: bool = False  # ours, among peers


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to the first at or above `top`: about five, in steps of 1, 2 or 5 times a power of ten."""
    if not (top > 0 and math.isfinite(top)):
        raise ValueError(f"the axis needs a positive end, got {top}")
    power = 10.0 ** math.floor(math.log10(top / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if top / (factor * power) <= 5)
    return [index * step for index in range(math.ceil(top / step - 1e-9) + 1)]


def bar_chart(title: str, unit: str, bars: Sequence[Bar], goal: float | None = None, goal_label: str = "") -> str:
    """`goal` is a place on the axis. Dots outside the bars' axis do not occur: it reaches to the largest sample."""
    if not bars:
        raise ValueError("no bars")
    marks = ticks(max([sample for bar in bars for sample in bar.samples] + ([goal] if goal else [])))
    scale = (WIDTH - LEFT - RIGHT) / marks[-1]
    bottom = TOP + ROW * len(bars)
    height = bottom + AXIS
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"  <title>{escape(title)}</title>",
        STYLE,
        f'  <rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>',
        f'  <text class="title" x="16" y="26">{escape(title)}</text>',
    ]
    for mark in marks:
        x = LEFT + mark * scale
        lines.append(f'  <line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}"/>')
        lines.append(f'  <text class="quiet" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_label(mark)}</text>')
    lines.append(f'  <text class="quiet" x="{WIDTH - 16}" y="26" text-anchor="end">{escape(unit)}</text>')
    if goal:
        x = LEFT + goal * scale
        lines.append(f'  <line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}"/>')
        lines.append(f'  <text class="quiet" x="{x:.1f}" y="{TOP - 11}" text-anchor="middle">{escape(goal_label)}</text>')
    for index, bar in enumerate(bars):
        lines += _bar(bar, TOP + index * ROW, scale)
    return "\n".join([*lines, "</svg>", ""])


def _label(mark: float) -> str:
    return f"{mark:,.10g}".replace(",", " ")


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    value = median(bar.samples)
    middle = y + BAR / 2
    lines = [
        f'  <text x="{LEFT - 10}" y="{middle + 4:.0f}" text-anchor="end">{escape(bar.label)}</text>',
        f'  <rect class="{"bar main" if bar.main else "bar"}" x="{LEFT}" y="{y}" width="{value * scale:.1f}" height="{BAR}" rx="2"/>',
    ]
    lines += [f'  <circle class="dot" cx="{LEFT + sample * scale:.1f}" cy="{middle:.0f}" r="2.5"/>' for sample in bar.samples]
    end = LEFT + max(bar.samples) * scale
    lines.append(f'  <text class="value" x="{end + 8:.1f}" y="{middle + 4:.0f}">{number(value)}</text>')
    return lines
