"""docs/reference is what the code says now, complete, and Markdown that reads as tables."""

import re
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from scripts.reference import FOLDER, pages
from scripts.reference.markdown import anchor

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    file = FOLDER / name
    assert file.exists(), "run `make reference`"
    is_current = file.read_text(encoding="utf-8") == PAGES[name]
    assert is_current, f"docs/reference/{name} is not what the code says: run `make reference`"


def test_no_other_page_is_there() -> None:
    assert {file.name for file in FOLDER.iterdir()} == PAGES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_headings(name: str) -> None:
    headings = {
        page: [anchor(line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
        for page, text in PAGES.items()
    }
    for page, heading in re.findall(r"\]\(([\w.]*)#([^)]*)\)", PAGES[name]):
        assert headings[page or name].count(heading) == 1, heading


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each row of each table, as a reader of Markdown finds them."""
    found: list[list[list[str]]] = []
    for token, content in pairwise(MarkdownIt("commonmark").enable("table").parse(text)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            found[-1][-1].append(content.content)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_field_setting_option_and_parameter_has_a_meaning(name: str) -> None:
    lines = [line for line in PAGES[name].splitlines() if line.startswith("|")]
    found = tables(PAGES[name])
    assert sum(len(rows) + 1 for rows in found) == len(lines)  # with the line below the head
    for head, *rows in found:
        for row in rows:
            assert len(row) == len(head)
            assert row[-1] or head[0] in ("media type", "status"), row
