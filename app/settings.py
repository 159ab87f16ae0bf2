"""Every setting of traind, read from TRAIND_* environment variables by the entry points."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and how much may run. Built by entry points, never at import."""

    model_config = SettingsConfigDict(
        env_prefix="TRAIND_", frozen=True, use_attribute_docstrings=True
    )

    home: Path = Path(".traind")
    """Everything the service writes: the database and the decoded datasets."""
    database_url: str = ""
    """SQLAlchemy address of the database; by default a SQLite file in the home folder."""
    datasets: Path | None = None
    """A folder in torchvision's layout (MNIST/raw/...), looked in before any download."""
    host: str = "127.0.0.1"
    """Address that the API listens on."""
    unprotected: bool = False
    """Answer beyond the loopback without keys: for a container whose port only the loopback has."""
    allowed_hosts: str = ""
    """Host names, with commas between, under which browsers may use the API without keys."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the API listens on."""
    slots: int = Field(default=1, ge=1, le=64)
    """How many jobs one worker trains at once."""
    run_memory_mb: int | None = Field(default=None, ge=16)
    """Most memory of one run, in MB; by default its share of 80% of what the worker may use."""
    no_progress_seconds: float = Field(default=300.0, gt=0)
    """A run that says nothing for so long is ended; a dataset's download is the longest silence."""
    keep_jobs: int = Field(default=1000, ge=1)
    """Ended jobs of which everything is kept; older ones lose log, curves and unaliased models."""
    keep_checkpoints: int = Field(default=100, ge=1)
    """Ended jobs that can be tried again from their checkpoint."""
    engine: str = Field(default="local", pattern="^local$")
    """Where a run executes: `local`, a process on the worker's machine."""
    max_body_bytes: int = Field(default=16 * 2**20, ge=1024)
    """Largest request body that the API reads, in bytes."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long an unused connection stays open; longer than a proxy in front keeps its own."""

    @property
    def url(self) -> str:
        """Where the API is reached: an IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def database(self) -> str:
        """Address of the database, with the default filled in."""
        return self.database_url or f"sqlite:///{(self.home / 'traind.db').absolute()}"
