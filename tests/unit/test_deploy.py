"""What is said twice is said alike: versions in the Makefile and elsewhere, paths in the settings and in the routes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from jieqian.api import health
from jieqian.settings import OWN_FIRST_PARTS
from jieqian.testing.made_up_dashboard import MadeUpDashboard
from jieqian.web.admin_door import AdminDoor
from jieqian.web.admin_pages import AdminHouse, admin_pages_router
from jieqian.web.dashboard import Trials, dashboard_router
from jieqian.web.drawing import Drawer
from jieqian.web.pages import PagesHouse, mount_static, pages_router

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", ["deploy/Containerfile", "docs/how-to/windows-and-macos.md"])
def test_what_is_installed_without_its_dependencies_is_what_make_installs(file: str) -> None:
    made = re.findall(r"^(?:TINY_MODEL|INDEX) := (\S+==\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(made) == 2
    (line,) = re.findall(r"--no-deps (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert line.split() == made


@pytest.mark.parametrize("file", sorted(path.name for path in (ROOT / "deploy").iterdir()))
def test_every_example_is_in_the_docs_and_is_plain_ascii(file: str) -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "how-to").glob("*.md"))
    assert f"deploy/{file}" in told
    assert (ROOT / "deploy" / file).read_bytes().isascii()


def test_no_base_path_can_begin_as_a_path_of_the_services_own_does() -> None:
    pages = pages_router(cast(PagesHouse, None))  # only its addresses are looked at
    door = AdminDoor("", None)
    dashboard = dashboard_router(MadeUpDashboard(), cast(Trials, None), door, Drawer())
    admin = admin_pages_router(cast(AdminHouse, None), door)
    routes = [*pages.routes, *dashboard.routes, *admin.routes, *health.router.routes]
    paths = [route.path for route in routes if isinstance(route, Route)]
    app = FastAPI()
    mount_static(app)
    paths += ["/api/v1", *(route.path for route in app.routes if isinstance(route, Route))]
    first = {path.split("/")[1] for path in paths} - {"", "docs", "redoc"}  # FastAPI's own pages are turned off
    assert first == OWN_FIRST_PARTS
