# SPDX-License-Identifier: MIT
"""The memory of a process that hides it: what a core dump would have, and files that are mapped."""
import os
import subprocess
from pathlib import Path

SHIM = Path(__file__).resolve().parents[1] / "shims/unprotected.c"
# A sanitizer reserves terabytes for its notes.
REGION_MAX = 1 << 30
KERNELS = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


def build_shim(directory, always=False):
    """A library that keeps a process readable for its own user; None for root, who reads it anyway."""
    if os.geteuid() == 0 and not always:
        return None
    path = Path(directory, "unprotected.so")
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", path, SHIM], check=True)
    path.chmod(0o755)
    return path


def regions(pid):
    """(what it is, content) of all that a process has mapped."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, _, _, _, *path = line.split()
            begin, end = (int(edge, 16) for edge in span.split("-"))
            if "r" in rights and end - begin < REGION_MAX and not is_code(rights, path):
                memory.seek(begin)
                yield (path or ["anonymous memory"])[0], memory.read(end - begin)


def is_code(rights, path):
    """What the kernel has put there, and what is the same in the program's file."""
    name = Path(path[0]).name if path else ""
    return name in KERNELS or ("w" not in rights and (".so" in name or name == "oauth2.fcgi"))
