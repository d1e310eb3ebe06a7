"""Writes small packs to a folder, whole or with one thing changed."""

import json
from pathlib import Path

TOPICS = {
    "love": "先把心裡的話說清楚，再看對方怎麼回應。",
    "work": "手上的案子照次序做，不必同時開三件。",
    "wealth": "進出的帳每晚記一筆，月底自然看得見漏洞。",
    "health": "睡前少看螢幕，胸悶不適就早點去看醫師。",
    "study": "一章讀熟才翻下一章，錯題抄在同一本上。",
    "family": "長輩的話先聽完，晚飯桌上別提舊帳。",
    "travel": "車票提早訂好，雨具放在最上面的袋子。",
}


def collection(**changed):
    made = {
        "id": "sample",
        "names": {"zh-Hant": "樣本靈籤", "en": "Sample Lots"},
        "deity": {"zh-Hant": "樣本公", "en": "The Lord of Samples"},
        "aliases": ["Sam Ple", "樣本"],
        "size": 3,
        "edition": "Made for tests.",
        "source": "Made for tests.",
        "licence": "Apache-2.0.",
    }
    return {**made, **changed}


def lot(number, **changed):
    verse = ["春江潮水連海平", "海上明月共潮生"] if number != 2 else ["灩灩隨波千萬里"]
    return {"number": number, "lines": verse, "fortune": {"label": "上吉", "polarity": "good"}, **changed}


def commentary(lines=2, **changed):
    made = {
        "gloss": ["春天的江水與海連成一片。", "月亮隨著潮水從海上升起。"][:lines],
        "overall": "潮水與月色一同升起，事情正往好的方向走。",
    }
    return {**made, "topics": dict(TOPICS), **changed}


def write_pack(folder: Path, lots=None, about=None) -> Path:
    """`lots`: values, or lines as text or bytes; `about`: a value, text or bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    about = collection() if about is None else about
    rows = [lot(1), lot(2), lot(3, lines=["江流宛轉繞芳甸"])] if lots is None else lots
    (folder / "collection.json").write_bytes(_bytes(about, indent=2))
    (folder / "lots.jsonl").write_bytes(b"".join(_bytes(row) + b"\n" for row in rows))
    return folder


def _bytes(value, indent=None):
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=indent)
    return text.encode()
