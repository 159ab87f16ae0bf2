"""The files of the page: what a browser may do with them, and what cannot be named."""

import gzip
import re
from hashlib import sha256

import httpx
import pytest

from app.api.dashboard import FOLDER, page_files
from tests.service.conftest import Api, problem_of


def test_the_page_runs_its_own_scripts_only_and_loads_nothing_from_elsewhere(api: Api) -> None:
    page = api.http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", page.text)
    for source in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        assert api.http.get(source).status_code == 200, source
    for name, file in page_files().items():
        if name.endswith((".js", ".css", ".html")) and not name.startswith("vendor/"):
            addresses = re.findall(rb"https?://[^\s\"'`]+", file.content)
            assert set(addresses) <= {b"http://www.w3.org/2000/svg"}, name


def test_every_import_of_the_page_is_there() -> None:
    files = page_files()
    for name, file in files.items():
        if not name.endswith(".js") or name.startswith("vendor/"):
            continue
        folder = (FOLDER / name).parent
        for wanted in re.findall(r"(?:from|import\()\s*\"(\.[^\"]+)\"", file.content.decode()):
            path = (folder / wanted).resolve().relative_to(FOLDER).as_posix()
            assert path in files, f"{name} imports {wanted}"


def test_what_others_wrote_is_what_the_decision_names() -> None:
    told = (FOLDER.parents[1] / "docs/decisions/0004-the-page.md").read_text()
    libraries = {
        name.removeprefix("vendor/"): sha256(file.content).hexdigest()
        for name, file in page_files().items()
        if name.startswith("vendor/") and not name.endswith(".txt")
    }
    assert len(libraries) == 2
    for name, digest in libraries.items():
        assert f"| {name} | `{digest}` |" in told


def test_no_file_of_the_page_is_long() -> None:
    for name, file in page_files().items():
        if name.endswith((".js", ".css")) and not name.startswith("vendor/"):
            assert file.content.count(b"\n") <= 300, name


def test_a_file_is_sent_again_only_when_it_has_changed(api: Api) -> None:
    whole = api.http.get("/dashboard/app.js")
    assert whole.headers["content-type"] == "text/javascript; charset=utf-8"
    same = api.http.get("/dashboard/app.js", headers={"If-None-Match": whole.headers["etag"]})
    assert same.status_code == 304
    assert same.content == b""
    other = api.http.get("/dashboard/app.js", headers={"If-None-Match": '"other"'})
    assert other.content == whole.content


def test_files_are_compressed_for_those_who_take_it(api: Api) -> None:
    wanted = (FOLDER / "app.js").read_bytes()
    with api.http.stream("GET", "/dashboard/app.js", headers={"Accept-Encoding": "gzip"}) as answer:
        assert gzip.decompress(b"".join(answer.iter_raw())) == wanted
    plain = api.http.get("/dashboard/app.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == wanted


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "../main.py", "%2e%2e/main.py", "..%2fmain.py", "views", "", "/etc/passwd"],
)
def test_no_other_file_can_be_named(api: Api, path: str) -> None:
    url = httpx.URL(api.service.url).copy_with(raw_path=f"/dashboard/{path}".encode())
    problem_of(api.http.get(url), 404, "not_found")
