"""How the routes get at the running service."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from jieqian.wiring import House


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


Housed = Annotated[House, Depends(_house)]
