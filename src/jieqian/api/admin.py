"""What only the operator may do: `/api/v1/admin/...`, with ADMIN_TOKEN or from the service's own machine."""

from __future__ import annotations

import os
from typing import Any

from fastapi import APIRouter, Depends

from jieqian import __version__
from jieqian.api import (
    admin_backup,
    admin_cache,
    admin_collections,
    admin_corpus,
    admin_experiments,
    admin_faq,
    admin_keys,
    admin_metrics,
    admin_models,
)
from jieqian.api.callers import require_operator
from jieqian.api.house import Housed

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(require_operator)])
router.include_router(admin_keys.router)
router.include_router(admin_models.router)
router.include_router(admin_cache.router)
router.include_router(admin_faq.router)
router.include_router(admin_experiments.router)
router.include_router(admin_corpus.router)
router.include_router(admin_collections.router)
router.include_router(admin_backup.router)
router.include_router(admin_metrics.router)


@router.get("/service")
async def service(house: Housed) -> dict[str, Any]:
    """Which process serves which data: `{"pid", "version", "data_dir", "works"}`."""
    return {
        "pid": os.getpid(),
        "version": __version__,
        "data_dir": str(house.settings.data_dir.resolve()),
        "works": house.works_here,
    }
