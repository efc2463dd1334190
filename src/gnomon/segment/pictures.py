"""The figures of a training's report: the loss, every case's Dice, and cases with the contours of truth and prediction.

A case is shown as planes: a picture itself, or three sections through a volume, turned as radiologists turn them:
front or head up, the patient's right on the left, seen from the side with the face to the left.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gnomon.runs.report import CYCLE, INK, MUTED, dress, figure
from gnomon.seeds import derive
from gnomon.segment.reading import Frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE = CYCLE[0], CYCLE[1]
STRUCTURES = (
    *("#00e5ff", "#ffc400", "#ff4fa3", "#8a6bff", "#c8ff9e", "#ff2e2e"),
    *("#bb66cc", "#7ca653", "#ccc499"),
)
"""Colours of structures, which stand out on grey and, with a dark edge, on stained tissue. Readers who lack a cone type
can tell any two apart, of the first six easily."""

SOLID: Final = "-"
DASHED = (0.0, (2.6, 2.0))
"""Lines of the truth and of the prediction."""

TINT = 0.3  # share of a structure's colour where it is predicted
SPECK = 1 / 500  # of a section; pieces and holes of a prediction below this are tinted but not outlined

SECTIONS = ("axial", "coronal", "sagittal")
WIDTH = 9.2  # inches of a whole figure
COLUMNS = 4  # cases beside each other
PIXELS = 320  # of the longer side of an image in the page, at most
LETTERS = 30  # of a case's name that fit above it


@dataclass(frozen=True, eq=False)
class Plane:
    """One section through a case: `image` (H, W) or (H, W, 3) in [0, 1], `truth` and `prediction` (H, W) of file
    values, `entropy` (H, W) in nats. `aspect` is a pixel's height over its width, `left` the side of the patient that
    lies there ("" for a picture)."""

    name: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    entropy: np.ndarray
    aspect: float = 1.0
    left: str = ""


def planes(
    image: np.ndarray,
    frame: Frame,
    truth: np.ndarray,
    prediction: np.ndarray,
    entropy: np.ndarray,
    structures: Sequence[int],
) -> list[Plane]:
    """The sections that show a case, arrays and `frame` as read from its files.

    A picture is its own section. A volume has one across each of its axes, where the area of its largest structure is
    largest: that of `structures` with most voxels of the truth, of the prediction where the truth has none.
    """
    if len(frame.shape) == 2:
        shades = image / 255 if image.ndim == 3 and image.dtype == np.uint8 else _shades(image)
        return [Plane("", shades, truth, prediction, entropy)]
    from nibabel.orientations import apply_orientation, io_orientation

    orientation = io_orientation(np.eye(4) if frame.affine is None else frame.affine)
    first = image if image.ndim == 3 else image[..., 0]
    shades, true, predicted, unsure = (
        apply_orientation(array, orientation) for array in (_shades(first), truth, prediction, entropy)
    )
    spacing = np.ones(3) if frame.spacing is None else np.array(frame.spacing)[np.argsort(orientation[:, 0])]
    shown = _largest(true, structures)
    if not shown.any():
        shown = _largest(predicted, structures)

    def section(name: str, across: int) -> Plane:
        areas = shown.sum(axis=tuple(axis for axis in range(3) if axis != across))
        place = int(areas.argmax()) if areas.any() else shown.shape[across] // 2
        # Of the two axes left the first runs to the left, mirrored, and the second up.
        image, true_, predicted_, unsure_ = (
            np.flip(array.take(place, across).T) for array in (shades, true, predicted, unsure)
        )
        width, height = np.delete(spacing, across)
        side = "A" if across == 0 else "R"
        return Plane(name, image, true_, predicted_, unsure_, float(height / width), side)

    return [section(name, across) for name, across in zip(SECTIONS, (2, 1, 0), strict=True)]


def _largest(mask: np.ndarray, structures: Sequence[int]) -> np.ndarray:
    """Where the value of `structures` that most voxels have is."""
    counts = {value: int((mask == value).sum()) for value in structures}
    return mask == max(counts, key=lambda value: counts[value])


def _shades(image: np.ndarray) -> np.ndarray:
    """Intensities from their 1st to their 99th percentile as 0 to 1."""
    low, high = np.percentile(image, [1, 99])
    return np.asarray(np.clip((image - low) / max(high - low, 1e-9), 0, 1))


def cases(shown: Sequence[tuple[str, Sequence[Plane]]], labels: Mapping[str, int]) -> "Figure":
    """At most `COLUMNS` cases side by side, (title, planes) each: contours over the image, the entropy of its first
    plane below. Truth is a solid line, the prediction a tint inside a dashed one; `labels` are the structures, without
    background."""
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke

    heights = [max(_height(of_case[row]) for _, of_case in shown) for row in range(len(shown[0][1]))]
    heights.append(heights[0])
    wide = WIDTH / COLUMNS
    narrow = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    plot = Figure(figsize=(wide * len(shown), wide * sum(heights) + 0.75), layout=narrow)
    grid: Any = plot.subplots(len(heights), len(shown), squeeze=False, height_ratios=heights)
    colours = {value: STRUCTURES[place % len(STRUCTURES)] for place, value in enumerate(labels.values())}
    most = math.log(1 + len(labels))
    for column, (title, of_case) in enumerate(shown):
        for row, plane in enumerate(of_case):
            axes = grid[row, column]
            _draw(axes, _tinted(plane.image, plane.prediction, colours), plane.aspect)
            for value, colour in colours.items():
                _contour(axes, plane.truth == value, colour, SOLID)
                _contour(axes, _without_specks(plane.prediction == value), colour, DASHED)
            if plane.left:
                letter = axes.text(
                    0.02, 0.5, plane.left, transform=axes.transAxes, va="center", fontsize=8, color="white"
                )
                letter.set_path_effects([withStroke(linewidth=1.8, foreground="black")])
            if column == 0:
                axes.set_ylabel(plane.name, fontsize=8, color=INK)
        grid[0, column].set_title(_broken(title), fontsize=8, color=INK)
        _draw(grid[-1, column], of_case[0].entropy, of_case[0].aspect, cmap="magma", vmin=0, vmax=most)
    grid[-1, 0].set_ylabel("entropy", fontsize=8, color=INK)
    keys: list[Any] = [Patch(color=colour, label=name) for name, colour in zip(labels, colours.values(), strict=True)]
    keys.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=SOLID, label="truth"))
    keys.append(Patch(facecolor=(*to_rgb(INK), TINT), edgecolor=INK, linestyle=DASHED, label="prediction"))
    columns = min(len(keys), 2 * len(shown))
    plot.legend(handles=keys, loc="outside lower center", ncols=columns, fontsize=8, frameon=False, labelcolor=INK)
    return plot


def _broken(title: str) -> str:
    """A title whose lines do not reach into the next case's."""
    return "\n".join("\n".join(textwrap.wrap(line, LETTERS)) for line in title.split("\n"))


