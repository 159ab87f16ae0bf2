"""Why an uploaded file cannot be used."""

from app.rows.delimited import sendable


class Refusal(Exception):
    """The file is refused as a whole; `advice` says what its owner can do.

    The message may name what the file does, also where that cannot be sent as it is.
    """

    def __init__(self, code: str, message: str, advice: str) -> None:
        message = sendable(message)
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = sendable(advice)


def unsafe(what: str) -> Refusal:
    """An archive that no honest program makes of pictures."""
    return Refusal(
        "unsafe_archive",
        f"The archive {what}.",
        "Pack the pictures anew, as plain files in a folder for each class.",
    )
