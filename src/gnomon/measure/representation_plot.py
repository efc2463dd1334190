"""Heat maps of representation ratios in the study's five bins, named in words beside their colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnomon.runs.report import INK, MUTED, dress, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "strongly under": ("#a63d2f", "strongly under: below 1/2"),
    "moderately under": ("#e3a08a", "moderately under: 1/2 to 3/4"),
    "adequate": ("#ece8dc", "adequate: 3/4 to 4/3"),
    "moderately over": ("#9cc3de", "moderately over: 4/3 to 2"),
    "strongly over": ("#2f6f9f", "strongly over: above 2"),
    "undefined": ("#c9ccd1", "undefined: the target has nobody there"),
}
DARK = ("strongly under", "strongly over")
FLAGS = {"under": "▾", "over": "▴"}
ROW, COLUMN = 0.27, 0.62  # inches of one cell
MOST_WRITTEN = 600  # in more cells than this, colours alone are shown


def heat_maps(frame: pl.DataFrame, by: Sequence[Sequence[str]]) -> "Figure":
    """One row of maps for each stratification of `by`, from the frame of a `RepresentationRatio`.

    The first variable runs down and the second across; every combination of further ones has a map of its own. One
    variable alone runs across. Cells show RR; ▾ and ▴ mark those flagged under and over.
    """
    from matplotlib.patches import Patch

    panels = [_maps(frame.filter(pl.col("stratification") == " x ".join(names)), list(names)) for names in by]
    heights = [0.75 + ROW * len(maps[0].rows) for maps in panels]
    width = max(1.5 + COLUMN * sum(len(each.columns) for each in maps) + 0.4 * len(maps) for maps in panels)
    plot, axes = figure(max(width, 6.4), sum(heights) + 0.7)
    axes.remove()
    shelves = plot.add_gridspec(len(panels), 1, height_ratios=heights)
    for row, maps in enumerate(panels):
        places = shelves[row].subgridspec(1, len(maps), width_ratios=[len(each.columns) for each in maps])
        for column, each in enumerate(maps):
            each.draw(plot.add_subplot(places[column]), names_rows=column == 0)
    shown = [name for name in COLOURS if name != "undefined" or (frame["bin"] == name).any()]
    plot.legend(
        handles=[Patch(facecolor=COLOURS[name][0], edgecolor=MUTED, label=COLOURS[name][1]) for name in shown],
        loc="outside lower center",
        ncols=3,
        fontsize=7.5,
        frameon=False,
    )
    return plot


class _Map:
    """One grid of cells: two variables, or one across."""

    def __init__(self, cells: pl.DataFrame, down: str | None, across: str, title: str) -> None:
        self.cells, self.down, self.across, self.title = cells, down, across, title
        self.columns = cells[across].unique(maintain_order=True).to_list()
        self.rows = [""] if down is None else cells[down].unique(maintain_order=True).to_list()

    def draw(self, axes: "Axes", *, names_rows: bool) -> None:
        """Fill `axes` with the cells; what the target does not list stays blank."""
        from matplotlib.colors import BoundaryNorm, ListedColormap

        dress(axes)
        bins = list(COLOURS)
        shades = np.full((len(self.rows), len(self.columns)), np.nan)
        written = self.cells.height <= MOST_WRITTEN
        rows = {level: place for place, level in enumerate(self.rows)}
        columns = {level: place for place, level in enumerate(self.columns)}
        for cell in self.cells.iter_rows(named=True):
            row, column = rows["" if self.down is None else cell[self.down]], columns[cell[self.across]]
            shades[row, column] = bins.index(cell["bin"])
            if written:
                ink = "white" if cell["bin"] in DARK else "#23272e"
                text = "–" if cell["rr"] is None else f"{cell['rr']:.2f}{FLAGS.get(cell['flag'], '')}"
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=6.5, color=ink)
        palette = ListedColormap([COLOURS[name][0] for name in bins])
        norm = BoundaryNorm(np.arange(len(bins) + 1) - 0.5, len(bins))
        axes.pcolormesh(shades, cmap=palette, norm=norm, edgecolors="white", linewidth=0.5 if written else 0)
        axes.set_ylim(len(self.rows), 0)
        axes.set_xticks(np.arange(len(self.columns)) + 0.5, self.columns, fontsize=7, rotation=_slant(self.columns))
        axes.set_yticks(np.arange(len(self.rows)) + 0.5, self.rows if names_rows else [""] * len(self.rows), fontsize=7)
        axes.set_xlabel(self.across, fontsize=8)
        axes.set_ylabel(self.down or "" if names_rows else "", fontsize=8)
        axes.set_title(self.title, fontsize=8, color=INK)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)


def _maps(cells: pl.DataFrame, names: list[str]) -> list[_Map]:
    if len(names) == 1:
        return [_Map(cells, None, names[0], "")]
    down, across, *further = names
    if not further:
        return [_Map(cells, down, across, "")]
    groups = cells.partition_by(further, maintain_order=True)
    return [_Map(group, down, across, ", ".join(f"{name} {group[name][0]}" for name in further)) for group in groups]


def _slant(labels: Sequence[str]) -> int:
    return 45 if max(map(len, labels)) > 6 else 0
