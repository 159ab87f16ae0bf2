"""The operator's file of destinations: what it may say, and that no message shows a secret."""

from pathlib import Path

import pytest

from app import destinations
from app.destinations import BadDestinations, UnknownDestination
from tests.receiver import SECRET, allow

URL = 'url = "https://ci.example.org/traind"'


def test_names_lead_to_addresses_and_secrets(tmp_path: Path) -> None:
    known = destinations.read(allow(tmp_path / "hooks", ci=80, chat=81))
    assert sorted(known) == ["chat", "ci"]
    assert known["ci"].url == "http://127.0.0.1:80/ci"
    assert SECRET not in repr(known)
    assert destinations.read(None) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hello", "it is no TOML"),
        (f"ci = '{SECRET}'", "ci: Input should be a valid dictionary"),
        (f"['a b']\n{URL}", "'a b': a name has at most 64 letters"),
        (f"[ci]\n{URL}", "ci.secret: Field required"),
        (f"[ci]\nurl = 'ftp://x'\nsecret = '{SECRET}'", "ci.url: must be an address such as"),
        (f"[ci]\n{URL}\nsecret = '{SECRET[6:]}'", "ci.secret: must begin with whsec_"),
        (
            f"[ci]\n{URL}\nsecret = '{SECRET[:20]}!{SECRET[20:]}'",
            "ci.secret: must be base64 behind whsec_",
        ),
        (f"[ci]\n{URL}\nsecret = 'whsec_c2VjcmV0'", "must be base64 of 24 to 64 bytes, not 6"),
        (f"[ci]\n{URL}\nsecret = []", "ci.secret: List should have at least 1 item"),
        (f"[ci]\n{URL}\nsecret = 7", "ci.secret: must be a text, or a list of texts"),
        (f"[ci]\n{URL}\nsecret = '{SECRET}'\nnope = 1", "ci.nope: Extra inputs"),
    ],
    ids=range(11),
)
def test_what_is_wrong_is_said_without_the_secret(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "hooks.toml"
    file.write_text(text)
    with pytest.raises(BadDestinations) as caught:
        destinations.read(file)
    assert str(caught.value).startswith(f"TRAIND_WEBHOOKS={file}: ")
    assert told in str(caught.value)
    assert SECRET[6:16] not in str(caught.value)
    assert "c2Vj" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadDestinations, match="No such file"):
        destinations.read(tmp_path / "none")
    (tmp_path / "hooks").write_bytes(b"\xff")
    with pytest.raises(BadDestinations, match="not UTF-8"):
        destinations.read(tmp_path / "hooks")


def test_an_unknown_name_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    file = allow(tmp_path / "hooks", ci=80, chat=81)
    destinations.check(file, ["ci", "chat"])
    with pytest.raises(UnknownDestination, match="'no': the operator allows chat, ci; name one"):
        destinations.check(file, ["ci", "no"])
    with pytest.raises(UnknownDestination, match="none is allowed; leave it out"):
        destinations.check(None, ["ci"])
    destinations.check(tmp_path / "none", [])
