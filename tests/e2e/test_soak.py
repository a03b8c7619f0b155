# SPDX-License-Identifier: MIT
"""`make soak` and `make races`, at sizes that only show that they work, and that nothing is wrong at once."""

import re
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parents[1] / "reliability"
SHORT = {"assertions": 400, "race-kills": 4, "proofs": 100, "redis": 100, "kills": 40, "disks": 2, "slow": 100,
         "good": 200, "connections": 600, "signals": 4, "rotations": 1}


def run(script, *arguments):
    return subprocess.run(["/usr/bin/python3", "-B", str(PROGRAMS / script), *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def is_sanitized(build):
    """AddressSanitizer keeps what is freed."""
    return b"__asan_init" in (build / "oauth2.fcgi").read_bytes()


def test_soak(build):
    # A process may not have begun to serve at the half: it opens three files when it first uses the state.
    done = run("soak.py", "--build", build, "--seconds", 10, "--requests", 300, "--descriptors", 3,
               "--growth-kb", 65536 if is_sanitized(build) else 4096)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^ok +unexpected answers, none: 0$", done.stdout, re.M), done.stdout
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("part", ["replay", "killed", "crowd", "lifecycle"])
def test_races(build, part):
    sizes = [word for name, size in SHORT.items() for word in (f"--{name}", size)]
    done = run("races.py", "--build", build, "--only", part, "--untimed", *sizes)
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout
