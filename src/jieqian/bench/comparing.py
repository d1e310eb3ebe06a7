"""`bench quality --compare-models`: the run, the judge, and the report, over the records of one plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from jieqian.bench.comparison import Advance, Plan, Tell, look_at_all, run
from jieqian.bench.comparison_report import comparison_report
from jieqian.bench.contenders import Contender
from jieqian.bench.findings import findings_of
from jieqian.bench.judging import check_judge, judge_all
from jieqian.bench.records import open_records
from jieqian.bench.report import Report
from jieqian.errors import UsageError
from jieqian.settings import Settings

NAME = "comparison"


async def measure(
    plan: Plan,
    judge: Contender | None,
    folder: Path,
    settings: Settings,
    advance: Advance,
    tell: Tell,
    missing: Callable[[str], None],
) -> Report:
    """Ask what is not asked yet and report on all there is; `missing` is told of models not through.

    Raises `UsageError` where the plan cannot be begun; whatever ends it later, the records stay.
    """
    with open_records(folder, NAME, plan.as_dict()) as records:
        seen = await look_at_all(plan.contenders, settings, records)
        if judge is not None:
            await check_judge(judge, settings, plan.contenders)
        left = await run(plan, records, settings, seen, advance, tell)
        for written, cause in left.items():
            missing(f"{written}: {cause}")
        if judge is not None:
            broken = await judge_all(judge, plan.questions, records, settings, advance, tell)
            if broken:
                missing(f"The judge {judge.written}: {broken}")
        found = list(records.found)
    if not any("sections" in record for record in found):
        raise UsageError(f"No reading was made. {'; '.join(left.values())}")
    told = judge.written if judge else None
    findings = await asyncio.to_thread(findings_of, plan, found, left=left, judge=told)
    return await asyncio.to_thread(comparison_report, findings)
