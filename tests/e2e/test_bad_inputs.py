# SPDX-License-Identifier: MIT
"""`make bad-inputs` in short: some of its inputs through all fronts; and would it see a wrong answer?"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reliability"))

import bad_inputs
import bad_oracle
import bad_sources

EVERY = 30
EVERY_BY_CGI = 90   # which starts a process for each
ENTRIES, _ = bad_inputs.gather()
# The cases of tests/e2e/cases are run by test_cases.py, all of them.
GENERATED = [entry for entry in ENTRIES if isinstance(entry, bad_inputs.Entry)]


def faults(result):
    return "\n".join(bad_inputs.faults(result)[:20])


def test_there_are_enough_inputs():
    """The number that the project promises; Project Wycheproof's come on top."""
    assert len(ENTRIES) >= 10000
    assert len({entry.source for entry in ENTRIES}) >= 12


def test_rows_and_oracle_agree(site):
    """What a row knows by the way it is made is what the oracle says too."""
    sample = bad_inputs.sample(GENERATED, 5)
    wrong = bad_inputs.check_corpus(sample, bad_inputs.models_of(site, sample))
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize("front", bad_inputs.FRONTS)
def test_bad_inputs(site, front):
    sample = bad_inputs.sample(GENERATED, EVERY_BY_CGI if front.endswith("cgi") and "fcgi" not in front
                               else EVERY)
    result, _ = bad_inputs.run(site, sample, (front,))
    assert not faults(result), faults(result)
    assert sum(count.sent for found in result.values() for count in found.values()) == len(sample)


class Mistaken:
    """An oracle that lets nobody in, or everybody."""

    def __init__(self, verdict):
        self.verdict = verdict

    def decide(self, _delivered, _now):
        return self.verdict


ANOTHER = {"sub": "many", "scope": [], "aud": ["many"], "jkt": None, "is_bound": False}


@pytest.mark.parametrize("verdict", [bad_oracle.Verdict(401, "invalid_client"), bad_oracle.Verdict(200),
                                     bad_oracle.Verdict(200, None, ANOTHER)])
def test_a_wrong_answer_is_seen(site, verdict):
    """A token for whom none is due, or another one than is due."""
    entry = bad_inputs.Entry(bad_sources.row("a good request", bad_sources.TENANT))
    front = site.front("fastcgi", bad_sources.PLAIN)
    assert not bad_inputs.run_batch(front, [entry], bad_inputs.models_of(site, [entry])[entry.config]).wrong
    assert bad_inputs.run_batch(front, [entry], Mistaken(verdict)).wrong


def test_a_row_that_is_wrong_is_seen(site):
    entry = bad_inputs.Entry(bad_sources.row("a good request", bad_sources.TENANT, expect=bad_sources.CLIENT))
    assert bad_inputs.check_corpus([entry], bad_inputs.models_of(site, [entry]))


def test_a_process_that_ended_is_seen(site):
    """As if one had been there that is gone."""
    entry = bad_inputs.Entry(bad_sources.row("a good request", bad_sources.TENANT))
    front = site.front("fastcgi", bad_sources.PLAIN)
    model = bad_inputs.models_of(site, [entry])[entry.config]
    front.known_workers = front.workers() | {0}
    assert "died" in "".join(bad_inputs.run_batch(front, [entry], model).wrong)
