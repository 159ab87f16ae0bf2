"""What is to be done where the system refuses a file, by the number of its error."""

from errno import EACCES, EDQUOT, EEXIST, EIO, ENOSPC, ENOTDIR, EPERM, EROFS

ROOM = "The worker needs room for it on its disk."
WRITABLE = "Make the folder, or its disk, writable for the user of the worker."
IN_THE_WAY = "The worker needs a folder where a file is: move the file away."
ADVICE = {
    **dict.fromkeys((ENOSPC, EDQUOT), ROOM),
    **dict.fromkeys((EROFS, EACCES, EPERM), WRITABLE),
    **dict.fromkeys((ENOTDIR, EEXIST), IN_THE_WAY),
    EIO: "The disk of the worker is damaged: check it, or use another one.",
}
"""By errno: the machine is at fault, whatever was to be written."""
OTHERWISE = "See to the disk of the worker; its log may say more."


def advice(error: OSError) -> str:
    """What the owner of a machine can do so that the file can be written."""
    return ADVICE.get(error.errno or 0, OTHERWISE)
