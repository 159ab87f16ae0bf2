"""The worker's loop: claim jobs, start runs, relay what they say, reap them. The only writer.

Signals only set a flag. The loop reads top to bottom: each turn waits for something to be said,
then goes through the same few steps.
"""

import logging
import os
import signal
import socket
import time
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from multiprocessing.connection import wait

from app.codes import FailureCode
from app.settings import Settings
from app.store import leases, recovery, retention, workers
from app.store.database import Connection, Database
from app.store.errors import DatabaseBusy, LeaseLost, StorageFull
from app.store.leases import HEARTBEAT_SECONDS, Lease
from app.store.retention import Policy
from worker import memory, relay
from worker.calibrator import Calibrator
from worker.engines import local
from worker.messages import Failed, Finished, Measured, Order, Report, Step, Stopped

log = logging.getLogger("traind.worker")

CLAIM_SECONDS = 0.025
"""How often a worker with a free slot looks for a job: half of it is the mean wait."""
STANDING_SECONDS = 0.2
"""How often a worker asks whether its jobs are to be cancelled."""
PRUNE_SECONDS = 60.0
"""How often a worker looks for what is to be pruned."""
RETRY_SECONDS = 1.0
"""How long to wait when the database takes nothing."""
CANCEL_GRACE_SECONDS = 0.6
"""How long a cancelled run may take to stop by itself: nothing is lost by killing it."""
SHUTDOWN_GRACE_SECONDS = 8.0
"""How long a run may take to reach a step boundary and send its checkpoint."""


@dataclass
class Held:
    """A job that this worker holds: its lease, its run, and what is yet to be written."""

    lease: Lease
    run: local.Run
    pending: list[Report] = field(default_factory=list)
    spoke_at: float = field(default_factory=time.monotonic)
    first_step: bool = False
    stopping: str | None = None
    kill_at: float = float("inf")
    hung: bool = False

    def stop(self, reason: str, grace: float) -> None:
        """Asks the run to stop, once a reason; it is killed when the grace is over."""
        if self.stopping != reason:
            self.stopping = reason
            self.kill_at = time.monotonic() + grace
            self.run.stop(reason)


