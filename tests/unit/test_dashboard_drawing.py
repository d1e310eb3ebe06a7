"""Pictures of the dashboard: well-formed, with the right figures, whatever is in them; and the process that draws."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from jieqian.languages import Language
from jieqian.metrics.figures import DAY, Dimension, Span, Which
from jieqian.testing.made_up_dashboard import MadeUpDashboard
from jieqian.web import charts
from jieqian.web.charts import Line, Mark, Part, Row, Spec
from jieqian.web.dashboard_pictures import Picture, pictures, waterfalls
from jieqian.web.dashboard_view import Figures
from jieqian.web.drawing import Drawer
from jieqian.web.drawing_child import plain_svg
from jieqian.web.texts import Texts

HOSTILE = "</text><script>alert(1)</script>\x1b[2J\u202e'\"\\u0041" + "長" * 200
SPAN = Span(1_790_000_040, 1_790_000_040 + DAY)
LONGEST = 60.0


@pytest.fixture(scope="module", autouse=True)
def texts_read() -> None:
    for language in Language:
        Texts(language)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drawer() -> AsyncIterator[Drawer]:
    pytest.importorskip("vl_convert")
    drawer = Drawer()
    yield drawer
    await drawer.close()


async def made_up(*, empty: bool = False) -> Figures:
    ask, which = MadeUpDashboard(empty=empty), Which()
    return Figures(
        summary=await ask.summary(SPAN, which),
        series=await ask.series(SPAN, which),
        histogram=await ask.histogram(SPAN, which),
        stages=await ask.stages(SPAN, which),
        breakdowns=[await ask.breakdown(SPAN, which, dimension) for dimension in Dimension],
        slowest=await ask.slowest(SPAN, which),
        progress=await ask.progress(),
        live=await ask.live(),
    )


async def drawn(drawer: Drawer, *specs: Spec) -> list[ElementTree.Element]:
    found = await drawer.draw(specs, LONGEST)
    assert all(svg is not None for svg in found)
    return [ElementTree.fromstring(svg or "") for svg in found]


def words(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def bars(svg: ElementTree.Element, colour: str) -> list[tuple[float, float]]:
    """Width and height of each bar of that colour."""
    found = []
    for path in svg.iter("path"):
        if path.get("fill") == colour and (
            shape := re.fullmatch(r"M([\d.,-]+)h([\d.e-]+)v([\d.e-]+)h.*", path.get("d", ""))
        ):
            found.append((float(shape[2]), abs(float(shape[3]))))
    return found


def looked_over(svg: ElementTree.Element) -> None:
    """Nothing in it but shapes and text."""
    assert {element.tag for element in svg.iter()} <= {"svg", "g", "path", "line", "rect", "text", "tspan"}
    for element in svg.iter():
        assert not {"style", "id", "class", "href", "role"} & set(element.attrib)
        assert not [name for name in element.attrib if name.startswith("on") or ":" in name]
    assert not [text for text in words(svg) if re.search(r"[\x00-\x1f\u202a-\u202e]", text)]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", [Language.EN, Language.ZH_HANT])
async def test_every_picture_of_the_page(drawer: Drawer, language: Language) -> None:
    figures = await made_up()
    told = [*pictures(figures, Texts(language)), *waterfalls(figures, Texts(language))]
    assert len(told) == 11
    for picture, svg in zip(told, await drawn(drawer, *(each.spec for each in told if each.spec)), strict=True):
        looked_over(svg)
        assert words(svg), picture.key
        assert picture.table.rows, picture.key
        assert {len(row) for row in picture.table.rows} == {len(picture.table.heads)}
        assert picture.told


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_drawn_is_what_the_tables_say(drawer: Drawer) -> None:
    figures, t = await made_up(), Texts(Language.EN)
    by_key: dict[str, Picture] = {each.key: each for each in [*pictures(figures, t), *waterfalls(figures, t)]}
    keys = ("histogram", "stages", "slow-1", "load")
    histogram, stages, slow, load = await drawn(drawer, *(by_key[key].spec or {} for key in keys))
    counts = [int(row[1].replace(",", "")) for row in by_key["histogram"].table.rows]
    heights = [height for _, height in bars(histogram, charts.PLAIN)]
    assert len(heights) == len(counts)
    assert heights == pytest.approx([count / max(counts) * max(heights) for count in counts], abs=0.5)
    shares = {row[0]: row[1].replace("\xa0", " ") for row in by_key["stages"].table.rows}
    for name in ("Queue", "Writing (model)"):
        assert f"{name} {shares[name]}" in words(stages)
    for name, _, lasts, _ in by_key["slow-1"].table.rows:
        assert {name, lasts.replace("\xa0", " ")} <= set(words(slow))
    busiest = max(point.tasks for point in figures.series.points)
    tallest = max(height for _, height in bars(load, charts.PLAIN))
    ended = [point.tasks for point in figures.series.points if point.tasks]
    assert sorted(height for _, height in bars(load, charts.PLAIN)) == pytest.approx(
        sorted(tasks / busiest * tallest for tasks in ended), abs=0.5
    )


ODD: Sequence[tuple[str, Spec]] = (
    ("hostile names", charts.pie([Part(name=HOSTILE, value=1, colour=charts.PLAIN)])),
    (
        "hostile rows",
        charts.waterfall([Row(name=HOSTILE, start=0, end=1, colour=charts.PLAIN, label=HOSTILE)], across="s"),
    ),
    (
        "hostile lines",
        charts.over_time([0, 1], [Line(name=HOSTILE, values=[1, 2], colour=charts.PLAIN)], [], up=HOSTILE),
    ),
    ("hostile marks", charts.histogram([0, 1, None], [3, 4], [Mark(at=0.5, label=HOSTILE)], across=HOSTILE)),
    ("nothing", charts.histogram([0, 1], [0], [], across="s")),
    ("no lines", charts.over_time([], [], [], up="s")),
    ("no bars", charts.bars_over_time([], 60_000, [], [], up="s")),
    ("no rows", charts.waterfall([], across="s")),
    ("no parts", charts.pie([])),
    ("one point", charts.over_time([0], [Line(name="a", values=[1.0], colour=charts.PLAIN)], [], up="s")),
    (
        "one between gaps",
        charts.over_time([0, 1, 2], [Line(name="a", values=[None, 3, None], colour=charts.BAD)], [], up="s"),
    ),
    ("huge", charts.bars_over_time([0, 1], 1, [Line(name="a", values=[1e15, 1e-9], colour=charts.BAD)], [], up="s")),
    ("huge times", charts.waterfall([Row(name="a", start=0, end=1e12, colour=charts.BAD, label="∞")], across="s")),
)


@pytest.mark.asyncio(loop_scope="module")
async def test_odd_figures_and_hostile_names(drawer: Drawer) -> None:
    specs = [spec for _, spec in ODD]
    for (name, _), svg in zip(ODD, await drawn(drawer, *specs), strict=True):
        looked_over(svg)
        if name.startswith("hostile"):
            assert any(text.startswith("</text><script>alert(1)") for text in words(svg)), name
            assert max(map(len, words(svg))) < 60
        if name == "one between gaps":  # a line of one point is none: the point itself is there
            assert [path for path in svg.iter("path") if path.get("fill") == charts.BAD], name


async def test_where_nothing_ended_there_is_nothing_to_draw() -> None:
    figures, t = await made_up(empty=True), Texts(Language.EN)
    told = pictures(figures, t)
    assert [picture.spec for picture in told] == [None] * 6
    assert {picture.told for picture in told} == {"Nothing to show in this span."}
    assert waterfalls(figures, t) == []


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        "<foreignObject/>",
        "<image href='https://lots.test/a.png'/>",
        "<a href='https://lots.test'><path d='M0,0'/></a>",
        "<path fill='url(https://lots.test/a)'/>",
        "<style>*{}</style>",
        "<use href='#a'/>",
        "<path",
    ],
)
def test_what_no_chart_has_is_refused(inside: str) -> None:
    with pytest.raises(ValueError):
        plain_svg(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">{inside}</svg>')


def test_what_a_page_needs_no_part_of_is_left_out() -> None:
    kept = plain_svg(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" width="1" onload="x()" id="a"><defs/>'
        '<text style="fill:red" font-family="x" onclick="x()" font-size="12px">a &lt;b&gt;</text></svg>'
    )
    assert kept == '<svg viewBox="0 0 1 1"><text font-size="12px">a &lt;b&gt;</text></svg>'


# -- the process, with a stand-in in its place ------------------------------------------------------------------------

_ANSWERS = (
    "import sys, json\nfor line in sys.stdin: print(json.dumps(['<svg/>' for _ in json.loads(line)]), flush=True)"
)
_DIES = "import sys; sys.stdin.readline()"
_REFUSES = "import sys, json\nfor line in sys.stdin: print(json.dumps([None for _ in json.loads(line)]), flush=True)"


def stand_in(source: str, **options: float) -> Drawer:
    return Drawer(command=(sys.executable, "-S", "-c", source), library="json", **options)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONGEST):
        while not happened():  # noqa: ASYNC110 - a process begins or ends, and tells nobody
            await asyncio.sleep(0.005)


async def test_a_drawing_is_made_once_and_the_process_ends_when_nobody_looks() -> None:
    drawer = stand_in(_ANSWERS, idle_seconds=0.0)
    assert await drawer.draw([{"a": 1}], LONGEST) == ["<svg/>"]
    await until(lambda: not drawer.running)
    assert await drawer.draw([{"a": 1}], LONGEST) == ["<svg/>"]
    assert not drawer.running
    assert await drawer.draw([{"a": 2}, {"a": 1}], LONGEST) == ["<svg/>", "<svg/>"]
    await drawer.close()


@pytest.mark.parametrize("source", [_DIES, _REFUSES])
async def test_what_cannot_be_drawn_is_none_and_is_tried_again(source: str) -> None:
    drawer = stand_in(source)
    for _ in range(2):
        assert await drawer.draw([{"a": 1}], LONGEST) == [None]
    await drawer.close()
    assert not drawer.running


async def test_one_over_which_the_process_ends_takes_no_other_with_it() -> None:
    drawer = stand_in(_ANSWERS.replace("sys.stdin: ", "sys.stdin: 'bad' in line and sys.exit() or "))
    assert await drawer.draw([{"a": 1}, {"bad": 1}, {"a": 2}], LONGEST) == ["<svg/>", None, "<svg/>"]
    await drawer.close()


async def test_a_page_does_not_wait_for_a_slow_drawing_and_the_next_has_it() -> None:
    drawer = stand_in(_ANSWERS)
    assert await drawer.draw([{"a": 1}], 0.0) == [None]
    await until(lambda: drawer.running)
    assert await drawer.draw([{"a": 1}], LONGEST) == ["<svg/>"]
    await drawer.close()


async def test_the_process_is_started_ahead_again_and_again_and_not_after_the_end(tmp_path: Path) -> None:
    started = tmp_path / "started"
    started.touch()
    drawer = stand_in(f"open({str(started)!r}, 'a').write('.')\n{_ANSWERS}", idle_seconds=0.0)
    for starts in (1, 2):
        drawer.warm()
        await until(lambda starts=starts: started.stat().st_size == starts and not drawer.running)  # type: ignore[misc]
    await drawer.close()
    assert await drawer.draw([{"a": 1}], LONGEST) == [None]
    assert not drawer.running


async def test_the_end_does_not_wait_for_a_drawing() -> None:
    drawer = stand_in("import sys\nfor line in sys.stdin: pass")  # answers nothing
    assert await drawer.draw([{"a": 1}], 0.0) == [None]
    await until(lambda: drawer.running)
    await drawer.close()
    assert not drawer.running


async def test_a_program_that_is_not_there_is_told_and_no_page_falls() -> None:
    drawer = Drawer(command=("/nowhere/at/all",), library="json")
    assert await drawer.draw([{"a": 1}], LONGEST) == [None]
    await drawer.close()
