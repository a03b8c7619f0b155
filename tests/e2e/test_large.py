# SPDX-License-Identifier: MIT
"""The configurations that `tests/bench/start.py` measures with, and its options."""

import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


def run(*command):
    return subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=True).stdout


@pytest.mark.parametrize("count", [1, 25])
def test_configurations_are_good(build, tmp_path, count):
    admin = build / "oauth2-admin"
    run(admin, "keygen", "--out", tmp_path / "key.pem")
    config = tmp_path / "oauth2.yaml"
    config.write_text(run("/usr/bin/python3", "-B", BENCH / "large.py", count))
    assert f"ok, {count} client" in run(admin, "-c", config, "check")
    assert "tenant-0000000" in run(admin, "-c", config, "list-clients")


def test_options():
    shown = run("/usr/bin/python3", "-B", BENCH / "start.py", "--help")
    for option in ("--build", "--json", "--runs", "--rounds"):
        assert option in shown
