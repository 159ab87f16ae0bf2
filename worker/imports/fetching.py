"""The file of an import, fetched from its bucket where it is not on this machine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from app.store.object_errors import ObjectDamaged
from worker import cache
from worker.imports.messages import Import, Progress
from worker.imports.refusals import Refusal
from worker.imports.telling import Say
from worker.in_use import mark

SEND_AGAIN = "Put it back from a backup and try it again, or send it as the name's next version."


@contextmanager
def with_file(wanted: Import, say: Say) -> Iterator[Import]:
    """The order with the path of its file. Neither the file nor the target is removed meanwhile.

    Raises:
        Refusal: the folder or the bucket does not have the file, or the bucket has other bytes.
        ObjectsUnavailable: it does not answer for long.
        OSError: the disk is full.
    """
    if isinstance(wanted.source, str):
        if not wanted.file.exists():
            message = f"The file of {wanted.name} is missing in TRAIND_HOME/objects."
            raise Refusal("object_missing", message, SEND_AGAIN)
        yield wanted
        return
    source, target = wanted.source, Path(wanted.target)

    def told(received: int) -> None:
        say(Progress(received, source.size, "bytes fetched"))

    with mark(target):
        with ExitStack() as in_use:
            try:
                file = in_use.enter_context(cache.fetched(source, target.parent, told))
            except FileNotFoundError as error:
                message = f"The file of {wanted.name} is missing in {source.objects}."
                raise Refusal("object_missing", message, SEND_AGAIN) from error
            except ObjectDamaged as error:
                raise Refusal("object_damaged", str(error), SEND_AGAIN) from error
            yield msgspec.structs.replace(wanted, source=str(file))
        cache.trim(Path(source.cache), target.parent, source.cache_bytes)
