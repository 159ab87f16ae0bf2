"""What a job may say: recipes to start from, and the schema of the whole."""

from typing import Any

from fastapi import APIRouter

from app.answers.jobs import Preset
from app.answers.pages import Page
from app.api.routes import Route, needs
from app.jobspec import JobSpec
from app.jobspec.presets import PRESETS
from app.store.keys import Scope

router = APIRouter(prefix="/presets", tags=["jobs"], route_class=Route)


@router.get("", summary="List recipes to start from")
@needs(Scope.READ)
def list_presets() -> Page[Preset]:
    """Each recipe, as `POST /jobs {"preset": "mnist-fast"}` would run it."""
    data = [
        Preset(
            name=name,
            about=preset.about,
            spec=JobSpec.model_validate({"preset": name}).model_dump(mode="json"),
        )
        for name, preset in PRESETS.items()
    ]
    return Page(data=data, next=None)


@router.get("/schema", summary="The schema of a specification")
@needs(Scope.READ)
def get_schema() -> dict[str, Any]:
    """JSON Schema of what `POST /jobs` takes: every field, its default, limits and meaning."""
    return JobSpec.model_json_schema()