def _height(plane: Plane) -> float:
    """Of a plane as it is drawn, over its width."""
    height, width = plane.truth.shape
    return height * plane.aspect / width


def _tinted(image: np.ndarray, prediction: np.ndarray, colours: Mapping[int, str]) -> np.ndarray:
    """A grey or colour image (H, W, 3) with each predicted structure in its colour, the image shining through."""
    from matplotlib.colors import to_rgb

    tinted = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.copy()
    for value, colour in colours.items():
        where = prediction == value
        tinted[where] = (1 - TINT) * tinted[where] + TINT * np.array(to_rgb(colour))
    return tinted


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """A mask whose smallest pieces are gone and whose smallest holes are filled: a noisy one has hundreds, and their
    outlines hide everything else."""
    from scipy import ndimage

    kept = mask.copy()
    for inside in (True, False):
        pieces, _ = ndimage.label(kept == inside)
        small = np.bincount(pieces.ravel()) < SPECK * mask.size
        small[0] = False  # what is no piece
        kept[small[pieces]] = not inside
    return kept


def _draw(axes: "Axes", image: np.ndarray, aspect: float, **how: Any) -> None:
    height, width = image.shape[:2]
    step = _step(image)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(image[::step, ::step], aspect=aspect, extent=extent, interpolation="none", **how)
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _contour(axes: "Axes", mask: np.ndarray, colour: str, style: "str | tuple[float, tuple[float, float]]") -> None:
    from matplotlib.patheffects import withStroke

    step = _step(mask)
    reduced = mask[::step, ::step]
    if reduced.any():
        closed = np.pad(reduced.astype(float), 1)
        y, x = (np.arange(-1, size + 1) * step for size in reduced.shape)
        lines = axes.contour(x, y, closed, levels=[0.5], colors=[colour], linewidths=1.2, linestyles=[style])
        lines.set_path_effects([withStroke(linewidth=2.2, foreground="black", alpha=0.55)])


