"""Reports: one self-contained page of sentences, tables and figures. No scripts, nothing fetched, light and dark."""

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.runs.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED = "#5b6470", "#8a94a0"
CYCLE = ("#2f6f9f", "#c8642b", "#4b8b5a", "#8a5aa8", "#b89a2f")

STYLE = """
:root { color-scheme: light dark; --page: #fbfaf7; --ink: #23272e; --muted: #69727e; --line: #dcd9d1; --card: #fff;
  --good: #2c7a4b; --bad: #b3402e; --accent: #2f6f9f; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --ink: #e4e2dc; --muted: #9aa2ad; --line: #33373e;
  --card: #1e2126; --good: #74c493; --bad: #ef8f7c; --accent: #7fb5dd; } figure svg { filter: invert(.9) hue-rotate(180deg); }
  figure:has(svg image) svg { filter: none; background: #fbfaf7; border-radius: 6px; padding: .4rem; box-sizing: border-box; } }
body { background: var(--page); color: var(--ink); margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.01em; } .subtitle { color: var(--muted); margin: .2rem 0 1.4rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; margin: .5rem 0; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem 1.1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--muted); font-weight: 600; font-size: .85rem; } td:not(:first-child) { white-space: nowrap; }
.wide { overflow-x: auto; } .wide table { font-size: .88rem; } .wide td { white-space: nowrap; padding-right: .8rem; } figure { margin: 1.2rem 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: var(--muted); font-size: .88rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.4rem; font-size: .92rem; }
dt { color: var(--muted); } dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, "SF Mono", Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin: 1rem 0; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: 6px; background: var(--card); }
summary { cursor: pointer; color: var(--accent); }
table.examples { width: 100%; } table.examples td { white-space: normal; }
.good { color: var(--good); } .bad { color: var(--bad); } .good::before { content: "✓ "; } .bad::before { content: "✗ "; }
"""


class Report:
    """A page put together from top to bottom; text is escaped."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>", f'<p class="subtitle">{html.escape(subtitle)}</p>']

    def heading(self, text: str) -> None:
        """A section's heading."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def sentence(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table; cells are shown with `str`."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in headers)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
        self._parts.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def facts(self, facts: dict[str, Any]) -> None:
        """Names beside values."""
        rows = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
        self._parts.append(f"<dl>{rows}</dl>")

    def figure(self, plot: "Figure", caption: str) -> None:
        """A Matplotlib figure as inline SVG."""
        drawing = svg(plot)
        drawing = drawing[drawing.index("<svg") :]
        drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
        # Several figures share the page, and Matplotlib names their parts alike.
        prefix = f"f{len(self._parts)}-"
        drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", drawing)
        self._parts.append(f"<figure>{drawing}<figcaption>{html.escape(caption)}</figcaption></figure>")

    def examples(self, rows: Sequence[dict[str, Any]], columns: Sequence[str] = ("before", "after")) -> None:
        """Answers side by side: rows with `prompt` and each of `columns`; `COLUMN_correct`, where there, marks it."""

        def cell(row: dict[str, Any], name: str) -> str:
            right = row.get(f"{name}_correct")
            mark = "" if right is None else ' class="good"' if right else ' class="bad"'
            return f"<td{mark}><code>{html.escape(row[name]) or '(empty)'}</code></td>"

        names = ("prompt", *columns)
        body = "".join("<tr>" + "".join(cell(row, name) for name in names) + "</tr>" for row in rows)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        self._parts.append(f'<table class="examples"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')

    @contextmanager
    def folded(self, summary: str) -> Iterator[None]:
        """What is added inside is hidden behind `summary` until the reader opens it, which takes no script."""
        self._parts.append(f"<details><summary>{html.escape(summary)}</summary>")
        yield
        self._parts.append("</details>")

    def write(self, path: str | Path) -> None:
        """Write the page to `path`."""
        page = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>\n<body>\n"
        )
        write_atomic(path, page + "\n".join(self._parts) + "\n</body></html>\n")


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level of dotted names, for `Report.facts`."""
    rows: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            rows.update(flat(value, f"{prefix}{key}."))
        else:
            rows[prefix + key] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return rows


def svg(plot: "Figure") -> str:
    """A figure as SVG text, the same for the same figure."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "gnomon"}):
        plot.savefig(buffer, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """A figure in the reports' style, in inches, with one set of axes. Never touches pyplot's global state."""
    from cycler import cycler
    from matplotlib.figure import Figure

    plot = Figure(figsize=(width, height), layout="constrained")
    axes = plot.subplots()
    dress(axes)
    axes.set_prop_cycle(cycler(color=CYCLE))
    return plot, axes


def dress(axes: "Axes") -> None:
    """The reports' style on one set of axes."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis="y", color=MUTED, alpha=0.2, linewidth=0.6)
