"""One line of the report: a measured number, and the goal it is held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    what: str
    measured: float | None  # None: could not be measured validly
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None when there is no goal or no valid number."""
        if self.measured is None:
            return None
        if self.at_most is not None:
            return self.measured <= self.at_most
        if self.at_least is not None:
            return self.measured >= self.at_least
        return None

    def goal_text(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}".rstrip()
        return "reported"

    def measured_text(self) -> str:
        if self.measured is None:
            return "no valid run"
        return f"{number(self.measured)} {self.unit}".rstrip()

    def met_text(self) -> str:
        if self.measured is None:
            return "not measured"
        return {True: "yes", False: "**no**", None: ""}[self.met]

    def as_json(self) -> dict:
        return asdict(self) | {"met": self.met}


def number(value: float) -> str:
    """Three significant digits, thousands set apart: 0.612, 3.75, 61 300."""
    if abs(value) >= 1000:
        digits = len(str(int(abs(value))))
        return f"{round(value, 3 - digits):,.0f}".replace(",", " ")
    return f"{value:#.3g}".rstrip(".")
