"""Seeded faults against the members that ship, in a simulated world: no invariant of DESIGN.md section 7 breaks."""

from statistics import median

import pytest

from graced.sim.command import main
from graced.sim.faults import FAULTS, PROFILES
from graced.sim.run import FAULTS_A_SEED, Outcome, simulate, simulate_many


def breaches(outcomes: list[Outcome]) -> list[str]:
    return [f"scripts/simulate --seed {o.seed}: {o.breach}" for o in outcomes if o.breach]


def test_overlapping_faults_break_nothing() -> None:
    outcomes = list(simulate_many(range(5000, 5025), jobs=1))
    assert breaches(outcomes) == []
    assert sum(o.faults for o in outcomes) == 25 * FAULTS_A_SEED


@pytest.mark.parametrize(("profile", "faults"), [("calm", 10), ("storm", 40), ("stops", 6)])
def test_other_profiles_break_nothing(profile: str, faults: int) -> None:
    assert breaches([simulate(seed, faults, profile) for seed in range(6000, 6010)]) == []


def test_what_is_killed_is_back_in_milliseconds() -> None:
    outcomes = [simulate(seed, 15, "kills") for seed in range(7000, 7012)]
    assert breaches(outcomes) == []
    recoveries = [s for o in outcomes for s in o.recoveries_s]
    assert len(recoveries) > 100
    assert median(recoveries) < 0.05
    assert max(recoveries) < 3.0


def test_a_seed_tells_the_same_story_every_time() -> None:
    told: list[list[str]] = [[], []]
    outcomes = [simulate(4711, 30, say=lines.append) for lines in told]
    assert told[0] == told[1]
    assert outcomes[0] == outcomes[1]


def test_the_table_of_faults_reaches_every_fault() -> None:
    told: list[str] = []
    for seed in range(8000, 8004):
        simulate(seed, 150, say=told.append)
    words = [line.split("FAULT ", 1)[1] for line in told if "FAULT " in line]
    for start in (
        "kill ", "stop both", "hang ", "break ", "beats", "commands", "a person asks to stop", "a person asks to start",
        "the program of",
    ):  # fmt: skip
        assert any(w.startswith(start) for w in words), start
    for part in ("will die midway", "crashes again", "for good", "twice for", "lost for", "late for", "does not hear"):
        assert any(part in w for w in words), part


def test_weights_are_positive_and_every_profile_has_faults() -> None:
    assert all(weight > 0 for weight, _ in FAULTS)
    assert all(table and spacing > 0 for table, spacing in PROFILES.values())


def test_the_command_replays_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "1", "--faults", "5"]) == 0
    assert "5 faults" in capsys.readouterr().out
    assert main(["--seed", "1", "--faults", "5", "--trace"]) == 0
    assert "a person starts graced" in capsys.readouterr().out
    assert main(["--seeds", "1..3", "--faults", "5", "--jobs", "1"]) == 0
    assert "3 seeds, 15 faults, 0 breaches" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["--seed", "1", "--seeds", "1..2"], ["--seeds", "1-2"], ["--profile", "x"]])
def test_wrong_usage_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
