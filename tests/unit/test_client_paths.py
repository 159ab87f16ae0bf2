"""Names of things as parts of paths."""

from collections import defaultdict

import pytest

import app.client
import traind
from app.main import create_app
from traind.connecting import OTHER_PATHS, path_of
from traind.errors import Problem


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_would_lead_to_another_path_is_no_name(name: str) -> None:
    with pytest.raises(Problem, match="is no id and no name"):
        path_of("jobs", name)


@pytest.mark.parametrize(
    ("name", "part"),
    [("a/b", "a%2Fb"), ("...", "..."), ("ä?", "%C3%A4%3F"), ("cats@2", "cats%402")],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    assert path_of("models/aliases", name, "/rollback") == f"/models/aliases/{part}/rollback"


def test_the_words_of_other_paths_are_those_of_the_api() -> None:
    """A new path beside one with a placeholder takes a name from what the placeholder names."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    for _, path in create_app().state.scopes:
        words = path.strip("/").split("/")
        for depth, word in enumerate(words):
            below["/".join(words[:depth])].add(word)
    taken = {
        kind: {word for word in words if not word.startswith("{")}
        for kind, words in below.items()
        if any(word.startswith("{") for word in words)
    }
    assert {kind: words for kind, words in taken.items() if words} == OTHER_PATHS


def test_the_word_of_another_path_is_no_name() -> None:
    """`GET /jobs/summaries` is a list, and no job; an alias may have this name."""
    url = "http://127.0.0.1:9"  # nothing is asked
    with app.client.Client(url) as client, traind.Client(url) as typed:
        for ask, word in (
            (client.job, "summaries"),
            (client.cancel, "changes"),
            (client.model, "aliases"),
            (client.card, "compare"),
            (typed.job, "summaries"),
            (typed.model, "aliases"),
        ):
            with pytest.raises(Problem, match=f"'{word}' is no id and no name") as told:
                ask(word)
            assert told.value.status == 404
    assert path_of("models/aliases", "summaries") == "/models/aliases/summaries"
