"""Names of things as parts of paths."""

import pytest

from traind.connecting import quoted
from traind.errors import Problem


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_would_lead_to_another_path_is_no_name(name: str) -> None:
    with pytest.raises(Problem, match="is no id and no name"):
        quoted(name)


@pytest.mark.parametrize(
    ("name", "part"),
    [("a/b", "a%2Fb"), ("...", "..."), ("ä?", "%C3%A4%3F"), ("cats@2", "cats%402")],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    assert quoted(name) == part
