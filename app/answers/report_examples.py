"""Reports as they are, shown by /docs."""

from app.answers.examples import MODEL_ID, PNG_BASE64

_SHOWN = {"name": None, "image": f"data:image/png;base64,{PNG_BASE64}", "row": None}
REPORT = {
    "images": 10000,
    "accuracy": {"value": 0.9817, "low": 0.9789, "high": 0.9841},
    "macro": {"precision": 0.9816, "recall": 0.9815, "f1": 0.9815},
    "classes": [{"label": "0", "images": 980, "precision": 0.982, "recall": 0.992, "f1": 0.987}],
    "confusion_matrix": [[972]],
    "calibration": {
        "expected_error": 0.0049,
        "bins": [
            {"low": 0.9333, "high": 1.0, "images": 9641, "confidence": 0.9972, "accuracy": 0.9926}
        ],
    },
    "worst_mistakes": [
        {
            "index": 8325,
            **_SHOWN,
            "label": "0",
            "predicted": "6",
            "confidence": 0.9999,
        }
    ],
    "typical": [{"index": 3, **_SHOWN, "label": "0", "confidence": 1.0}],
    "suspects": [
        {
            "index": 59915,
            **_SHOWN,
            "label": "4",
            "suggested": "7",
            "suspicion": 0.98,
        }
    ],
    "columns": None,
}
COMPARISON = {
    "a": {"model": "model_01KB0ECXN4T8R2Y6D0S5W3Q7VB", "name": "reference", "accuracy": 0.9787},
    "b": {"model": MODEL_ID, "name": "two layers", "accuracy": 0.9817},
    "images": 10000,
    "difference": {"value": 0.003, "low": 0.00083, "high": 0.00517},
    "discordant": {"only_a": 46, "only_b": 76},
    "p_value": 0.00838,
    "classes": [{"label": "0", "images": 980, "a": 0.991, "b": 0.992, "difference": 0.001}],
    "verdict": (
        "b is better: b is right on 9817 of 10000 test images, a on 9787, a difference of +0.30 "
        "percentage points (+0.08 to +0.52), p = 0.0084."
    ),
}
