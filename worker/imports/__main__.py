"""`python -P -m worker.imports`: makes arrays of an uploaded file; the order is JSON on its input.

It says what it does in JSON lines (messages.py). A fault of the file is a refusal, which is told
with exit code 0. A fault of the machine, such as a full disk, is told with another code: its worker
tries it again. Any other death leaves its reason in the last line on standard error.
"""

import contextlib
import os
import signal
import sys
import warnings
from pathlib import Path

import msgspec
from PIL import Image

from app.lifeline import Line
from app.store.object_errors import ObjectsUnavailable
from worker import disk_faults, memory
from worker.imports.adding import open_base
from worker.imports.fetching import with_file
from worker.imports.importing import imported
from worker.imports.messages import Delayed, Hindered, Import, LastWord, Progress, Refused, encode
from worker.imports.refusals import Refusal

NICENESS = 10
"""Predictions come first: an import takes what they leave of the processors."""
LEAST_MEMORY_MB = 256
"""With less, Python itself may run out where it cannot say so."""
NO_STORAGE = 74
"""Exit code when the disk is at fault (EX_IOERR of sysexits.h)."""


def main() -> int:
    """Imports what the order on standard input says, and tells how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the group: the worker decides
    Line()
    with contextlib.suppress(OSError):  # the kernel takes this process before the API
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(NICENESS)
    warnings.simplefilter("ignore")  # Pillow's about odd files: what cannot be read is listed
    Image.init()  # once, and not in several threads
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Import)
    last: LastWord
    try:
        base = open_base(wanted.base, say)  # before the limit: it may start other processes
        with with_file(wanted, say) as wanted:
            if wanted.memory_mb is not None:
                memory.limit(max(wanted.memory_mb, LEAST_MEMORY_MB))
            last = imported(wanted, say, base)
    except ObjectsUnavailable as unavailable:
        last = Delayed(str(unavailable))
    except Refusal as refusal:
        last = Refused(refusal.code, refusal.message, refusal.advice)
    except MemoryError:
        most = f"{wanted.memory_mb} MB of" if wanted.memory_mb is not None else "the"
        last = Refused(
            "out_of_memory",
            f"Reading the file takes more than {most} memory.",
            "Send fewer or smaller examples, or raise TRAIND_RUN_MEMORY_MB.",
        )
    except OSError as error:
        if error.errno not in disk_faults.ADVICE:
            raise
        how = f"the disk of the worker refused a file ({error})"
        say(Hindered(how, disk_faults.advice(error)))
        return NO_STORAGE
    say(last)
    return 0


def say(message: Progress | LastWord) -> None:
    """Writes a line to the worker."""
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
