"""`traind predict`: pictures, pixels and rows from files, against a real API."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from app.cli.drawing import drawing
from app.cli.exit_codes import ERROR, READER_GONE
from app.cli.predicting import show_picture
from app.client import Client
from tests.service import rows as tables
from tests.service.commands import documents, refusal, run
from tests.service.commands import rows as lines_of
from tests.service.conftest import Api, band

COMMAND = [sys.executable, "-P", "-u", "-c", "import app.cli; app.cli.main()"]
ROW = {"age": 50, "job": "nurse", "born": "1972-09-27"}


def picture(file: Path, index: int, form: str = "PNG") -> Path:
    """An image whose band `index` of ten is bright."""
    Image.fromarray(np.array(band(index), np.uint8)).save(file, form)
    return file


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_is_known_by_its_bytes(api: Api, tmp_path: Path, form: str) -> None:
    model = api.publish()
    file = picture(tmp_path / "no ending", 3, form)
    (found,) = documents(api, "predict", str(file), "--model", model)
    headers = {"Content-Type": f"image/{form.lower()}"}
    asked = {"model": model, "top_k": 3}
    sent = api.http.post("/predict", content=file.read_bytes(), params=asked, headers=headers)
    (expected,) = sent.json()["predictions"]
    assert found == {"file": str(file), "row": None, "model": model, **expected}
    ((name, label, confidence, warnings),) = lines_of(api, "predict", str(file))
    assert (name, label, warnings) == (str(file), expected["label"], "")
    assert confidence == f"{expected['confidence']:.2%}"


def test_several_files_have_a_line_each_and_one_model(api: Api, tmp_path: Path) -> None:
    files = [str(picture(tmp_path / f"{index}.png", index)) for index in (1, 2)]
    blank = tmp_path / "blank.png"
    Image.new("L", (28, 28)).save(blank)
    model = api.publish(shift=1)
    found = lines_of(api, "predict", *files, str(blank))
    assert [line[:2] for line in found[:2]] == [[files[0], "class 2"], [files[1], "class 3"]]
    assert found[2][3].startswith("all pixels are equal")
    assert {each["model"] for each in documents(api, "predict", *files)} == {model}


def test_an_alias_that_moves_meanwhile_does_not_change_the_model(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = api.publish()
    predict = Client.predict_file

    def then_train(*arguments: Any, **options: Any) -> dict[str, Any]:
        answer = predict(*arguments, **options)
        api.publish(shift=2)
        return answer

    monkeypatch.setattr(Client, "predict_file", then_train)
    files = [str(picture(tmp_path / f"{index}.png", index)) for index in (1, 2)]
    assert [each["model"] for each in documents(api, "predict", *files)] == [model, model]


def test_a_file_that_is_refused_does_not_keep_the_others_back(api: Api, tmp_path: Path) -> None:
    api.publish()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    whole = picture(tmp_path / "whole.png", 4)
    missing = tmp_path / "missing.png"
    done = run(api, "predict", str(broken), str(missing), str(whole))
    assert done.exit_code == ERROR
    assert [line.split("\t")[1] for line in done.stdout.splitlines()] == ["class 4"]
    said, also = done.stderr.splitlines()
    assert said.startswith(f"{broken}: ")
    assert also == f"{missing}: No such file or directory"
    refused = refusal(api, "predict", str(broken), str(whole), "--model", "model_x")
    assert refused.startswith("There is no model 'model_x'")


def test_an_output_that_nobody_reads_is_no_fault_of_a_file(api: Api, tmp_path: Path) -> None:
    api.publish()
    file = str(picture(tmp_path / "a.png", 4))
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "predict", file, file, "--url", api.service.url],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (READER_GONE, "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "age,job,born\n50,nurse,1972-09-27\n17,clerk,\n"),
        ("a.CSV", "age;job;born\r\n50;nurse;1972-09-27\r\n17;clerk;\r\n"),
        ("a.tsv", "\ufeffage\tjob\tborn\n50\tnurse\t1972-09-27\n17\tclerk\n"),
        ("a.json", json.dumps([ROW, {"age": 17, "job": "clerk"}])),
        ("a.jsonl", f'{json.dumps(ROW)}\n\n{{"age": 17, "job": "clerk"}}\n'),
    ],
)
def test_rows_are_read_from_tables(api: Api, tmp_path: Path, name: str, content: str) -> None:
    model = tables.publish(api)
    file = tmp_path / name
    file.write_bytes(content.encode())
    first, second = documents(api, "predict", str(file), "--model", model)
    assert (first["row"], first["label"], second["row"]) == (0, ">50K", 1)
    assert first["probabilities"][1] == pytest.approx(tables.sure(50, 1, 1000), abs=1e-6)
    assert second["probabilities"][1] == pytest.approx(tables.sure(17, 0), abs=1e-6)
    shown = lines_of(api, "predict", str(file), "--model", model)
    assert [line[:2] for line in shown] == [[f"{file}:1", ">50K"], [f"{file}:2", "<=50K"]]


def test_a_table_of_any_length_is_sent_in_parts(api: Api, tmp_path: Path) -> None:
    model = tables.publish(api)
    file = tmp_path / "long.csv"
    file.write_text("age\n" + "".join(f"{age / 10}\n" for age in range(1100)))
    found = documents(api, "predict", str(file), "--model", model)
    assert [each["row"] for each in found] == list(range(1100))
    expected = [tables.sure(age / 10) for age in range(1100)]
    assert [each["probabilities"][1] for each in found] == pytest.approx(expected, abs=1e-6)


def test_a_row_that_is_refused_is_told_by_the_part_in_which_it_stands(
    api: Api, tmp_path: Path
) -> None:
    model = tables.publish(api)
    file = tmp_path / "long.csv"
    file.write_text("age\n" + "1\n" * 600 + "many\n")
    done = run(api, "predict", str(file), "--model", model)
    assert (done.exit_code, len(done.stdout.splitlines())) == (ERROR, 512)
    assert done.stderr.startswith(f"{file}: behind row 512: ")


def test_pixels_and_a_single_row_are_read_from_json(api: Api, tmp_path: Path) -> None:
    api.publish()
    pixels = tmp_path / "pixels.json"
    pixels.write_text(json.dumps(np.ravel(band(5)).tolist()))  # one image, and no list of 784
    assert [each["label"] for each in documents(api, "predict", str(pixels))] == ["class 5"]
    row = tmp_path / "row.json"
    row.write_text(json.dumps(ROW))
    (found,) = documents(api, "predict", str(row), "--model", tables.publish(api))
    assert found["label"] == ">50K"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"hello", "is no PNG, JPEG"),
        ("a.csv", b"age,job\n1,2,3\n", "line 2 has more values than the header"),
        ("a.csv", b"age,job\n", "no rows"),
        ("a.csv", b"age\n\xff\n", "is no number"),  # y with two dots, in Windows' encoding
        ("a.json", "[1]".encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16-be"), "is text in UTF-16"),
        ("a.jsonl", b'{"age": "\xff"}', "is not UTF-8 text (byte 9)"),
        ("a.json", b"[", "cannot be read"),
        ("a.json", b"[]", "neither a row nor a list"),
        ("a.jsonl", b"{}\n{", "cannot be read"),
    ],
)
def test_what_is_no_input_is_told(
    api: Api, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    done = run(api, "predict", str(file))
    assert (done.exit_code, done.stdout) == (ERROR, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"{file}: ")
    assert why in said


def in_terminal(**options: Any) -> Console:
    settings: dict[str, Any] = {"color_system": "truecolor", "no_color": False} | options
    return Console(file=io.StringIO(), force_terminal=True, width=80, **settings)


def test_a_terminal_shows_the_picture_and_the_surest_classes(tmp_path: Path) -> None:
    content = picture(tmp_path / "a.png", 0).read_bytes()
    top = [{"label": "[red]zero", "confidence": 0.9}, {"label": "one", "confidence": 0.0625}]
    warning = {"code": "faint", "detail": "It is faint."}
    answer = {"model": "m", "predictions": [{"top": top, "warnings": [warning]}]}
    console = in_terminal(color_system=None)
    show_picture(tmp_path / "a.png", content, answer, console)
    assert isinstance(console.file, io.StringIO)
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert shown[0] == "█" * 28
    assert shown[-3:] == [" 90.00%  [red]zero", "  6.25%  one", "It is faint."]


def test_a_drawing_has_two_pixels_in_a_block() -> None:
    image = Image.new("RGB", (16, 3), "red")
    image.paste("blue", (0, 1, 16, 2))
    image.putpixel((0, 0), (0, 255, 0))
    content = io.BytesIO()
    image.save(content, "PNG")
    drawn = drawing(content.getvalue(), in_terminal())
    assert drawn
    assert drawn.plain == ("▀" * 16 + "\n") * 2
    styles = [str(span.style) for span in drawn.spans]
    assert styles[0] == "#00ff00 on #0000ff"
    assert styles[1] == "#ff0000 on #0000ff"
    assert styles[-1] == "#ff0000 on #000000"
    grey = drawing(content.getvalue(), in_terminal(no_color=True))
    assert grey
    assert set(grey.plain) <= set(" ░▒▓█\n")
    assert not grey.spans


def test_large_and_small_images_fit_and_what_is_none_is_not_drawn() -> None:
    def lines(width: int, height: int) -> list[str]:
        content = io.BytesIO()
        Image.new("LA", (width, height), (255, 255)).save(content, "PNG")
        drawn = drawing(content.getvalue(), in_terminal(color_system=None))
        return drawn.plain.splitlines() if drawn else []

    assert lines(1000, 500) == ["█" * 32] * 8
    assert lines(8, 8) == ["█" * 16] * 8
    assert lines(1, 1) == ["█" * 16] * 8
    assert drawing(b"none", in_terminal()) is None
