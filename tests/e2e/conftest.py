# SPDX-License-Identifier: MIT
"""What all end-to-end tests share: the build to test, and the web servers around it."""

import shutil
import tempfile
from pathlib import Path

import pytest

import servers


def pytest_addoption(parser):
    parser.addoption("--build", default="build", metavar="DIR",
                     help="directory with oauth2.fcgi and oauth2-admin (default: build)")
    parser.addoption("--under", default="", metavar="COMMAND",
                     help="run oauth2.fcgi under this, e.g. 'valgrind -q --log-file=%%d/%%p.memory'; "
                          "%%d is a directory of the test, reports in *.memory fail it")


@pytest.fixture(scope="session")
def build(request):
    """The directory with the programs."""
    path = Path(request.config.getoption("--build")).resolve()
    if not (path / "oauth2.fcgi").exists():
        pytest.fail(f"{path}/oauth2.fcgi is missing: type `make`, or name the directory with --build",
                    pytrace=False)
    return path


@pytest.fixture(scope="session")
def site(build, request):
    """The web servers; each is started when a test first asks for it."""
    directory = Path(tempfile.mkdtemp(prefix="oauth2-e2e."))
    created = servers.Site(build, directory, request.config.getoption("--under"))
    try:
        yield created
    finally:
        created.stop()
        complaints = created.complaints()
        shutil.rmtree(directory, ignore_errors=True)
    assert not complaints, "\n".join(complaints)
