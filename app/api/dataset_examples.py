"""A dataset as it is made and as it is answered, shown by /docs."""

from fastapi.openapi.models import Example

DATASET_ID = "ds_01KB0H1R9C4T6Y8N3W5X7Z2QKM"

NEW: dict[str, Example] = {
    "pictures": {
        "summary": "A zip with a folder for each class",
        "value": {"name": "my-cats", "file_name": "cats.zip"},
    },
    "shape": {
        "summary": "Grey pictures of 64 x 48 pixels, a tenth for the test, without duplicates",
        "value": {
            "name": "scans",
            "image": {"size": [48, 64], "fit": "pad", "color": "grey"},
            "parts": {"test_fraction": 0.1, "seed": 7},
            "deduplicate": True,
        },
    },
    "table": {
        "summary": "A table; zip codes look like numbers and are none",
        "value": {
            "name": "incomes",
            "kind": "table",
            "file_name": "incomes.csv",
            "table": {"target": "income", "columns": {"zip": "category"}},
        },
    },
}
DATASET = {
    "id": DATASET_ID,
    "name": "my-cats",
    "version": 1,
    "kind": "image",
    "status": "ready",
    "created_at": "2026-11-26T09:30:00.000Z",
    "submitted_by": None,
    "file_name": "cats.zip",
    "options": {
        "image": {"size": None, "fit": "crop", "color": "auto", "ground": "#ffffff"},
        "table": {
            "target": None,
            "columns": {},
            "delimiter": None,
            "encoding": None,
            "header": None,
        },
        "parts": {"test_fraction": 0.2, "seed": 0, "group": None, "split": None},
        "deduplicate": False,
        "file": None,
        "label": None,
    },
    "content": {"sha256": "7d" * 32, "bytes": 48213377},
    "progress": None,
    "facts": {
        "kind": "image",
        "input_shape": [3, 128, 128],
        "classes": 3,
        "train_images": 960,
        "test_images": 240,
        "validation_images": 0,
        "id": DATASET_ID,
        "version": 1,
        "sha256": "1f" * 32,
        "duplicates": 0,
        "revealing": [],
    },
    "refusal": None,
}
