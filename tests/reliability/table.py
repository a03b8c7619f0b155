# SPDX-License-Identifier: MIT
"""A table of figures, each with what it must be."""


class Table:
    """Rows of: what, figure, must be, verdict; in an untimed one, times are there to be read."""

    def __init__(self, timed=True):
        self.rows = []
        self.timed = timed

    @property
    def is_good(self):
        return bool(self.rows) and all(good for _, _, _, good in self.rows)

    def add(self, what, figure, must, good):
        self.rows.append((what, str(figure), str(must), bool(good)))
        print(f"{'ok    ' if good else 'FAILED'} {what}: {figure} ({must})", flush=True)

    def none(self, what, count):
        """A count that must be 0."""
        self.add(what, count, 0, count == 0)

    def all(self, what, count, of):
        """As many as there are."""
        self.add(what, count, of, count == of)

    def most(self, what, figure, limit, unit=""):
        self.add(what, f"{figure:.1f} {unit}".strip(), f"< {limit} {unit}".strip(), figure < limit)

    def within(self, what, time, limit, unit):
        """A time that depends on what else the machine does."""
        if self.timed:
            self.most(what, time, limit, unit)
        else:
            self.add(what, f"{time:.1f} {unit}", "not judged", True)

    def least(self, what, figure, limit):
        self.add(what, figure, f">= {limit}", figure >= limit)

    def fail(self, what, why):
        self.add(what, why, "an end without failure", False)

    def show(self):
        if not self.rows:
            return
        width = [max(len(row[column]) for row in self.rows) for column in range(3)]
        print()
        for what, figure, must, good in self.rows:
            print(f"{what:{width[0]}}  {figure:>{width[1]}}  {must:>{width[2]}}  {'ok' if good else 'FAILED'}")
