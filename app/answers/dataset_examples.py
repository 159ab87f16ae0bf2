"""A dataset as the API answers it, shown by /docs."""

DATASET_ID = "ds_01KB0H1R9C4T6Y8N3W5X7Z2QKM"
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
