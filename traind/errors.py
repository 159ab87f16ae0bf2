"""What a client raises."""

from typing import TYPE_CHECKING, Any

from app.option_words import IN_PYTHON, reworded

if TYPE_CHECKING:
    from app.answers.datasets import DatasetVersion
    from app.answers.jobs import Job


class BadKey(Exception):
    """What stands for an API key cannot be one. The message does not show it."""

    def __init__(self) -> None:
        super().__init__(
            "The API key (TRAIND_KEY) has spaces, line breaks or characters that no key has; copy "
            "it again, or make a new one with `traind keys create`."
        )


class Problem(Exception):
    """What the API refused, in its own words. `code` is stable."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        """The HTTP status."""
        self.code = document.get("code", "unknown")
        self.errors = document.get("errors", [])
        """What is wrong, field by field: `pointer` and `message`."""
        super().__init__(document.get("detail") or document.get("title") or f"HTTP {status}")


class JobFailed(Exception):
    """A job ended without what it was made for; `job` is the API's answer about it."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        failure = job.failure
        why = f"{failure.message} {failure.advice}" if failure else "It was cancelled."
        super().__init__(f"{job.id} {job.status}: {why}")


class NoModel(Exception):
    """There is no model to take."""


class DatasetRefused(Exception):
    """The service cannot use a file; `dataset` is its answer about it.

    The message names options as arguments of `client.datasets.add`, and the answer's `refusal` as
    fields of the API.
    """

    def __init__(self, dataset: "DatasetVersion") -> None:
        self.dataset = dataset
        refusal = dataset.refusal
        told = f"{refusal.message} {refusal.advice}" if refusal else dataset.status
        super().__init__(reworded(told, IN_PYTHON))


class BadInput(Exception):
    """A value cannot be sent, or nothing can be predicted from it; the message says why."""
