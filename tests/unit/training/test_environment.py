"""What a run computes with. There is no GPU here: what torch would say of one is made up."""

import os
from collections.abc import Iterator

import pytest
import torch

from app.jobspec import JobSpec
from worker.training import environment, products

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def made_up_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "made up")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device: 5)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(before)


@pytest.mark.usefixtures("made_up_gpu")
def test_a_gpu_computes_the_same_bits_again() -> None:
    spec = JobSpec.model_validate({"resources": {"threads": 1}})
    environment.prepare(spec, CPU)
    assert not torch.are_deterministic_algorithms_enabled(), "a CPU needs none of it"
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    environment.prepare(spec, GPU)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("made_up_gpu")
def test_a_resumed_run_is_told_of_another_gpu() -> None:
    spec = JobSpec.model_validate({"training": {"precision": "bfloat16"}})
    described = environment.described(spec, GPU)
    assert described["gpu"] == "made up"
    assert described["cuda"] == "13.0"
    assert (described["gradient"], described["block"]) == ("autograd", 1)
    assert (described["products"], described["captured"]) == ("bfloat16", True)
    before = described | {"gpu": "another"}
    assert environment.changes(before, described, spec) == ["gpu was another, is made up"]
    assert "gpu" not in environment.described(spec, CPU)


@pytest.mark.usefixtures("made_up_gpu")
def test_the_memory_of_a_gpu_is_told() -> None:
    assert environment.peak_memory(GPU) == {"gpu_memory_bytes": 5}
    assert environment.peak_memory(CPU) == {}


def test_a_resumed_run_is_told_of_another_library() -> None:
    spec = JobSpec()
    described = environment.described(spec, CPU)
    assert described["blas"] == products.library()
    others = described | {"blas": "another"}
    expected = f"blas was another, is {products.library()}"
    assert environment.changes(others, described, spec) == [expected]


def test_a_checkpoint_that_does_not_tell_its_library_had_torch_s() -> None:
    before = {"device": "cpu"}
    assert environment.changes(before, before | {"blas": "default"}, JobSpec()) == []
    found = environment.changes(before, before | {"blas": "oneDNN"}, JobSpec())
    assert found == ["blas was default, is oneDNN"]
