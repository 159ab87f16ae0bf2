"""What the command's exit code says. Scripts rely on these numbers."""

FINE = 0
"""What was asked for is done."""
ERROR = 1
"""Something went wrong; a line on standard error says what, and what to do."""
USAGE = 2
"""The command line makes no sense; nothing was done."""
NOT_SUCCEEDED = 3
"""The job that was followed failed or was cancelled."""
INTERRUPTED = 130
"""Ctrl-C: 128 and the number of the signal, as shells have it. A followed job goes on."""
READER_GONE = 141
"""Who read the output has gone, as `head` does: 128 and the number of SIGPIPE. Nothing is said."""
