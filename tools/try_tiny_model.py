"""Lets the packaged small model speak on twenty lots and shows what passes its checks, for a person to read.

Usage: python tools/try_tiny_model.py [TARGET.md]   (five minutes on two cores)
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from jieqian.checks.check import SectionDraft
from jieqian.checks.sections import check_section
from jieqian.languages import Language
from jieqian.llm.llamacpp import LlamaCppClient, packaged_model
from jieqian.lots.library import LotLibrary
from jieqian.prompt.builder import build_prompt
from jieqian.sections.retelling import Retelling, note_of
from jieqian.sections.section import SECTIONS, SectionName
from jieqian.sections.strategy import DraftEnded, WritingOptions, WritingOrder

QUESTIONS = (
    *("Will she write back to me?", "Should I take the job in Osaka?", "Is this a good year to buy a flat?"),
    *("My mother is ill; will she recover?", "Will I pass the bar exam?", "Should I forgive my brother?"),
    *("Is it wise to travel in March?", "Does he love me?", "Should I open the bakery?", "How will my year be?"),
    *("Will we have a child?", "Should I quit my job?", "Will the court case end well?"),
    *("Can I trust my business partner?", "Will my son find his way at school?", "Should I move back home?"),
    *("Is my back pain going to get better?", "Should I lend my friend the money?", "Will I marry this year?"),
    "What should I watch out for?",
)
OPTIONS = WritingOptions(
    max_tokens=2000, thinking=None, first_token_seconds=100, between_tokens_seconds=30, context_tokens=4096
)


def main(target: Path | None) -> int:
    """Write the trial down, or print it."""
    file = packaged_model()
    if file is None:
        print("There is no packaged model here: make run installs it.", file=sys.stderr)
        return 1
    text = asyncio.run(tried(file))
    if target is None:
        print(text)
    else:
        target.write_text(text, encoding="utf-8")
    return 0


async def tried(file: Path) -> str:
    """Lots 1 to 20 read, the two collections in turn: what passed, as Markdown."""
    library = LotLibrary()
    client = LlamaCppClient(file, context_tokens=OPTIONS.context_tokens)
    model = (await client.models())[0]
    told: list[str] = []
    passed = 0
    began = time.monotonic()
    try:
        for number, question in enumerate(QUESTIONS, start=1):
            collection = library.collection("yuelao" if number % 2 else "guanyin")
            lot = library.lot(collection.id, number)
            prompt = build_prompt(
                lot=lot, collection=collection, language=Language.EN, passages=(), question=question, parent=None
            )
            order = WritingOrder(
                client=client, model=model, prompt=prompt, wanted=SECTIONS, options=OPTIONS, complaints={}, written={}
            )
            written: dict[SectionName, str] = {}
            async for draft in Retelling().write(order):
                if not isinstance(draft, DraftEnded):
                    continue
                whole = SectionDraft(
                    section=draft.section,
                    text=draft.text,
                    lot=lot,
                    collection=collection,
                    language=Language.EN,
                    question=question,
                    written=written,
                )
                if check_section(whole) is None:
                    written[draft.section] = draft.text
            passed += len(written)
            told += [f"\n## {lot.id}: {question}\n"]
            for section, text in written.items():
                told += [f"- **{section.value}** note: {note_of(section, order)}", f"  - model: {text}"]
            print(f"{lot.id}: {len(written)}", file=sys.stderr)
    finally:
        await client.close()
    seconds = time.monotonic() - began
    told.insert(0, f"{passed} of {7 * len(QUESTIONS)} sections passed, in {seconds / len(QUESTIONS):.1f} s a lot.")
    return "\n".join(told) + "\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
