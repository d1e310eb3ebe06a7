"""How long a reading waits before it asks a model server again."""

import pytest

from jieqian.errors import ModelBusy, ModelCutOff, ModelError
from jieqian.reading.run import BREATHS, LONGEST_BREATH, _breath


@pytest.mark.parametrize(
    ("failure", "attempts", "seconds"),
    [
        (ModelCutOff(), 1, BREATHS[0]),
        (ModelCutOff(), 2, BREATHS[1]),
        (ModelBusy("busy", retry_after_seconds=7), 1, 7.0),
        (ModelBusy("busy", retry_after_seconds=0), 2, BREATHS[1]),
        (ModelBusy("busy", retry_after_seconds=86_400), 1, LONGEST_BREATH),
    ],
)
def test_a_server_is_given_the_time_it_asks_for_within_reason(failure: ModelError, attempts: int, seconds: float):
    assert _breath(failure, attempts) == seconds
