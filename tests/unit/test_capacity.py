"""What a first process says of its machine."""

from multiprocessing import Pipe

from worker.capacity import CPU, Capacity, tell


def test_the_asker_learns_the_device() -> None:
    ours, theirs = Pipe(duplex=False)
    with ours:
        tell(theirs)
        assert Capacity(*ours.recv()).device in {CPU.device, "cuda"}
    assert theirs.closed


def test_a_process_whose_asker_has_gone_ends_without_a_traceback() -> None:
    ours, theirs = Pipe(duplex=False)
    ours.close()
    tell(theirs)
    assert theirs.closed
