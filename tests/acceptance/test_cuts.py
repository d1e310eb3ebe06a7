"""A client whose line is cut at random bytes, hundreds of times: it misses nothing and gets nothing twice."""

from __future__ import annotations

import os
import random
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from lasting import FINAL, Watcher, check_whole
from program import Client, ModelServer, Program
from test_reading import finished_texts

Start = Callable[..., Program]
SEED = int(os.environ.get("JIEQIAN_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
CUTS = 200
_ID = re.compile(rb"id: (\d+)\n")


def cut_after(client: Client, task_id: str, last: int | None, size: int) -> bytes:
    """The first `size` bytes of an answer, status line and all (or all there is); then the line is cut."""
    host, _, port = urlsplit(client.base).netloc.partition(":")
    head = [f"GET /api/v1/tasks/{task_id}/events HTTP/1.1", f"Host: {host}:{port}", f"Cookie: {client.cookie}"]
    if last is not None:
        head.append(f"Last-Event-ID: {last}")
    got = b""
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        while len(got) < size and b"\r\n0\r\n\r\n" not in got[-16:]:
            piece = line.recv(min(size - len(got), 65536))
            if not piece:
                break
            got += piece
            if got.startswith(b"HTTP/1.1 204") and got.endswith(b"\r\n\r\n"):
                break
    return got


def stream_of(answer: bytes) -> bytes:
    """The stream out of a chunked answer, as far as it came."""
    _head, found, rest = answer.partition(b"\r\n\r\n")
    stream = b""
    while found and rest:
        size, found, rest = rest.partition(b"\r\n")
        if not found or not size:
            break
        stream += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return stream


def place_of_the_cut(answer: bytes) -> str:
    """What the cut went through, for the report."""
    stream = stream_of(answer)
    if b"\r\n\r\n" not in answer:
        return "the head"
    if not stream or stream.endswith(b"\n\n"):
        return "between two events"
    try:
        stream.decode()
    except UnicodeDecodeError:
        return "a character"
    line = stream.rpartition(b"\n")[2]
    return "an id line" if line[:1] == b"i" else "a data line" if line[:1] == b"d" else "another line"


class Patient:
    """A client that keeps whole events only, and comes back with the id of the last one."""

    def __init__(self, client: Client, task_id: str) -> None:
        self.client, self.task_id = client, task_id
        self.frames: list[bytes] = []
        self.last: int | None = None
        self.ended = False
        self.stuck = 1  # grows while no event fits between two cuts, or nobody would ever get past a long one
        self.places: Counter[str] = Counter()

    def come_back(self, size: int) -> None:
        answer = cut_after(self.client, self.task_id, self.last, size)
        self.places[place_of_the_cut(answer)] += 1
        *whole, _cut_off = stream_of(answer).split(b"\n\n")
        before = self.last
        for frame in whole:
            numbered = _ID.match(frame)
            if numbered is None:  # the opening, a heartbeat, a place in the queue: no event of the log
                continue
            self.frames.append(frame)
            self.last = int(numbered[1])
            self.ended = frame.split(b"\n")[1].removeprefix(b"event: ").decode() in FINAL
        self.stuck = 1 if self.last != before else self.stuck + 1


def whole_frames(client: Client, task_id: str) -> list[bytes]:
    """All numbered frames of the log, taken in one go."""
    patient = Patient(client, task_id)
    patient.come_back(100_000_000)
    return patient.frames


def ask_in_chinese(start: Start, ollama: ModelServer, **pace: float) -> tuple[Client, str]:
    ollama.script(default={"tokens": 400, "first_token_ms": 0, **pace})
    client = start(llm_base_url=ollama.url).client()
    return client, client.ask(question="她還會回信給我嗎？", lot=7)


def test_cut_at_two_hundred_random_bytes_of_a_replay(start: Start, ollama: ModelServer) -> None:
    client, task_id = ask_in_chinese(start, ollama, tokens_per_second=10_000)
    watcher = Watcher(client, task_id)
    watcher.join()
    check_whole(watcher)
    whole = whole_frames(client, task_id)
    answer = cut_after(client, task_id, None, 100_000_000)
    chance = random.Random(SEED)
    places: Counter[str] = Counter()
    # An id line is so short that chance alone hardly meets one, and the head comes but once.
    aimed = [found.start() + 5 for found in chance.sample(list(_ID.finditer(answer)), 10)]
    aimed.append(chance.randrange(1, answer.index(b"\r\n\r\n")))
    for size in [chance.randrange(1, len(answer)) for _ in range(CUTS)] + aimed:
        patient = Patient(client, task_id)
        patient.come_back(size)
        places.update(patient.places)
        if not patient.ended:
            patient.come_back(100_000_000)
        assert patient.frames == whole, f"seed {SEED}"
    cuts = f"{CUTS} cuts and {len(aimed)} aimed ones"
    sys.stdout.write(f"replay: seed {SEED}, {cuts}, through {dict(places)}, of {len(answer)} bytes\n")
    assert {"a character", "a data line", "an id line", "the head"} <= set(places), (
        "there were Chinese characters to cut"
    )


@pytest.mark.parametrize("most", [900, 6_000])
def test_cut_again_and_again_until_the_end_is_reached(start: Start, ollama: ModelServer, most: int) -> None:
    client, task_id = ask_in_chinese(start, ollama, tokens_per_second=200)
    Watcher(client, task_id).join()
    whole = whole_frames(client, task_id)
    chance, patient, connections = random.Random(SEED), Patient(client, task_id), 0
    while not patient.ended:
        connections += 1
        assert connections < 5_000
        patient.come_back(chance.randrange(1, most) * patient.stuck)
    assert patient.frames == whole, f"seed {SEED}"
    sys.stdout.write(f"until the end: seed {SEED}, {connections} connections, cut through {dict(patient.places)}\n")


def test_cut_again_and_again_while_it_is_being_written(start: Start, ollama: ModelServer) -> None:
    client, task_id = ask_in_chinese(start, ollama, tokens_per_second=80)
    chance, patient, connections = random.Random(SEED), Patient(client, task_id), 0
    until = time.monotonic() + 90
    while not patient.ended:
        connections += 1
        assert time.monotonic() < until
        patient.come_back(chance.randrange(1, 1_200) * patient.stuck)
        time.sleep(chance.uniform(0.0, 0.02))
    assert patient.frames == whole_frames(client, task_id), f"seed {SEED}"
    watcher = Watcher(client, task_id)
    watcher.join()
    check_whole(watcher)
    assert len(finished_texts(watcher.events)) == 7
    sys.stdout.write(f"while written: seed {SEED}, {connections} connections, cut through {dict(patient.places)}\n")
