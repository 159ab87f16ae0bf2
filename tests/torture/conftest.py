"""The API that the service's tests have."""

from tests.service.conftest import api

__all__ = ["api"]
