"""What is sent, and problems, as they are, shown by /docs."""

from fastapi.openapi.models import Example

from app.answers.examples import MODEL_ID, PROBABILITIES

SPECS: dict[str, Example] = {
    "reference": {
        "summary": "The reference: MNIST, 784-500-10, ReLU, SGD, 10 epochs",
        "value": {},
    },
    "digits": {
        "summary": "Small digits that need no download",
        "value": {"name": "small digits", "dataset": {"name": "digits"}},
    },
    "preset": {
        "summary": "A recipe, with a field of one's own on top",
        "value": {"preset": "mnist-fast", "training": {"seed": 7}},
    },
    "deeper": {
        "summary": "Two hidden layers, Adam, larger batches, a label",
        "value": {
            "name": "two layers",
            "labels": {"team": "vision"},
            "model": {"hidden": [256, 128], "dropout": 0.2},
            "training": {
                "epochs": 5,
                "batch_size": 64,
                "optimizer": {"name": "adam", "lr": 0.001},
            },
        },
    },
}
RETRIES: dict[str, Example] = {
    "again": {"summary": "The same again", "value": {}},
    "checkpoint": {"summary": "From its newest checkpoint", "value": {"begin": "checkpoint"}},
    "suggestion": {
        "summary": "With what the diagnosis suggests",
        "value": {"apply": "suggestion"},
    },
    "patch": {
        "summary": "With a change of one's own",
        "value": {"patch": {"training": {"optimizer": {"lr": 0.01}, "schedule": None}}},
    },
}
PROBLEM = {
    "type": "urn:traind:problem:invalid_request",
    "title": "The request is not valid",
    "status": 422,
    "detail": "/training/optimizer/lr: must be above 0.",
    "code": "invalid_request",
    "errors": [{"pointer": "/training/optimizer/lr", "detail": "must be above 0"}],
}
METADATA = {
    "name": "production",
    "versions": [MODEL_ID],
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": "pixels", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
}
INFER = {
    "id": "1",
    "inputs": [
        {"name": "pixels", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [0.0] * 784}
    ],
}
INFERRED = {
    "model_name": "production",
    "model_version": MODEL_ID,
    "outputs": [
        {"name": "probabilities", "datatype": "FP32", "shape": [1, 10], "data": PROBABILITIES}
    ],
    "id": "1",
}

NEW_DATASETS: dict[str, Example] = {
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
