"""What a trained network leaves: its measures on the test images, its files, its report."""

import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from torch import nn

from app.jobspec import JobSpec
from worker.messages import Finished
from worker.training import export, graph, report
from worker.training.backbone import Backbone
from worker.training.dataset import Dataset
from worker.training.evaluation import evaluate
from worker.training.importance import importance
from worker.training.interruptions import Diverged
from worker.training.splits import Splits
from worker.training.state import State
from worker.training.suspects import Suspect


def finish(
    spec: JobSpec,
    dataset: Dataset,
    splits: Splits,
    state: State,
    criterion: nn.Module,
    *,
    backbone: Backbone | None,
    suspects: list[Suspect],
    provenance: dict[str, Any],
) -> Finished:
    """Tests the trained network and makes what is published of it.

    The dataset's description says how the network's inputs were normalized.

    Raises:
        Diverged: the test loss is not finite, which no validation set has shown before.
    """
    net, description = state.net, dataset.description
    classes = len(description.classes)
    test = evaluate(net, criterion, splits.test, classes)
    if not math.isfinite(test.loss):  # the very last step has broken the network
        at = state.position
        raise Diverged(replace(at, epoch=at.epoch - 1, batch=spec.steps_per_epoch))
    metrics = {
        "test_loss": test.loss,
        "test_accuracy": test.accuracy,
        **{f"test_{name}": value for name, value in test.scores().items()},
        "confusion_matrix": test.confusion,
    }
    if state.best.weights:  # early stopping has put them back, and the last epoch's did worse
        of_training = ("train_loss", "train_accuracy")
        metrics |= {
            name: value for name, value in state.best.metrics.items() if name in of_training
        }
        validation = evaluate(net, criterion, splits.validation, classes)
        metrics["validation_loss"] = validation.loss
        metrics["validation_accuracy"] = validation.accuracy
        metrics |= {f"validation_{name}": value for name, value in validation.scores().items()}
    signature = description.signature()
    metadata = {"spec": spec.model_dump(mode="json"), **signature, **description.statistics()}
    measured = dataset.test_labels.astype(np.int64), test.probabilities.numpy()
    net = net.cpu()
    if backbone is not None and spec.model.frozen:
        net = nn.Sequential(*backbone.frozen(spec), *net)
    columns = importance(net, dataset, spec.training.seed)
    found = report.report(*measured, dataset.test_images, description, dataset.names("test"))
    found |= {"columns": columns, "suspects": report.suspects(suspects, dataset)}
    return Finished(
        signature=signature,
        metrics=metrics,
        provenance=provenance,
        weights_sha256=export.weights_sha256(net),
        weights=export.weights(net, metadata),
        onnx=graph.written(net, spec.layers, description),
        report=msgspec.json.encode(found),
        predictions=report.predictions(*measured),
    )
