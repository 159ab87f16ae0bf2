"""What answers say of the columns that a model of a table looks at."""

from pydantic import BaseModel, ConfigDict

from app.rows.columns import Kind


class TableColumn(BaseModel):
    """A column that a model of a table looks at, with the statistics of its training rows."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """Its name, as rows sent to /predict have it."""
    kind: Kind
    """`number`, `date` (ISO 8601; its statistics are days since 1970), or `category`."""
    mean: float
    """Mean of a number's or a date's values."""
    std: float
    """Their standard deviation; 1 where they are all the same."""
    low: float
    """The least of them."""
    high: float
    """The greatest of them."""
    has_missing: bool
    """Whether training rows lacked the value; if none did, a missing one is warned of."""
    categories: list[str]
    """The values of a category that were trained on; others are warned of."""
    has_rare: bool
    """Whether training rows had rarer categories, which count as one."""
