"""The worker's loop: claim jobs, start runs, relay what they say, release them. Their only writer.

Signals only set a flag. Each turn waits until something happens and then goes through the same
steps; a step that fails rests for a while and holds up no other.
"""

import logging
import signal
import time
from collections.abc import Callable
from functools import partial

from app.codes import StopReason
from app.settings import Settings
from app.store import leases, outbox, queue, recovery, workers
from app.store.database import REFUSALS, Database, News
from app.store.disk import FolderUnwritable
from app.store.errors import LeaseLost
from app.store.leases import HEARTBEAT_SECONDS, LEASE, SECOND
from worker import follow_ups, relay
from worker.calibrator import Calibrator
from worker.delivery_processes import DeliveryProcesses
from worker.engines import Engine
from worker.held import Held
from worker.housekeeping import Housekeeping
from worker.importer import Importer
from worker.registration import Registration
from worker.starting import Starter
from worker.wakeup import Wakeup

log = logging.getLogger("traind.worker")

DATABASE_SECONDS = 4.0
"""How long one write waits for the database: several fit into a lease."""
LOOK_SECONDS = 1.0
"""How often an idle worker asks whether the database has changed, if nobody rings."""
POLL_SECONDS = 0.025
"""How often it asks where there is no doorbell: a claim waits half of it."""
STANDING_SECONDS = 0.2
"""How often a worker asks what the owners of its jobs want, unless it hears of it."""
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
"""After this long without a heartbeat of its own, a worker does not trust expired leases."""
REST_SECONDS = 1.0
"""How long a step, or the writes of a run, rest after a failure."""
LEAVE_SECONDS = 20.0
"""How long a stopping worker tries to write what its runs have said."""


