"""The results: rows of measures and columns of registries, as Markdown or JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One measure. Rows of the same group form a table."""

    group: str
    name: str
    unit: str


@dataclass
class Sheet:
    """Samples by row and column, with rows in the order of their first sample."""

    columns: Sequence[str]
    ratios: Sequence[tuple[str, str]] = ()
    """The columns whose ratio is shown, in tables that have both."""
    samples: dict[Row, dict[str, list[float]]] = field(default_factory=dict)
    details: dict[Row, dict[str, list[str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, row: Row, column: str, value: float, detail: Sequence[str] = ()) -> None:
        """Add a sample; the `detail` of the latest one is kept."""
        self.samples.setdefault(row, {}).setdefault(column, []).append(value)
        if detail:
            self.details.setdefault(row, {})[column] = list(detail)

    def value(self, row: Row, column: str) -> float | None:
        """Return the median of the samples, or None without samples."""
        samples = self.samples.get(row, {}).get(column)
        return statistics.median(samples) if samples else None

    def markdown(self) -> str:
        """Return a table per group, and the list of problems."""
        groups = dict.fromkeys(row.group for row in self.samples)
        parts = [self._table(group) for group in groups]
        if self.problems:
            parts.append("\n".join(["Not measured:", "", *(f"- {text}" for text in self.problems)]))
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, object]:
        """Return every sample."""
        rows = [
            {
                "group": row.group,
                "name": row.name,
                "unit": row.unit,
                "samples": samples,
                "details": self.details.get(row, {}),
            }
            for row, samples in self.samples.items()
        ]
        return {"columns": list(self.columns), "rows": rows, "problems": self.problems}

    def _table(self, group: str) -> str:
        rows = [row for row in self.samples if row.group == group]
        columns = [name for name in self.columns if any(name in self.samples[row] for row in rows)]
        ratios = [pair for pair in self.ratios if any(self._ratio(row, pair) for row in rows)]
        header = [group, "unit", *columns, *(" / ".join(pair) for pair in ratios)]
        lines = [_line(header), _line(["---", "---", *("---:" for _ in header[2:])])]
        for row in rows:
            cells = [_number(self.value(row, column)) for column in columns]
            lines.append(
                _line([row.name, row.unit, *cells, *(self._ratio(row, pair) for pair in ratios)])
            )
        return "\n".join(lines)

    def _ratio(self, row: Row, pair: tuple[str, str]) -> str:
        first, second = (self.value(row, column) for column in pair)
        return f"{first / second:.2f}" if first is not None and second else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
