"""What a job may say: recipes to start from, and the schema of the whole."""

from typing import Any

from fastapi import APIRouter

from app.answers.jobs import Preset
from app.answers.pages import Page
from app.api.cursors import cursor, sort_key
from app.api.parameters import After, PageSize
from app.api.routes import Route, needs
from app.jobspec import JobSpec
from app.jobspec.presets import PRESETS
from app.store.keys import Scope

router = APIRouter(prefix="/presets", tags=["jobs"], route_class=Route)


@router.get("", summary="List recipes to start from")
@needs(Scope.READ)
def list_presets(limit: PageSize = 100, after: After = None) -> Page[Preset]:
    """Each recipe, as `POST /jobs {"preset": "mnist-fast"}` would run it."""
    names = list(PRESETS)
    (start,) = sort_key(after, lambda name: names.index(name) + 1) or (0,)
    stop = start + limit
    data = [
        Preset(
            name=name,
            about=PRESETS[name].about,
            spec=JobSpec.model_validate({"preset": name}).model_dump(mode="json"),
        )
        for name in names[start:stop]
    ]
    return Page(data=data, next=cursor(names[stop - 1]) if stop < len(names) else None)


@router.get("/schema", summary="The schema of a specification")
@needs(Scope.READ)
def get_schema() -> dict[str, Any]:
    """JSON Schema of what `POST /jobs` takes: every field, its default, limits and meaning."""
    return JobSpec.model_json_schema()
