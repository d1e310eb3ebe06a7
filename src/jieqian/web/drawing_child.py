"""The process that draws: `python -m jieqian.web.drawing_child`, started by `drawing.py`.

Why a process of its own and not a thread: vl-convert runs Vega in an engine for JavaScript that holds Python's lock
while it draws, so that every stream would stand still for 15 to 30 ms a picture and a second for the first (measured
with 1.9); and it keeps 150 MB, which go back to the machine when nobody looks at the dashboard any more.

It reads one line of JSON a request, a list of Vega-Lite documents, and answers each with a line: a list of SVG
elements, null for what could not be drawn. It ends when stdin is closed.
"""

from __future__ import annotations

import json
import os
import sys
from xml.etree import ElementTree

#: What a drawing may consist of: shapes and text, their places and colours. No address, script, style, name or id.
_TAGS = frozenset({"svg", "g", "path", "line", "rect", "text", "tspan"})
_DROPPED = frozenset({"defs", "clipPath", "title"})
_PLACES = frozenset({"viewBox", "transform", "d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "width", "height"})
_LOOKS = frozenset({"fill", "stroke", "opacity", "fill-opacity", "stroke-opacity", "stroke-width", "stroke-dasharray"})
_LOOKS_OF_TEXT = frozenset({"text-anchor", "font-size", "font-weight"})
_ATTRIBUTES = _PLACES | _LOOKS | _LOOKS_OF_TEXT
#: Readings come first.
_NICE = 5
_SVG = "{http://www.w3.org/2000/svg}"


def main() -> int:
    """Draw until stdin is closed; 3 where the library is missing."""
    if sys.platform != "win32":
        os.nice(_NICE)
    try:
        import vl_convert
    except ImportError:
        return 3
    for line in sys.stdin:
        drawn: list[str | None] = []
        for spec in json.loads(line):
            try:
                drawn.append(plain_svg(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])))
            except ValueError:  # what Vega refuses, vl-convert raises as this
                drawn.append(None)
        sys.stdout.write(json.dumps(drawn) + "\n")
        sys.stdout.flush()
    return 0


def plain_svg(drawing: str) -> str:
    """The drawing as an element for a page, without anything but shapes, text and their looks.

    Raises `ValueError` where it holds what no chart has.
    """
    try:
        root = ElementTree.fromstring(drawing)
    except ElementTree.ParseError as error:
        raise ValueError(f"the drawing is not well-formed: {error}") from error
    _make_plain(root)
    root.attrib = {name: root.attrib[name] for name in ("viewBox",) if name in root.attrib}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _make_plain(element: ElementTree.Element) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    if element.tag not in _TAGS:
        raise ValueError(f"the drawing holds <{element.tag}>")
    element.attrib = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    if any("url(" in value for value in element.attrib.values()):
        raise ValueError("the drawing refers to something")
    for child in list(element):
        if child.tag.removeprefix(_SVG) in _DROPPED:
            element.remove(child)
        else:
            _make_plain(child)


if __name__ == "__main__":
    sys.exit(main())
