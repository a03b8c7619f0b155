# SPDX-License-Identifier: MIT
"""Where the state is kept: in memory, so that the figures are those of the program and not of a disk. A process that is
killed loses no more there than on a disk; what a power failure loses is not looked at."""

import contextlib
import os
import shutil
import tempfile

from processes import give_away

MEMORY = "/dev/shm"
ROOM = 512 << 20    # bytes that must be free


def has_room():
    try:
        return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    except OSError:
        return False


@contextlib.contextmanager
def directory_for_state():
    """A directory in memory, or where others are if there is no room."""
    with tempfile.TemporaryDirectory(prefix="oauth2-state-", dir=MEMORY if has_room() else None) as directory:
        os.chmod(directory, 0o755)
        yield directory


def new_state(directory):
    """A new store of its own there, as the configuration says it."""
    made = tempfile.mkdtemp(prefix="s", dir=directory)
    give_away(made)
    return f"lmdb:{made}"
