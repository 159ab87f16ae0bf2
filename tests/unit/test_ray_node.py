"""What a node of a Ray cluster makes of an order; no cluster is needed for it."""

import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from worker.engines import CannotStart
from worker.imports.messages import Base, Import, Stored
from worker.messages import Order, encode

pytest.importorskip("ray", reason="Ray is not installed")

from worker.engines.ray import cluster, driver, node

SPEC: dict[str, Any] = {"resources": {"threads": 2, "device": "auto", "workers": 1}}


@dataclass
class Here:
    """A node with eight processors."""

    def get_node_id(self) -> str:
        return "this"


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = [{"NodeID": "this", "Resources": {"CPU": 8.0}, "Alive": True}]
    monkeypatch.setattr(node.ray, "nodes", lambda: found)
    monkeypatch.setattr(node.ray, "get_runtime_context", Here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_node_of_another_version_refuses() -> None:
    order = encode(Order(SPEC, "", None))
    with pytest.raises(CannotStart, match="traind 0.0.0, a node has " + version("traind")):
        next(node.Attempt().train(order, "0.0.0"))


def test_a_node_that_does_not_see_the_home_has_a_folder_of_its_own(tmp_path: Path) -> None:
    stored = Stored("s3://bucket", "0" * 64, 1, "/else/cache", 1)
    first = Import(stored, "/else/datasets/ds_0", "cats", "cats.zip", "image", {})
    base = Base({"name": "cats"}, "/else/datasets", None, first)
    own = Import("/else/object", "/else/datasets/ds_1", "cats", "c.zip", "image", {}, base=base)
    order = Order(SPEC, "/else/datasets", "/else/source", own_dataset=own)
    here = node.at_this_node(order)
    assert Path(here.datasets_home).parent == tmp_path
    assert Path(here.datasets_home).stat().st_mode & 0o777 == 0o700
    assert here.own_dataset is not None
    assert here.own_dataset.target == f"{here.datasets_home}/ds_1"
    assert here.own_dataset.base is not None
    assert here.own_dataset.base.datasets_home == here.datasets_home
    again = here.own_dataset.base.own_dataset
    assert again is not None
    assert isinstance(again.source, Stored)
    assert again.target == f"{here.datasets_home}/ds_0"
    assert again.source.cache == f"{here.datasets_home}/fetched"
    assert here.datasets_source is None


def test_a_node_that_sees_the_home_uses_it_before_the_first_dataset_too(tmp_path: Path) -> None:
    order = Order(SPEC, str(tmp_path / "datasets"), str(tmp_path))
    here = node.at_this_node(order)
    assert (here.datasets_home, here.datasets_source) == (order.datasets_home, str(tmp_path))


def test_a_run_may_take_the_part_of_the_memory_that_it_has_of_the_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.memory.share", lambda slots: 8000 // slots)
    assert node.at_this_node(Order(SPEC, str(tmp_path), None)).memory_mb == 2000
    assert node.at_this_node(Order(SPEC, str(tmp_path), None, memory_mb=300)).memory_mb == 300


@pytest.mark.parametrize(
    ("device", "cluster", "gpus"),
    [("auto", {}, 0), ("auto", {"GPU": 2.0}, 1), ("cpu", {"GPU": 2.0}, 0), ("cuda", {}, 0)],
)
def test_a_gpu_is_taken_where_there_is_one(
    device: str, cluster: dict[str, float], gpus: int
) -> None:
    order = Order({"resources": SPEC["resources"] | {"device": device}}, "", None, memory_mb=300)
    reserved = driver._resources(order, cluster)
    assert reserved == {"num_cpus": 2, "num_gpus": gpus, "memory": 300_000_000}


def test_a_run_may_have_what_the_largest_node_has() -> None:
    small = {"CPU": 4.0, "memory": 8e9, "node:1": 1.0}
    large = {"CPU": 16.0, "memory": 6e10, "GPU": 2.0, "accelerator_type:H100": 1.0}
    assert cluster.capacity([small, large]) == ("cuda", "H100", 16, 60000)
    assert cluster.capacity([small]) == ("cpu", None, 4, 8000)
    assert cluster.capacity([{"memory": 0.0}]) == ("cpu", None, None, None)  # the head alone
