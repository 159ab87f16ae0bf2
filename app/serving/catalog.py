"""Which model a name means, and the models that are loaded."""

from collections import OrderedDict
from threading import Lock

from app.serving.images import Signature
from app.serving.predictor import Predictor
from app.store import trained_models
from app.store.database import Database

MAX_LOADED = 8
"""Models kept loaded; the one that was asked least recently goes first."""


class Catalog:
    """Finds the predictor that an id or an alias names. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()
        self._lock = Lock()

    def predictor(self, ref: str) -> Predictor:
        """The predictor of a model; an alias is looked up anew each time, so it follows at once.

        Raises:
            ModelNotFound: nothing has this id or alias.
        """
        with self._database.read() as connection:
            model_id = trained_models.resolve(connection, ref)
        with self._lock:  # also while loading: two requests for a new model load it once
            predictor = self._loaded.pop(model_id, None) or self._load(model_id)
            self._loaded[model_id] = predictor
            if len(self._loaded) > MAX_LOADED:
                self._loaded.popitem(last=False)
        return predictor

    def _load(self, model_id: str) -> Predictor:
        with self._database.read() as connection:
            model = trained_models.get(connection, model_id)
            graph, _ = trained_models.file(connection, model_id, "onnx")
        return Predictor(model_id, Signature.from_json(model.signature), graph)
