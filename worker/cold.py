"""Imported first by the server from which runs are forked, as `worker.warm` is last.

What is loaded in between stays: measured, a collector that looks at it again and again takes a
tenth of the time.
"""

import gc

gc.disable()
