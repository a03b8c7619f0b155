# SPDX-License-Identifier: MIT
"""What processes take: memory, descriptors."""

import dataclasses
import os
import re

from processes import read


def memory_kb(pid, name):
    """RssAnon is a process's own memory; VmRSS has files that it shares, too."""
    found = re.search(rf"^{name}:\s+(\d+)", read(f"/proc/{pid}/status"), re.M)
    return int(found[1]) if found else 0


def descriptors(pid):
    """How many are open. Of a process that is closed to us the kernel tells as the size of a directory (Linux 6.2)."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return os.stat(f"/proc/{pid}/fd").st_size
    except OSError:
        return 0


def most_growth(now, before):
    return max((now[pid] - before[pid] for pid in now.keys() & before.keys()), default=0)


@dataclasses.dataclass
class Sample:
    """Of the processes of one front."""

    own_kb: dict        # by process id
    rss_kb: dict
    descriptors: dict

    @classmethod
    def of(cls, pids):
        return cls({pid: memory_kb(pid, "RssAnon") for pid in pids}, {pid: memory_kb(pid, "VmRSS") for pid in pids},
                   {pid: descriptors(pid) for pid in pids})

    @property
    def count(self):
        return len(self.own_kb)

    @property
    def open_count(self):
        return sum(self.descriptors.values())

    def largest_kb(self):
        return max(self.rss_kb.values(), default=0)

    def growth_kb(self, since):
        """Of the process that grew most; of those that were not there before there is nothing to say."""
        return most_growth(self.own_kb, since.own_kb)

    def opened(self, since):
        """Descriptors that the process opened which opened most, and did not close."""
        return most_growth(self.descriptors, since.descriptors)

    def ended(self, since):
        return len(set(since.own_kb) - set(self.own_kb))
