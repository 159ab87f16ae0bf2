"""What a frozen backbone makes of each image is computed once, and does not depend on when."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from app.codes import StopReason
from app.jobspec import JobSpec
from tests.unit.training import own, pretrained
from tests.unit.training.own import Own
from tests.unit.training.runs import of
from worker.messages import Finished, Log, Report
from worker.training import backbone, features
from worker.training.backbone import Backbone
from worker.training.dataset import Dataset
from worker.training.features import Features
from worker.training.interruptions import Stopping
from worker.training.run import Run
from worker.training.splits import Splits, split

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return backbone.load("resnet18", pretrained.backbones(tmp_path_factory.mktemp("backbones")))


@pytest.fixture
def pictures(tmp_path: Path) -> Own:
    return own.make(tmp_path)


class Work:
    """What was asked of the backbone."""

    def __init__(self, most: int | None = None) -> None:
        self.said: list[Report] = []
        self.batches = 0
        self._most = most

    def heartbeat(self) -> None:
        if self.batches == self._most:
            raise Stopping(StopReason.PAUSE)
        self.batches += 1

    @property
    def lines(self) -> list[str]:
        return [line.message for line in of(Log, self.said)]


def job(pictures: Own, **dataset: Any) -> JobSpec:
    return pictures.spec(model={"kind": "pretrained"}, dataset=dataset)


def unit(pictures: Own) -> Dataset:
    """With pixels from 0 to 1, as runs give them to a backbone."""
    dataset = pictures.dataset
    return replace(dataset, description=dataset.description.normalized("unit"))


def seen(pictures: Own, weights: Backbone, work: Work, **dataset: Any) -> Splits:
    spec = job(pictures, **dataset)
    splits = split(spec, unit(pictures), CPU)
    return Features(weights, spec, unit(pictures), CPU).of(splits, work.said.append, work.heartbeat)


def rows(splits: Splits) -> list[torch.Tensor]:
    return [images.all()[0] for images in splits]


def test_each_example_keeps_its_features_and_its_label(pictures: Own, weights: Backbone) -> None:
    spec = job(pictures)
    splits = split(spec, unit(pictures), CPU)
    found = seen(pictures, weights, Work())
    net = weights.frozen(spec)
    for images, as_seen in zip(splits, found, strict=True):
        pixels, labels = images.all()
        features_, same = as_seen.all()
        assert torch.equal(labels, same)
        assert torch.equal(images.origins, as_seen.origins)
        with torch.inference_mode():
            np.testing.assert_allclose(net(pixels), features_, rtol=1e-4, atol=1e-4)
    drawn, labels = next(found.training.shuffled(8, 0, 1))
    assert drawn.shape == (8, 512)
    order = found.training.labels
    assert labels.tolist() == order[torch.randperm(len(order), generator=_first())][:8].tolist()


def _first() -> torch.Generator:
    from worker.training.batches import generator  # noqa: PLC0415

    return generator(0, 1)


def test_they_are_computed_once(pictures: Own, weights: Backbone) -> None:
    first, second = Work(), Work()
    once, again = (rows(seen(pictures, weights, work)) for work in (first, second))
    assert all(map(torch.equal, once, again))
    assert first.batches > 0
    assert [line.split(" makes of ")[1] for line in first.lines] == [
        "144 images (train), once",
        "16 images (train), once",
        "40 images (test), once",
    ]
    assert (second.batches, second.lines) == (0, [])


def test_a_run_of_few_images_computes_few(pictures: Own, weights: Backbone) -> None:
    work, more = Work(), Work()
    few = rows(seen(pictures, weights, work, limit=40))
    assert "36 images" in work.lines[0]
    seen(pictures, weights, more)
    assert "(train)" in more.lines[0]
    assert sum(int(line.split(" images")[0].split()[-1]) for line in more.lines) == 160 - 40
    assert all(map(torch.equal, few, rows(seen(pictures, weights, Work(), limit=40))))


def test_they_do_not_depend_on_what_was_asked_before(
    pictures: Own, weights: Backbone, tmp_path: Path
) -> None:
    """To the last bit, also where an image was in another place of another batch."""
    other = own.make(tmp_path / "other")
    at_once = rows(seen(pictures, weights, Work()))
    for limit in (20, 50, 90):
        seen(other, weights, Work(), limit=limit)
    assert all(map(torch.equal, at_once, rows(seen(other, weights, Work()))))


def test_what_a_stopped_run_has_computed_is_kept(
    pictures: Own, weights: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "batch_size", lambda _: 16)
    with pytest.raises(Stopping):
        seen(pictures, weights, Work(most=3))
    work = Work()
    seen(pictures, weights, work)
    assert f"{144 - 3 * 16} images (train)" in work.lines[0]


@pytest.mark.parametrize("part", ["backbone", "dataset", "threads"])
def test_others_have_others(pictures: Own, weights: Backbone, tmp_path: Path, part: str) -> None:
    seen(pictures, weights, Work())
    work = Work()
    if part == "backbone":
        other = backbone.load("resnet18", pretrained.backbones(tmp_path, seed=2))
        seen(pictures, other, work)
    elif part == "dataset":
        seen(own.make(tmp_path / "other", shape=(3, 12, 13)), weights, work)
    else:
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(threads + 1)
            seen(pictures, weights, work)
        finally:
            torch.set_num_threads(threads)
    assert len(work.lines) == 3


def test_a_full_disk_costs_no_run(
    pictures: Own, weights: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rows(seen(pictures, weights, Work()))

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(features, "_opened", full)
    work = Work()
    assert all(map(torch.equal, expected, rows(seen(pictures, weights, work))))
    assert work.lines[0].endswith("is not kept: [Errno 28] No space left on device")


def test_runs_that_begin_together_share_one_file(
    pictures: Own, weights: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was there first stays, with what it holds."""
    write, meanwhile = features._write_nan, []

    def other_first(file: Path, shape: tuple[int, int]) -> None:
        if not meanwhile:
            meanwhile.append(True)
            seen(pictures, weights, Work())
        write(file, shape)

    monkeypatch.setattr(features, "_write_nan", other_first)
    work = Work()
    found = rows(seen(pictures, weights, work))
    assert work.lines == []
    assert all(map(torch.equal, found, rows(seen(pictures, weights, Work()))))
    kept = [file.name for file in pictures.folder.glob("features-*/*")]
    assert sorted(kept) == ["test.npy", "train.npy"]


def test_a_part_that_the_dataset_brings_has_its_own(tmp_path: Path, weights: Backbone) -> None:
    pictures = own.make(tmp_path, validation=30)
    found = seen(pictures, weights, Work())
    assert [len(images) for images in found] == [160, 30, 40]
    assert not torch.equal(found.validation.all()[0], found.training.all()[0][:30])


def test_a_job_s_weights_do_not_depend_on_what_is_kept(weights: Backbone, tmp_path: Path) -> None:
    def trained(pictures: Own) -> str:
        spec = job(pictures).model_copy(
            update={"training": job(pictures).training.model_copy(update={"epochs": 2})}
        )
        finished = Run(spec, pictures.dataset, lambda _: None, lambda: None, weights).run()
        assert isinstance(finished, Finished)
        return finished.weights_sha256

    fresh, used = own.make(tmp_path / "fresh"), own.make(tmp_path / "used")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runs have it
    seen(used, weights, work := Work(), limit=30)
    torch.set_num_threads(threads)
    assert work.lines
    work = Work()
    seen(used, weights, work, limit=30)
    assert bool(work.lines) == (threads != 1)  # another number of threads, another file
    assert trained(fresh) == trained(used) == trained(used)
