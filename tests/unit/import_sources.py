"""Writes others' lots as they come: one JSON file a lot, tables, archives."""

import json
import zipfile
from pathlib import Path

VERSE = ("春江潮水連海平", "海上明月共潮生", "灩灩隨波千萬里", "何處春江無月明")


POEM = "，".join(VERSE)


def old_lot(number, poem=POEM, fortune="上上", **changed):
    """One lot in the older one-file layout."""
    analysis = {"zh": "", "en": "", "jp": "", "reference": "", **changed.pop("analysis", {})}
    made = {"id": number, "title": "", "subtitle": "", "fortune": fortune, "poem": poem, "analysis": analysis}
    return {**made, **changed}


def verse_of(number):
    """A verse of its own for each number."""
    signs = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽"
    return "，".join("".join(signs[(number * 7 + at * 5 + line) % len(signs)] for at in range(7)) for line in range(4))


def write_lots(folder: Path, files) -> Path:
    """`files`: by name a lot, text or bytes."""
    for name, held in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = held if isinstance(held, str | bytes) else json.dumps(held, ensure_ascii=False)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def write_zip(path: Path, files) -> Path:
    """`files`: by name, or by `ZipInfo`, a lot, text or bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in files.items():
            archive.writestr(name, held if isinstance(held, str | bytes) else json.dumps(held, ensure_ascii=False))
    return path
