"""Processes of tests, forked from one server that has loaded torch and the store.

A new interpreter would load them in each, for seconds.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

PRELOAD = ["worker.training.run", "app.store.migrations", "pytest"]


def forking() -> ForkServerContext:
    """Starts such processes, as `multiprocessing` does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context
