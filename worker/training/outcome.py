"""What a trained network leaves: its files, its measures, and what they follow from."""

from typing import Any

import msgspec
import numpy as np
from torch import nn

from app.jobspec import JobSpec
from worker.messages import Finished
from worker.training import export, report
from worker.training.dataset import Dataset
from worker.training.evaluation import Evaluation


def finished(
    spec: JobSpec,
    dataset: Dataset,
    net: nn.Module,
    *,
    test: Evaluation,
    metrics: dict[str, float],
    provenance: dict[str, Any],
) -> Finished:
    """The last word of a run, from what the network does on the test images and other `metrics`.

    The dataset's description is that with which the network's inputs were normalized.
    """
    net, description = net.cpu(), dataset.description
    signature: dict[str, Any] = {
        "input_shape": description.input_shape,
        "pixel_range": description.pixel_range,
        "classes": description.classes,
    }
    measured = dataset.test_labels.astype(np.int64), test.probabilities.numpy()
    metadata = {"spec": spec.model_dump(mode="json"), **signature}
    metadata |= {"mean": description.mean, "std": description.std}
    return Finished(
        signature=signature,
        metrics={
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "confusion_matrix": test.confusion,
            **metrics,
        },
        provenance=provenance,
        weights_sha256=export.weights_sha256(net),
        weights=export.weights(net, metadata),
        onnx=export.onnx(net, description),
        report=msgspec.json.encode(report.report(*measured, dataset.test_images, description)),
        answers=report.answers(*measured),
    )
