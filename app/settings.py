"""Every setting of traind, read from TRAIND_* environment variables by the entry points."""

import os
import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import address, worker_labels
from app.docstrings import describe

_PASSWORD = re.compile(r"(?<=//)[^/@]*@|\?.*")
"""The user and the password of an address, and what it asks."""


BUCKETS = ("s3", "gs", "az")
"""How the address of a bucket begins."""


class BadSettings(Exception):
    """TRAIND_* variables have values that cannot be used; the message has a line for each."""

    def __init__(self, error: ValidationError) -> None:
        lines = [
            f"TRAIND_{str(each['loc'][0]).upper()}={_PASSWORD.sub('', str(each['input']))}: "
            f"{each['msg']}"
            for each in error.errors(include_url=False)
        ]
        super().__init__("\n".join(lines))


class Settings(BaseSettings):
    """Where things are and how much may run. Built by entry points, never at import.

    An empty variable means the default.
    """

    model_config = SettingsConfigDict(
        env_prefix="TRAIND_", env_ignore_empty=True, frozen=True, json_schema_extra=describe
    )

    home: Path = Path(".traind")
    """Everything the service writes: the database, uploaded files, decoded datasets, `rates`, where
    the API's processes count the requests of keys, and `traind.db.bells`, pipes by which its
    processes wake each other."""
    database_url: str = ""
    """SQLAlchemy address of the database, such as postgresql+psycopg://user@host/name; by default a
    SQLite file in the home folder."""
    objects: str = ""
    """Address of a bucket for the uploaded files of datasets, such as s3://bucket/prefix
    (docs/objects.md); by default they are in `objects` in the home."""
    cache_bytes: int = Field(default=50 * 2**30, ge=0, le=2**53)
    """Most bytes that files from the bucket, and the arrays made of them, take in a worker's home;
    the least recently used go first, and what a run uses stays."""
    datasets: Path | None = None
    """A folder in torchvision's layout (MNIST/raw/..., the files plain or as .gz), looked in before
    any download."""
    backbones: Path | None = None
    """Folder of the weights of networks to start from (NAME.safetensors), where `traind backbone`
    puts them; by default `backbones` in the home."""
    host: str = "127.0.0.1"
    """Address that the API listens on."""
    unprotected: bool = False
    """Answer beyond the loopback without keys: for a container whose port only the loopback has."""
    allowed_hosts: str = ""
    """Host names, with commas between, under which browsers may use the API without keys. Their
    pages may send requests, with the cookie of a session, too."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the API listens on."""
    api_processes: int = Field(default=1, ge=1, le=64)
    """How many processes answer on the API's port, each with models of its own: for more
    predictions a second on more processors."""
    slots: int = Field(default=1, ge=1, le=64)
    """How many jobs one worker trains at once."""
    worker_name: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")
    """What people call this worker; by default the name of its host. Where another living worker
    has the name, -2, -3 and so on are added."""
    worker_labels: str = ""
    """Labels of this worker, such as gpu=a100,zone=b, which jobs may require (docs/workers.md)."""
    worker_threads: int | None = Field(default=None, ge=1, le=1024)
    """Most threads of one job on this worker; by default the processors that it may use, but 2 at
    least, for which presets ask."""
    run_memory_mb: int | None = Field(default=None, ge=16, le=2**30)
    """Most memory of one run, in MB, beyond what every run starts with; by default its share of 80%
    of what the worker may use."""
    no_progress_seconds: float = Field(default=300.0, gt=0)
    """Seconds of silence that end a run; a dataset's download is the longest silence."""
    keep_jobs: int = Field(default=1000, ge=1, le=2**53)
    """How many ended jobs are kept whole; older ones lose log, curves, diagnosis and unaliased
    models."""
    keep_checkpoints: int = Field(default=100, ge=1, le=2**53)
    """How many ended jobs keep a checkpoint, from which they can be tried again."""
    engine: Literal["local", "ray"] = "local"
    """Where a run executes: `local` is a process on the worker's machine, `ray` a Ray cluster
    (docs/ray.md); for API and workers alike."""
    ray_address: str = ""
    """HOST:PORT of the Ray cluster's head, or `auto` for the one that this machine belongs to; by
    default RAY_ADDRESS, and without it a Ray of this machine that starts and ends with the
    worker."""
    max_body_bytes: int = Field(default=16 * 2**20, ge=1024, le=2**53)
    """Largest request body that the API reads, in bytes, after gzip is unpacked; uploads have a
    limit of their own."""
    max_upload_bytes: int = Field(default=16 * 2**30, ge=1024, le=2**53)
    """Largest file of a dataset, in bytes."""
    webhooks: Path | None = None
    """A TOML file of the destinations that webhooks may name, with address and secret of each; for
    API and workers alike (docs/webhooks.md)."""
    mlflow_uri: str = ""
    """Address of an MLflow server on which each ended job becomes a run; for API and workers alike
    (docs/mlflow.md)."""
    public_url: str = ""
    """Address of the service for others: links in webhooks and on MLflow begin with it. Without it,
    links in webhooks are paths."""
    keep_alive_seconds: int = Field(default=75, ge=1, le=2**53)
    """Seconds that an unused connection stays open; more than a proxy in front keeps its own."""

    @field_validator("mlflow_uri", "public_url")
    @classmethod
    def _is_of_the_web(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must begin with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("must contain no password; MLFLOW_TRACKING_USERNAME and _PASSWORD do")
        return url.rstrip("/")

    @field_validator("worker_labels")
    @classmethod
    def _are_labels(cls, labels: str) -> str:
        worker_labels.parsed(labels)
        return labels

    @field_validator("objects")
    @classmethod
    def _is_of_a_bucket(cls, address: str) -> str:
        parts = urlsplit(address)
        if address and (parts.scheme not in BUCKETS or not parts.hostname):
            raise ValueError("must be s3://bucket/prefix, or begin with gs:// or az://")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be a bucket and a prefix only; AWS_* variables have the rest")
        return address.rstrip("/")

    @field_validator("home", "datasets", "backbones", "webhooks")
    @classmethod
    def _expand_user(cls, folder: Path | None) -> Path | None:
        try:
            return folder.expanduser() if folder else folder
        except RuntimeError as error:  # no such user
            raise ValueError(str(error)) from error

    @classmethod
    def from_environment(cls) -> Self:
        """The settings of this process.

        Raises:
            BadSettings: a variable has a value that cannot be used.
        """
        try:
            return cls()
        except ValidationError as error:
            raise BadSettings(error) from error

    def environment(self) -> dict[str, str]:
        """This process's variables, with these settings in place of any that stand there."""
        settings = self.model_dump(mode="python", exclude_none=True)
        values = {f"TRAIND_{name.upper()}": str(settings[name]) for name in settings}
        names = {f"TRAIND_{name.upper()}" for name in type(self).model_fields}
        return {k: v for k, v in os.environ.items() if k.upper() not in names} | values

    @property
    def database(self) -> str | Path:
        """SQLAlchemy address of the database, or the path of its SQLite file."""
        return self.database_url or (self.home / "traind.db").absolute()

    @property
    def object_storage(self) -> str | Path:
        """Address or folder of the uploaded files; API and workers see the same one."""
        return self.objects or (self.home / "objects").absolute()

    @property
    def uploads(self) -> Path:
        """Folder of the unfinished uploads of an API."""
        return self.home / "objects" / "uploads"

    @property
    def cache(self) -> Path:
        """Folder of the files that a worker has fetched from a bucket."""
        return self.home / "cache"

    @property
    def rates(self) -> Path:
        """Folder in which the API's processes count the requests of keys together."""
        return self.home / "rates"

    @property
    def backbone_files(self) -> Path:
        """Folder of the weights of backbones; API and workers see the same one."""
        return (self.backbones or self.home / "backbones").absolute()

    @property
    def url(self) -> str:
        """Address of the API for a program on this machine."""
        return address.url(self.host, self.port)
