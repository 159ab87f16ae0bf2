"""Image files and the arrays that networks take: the same in training and in serving."""


class InvalidInput(Exception):
    """An input cannot be made into pixels for the model; `index` says which of several."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.index = index
