"""Every mistake in a playbook is refused with its place, its key and what to do."""

# ruff: noqa: E501  (a table is read row by row)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graced.playbooks.load import PlaybookError, load_text
from graced.playbooks.table import PLAYBOOK, STEP

HEAD = "name: p\nvars: {x: 1}\nsteps:\n"
STEP1 = HEAD + "  - name: s\n    uses: log\n    with: {message: hello}\n"

# text, LINE:COLUMN, KEY.PATH, part of the message or hint
MISTAKES = [
    ("", "1:1", "", "is empty; a playbook is a mapping with `name` and `steps`"),
    ("- a\n", "1:1", "", "needs a mapping with `name` and `steps`, not a list"),
    ("steps: [{name: a, uses: audit}]\n", "1:1", "", "`name` is missing"),
    ("name: p\n", "1:1", "", "`steps` is missing"),
    ("name: p\nsteps: []\n", "2:8", "steps", "has no step"),
    ("name: p\nsteps: log\n", "2:8", "steps", "needs a list"),
    ("name: a b\nsteps: [{name: a, uses: audit}]\n", "1:7", "name", "letters, digits"),
    ("name: p\nslo: never\nsteps: [{name: a, uses: audit}]\n", "2:6", "slo", "250ms, 10s, 5m"),
    ("name: p\non: {push: x}\nsteps: [{name: a, uses: audit}]\n", "2:6", "on.push", "there is no trigger 'push'"),
    ("name: p\non: [schedule]\nsteps: [{name: a, uses: audit}]\n", "2:6", "on[0]", "does not work yet"),
    ("name: p\non: kernel.crash\nsteps: [{name: a, uses: audit}]\n", "2:5", "on", "did you mean kernel.crashed?"),
    ("name: p\non: {member.down: {at_most: 0}}\nsteps: [{name: a, uses: audit}]\n", "2:29", "on.member.down.at_most", "from 1 to 1000"),
    ("name: p\non: {member.down: {per: 1s}}\nsteps: [{name: a, uses: audit}]\n", "2:20", "on.member.down.per", "unknown key"),
    ("name: p\non: healer_emergency\nsteps: [{name: a, uses: audit}]\n", "2:5", "on", "starts emergency_healer_recovery alone"),
    ("name: p\nvars: {a-b: x}\nsteps: [{name: a, uses: audit}]\n", "2:8", "vars.a-b", "no name for a variable"),
    ("name: p\nvars: {steps: x}\nsteps: [{name: a, uses: audit}]\n", "2:8", "vars.steps", "graced sets"),
    ("name: p\ndescripton: x\nsteps: [{name: a, uses: audit}]\n", "2:1", "descripton", "did you mean description?"),
    (HEAD + "  - uses: audit\n", "4:5", "steps[0]", "`name` is missing"),
    (HEAD + "  - name: s\n", "4:5", "steps[0]", "`uses` is missing"),
    (HEAD + "  - log\n", "4:5", "steps[0]", "needs a mapping, not 'log'"),
    (HEAD + "  - {name: s, uses: verify_membr}\n", "4:21", "steps[0].uses", "did you mean verify_member?"),
    (HEAD + "  - {name: s, uses: log}\n", "4:21", "steps[0]", "log needs the argument `message`; write with: {message: ...}"),
    (HEAD + "  - {name: s, uses: log, with: {mesage: a}}\n", "4:33", "steps[0].with.mesage", "did you mean message?"),
    (HEAD + "  - {name: s, uses: audit, with: {a: b}}\n", "4:35", "steps[0].with.a", "audit takes none"),
    (HEAD + "  - {name: s, uses: sleep, with: {seconds: long}}\n", "4:44", "steps[0].with.seconds", "needs float, not str"),
    (HEAD + "  - {name: s, uses: log, with: [a]}\n", "4:32", "steps[0].with", "needs a mapping, not a list"),
    (HEAD + "  - {name: s, uses: log, with: {message: '{{ y }}'}}\n", "4:42", "steps[0].with.message", "no variable y; declare it under `vars`"),
    (HEAD + "  - {name: s, uses: log, with: {message: '{{ x'}}\n", "4:42", "steps[0].with.message", "a {{ has no }}"),
    (HEAD + "  - {name: s, uses: log, with: {message: {{ x }}}}\n", "4:43", "steps[0].with.message", 'quote it if it is meant as "{{ … }}"'),
    (STEP1 + "    when: x = 1\n", "7:11", "steps[0].when", "cannot be understood"),
    (STEP1 + "    when: open('x')\n", "7:11", "steps[0].when", "calling a function is not allowed"),
    (STEP1 + "    when: target == 1\n", "7:11", "steps[0].when", "there is no variable target"),
    (STEP1 + "    when: result.ok\n", "7:11", "steps[0].when", "there is no variable result"),
    (STEP1 + "    until: [a]\n", "7:12", "steps[0].until", "needs an expression"),
    (STEP1 + "    retries: 0\n", "7:14", "steps[0].retries", "from 1 to 100"),
    (STEP1 + "    retries: many\n", "7:14", "steps[0].retries", "not 'many'"),
    (STEP1 + "    delay: -1s\n", "7:12", "steps[0].delay", "needs a duration"),
    (STEP1 + "    timeout: 0\n", "7:14", "steps[0].timeout", "must be at least 1ms"),
    (STEP1 + "    parallel: true\n", "7:15", "steps[0].parallel", "the first step has none before it"),
    (STEP1 + "    parallel: 2\n", "7:15", "steps[0].parallel", "needs true or false"),
    (STEP1 + "    on_failure: ignore\n", "7:17", "steps[0].on_failure", "must be one of stop, continue, or the name of another step"),
    (STEP1 + "    power: restart_kernl\n", "7:12", "steps[0].power", "did you mean restart_kernel?"),
    (STEP1 + "    approve: 1\n", "7:14", "steps[0].approve", "needs true or false"),
    (STEP1 + "    approve: {otherwise: maybe}\n", "7:26", "steps[0].approve.otherwise", "must be one of deny, approve"),
    (STEP1 + "    on_failure: s\n", "7:17", "steps[0].on_failure", "the name of another step"),
    (STEP1 + "    if: x\n", "7:5", "steps[0].if", "write `when`"),
    (STEP1 + "    retry: 3\n", "7:5", "steps[0].retry", "did you mean retries?"),
    (STEP1 + "  - {name: s, uses: audit}\n", "7:5", "steps[1]", "s stands in the list twice"),
    (STEP1 + "    uses: audit\n", "7:5", "steps[0].uses", "given twice; the first is at line 5"),
    ("name: [\n", "2:1", "", "YAML: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where", "path", "said"), MISTAKES, ids=[f"{m[2] or m[3][:20]}-{m[1]}" for m in MISTAKES]
)
def test_a_mistake_is_told_with_place_key_and_hint(text: str, where: str, path: str, said: str) -> None:
    with pytest.raises(PlaybookError) as refused:
        load_text(text, "p.yaml")
    lines = [str(problem) for problem in refused.value.problems]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"p.yaml:{where}: {path}: " if path else f"p.yaml:{where}: "), lines[0]
    assert said in lines[0]


def test_all_problems_are_told_in_order() -> None:
    with pytest.raises(PlaybookError) as refused:
        load_text("nme: p\nsteps:\n  - {name: a, uses: nothing}\n  - {name: b, uses: log, retries: x}\n", "p.yaml")
    assert [(p.line, p.path) for p in refused.value.problems] == [
        (1, "nme"), (3, "steps[0].uses"), (4, "steps[1]"), (4, "steps[1].retries"),
    ]  # fmt: skip


_WORDS = [*PLAYBOOK.keys, *STEP.keys, "log", "audit", "message", "{{ x }}", "{{", "x == 1", "true", "1", "10s"]
_SOUP = [*_WORDS, ": ", "\n", "  ", "\n  - ", "[", "]", "{", "}", ", ", '"', "'"]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(_SOUP)).map("".join), st.text().map(lambda t: STEP1 + "    when: " + t)
    )
)
def test_any_text_is_a_playbook_or_is_refused_with_a_place(text: str) -> None:
    try:
        playbook = load_text(text, "p.yaml")
    except PlaybookError as refused:
        assert refused.problems
        assert all(str(problem).startswith(f"p.yaml:{problem.line}:") for problem in refused.problems)
    else:
        assert playbook.steps
