"""Datasets in the page: dropped, sent, imported, refused, deleted."""

import base64
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from app.client import Client
from app.local import Service
from tests.page.conftest import forget, goto, is_whole, picture

COLOURS = {"red & warm": (200, 60, 40), "grün": (60, 180, 70)}
OF_EACH = 24
LONG = "long" * 30
HOSTILE = "<img src=x onerror=alert(1)>"
RTL = "שלום\u202egnp.exe"
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(".drop").dispatchEvent(
      new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def pictures() -> dict[str, bytes]:
    """Noisy pictures in two colours by their paths; one name is long, one is not Latin."""
    chance = np.random.default_rng(1)
    made = {}
    for label, colour in COLOURS.items():
        for number in range(OF_EACH):
            noise = chance.normal(colour, 30, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(noise).save(file, "PNG")
            name = {0: LONG, 1: "bild-ä"}.get(number, str(number))
            made[f"{label}/{name}.png"] = file.getvalue()
    return made


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def client(service: Service) -> Any:
    with Client(service.url) as client:
        yield client


@pytest.fixture
def data(page: Page) -> Page:
    page.get_by_role("navigation").get_by_role("link", name="Data").click()
    is_whole(page, "#/data")
    return page


def choose(page: Page, name: str, content: bytes) -> None:
    chosen: Any = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.locator("input[type=file]").first.set_input_files(chosen)


def is_ready(page: Page) -> None:
    expect(page.locator(".title .state.ready")).to_be_visible()
    expect(page.get_by_role("heading", name="Classes")).to_be_visible()


def test_a_dropped_zip_becomes_a_dataset_to_train_on(data: Page) -> None:
    picture(data, "data-empty")
    content = base64.b64encode(zipped(pictures())).decode()
    data.evaluate(DROP, ["My Cats.zip", content])
    expect(data.get_by_label("Name")).to_have_value("my-cats")
    data.get_by_text("How it is read").click()
    data.get_by_label("Size in pixels").fill("16")
    picture(data, "data-form")
    data.get_by_role("button", name="Upload").click()
    is_ready(data)
    expect(data.get_by_role("row", name="red & warm")).to_contain_text("19")
    picture(data, "dataset-pictures")
    train = data.get_by_role("link", name="Train on it")
    expect(train).to_have_attribute("href", "#/new?dataset=my-cats%401&preset=images")
    data.get_by_role("navigation").get_by_role("link", name="Data").click()
    expect(data.get_by_role("row", name="my-cats")).to_contain_text("ready")
    picture(data, "data-list")


def test_a_folder_is_packed_and_read_as_the_same_zip_is(
    data: Page, client: Client, tmp_path: Path
) -> None:
    files = pictures()
    for name, content in files.items():
        path = tmp_path / "colours" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "colours" / ".hidden").write_bytes(b"no picture")
    archive = tmp_path / "zipped.zip"
    archive.write_bytes(zipped(files))
    client.datasets.add("zipped", archive)
    data.locator("input[webkitdirectory]").set_input_files(tmp_path / "colours")
    expect(data.get_by_label("Name")).to_have_value("colours")
    data.get_by_role("button", name="Upload").click()
    is_ready(data)
    of_zip, of_folder = client.datasets.report("zipped"), client.datasets.report("colours")
    assert of_folder.pop("format") != of_zip.pop("format")
    assert of_folder == of_zip
    assert (
        client.datasets.get("colours")["facts"]["sha256"]
        == (client.datasets.get("zipped")["facts"]["sha256"])
    )
    sent = client._http.get("/datasets/colours/content").content
    with tarfile.open(fileobj=io.BytesIO(sent)) as packed:
        assert packed.getnames() == sorted(files)
        for name, content in files.items():
            member = packed.extractfile(name)
            assert member is not None
            assert member.read() == content


def test_a_broken_upload_goes_on_where_it_ended(data: Page, faults: list[str]) -> None:
    parts: list[str] = []

    def break_the_second(route: Route) -> None:
        parts.append(route.request.headers["content-range"])
        if len(parts) == 2:
            route.abort()
        else:
            route.continue_()

    data.route("**/datasets/*/content", lambda route: (
        break_the_second(route) if route.request.method == "PUT" else route.continue_()
    ))  # fmt: skip
    chance = np.random.default_rng(2).integers(0, 256, 5 * 2**20, np.uint8).tobytes()
    choose(data, "broken.zip", zipped(pictures() | {"notes.txt": chance}))
    data.get_by_role("button", name="Upload").click()
    is_ready(data)
    starts = [int(each.split()[1].split("-")[0]) for each in parts]
    assert starts[0] == 0
    assert starts[1] == starts[2] == 2**20  # it goes on there, not from the start
    assert len(starts) > 3
    forget(faults, "ERR_FAILED")


def test_a_stopped_upload_goes_on_after_the_page_was_loaded_anew(
    data: Page, client: Client, faults: list[str]
) -> None:
    held: list[Route] = []

    def hold_the_second(route: Route) -> None:
        is_second = "bytes 0-" not in route.request.headers.get("content-range", "bytes 0-")
        if is_second and not held:
            held.append(route)
        else:
            route.continue_()

    data.route("**/datasets/*/content", hold_the_second)
    chance = np.random.default_rng(3).integers(0, 256, 3 * 2**20, np.uint8).tobytes()
    content = zipped(pictures() | {"notes.txt": chance})
    choose(data, "stopped.zip", content)
    data.get_by_role("button", name="Upload").click()
    expect(data.get_by_text("1.0 MB of 3.")).to_be_visible()
    picture(data, "dataset-upload")
    with data.expect_event("requestfailed"):  # what is on its way is given up
        data.get_by_role("button", name="Stop").click()
    expect(data.get_by_text("Stopped. What has arrived stays.")).to_be_visible()
    forget(faults, "ERR_FAILED")
    data.reload()
    expect(data.get_by_text("Its file has not arrived whole")).to_be_visible()
    picture(data, "dataset-awaiting")
    choose(data, "another.zip", content)
    expect(data.locator("#notice")).to_contain_text("the upload of stopped.zip was begun")
    choose(data, "stopped.zip", content)
    is_ready(data)
    assert client._http.get("/datasets/stopped/content").content == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", '{"age": 1, "kind": "a"}\n{"age": 2, "kind": "b"}\n'),
        ("rows.json", ' [{"age": 1, "kind": "a"}, {"age": 2, "kind": "b"}]'),
        ("rows.json", '[\n  {\n    "age": 1,\n    "kind": "a"\n  }\n]\n'),
    ],
)
def test_the_columns_of_json_are_offered_as_the_target(data: Page, name: str, content: str) -> None:
    choose(data, name, content.encode())
    options = data.get_by_label("Target column").locator("option")
    expect(options).to_have_text(["Choose the column…", "age", "kind"])


