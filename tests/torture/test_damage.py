"""Files in the database that are not what was stored: refused by their digest, never loaded."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sqlalchemy import select, update

from app.jobspec import JobSpec
from app.serving.comparison import Predictions
from app.serving.predictor import Predictor
from app.store import trained_models
from app.store.errors import FileDamaged
from app.store.tables import model_files
from tests.service.conftest import band, banded_model, problem_of, serving
from worker.training.state import State


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with some bits flipped, bytes cut out or put in, or its end lost."""
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        if not damaged:  # a cut has taken all: an empty file is one, too
            break
        at = chance.randrange(len(damaged))
        match chance.randrange(4):
            case 0:
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[at : at + chance.randrange(1, 100)]
            case 2:
                damaged[at:at] = chance.randbytes(chance.randrange(1, 100))
            case 3:
                del damaged[max(1, at) :]
    return bytes(damaged)


def test_mutated_files_are_refused_and_the_api_goes_on(
    tmp_path: Path, seed: int, repeated: Callable[[int], int]
) -> None:
    chance = random.Random(seed)
    with serving(tmp_path) as api:
        kept, model = api.publish(), api.publish(shift=1)
        with api.database.read() as connection:
            rows = connection.execute(
                select(model_files.c.kind, model_files.c.content).where(
                    model_files.c.model_id == model
                )
            ).all()
        whole = {row.kind: row.content for row in rows}
        requests = {
            "onnx": ("POST", "/predict", {"inputs": [band(3)], "model": model}),
            "weights": ("GET", f"/models/{model}/weights", None),
            "report": ("GET", f"/models/{model}/report", None),
            "answers": ("GET", f"/models/compare?a={model}&b={kept}", None),
        }
        for number in range(repeated(5000)):
            kind = chance.choice(list(whole))
            damaged = mutated(whole[kind], chance)
            if damaged == whole[kind]:
                continue
            mine = (model_files.c.model_id == model, model_files.c.kind == kind)
            with api.database.write() as connection:
                connection.execute(update(model_files).where(*mine).values(content=damaged))
                with pytest.raises(FileDamaged):
                    trained_models.file(connection, model, kind)
            if number % 20 == 0:
                method, path, body = requests[kind]
                answer = api.http.request(method, path, json=body)
                assert kind in problem_of(answer, 500, "file_damaged")["detail"]
            with api.database.write() as connection:
                connection.execute(update(model_files).where(*mine).values(content=whole[kind]))
        answer = api.http.post("/predict", json={"inputs": [band(3)], "model": model})
        assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["onnx", "answers", "checkpoint"])
def test_without_the_digest_a_mutated_file_is_an_error_at_worst(
    seed: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The digest refuses it before: here it is as if somebody had changed that, too."""
    chance, shape = random.Random(seed), (1, 8, 8)
    spec = JobSpec.model_validate({"dataset": {"name": "digits"}})
    model = banded_model(shape=shape)
    whole: bytes
    load: Callable[[bytes], object]
    match kind:
        case "onnx":
            whole, load = model.files["onnx"], lambda content: Predictor(content, shape)
        case "answers":
            whole, load = model.files["answers"], Predictions.decode
        case _:
            state = State(spec, torch.device("cpu"))
            whole, load = state.encode({}), state.restore
    errors: Counter[str] = Counter()
    for _ in range(5000):
        try:
            load(mutated(whole, chance))
        except Exception as error:
            errors[type(error).__name__] += 1
    assert errors.total() > 500  # the others have other weights and the right form
    with capsys.disabled():
        print(f"\n5000 mutated files ({kind}), seed {seed}: {dict(errors)}")
