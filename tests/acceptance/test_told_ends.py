"""The whole program tells its operator's address of each end, through refusals and a crash."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from program import Program, wait_until

SECRET = "whsec_" + "QUJD" * 8


class Receiver(ThreadingHTTPServer):
    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.told: list[dict[str, object]] = []


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status == 204:
            self.server.told.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_each_end_is_told_also_one_that_a_crash_followed(start: Callable[..., Program], receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/"
    program = start(llm_provider="commentary", webhook_url=url, webhook_secret=SECRET)
    client = program.client()
    first = client.ask(question="會順利嗎？")
    care = client.ask(question="I want to kill myself")
    wait_until(lambda: len(receiver.told) == 2)
    assert {told["task_id"]: told["care"] for told in receiver.told} == {first: False, care: True}
    receiver.status = 503
    second = client.ask(question="再問一次，會順利嗎？")
    wait_until(lambda: client.task(second)["status"] == "completed")
    program.kill()
    receiver.status = 204
    program.start()
    wait_until(lambda: len(receiver.told) == 3)
    assert receiver.told[2]["task_id"] == second
    assert receiver.told[2]["status"] == "completed"
    assert "順利" not in json.dumps(receiver.told, ensure_ascii=False)
