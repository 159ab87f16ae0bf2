"""Answers as they are, shown by /docs."""

from app.jobspec import JobSpec

JOB_ID = "job_01KB0F5T3Y7Q1W8ZC2N4R6M9XD"
MODEL_ID = "model_01KB0F8M2E5V9K3T7H1G4P6JSA"
OLDER_ID = "model_01KAY2Q7D0R8XNB5W3E6F9HJSM"
PROGRESS = {
    "epoch": 10,
    "epochs": 10,
    "step": 135000,
    "steps": 135000,
    "percent": 100.0,
    "samples_per_second": 11000.0,
    "eta_seconds": 0.0,
}
METRICS = {
    "train_loss": 0.0134,
    "train_accuracy": 0.9985,
    "validation_loss": 0.0712,
    "validation_accuracy": 0.981,
    "test_loss": 0.0631,
    "test_accuracy": 0.9817,
}
SPEC = JobSpec().model_dump(mode="json")
JOB = {
    "id": JOB_ID,
    "name": "reference",
    "status": "succeeded",
    "attempt": 1,
    "worker": None,
    "waiting": None,
    "labels": {},
    "created_at": "2026-11-23T18:00:00.123Z",
    "started_at": "2026-11-23T18:00:00.131Z",
    "first_step_at": "2026-11-23T18:00:00.190Z",
    "ended_at": "2026-11-23T18:01:31.020Z",
    "cancel_requested": False,
    "pause_requested": False,
    "retry_of": None,
    "applied": None,
    "range_of": None,
    "chain": [],
    "verdict": "healthy",
    "submitted_by": None,
    "spec": SPEC,
    "progress": PROGRESS,
    "metrics": METRICS,
    "failure": None,
    "model": MODEL_ID,
}
CHANGE = {
    "pointer": "/training/optimizer/lr",
    "before": 100.0,
    "after": 0.01,
    "effect": "Smaller steps do not overshoot.",
}
SUGGESTION = {"training": {"optimizer": {"lr": 0.01}}}
FINDING = {
    "code": "learning_rate_too_high",
    "title": "Learning rate too high",
    "severity": "critical",
    "since": {"epoch": 1, "step": 40},
    "evidence": [
        {
            "name": "loss against its start",
            "value": 31.5,
            "threshold": 2.0,
            "comparison": "above",
            "meaning": "how many times the first loss the loss is now",
        }
    ],
    "explanation": "Each step overshoots the valley. So the loss grows instead of falling.",
    "advice": "Use a smaller learning rate.",
    "symptom_of": None,
    "picture": "loss",
    "suggestion": SUGGESTION,
    "changes": [CHANGE],
}
DIAGNOSIS = {
    "job": JOB_ID,
    "verdict": "learning_rate_too_high",
    "final": True,
    "step": 400,
    "epoch": 1,
    "findings": [FINDING],
    "suggestion": SUGGESTION,
    "changes": [CHANGE],
    "spec": JobSpec().model_dump(mode="json"),
    "series": {"gradient norm, layer 1": [[100, 0.52], [200, 41.0], [300, None]]},
    "lr_range": None,
}
RANGE_TEST = {
    "job": "job_01KB0H2A6C9E3G7J1M5P8R4TVW",
    "of": JOB_ID,
    "status": "succeeded",
    "lowest": 1e-06,
    "highest": 10.0,
    "recommended": 0.021,
    "steepest": 0.021,
    "diverges_at": 1.3,
    "advice": None,
    "curve": [[1e-06, 2.301], [0.001, 2.12], [0.021, 1.4], [0.4, 0.9], [1.3, 4.2]],
}
PRESET = {"name": "reference", "about": "The textbook's own: what `{}` means.", "spec": SPEC}
EVENT = {
    "id": 17,
    "at": "2026-11-23T18:00:03.456Z",
    "kind": "log",
    "message": "[1,  2000] loss: 0.312",
    "data": {"epoch": 1, "batch": 2000, "loss": 0.312},
}
POINT = {"name": "train_loss", "step": 13500, "epoch": 1, "value": 0.2931}
PLAN = {
    "spec": SPEC,
    "parameters": 397510,
    "layer_sizes": [784, 500, 10],
    "steps_per_epoch": 13500,
    "steps": 135000,
    "training_images": 54000,
    "validation_images": 6000,
    "checkpoint_bytes": 3180080,
    "estimated_seconds": 61.3,
}
MODEL = {
    "id": MODEL_ID,
    "job": JOB_ID,
    "name": "reference",
    "description": "",
    "aliases": ["latest"],
    "created_at": "2026-11-23T18:01:31.020Z",
    "input_shape": [1, 28, 28],
    "pixel_range": [0, 255],
    "target": None,
    "columns": None,
    "classes": [str(digit) for digit in range(10)],
    "preparation": None,
    "metrics": {"test_loss": 0.0631, "test_accuracy": 0.9817},
    "confusion_matrix": [[980 if a == b else 0 for b in range(10)] for a in range(10)],
    "weights_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "files": {
        "weights": {
            "sha256": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
            "bytes": 1592416,
        },
        "onnx": {
            "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "bytes": 1594120,
        },
    },
    "spec": SPEC,
    "provenance": {"torch": "2.13.0", "threads": 1},
}
ALIAS = {
    "name": "production",
    "model": MODEL_ID,
    "previous": OLDER_ID,
    "updated_at": "2026-11-23T19:12:45.310Z",
    "history": [
        {"model": MODEL_ID, "at": "2026-11-23T19:12:45.310Z", "by": None},
        {"model": OLDER_ID, "at": "2026-11-22T08:30:00.000Z", "by": None},
    ],
}
PROBABILITIES = [0.0, 0.0, 0.0001, 0.0012, 0.0, 0.0, 0.0, 0.998, 0.0, 0.0007]
PREDICTIONS = {
    "model": MODEL_ID,
    "predictions": [
        {
            "label": "7",
            "index": 7,
            "confidence": 0.998,
            "probabilities": PROBABILITIES,
            "top": [
                {"label": "7", "index": 7, "confidence": 0.998},
                {"label": "3", "index": 3, "confidence": 0.0012},
            ],
        }
    ],
}
PNG_BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAIElEQVR42mNgGEqAEUL9xy6MDcCUMuEzdlRygCSHFgAA"
    "8VwCHf2CfU4AAAAASUVORK5CYII="
)

SUMMARY = {
    "id": JOB_ID,
    "name": "reference",
    "status": "succeeded",
    "labels": {},
    "created_at": "2026-11-23T18:00:00.123Z",
    "ended_at": "2026-11-23T18:01:31.020Z",
    "dataset": "mnist",
    "network": "mlp",
    "progress": PROGRESS,
    "metrics": METRICS,
    "verdict": "healthy",
    "failure": None,
    "retry_of": None,
    "range_of": None,
    "model": MODEL_ID,
}
CHART = {
    "picture": "loss",
    "title": "The loss",
    "x_label": "step",
    "y_label": "loss (nats)",
    "log_x": False,
    "log_y": False,
    "lines": [{"name": "training", "points": [[100, 1.24], [200, 0.38]]}],
    "marks": [],
}
