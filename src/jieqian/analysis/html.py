"""The report as one HTML file: no script, no address, pictures beside the tables that hold the same figures."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from jieqian.analysis.analysis import Analysis
from jieqian.analysis.pictures import WIDE, stage_picture, task_picture
from jieqian.analysis.tables import summary, tables

_templates = Environment(
    loader=PackageLoader("jieqian.analysis", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(analysis: Analysis) -> str:
    """The whole report. Its policy allows its own style and nothing else."""
    style = files("jieqian.analysis").joinpath("templates", "report.css").read_text(encoding="utf-8")
    pictures = [stage_picture(analysis), *(task_picture(task) for task in analysis.slowest)]
    return _templates.get_template("report.html").render(
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        summary=summary(analysis),
        pictures={
            "Time by stage (tasks completed)": pictures[:1],
            "Slowest tasks": pictures[1:],
        },
        tables=tables(analysis),
        notes=[*analysis.troubles, *analysis.notes],
        wide=WIDE,
    )