def test_a_table_asks_for_its_target(data: Page, client: Client) -> None:
    chance = np.random.default_rng(4)
    ages = chance.integers(9, 90, 200)
    rows = [f'{age},"x, {age % 3}",{"yes" if age > 50 else "no"}' for age in ages]
    lines = [f'age,"the ""job""",{HOSTILE}', *rows]
    choose(data, "people.csv", "\n".join(lines).encode())
    target = data.get_by_label("Target column")
    expect(target.locator("option")).to_have_text(
        ["Choose the column…", "age", 'the "job"', HOSTILE]
    )
    data.get_by_role("button", name="Upload").click()  # the browser asks for the target
    expect(target).to_be_focused()
    target.select_option(HOSTILE)
    data.get_by_text("How it is read").click()
    data.get_by_label('What the "job" holds').select_option("ignore")
    picture(data, "data-form-table")
    data.get_by_role("button", name="Upload").click()
    is_ready(data)
    expect(data.get_by_role("heading", name="Columns", exact=True)).to_be_visible()
    expect(data.get_by_text("Target column").locator("..")).to_contain_text(HOSTILE)
    expect(data.get_by_role("link", name="Train on it")).to_have_attribute(
        "href", "#/new?dataset=people%401&preset=table"
    )
    picture(data, "dataset-table")
    options = client.datasets.get("people")["options"]["table"]
    assert options["target"] == HOSTILE
    assert options["columns"] == {'the "job"': "ignore"}


def test_a_refused_file_shows_why_and_what_to_do(data: Page, client: Client) -> None:
    choose(data, "letters.zip", zipped({"a.txt": b"a", "b.txt": b"b"}))
    data.get_by_role("button", name="Upload").click()
    alert = data.get_by_role("alert")
    expect(alert).to_contain_text("The file cannot be used")
    refusal = client.datasets.get("letters")["refusal"]
    expect(alert).to_contain_text(refusal["message"])
    expect(alert).to_contain_text(refusal["advice"])
    picture(data, "dataset-refused")
    data.get_by_role("button", name="Import again").click()
    expect(alert).to_contain_text(refusal["message"])


def test_a_name_that_is_taken_is_refused_beside_its_field(data: Page, faults: list[str]) -> None:
    choose(data, "digits.zip", zipped(pictures()))
    data.get_by_role("button", name="Upload").click()
    expect(data.get_by_role("alert")).to_contain_text("built-in dataset")
    name = data.get_by_label("Name")
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("Not A Name")
    data.get_by_role("button", name="Upload").click()
    expect(data.get_by_role("alert")).to_contain_text("name")
    forget(faults, "409", "422")


def test_hostile_names_are_text(data: Page) -> None:
    files = pictures()
    labels = dict(zip(COLOURS, [HOSTILE, RTL], strict=True))
    renamed = {}
    for name, content in files.items():
        label, _, rest = name.partition("/")
        renamed[f"{labels[label]}/{rest}"] = content
    wide = {f"{'w' * 180}/{number}.png": each for number, each in enumerate(files.values())}
    choose(data, f"{HOSTILE}{'x' * 240}.zip", zipped(renamed | wide))
    expect(data.get_by_role("heading", name=HOSTILE)).to_be_visible()
    data.get_by_label("Name").fill("hostile")
    data.get_by_role("button", name="Upload").click()
    is_ready(data)
    expect(data.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
    assert data.locator("#main img[src=x]").count() == 0
    picture(data, "dataset-hostile")
    for width in (390, 1280):
        data.set_viewport_size({"width": width, "height": 900})
        assert data.evaluate("document.documentElement.scrollWidth") <= width


def test_a_version_is_deleted_after_a_question(data: Page, client: Client, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped(pictures()))
    first = client.datasets.add("gone", archive)
    second = client.datasets.add("gone", archive, image={"size": 8})
    goto(data, f"#/data/{second['id']}")
    is_ready(data)
    data.get_by_role("button", name="Delete").click()
    dialog = data.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete gone, version 2?")
    picture(data, "dataset-delete")
    dialog.get_by_role("button", name="Cancel").click()
    assert client.datasets.get(second["id"])["status"] == "ready"
    data.get_by_role("link", name="Version 1").click()
    expect(data.locator(".title")).to_contain_text("version 1")
    data.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(data.locator("#notice")).to_contain_text("gone, version 1, is deleted")
    assert [each["id"] for each in client.datasets.list(name="gone")] == [second["id"]]
    assert first["version"] == 1
