"""Java's own HttpClient against the service: it asks for HTTP/2 in each request to a new host."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.conftest import Api

PROGRAM = Path(__file__).with_name("JavaClient.java")


def test_javas_client_posts_puts_and_streams(api: Api, tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("no JDK here: install one (default-jdk-headless on Debian)")
    command = [java, str(PROGRAM), api.service.url, api.publish(), api.submit()]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=150, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "done"
