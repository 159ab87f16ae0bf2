"""Which model answers: the newest, many, and what is downloaded of each."""

from hashlib import sha256

from tests.service.conftest import Api, band, banded_graph
from tests.service.test_predict import said


def test_latest_follows_a_new_model_on_the_next_request(api: Api) -> None:
    first = api.publish()
    assert said(api, [band(4)]) == [4]
    second = api.publish(shift=1)
    assert said(api, [band(4)]) == [5]
    assert said(api, [band(4)], model=first) == [4]
    assert api.http.get("/models/latest").json()["id"] == second
    assert api.http.get(f"/models/{first}").json()["aliases"] == []


def test_more_models_than_are_kept_loaded_all_answer(api: Api) -> None:
    shifted = [api.publish(shift=shift) for shift in range(10)]
    for _ in range(2):
        answers = [said(api, [band(0)], model=name)[0] for name in shifted]
        assert answers == list(range(10))


def test_a_model_shows_what_it_takes_and_how_it_was_made(api: Api) -> None:
    model_id = api.publish()
    model = api.http.get("/models/latest").json()
    assert model["id"] == model_id
    assert model["aliases"] == ["latest"]
    assert model["input_shape"] == [1, 28, 28]
    assert model["pixel_range"] == [0, 255]
    assert model["classes"][3] == "class 3"
    assert model["metrics"] == {"test_loss": 0.1, "test_accuracy": 0.9}
    assert model["confusion_matrix"] == [[1, 0], [0, 1]]
    assert model["spec"]["model"]["hidden"] == [500]
    assert model["provenance"]["torch"] == "none"
    assert model["created_at"].endswith("Z")
    listed = api.http.get("/models?limit=1").json()
    assert listed["data"] == [model]
    older = api.http.get(f"/models?limit=1&after={listed['next']}").json()
    assert older["data"][0]["id"] < model_id


def test_downloads_are_the_published_bytes_and_are_not_sent_twice(api: Api) -> None:
    model_id = api.publish()
    graph = banded_graph(0, (1, 28, 28), 255.0)
    answer = api.http.get("/models/latest/onnx")
    assert answer.content == graph
    assert answer.headers["etag"] == f'"{sha256(graph).hexdigest()}"'
    assert answer.headers["content-disposition"] == f'attachment; filename="{model_id}.onnx"'
    again = api.http.get("/models/latest/onnx", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    weights = api.http.get(f"/models/{model_id}/weights")
    assert weights.content == b"weights " + graph[:64]
    assert weights.headers["content-disposition"].endswith('.safetensors"')
