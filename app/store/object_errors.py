"""What goes wrong with uploaded files, wherever they are kept."""

from app.store.errors import StoreError


class ObjectsUnavailable(StoreError):
    """The object storage does not answer, or refuses a request."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The object storage {address} cannot be used: {reason}.")


class ObjectDamaged(StoreError):
    """The bytes of an object have another digest."""

    def __init__(self, address: str, digest: str) -> None:
        super().__init__(
            f"The object sha256/{digest[:2]}/{digest} in {address} is damaged: its bytes have "
            "another digest."
        )