class Supervisor:
    """One worker: holds up to `settings.slots` jobs until it is told to stop."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._held: list[Held] = []
        self._patience = settings.no_progress_seconds
        self._stop = False
        self._next_standing = 0.0
        self._next_heartbeat = 0.0
        self._next_prune = time.monotonic() + PRUNE_SECONDS
        self._policy = Policy(settings.keep_jobs, settings.keep_checkpoints)
        self._calibrator = Calibrator(settings.home / f"calibration-{version('torch')}.json")

    def run(self) -> None:
        """Works until SIGTERM or SIGINT, then puts the jobs it holds back in the queue."""
        self._startup()
        while not self._stop or self._held:
            self._wait()
            try:
                self._relay()
                self._reap()
                self._heartbeat()
                self._obey()
                self._claim()
                self._prune()
                self._calibrate()
            except (DatabaseBusy, StorageFull) as error:
                log.warning("%s Runs wait, and what they have said is written later.", error)
                time.sleep(RETRY_SECONDS)
        self._shutdown()

    def _startup(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._bury_predecessors()
        local.warm_up()
        log.info("worker %s is ready, %d slot(s)", self._name, self._settings.slots)

    def _bury_predecessors(self) -> None:
        """Takes back what dead workers of this machine held, without waiting for their leases."""
        host = socket.gethostname()
        with self._database.write() as connection:
            for name in workers.names(connection):
                where, _, pid = name.rpartition("/")
                if where == host and (name == self._name or not _exists(int(pid))):
                    recovery.requeue_of(connection, name)
                    workers.leave(connection, name)

    def _on_signal(self, *_: object) -> None:
        self._stop = True

    def _shutdown(self) -> None:
        self._calibrator.stop()
        with self._database.write() as connection:
            workers.leave(connection, self._name)
        log.info("worker %s has stopped", self._name)

    def _wait(self) -> None:
        """Returns when a run has said something or died, or when it is time to look around."""
        idle = len(self._held) < self._settings.slots and not self._stop
        waitables = [each for held in self._held for each in held.run.waitables]
        timeout = CLAIM_SECONDS if idle else STANDING_SECONDS / 2
        if waitables:
            wait(waitables, timeout)
        else:
            time.sleep(timeout)

    def _relay(self) -> None:
        """Writes what the runs have said; a run's last word settles its job."""
        for held in list(self._held):
            if not held.pending:  # else the database refused it: the run waits in its full pipe
                held.pending = held.run.reports()
            if not held.pending:
                continue
            held.spoke_at = time.monotonic()
            try:
                self._write(held)
            except LeaseLost as lost:
                log.warning("%s", lost)
                self._drop(held)

    def _write(self, held: Held) -> None:
        last = held.pending[-1]
        first_step = not held.first_step and any(isinstance(r, Step) for r in held.pending)
        values = relay.writes(held.pending)
        with self._database.write() as connection:
            leases.record(connection, held.lease, first_step=first_step, **values)
            settled = self._settle(connection, held.lease, last)
        held.first_step = held.first_step or first_step
        held.pending.clear()
        if settled:
            log.info("%s: %s", held.lease.job_id, type(last).__name__.lower())
            self._drop(held)

    def _settle(self, connection: Connection, lease: Lease, last: Report) -> bool:
        """Ends the lease if the report is a run's last word; returns whether it was."""
        match last:
            case Finished():
                leases.succeed(connection, lease, relay.model(last))
            case Measured():
                leases.succeed(connection, lease, None)
            case Failed(code, message, advice, traceback):
                if traceback:
                    log.error("%s failed:\n%s", lease.job_id, traceback)
                leases.fail(
                    connection, lease, code=FailureCode(code), message=message, advice=advice
                )
            case Stopped("cancel"):
                leases.cancel(connection, lease)
            case Stopped("pause"):
                leases.pause(connection, lease)
            case Stopped(reason):
                leases.requeue(connection, lease, reason)
            case _:
                return False
        return True

    def _reap(self) -> None:
        """Settles the jobs of dead runs at once: a lease is only for a dead supervisor."""
        for held in list(self._held):
            death = held.run.death()
            if death is None or held.pending:
                continue
            try:
                with self._database.write() as connection:
                    self._settle_death(connection, held, death)
            except LeaseLost as lost:
                log.warning("%s", lost)
            log.warning("%s: %s", held.lease.job_id, death)
            self._drop(held)

    def _settle_death(self, connection: Connection, held: Held, death: str) -> None:
        if held.stopping == "cancel":
            leases.cancel(connection, held.lease)
        elif held.stopping == "pause":
            leases.pause(connection, held.lease)
        elif held.stopping is not None:
            leases.requeue(connection, held.lease, held.stopping)
        elif held.hung:
            leases.fail(
                connection,
                held.lease,
                code=FailureCode.NO_PROGRESS,
                message=f"The run said nothing for {self._patience:g} s and was ended.",
                advice="Try a smaller batch or network.",
            )
        else:
            leases.lose(connection, held.lease, death)

    def _heartbeat(self) -> None:
        """Renews the leases and takes back the jobs of workers that no longer renew theirs."""
        if time.monotonic() < self._next_heartbeat:
            return
        with self._database.write() as connection:
            workers.register(connection, self._name, self._settings.slots)
            leases.heartbeat(connection, [held.lease for held in self._held])
            recovery.requeue_expired(connection)
            if self._calibrator.speed is not None:
                workers.keep_speed(connection, self._name, self._calibrator.speed)
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS

    def _prune(self) -> None:
        """Drops what the policy does not keep, a little at a time."""
        if time.monotonic() < self._next_prune:
            return
        with self._database.write() as connection:
            pruned = retention.prune(connection, self._policy)
        self._next_prune = time.monotonic() + (1.0 if pruned else PRUNE_SECONDS)

    def _obey(self) -> None:
        """Passes on what owners ask and kills what does not stop, hangs or is no longer ours."""
        at = time.monotonic()
        if self._held and at >= self._next_standing:
            self._next_standing = at + STANDING_SECONDS
            with self._database.read() as connection:
                found = leases.standings(connection, [held.lease for held in self._held])
            for held in self._held:
                standing = found[held.lease.job_id]
                if not standing.held:
                    held.run.kill()
                elif standing.wanted == "cancel":
                    held.stop("cancel", CANCEL_GRACE_SECONDS)
                elif standing.wanted == "pause":
                    held.stop("pause", SHUTDOWN_GRACE_SECONDS)
        for held in self._held:
            if self._stop and held.stopping is None:
                held.stop("shutdown", SHUTDOWN_GRACE_SECONDS)
            held.hung = at - held.spoke_at > self._patience
            if held.hung or at > held.kill_at:
                held.run.kill()

    def _claim(self) -> None:
        """Starts waiting jobs while slots are free."""
        while len(self._held) < self._settings.slots and not self._stop:
            with self._database.read() as connection:
                if not leases.any_waiting(connection):
                    return
            with self._database.write() as connection:
                lease = leases.claim(connection, self._name)
            if lease is None:
                return
            source = self._settings.datasets
            order = Order(
                spec=lease.spec,
                datasets_home=str(self._settings.home / "datasets"),
                datasets_source=str(source) if source else None,
                checkpoint=lease.checkpoint,
                memory_mb=self._settings.run_memory_mb or memory.share(self._settings.slots),
            )
            self._held.append(Held(replace(lease, checkpoint=None), local.Run(order)))
            log.info("%s: attempt %d", lease.job_id, lease.attempt)

    def _calibrate(self) -> None:
        """Has the machine measured while there is nothing to do; jobs come first."""
        if self._calibrator.look(busy=bool(self._held) or self._stop):
            self._next_heartbeat = 0.0  # which makes it known

    def _drop(self, held: Held) -> None:
        held.run.kill()
        held.run.close()
        self._held.remove(held)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
