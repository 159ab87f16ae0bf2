"""The diagnosis of a run, kept apart from it: a fault of the diagnosis never costs the model."""

from collections.abc import Callable
from typing import Any

from worker.messages import Diagnosed, Log, Report
from worker.training.diagnosis.checkup import Checkup
from worker.training.interruptions import Stopping


class Observer:
    """Has a checkup look at the run and reports what it finds; without one it does nothing."""

    def __init__(self, checkup: Checkup | None, report: Callable[[Report], None]) -> None:
        self._checkup = checkup
        self._report = report

    def look(self, look: Callable[..., Diagnosed | None], *about: Any) -> None:
        """Calls a method of `Checkup`, such as `Checkup.step`, and reports what it returns.

        An error of the checkup ends the diagnosis, and the run goes on.

        Raises:
            Stopping: a stop was requested meanwhile.
        """
        if self._checkup is None:
            return
        try:
            found = look(self._checkup, *about)
        except Stopping:
            raise
        except Exception as error:
            self._checkup = None
            self._report(Log(f"the diagnosis gave up: {type(error).__name__}: {error}"))
        else:
            if found is not None:
                self._report(found)
