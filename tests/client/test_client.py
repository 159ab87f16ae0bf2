"""A person's way through the Python client: train, be told, mend it, promote, predict."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from app.codes import Status
from app.local import Service
from traind import (
    AsyncClient,
    BadInput,
    BadKey,
    Client,
    DatasetRefused,
    Job,
    JobFailed,
    JobSpec,
    NoModel,
    Problem,
    inputs,
)

DIGITS = load_digits()


def test_a_job_is_waited_for_and_knows_what_it_has_measured(client: Client, trained: Job) -> None:
    assert trained.status == "succeeded"
    assert trained.has_ended
    assert trained.answer.status is Status.SUCCEEDED
    assert "test accuracy" in repr(trained)
    curves = trained.metrics()
    assert {"running_loss", "train_loss", "validation_accuracy"} <= set(curves.names)
    assert [point.epoch for point in curves["train_loss"]] == [1, 2]
    table = curves.to_pandas()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["name", "step", "epoch", "value"]
    assert len(table) == len(curves)
    picture = io.BytesIO()
    trained.plot().savefig(picture, format="png")
    assert Image.open(picture).size[0] >= 1000
    assert trained.diagnosis().job == trained.id
    assert trained.explain().startswith("# digits")
    kinds = [event.kind for event in trained.events()]
    assert (kinds[0], kinds[-1]) == ("state", "state")
    watched = [event for event in trained.watch() if not hasattr(event, "progress")]
    assert [event.id for event in watched] == list(range(1, len(kinds) + 1))
    assert trained.id in [job.id for job in client.jobs(status="succeeded")]
    assert trained.id in [found.id for found in client.summaries(2)]


def test_what_fails_is_told_and_corrected_by_its_diagnosis(client: Client) -> None:
    job = client.train(preset="digits", training={"optimizer": {"lr": 1000.0}, "epochs": 3})
    with pytest.raises(JobFailed, match=r"Lower training\.optimizer\.lr") as failed:
        job.wait()
    assert failed.value.job.failure is not None
    assert job.status == "failed"
    with pytest.raises(NoModel, match="failed"):
        job.model()
    assert job.diagnosis().verdict == "learning_rate_too_high"
    better = job.retry(apply="suggestion").wait()
    assert better.answer.retry_of == job.id
    assert (better.model().answer.metrics["test_accuracy"] or 0) > 0.8


def test_a_job_is_paused_resumed_and_cancelled(client: Client) -> None:
    job = client.train({"dataset": {"name": "digits"}, "training": {"epochs": 1000}})
    while job.refresh(wait=5).status == "queued":
        pass
    job.pause()
    while job.status != "paused":
        job.refresh(wait=5)
    assert job.resume().status == "queued"
    with pytest.raises(TimeoutError, match="goes on"):
        job.wait(timeout=0.01)
    job.cancel()
    with pytest.raises(JobFailed, match="cancelled"):
        job.wait()


def test_a_specification_may_be_typed_and_is_refused_with_its_field(client: Client) -> None:
    spec = JobSpec.model_validate({"preset": "digits", "name": "typed"})
    plan = client.validate(spec)
    assert plan.spec["training"]["epochs"] == 20
    assert plan.spec["name"] == "typed"
    with pytest.raises(Problem, match="training/batch_size") as refused:
        client.train(training={"batch_size": 0})
    assert refused.value.status == 422
    assert refused.value.errors[0]["pointer"] == "/training/batch_size"


@pytest.mark.parametrize("form", ["flat", "nested", "channels", "one", "tensor", "list", "floats"])
def test_arrays_are_predicted_from(trained: Job, form: str) -> None:
    pixels = DIGITS.images[:300].astype(np.uint8)
    given = {
        "flat": pixels.reshape(300, 64),
        "nested": pixels,
        "channels": pixels[..., None],
        "one": pixels[7],
        "tensor": torch.tensor(pixels)[:, None],
        "list": list(pixels),
        "floats": pixels.astype(np.float32).tolist(),
    }[form]
    model = trained.model()
    found = model.predict(given, top_k=2)
    expected = DIGITS.target[:300] if form != "one" else DIGITS.target[7:8]
    assert len(found) == len(expected)
    assert np.mean([int(each.label) for each in found] == expected) > 0.9
    assert all(each.top is not None and len(each.top) == 2 for each in found)


def test_pictures_are_predicted_from(trained: Job, tmp_path: Path) -> None:
    model = trained.model()
    picture = Image.fromarray((255 - DIGITS.images[0] * 15).astype(np.uint8)).resize((64, 64))
    picture.save(tmp_path / "zero.png")
    content = (tmp_path / "zero.png").read_bytes()
    found = model.predict([picture, content, tmp_path / "zero.png", str(tmp_path / "zero.png")])
    assert len({tuple(each.probabilities) for each in found}) == 1
    assert model.predict(tmp_path / "zero.png")[0].probabilities == found[0].probabilities
    assert model.predict(picture.convert("CMYK"))[0].label == found[0].label
    with pytest.raises(BadInput, match=r"\(5, 5\)"):
        model.predict(np.zeros((5, 5)))
    with pytest.raises(BadInput, match="object"):
        model.predict(object())
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(BadInput, match="notes"):
        model.predict(tmp_path / "notes.txt")


def test_pixels_may_come_in_a_file(trained: Job, tmp_path: Path) -> None:
    model = trained.model()
    several = [DIGITS.images[at].astype(int).tolist() for at in (0, 1)]
    (tmp_path / "several.json").write_text(json.dumps(several))
    (tmp_path / "one.json").write_text(json.dumps(several[1]))
    assert len(model.predict(tmp_path / "several.json")) == 2
    [one] = model.predict(tmp_path / "one.json")
    assert one == model.predict(DIGITS.images[1])[0]
    (tmp_path / "flat.json").write_text(json.dumps([0] * 784))
    assert list(inputs.parts(tmp_path / "flat.json", (1, 28, 28))) == [[[0] * 784]]


def test_large_pictures_come_in_requests_that_a_service_takes() -> None:
    pictures = np.random.default_rng(0).random((60, 3, 64, 64))
    sent = list(inputs.parts(pictures, (3, 64, 64)))
    assert sum(map(len, sent)) == 60
    assert all(len(json.dumps(part)) <= inputs.MOST_CHARACTERS * 1.1 for part in sent)
    assert [len(part) for part in inputs.parts(np.zeros((600, 64)), (1, 8, 8))] == [256, 256, 88]


def test_a_model_is_a_torch_module_with_the_same_answers(trained: Job) -> None:
    model = trained.model()
    pixels = DIGITS.images[:20]
    net = model.to_torch()
    with torch.inference_mode():
        own = net(torch.tensor(pixels)[:, None]).softmax(1).numpy()
    told = np.array([each.probabilities for each in model.predict(pixels)])
    np.testing.assert_allclose(own, told, atol=1e-5)
    assert net.classes == model.classes


def test_models_are_named_promoted_compared_saved_and_deleted(
    client: Client, trained: Job, tmp_path: Path
) -> None:
    first = trained.model()
    second = trained.retry(patch={"training": {"epochs": 1}}).wait().model()
    assert first.promote().model == first.id
    assert client.model().id == first.id
    assert second.promote("production").previous == first.id
    assert client.roll_back().model == first.id
    assert {alias.name for alias in client.aliases()} == {"latest", "production"}
    assert first.compare(second).b.model == second.id
    assert first.report().images == 360
    assert first.card().startswith("# Model card")
    assert first.describe(name="the first").answer.name == "the first"
    assert first.save(tmp_path / "a.onnx").read_bytes() == first.onnx()
    assert first.save(str(tmp_path / "a.safetensors")).read_bytes() == first.weights()
    assert [model.id for model in client.models(sort="oldest")][:1] == [first.id]
    third = trained.retry(patch={"training": {"epochs": 1}}).wait().model()
    second.delete()
    with pytest.raises(Problem, match="no model") as gone:
        client.model(second.id)
    assert gone.value.code == "model_not_found"
    assert client.model("latest").id == third.id


def test_a_table_of_one_s_own_is_added_trained_on_and_asked(client: Client, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    people = pd.DataFrame({"age": draw.integers(20, 70, 200), "job": draw.choice(["a", "b"], 200)})
    people["class"] = np.where(people.age > 45, "old", "young")
    people.to_csv(tmp_path / "My People.csv", index=False)
    shown: list[str] = []
    dataset = client.datasets.add(
        tmp_path / "My People.csv", on_import=lambda each: shown.append(each.status)
    )
    assert (dataset.name, dataset.kind, dataset.facts and dataset.facts.classes) == (
        "my-people",
        "table",
        2,
    )
    assert shown[-1] == "ready"
    assert client.datasets.report("my-people")["classes"]
    spec = {"preset": "table", "dataset": {"name": "my-people"}, "training": {"epochs": 30}}
    model = client.train(spec).wait().model()
    rows = people.drop(columns="class")[:20]
    rows.loc[3, "age"] = np.nan
    found = model.predict(rows)
    assert len(found) == 20
    assert found[3].warnings is not None
    assert found[3].warnings[0].code == "missing_value"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert [each.label for each in model.predict(tmp_path / "rows.csv")] == [
        each.label for each in found
    ]
    assert model.predict({"age": 21, "job": "a"})[0].label == "young"
    with torch.inference_mode():
        logits = model.to_torch()(torch.tensor([[21.0, 0.0]]))
    assert logits.shape == (1, 2)
    with pytest.raises(BadInput, match="rows"):
        model.predict(np.zeros((3, 2)))
    assert [each.name for each in client.datasets.list(name="my-people")] == ["my-people"]


def test_a_file_that_cannot_be_used_says_so(client: Client, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("a,class\n1,x\n2,y\n")
    with pytest.raises(DatasetRefused, match="rows") as refused:
        client.datasets.add(tmp_path / "few.csv")
    assert refused.value.dataset.status == "refused"
    client.datasets.delete(refused.value.dataset.id)
    with pytest.raises(Problem, match="name"):
        client.datasets.add(tmp_path / "few.csv", "No Name")


def test_a_key_that_is_none_is_told_before_anything_is_sent(service: Service) -> None:
    with pytest.raises(BadKey):
        Client(service.url, key="two words")


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(
    service: Service, trained: Job, tmp_path: Path
) -> None:
    async with AsyncClient(service.url) as client:
        job = await client.train(preset="digits", training={"epochs": 1})
        events = [event async for event in job.watch()]
        assert "succeeded" in str(events[-1])
        assert (await job.wait()).status == "succeeded"
        model = await job.model()
        found = await model.predict(DIGITS.images[:5])
        assert len(found) == 5
        assert trained.id in [each.id async for each in client.jobs()]
        (tmp_path / "few.csv").write_text("a,class\n1,x\n2,y\n")
        with pytest.raises(DatasetRefused):
            await client.datasets.add(tmp_path / "few.csv", "async-few")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