def _step(image: np.ndarray) -> int:
    """Every which pixel of an image is drawn."""
    return math.ceil(max(image.shape[:2]) / PIXELS)


def curves(
    losses: Mapping[str, Sequence[Mapping[str, Any]]], dice: Mapping[str, Sequence[Mapping[str, Any]]]
) -> "Figure":
    """The loss of every step with its running mean, and where a fold was held out its mean Dice over training.

    `losses` are rows of metrics by training, `dice` rows of evaluations.
    """
    from matplotlib.figure import Figure

    panels = 2 if any(dice.values()) else 1
    plot = Figure(figsize=(WIDTH if panels == 2 else WIDTH * 0.6, 2.7), layout="constrained")
    grid: Any = plot.subplots(1, panels, squeeze=False)[0]
    for axes in grid:
        dress(axes)
        axes.set_xlabel("step")
    grid[0].set_ylabel("loss")
    for place, (name, rows) in enumerate(losses.items()):
        colour = CYCLE[place % len(CYCLE)]
        known = [(row["step"], row["loss"]) for row in rows if row["loss"] is not None]
        if not known:
            continue
        steps, values = np.array(known).T
        window = max(1, len(values) // 25)
        mean = np.convolve(values, np.ones(window) / window, mode="valid")
        grid[0].plot(steps, values, color=colour, alpha=0.3, linewidth=0.7)
        grid[0].plot(steps[window - 1 :], mean, color=colour, linewidth=1.6, label=name)
    if panels == 2:
        grid[1].set_ylabel("mean Dice, held fold")
        grid[1].set_xlim(grid[0].get_xlim())
        for place, (name, rows) in enumerate(dice.items()):
            colour = CYCLE[place % len(CYCLE)]
            found = [(row["step"], row["mean_dice"]) for row in rows if row["mean_dice"]["value"] is not None]
            steps = np.array([step for step, _ in found])
            grid[1].plot(steps, [each["value"] for _, each in found], "o-", color=colour, markersize=4, label=name)
            for step, each in found:
                if each["low"] is not None:
                    grid[1].plot([step, step], [each["low"], each["high"]], color=colour, linewidth=1.2, alpha=0.6)
    if len(losses) > 1:
        grid[0].legend(fontsize=8, frameon=False)
    return plot


def strips(values: Mapping[str, Sequence[float]]) -> "Figure":
    """Dice of every case by class as dots, their mean as a bar."""
    plot, axes = figure(WIDTH * 0.75, 0.8 + 0.34 * len(values))
    for row, (name, dice) in enumerate(values.items()):
        jitter = np.random.default_rng(derive(0, "jitter", name)).uniform(-0.25, 0.25, len(dice))
        axes.plot(dice, row + jitter, "o", color=BLUE, markersize=3.6, alpha=0.55, markeredgewidth=0)
        if dice:
            axes.plot([np.mean(dice)] * 2, [row - 0.34, row + 0.34], color=ORANGE, linewidth=2)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(min([0.5, *(d for dice in values.values() for d in dice)]) - 0.02, 1.01)
    axes.set_xlabel("Dice")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    return plot