class Supervisor:
    """One worker: holds up to `settings.slots` jobs until it is told to stop.

    `database` should give up after `DATABASE_SECONDS`.
    """

    def __init__(self, settings: Settings, database: Database, engine: Engine) -> None:
        self._settings = settings
        self._database = database
        self._engine = engine
        self._registration = Registration(settings, database)
        self._held: list[Held] = []
        self._stop_at: float | None = None
        self._resting: dict[str, float] = {}
        self._next_standing = 0.0
        self._next_heartbeat = 0.0
        self._heartbeat_at = time.time()
        self._judges_at = 0.0
        self._alive = 1
        self._stamp: int | None = None
        self._housekeeping = Housekeeping(settings, database)
        self._importer = Importer(settings, database, self._registration.id)
        self._starter = Starter(settings, database, engine, self._importer, self._registration.id)
        self._gives_back = False
        self._deliveries = DeliveryProcesses(settings, database)
        self._calibrator = Calibrator(settings.home)
        self._wakeup = Wakeup(database)
        database.on_commit = self._wakeup.ring_others

    def run(self) -> None:
        """Works until SIGTERM or SIGINT, then puts the jobs that it holds back in the queue.

        Raises:
            CannotStart: the engine cannot start any run.
        """
        try:
            self._startup()
            while not self._is_done():
                self._turn()
            self._shutdown()
        finally:
            self._wakeup.close()

    def _turn(self) -> None:
        self._wait()
        self._attempt(self._registration.enter)
        self._attempt(self._heartbeat)
        for held in list(self._held):
            self._attempt(partial(self._relay, held), held.lease.job_id)
            self._attempt(self._heartbeat)  # the write before may have waited long
        self._attempt(self._obey)
        self._attempt(self._look)
        self._attempt(self._deliveries.start_due)
        self._attempt(self._import)
        self._attempt(self._housekeeping.prune)
        self._attempt(self._housekeeping.sweep)
        self._attempt(self._calibrate)

    def _startup(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._engine.warm_up()
        self._attempt(self._registration.enter)
        # A stop comes first: the signal may have ended what the engine was loading.
        while self._stop_at is None and not self._engine.is_ready():
            self._wakeup.wait([], POLL_SECONDS)
        self._registration.capacity = self._engine.capacity
        log.info("%s is ready, %d slot(s)", self._registration.id, self._settings.slots)

    def _on_signal(self, *_: object) -> None:
        self._stop_at = self._stop_at or time.monotonic()

    def _is_done(self) -> bool:
        stop_at = self._stop_at or float("inf")
        return time.monotonic() > stop_at + (LEAVE_SECONDS if self._held else 0.0)

    def _shutdown(self) -> None:
        self._calibrator.stop()
        self._deliveries.stop()
        self._attempt(self._import)
        self._importer.close()
        for held in self._held:  # the database has refused their last words: their leases expire
            log.error("%s is left to another worker", held.lease.job_id)
            held.drop()
        self._attempt(self._registration.leave)
        log.info("worker %s has stopped", self._registration.name)

    def _attempt(self, step: Callable[[], None], name: str = "") -> None:
        """Does a step unless it rests; whatever goes wrong is logged, and the worker lives."""
        name = name or step.__name__.strip("_")
        if time.monotonic() < self._resting.get(name, 0.0):
            return
        try:
            step()
        except (*REFUSALS, FolderUnwritable) as error:
            log.warning("%s: %s It is tried again.", name, str(error).partition("\n")[0])
        except Exception:
            log.exception("%s failed; it is tried again", name)
        else:
            self._resting.pop(name, None)
            return
        self._resting[name] = time.monotonic() + REST_SECONDS

    def _wait(self) -> None:
        """Returns when a run has reported or died, it rings, or it is time to look around."""
        waitables = [each for held in self._held for each in held.waitables]
        waitables += self._importer.waitables
        if self._wakeup.wait(waitables, self._longest_wait):
            self._next_standing = 0.0  # the owner of a job may want something

    @property
    def _longest_wait(self) -> float:
        knows_of_work = self._stamp is None or bool(self._resting)
        if self._has_room and (knows_of_work or not self._wakeup.has_bell):
            return POLL_SECONDS
        return STANDING_SECONDS / 2 if self._held else LOOK_SECONDS

    @property
    def _has_room(self) -> bool:
        return len(self._held) < self._settings.slots and self._stop_at is None

    def _heartbeat(self) -> None:
        """Renews the leases and takes back the jobs of workers that no longer renew theirs.

        What kept this worker from renewing, a full disk or a sleeping machine, may have kept the
        others, too: after such a silence they get a lease's time to renew theirs. A worker that has
        not entered is not registered, and so takes no job.
        """
        if not self._registration.has_entered or time.monotonic() < self._next_heartbeat:
            return
        if time.time() - self._heartbeat_at > SILENCE_SECONDS:
            self._judges_at = time.monotonic() + LEASE / SECOND
        with self._database.write(News.NONE) as connection:
            is_new = self._registration.beat(connection)
            leases.heartbeat(connection, [held.lease for held in self._held])
            if self._calibrator.speed is not None:
                workers.keep_speed(connection, self._registration.id, self._calibrator.speed)
            self._alive = workers.count_alive(connection)
        if is_new:
            self._stamp = None  # from now on it may take jobs
        self._database.spread_looks(self._alive)
        if time.monotonic() >= self._judges_at:
            with self._database.write() as connection:
                recovery.requeue_expired(connection)
        self._heartbeat_at = time.time()
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS

    def _relay(self, held: Held) -> None:
        """Writes what a run has said; its last word, or its death, releases its job."""
        held.listen()
        if not held.has_news:
            return
        if traceback := held.traceback:
            log.error("%s failed:\n%s", held.lease.job_id, traceback)
        status = None
        try:
            with self._database.write(held.news) as connection:
                if held.reports:
                    leases.record(connection, held.lease, relay.update(held.reports))
                if held.outcome is not None:
                    status = leases.release(connection, held.lease, held.outcome)
        except LeaseLost as lost:
            log.warning("%s", lost)
            self._drop(held)
            return
        held.reports = []
        held.rest(self._alive)
        if status is not None:
            log.info("%s is %s: %s", held.lease.job_id, status, type(held.outcome).__name__)
            self._drop(held)

    def _drop(self, held: Held) -> None:
        held.drop()
        self._held.remove(held)
        self._stamp = None  # there is room for another job

    def _obey(self) -> None:
        """Passes on what owners want, and kills what does not stop, hangs or is no longer ours."""
        at = time.monotonic()
        if self._held and at >= self._next_standing:
            self._next_standing = at + max(STANDING_SECONDS, self._database.look_seconds)
            with self._database.read() as connection:
                found = leases.standings(connection, [held.lease for held in self._held])
            for held in self._held:
                standing = found[held.lease.job_id]
                if not standing.held:
                    held.run.kill()
                elif standing.wish is not None:
                    held.stop(standing.wish)
                elif self._gives_back:
                    held.stop(StopReason.DRAIN)
        for held in self._held:
            if self._stop_at is not None and held.stopping is None:
                held.stop(StopReason.SHUTDOWN)
            held.kill_if_late()

    def _look(self) -> None:
        """Takes jobs and does what follows from ended ones, if anything has changed.

        The stamp changes with every commit of another connection, and reading it costs some
        microseconds: an idle worker asks for no job in between.
        """
        stamp = self._database.stamp()
        if stamp == self._stamp:
            return
        with self._database.read() as connection:
            waiting = self._has_room and queue.has_work_for(connection, self._registration.id)
            self._gives_back = workers.gives_back(connection, self._registration.id)
            due = outbox.due(connection)
        follows = bool(due - outbox.DELIVERIES)
        has_work = follows or waiting
        while follows:
            follows = follow_ups.work_off(self._database)
        while waiting and self._has_room and (held := self._starter.start_next()):
            self._held.append(held)
        self._stamp = None if has_work else stamp  # this worker's own work may have made more

    def _import(self) -> None:
        takes_none = self._gives_back or not self._registration.has_entered
        self._importer.turn(stopping=takes_none or self._stop_at is not None)

    def _calibrate(self) -> None:
        """Has the machine measured while there is nothing to do; jobs come first."""
        if self._calibrator.look(busy=bool(self._held) or self._stop_at is not None):
            self._next_heartbeat = 0.0  # which makes it known
