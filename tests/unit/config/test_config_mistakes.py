"""Every mistake in graced.yaml is refused with its place, its key and what to do."""

# ruff: noqa: E501  (a table is read row by row)

import pathlib
import re

import pytest

from graced.config.load import ConfigError, load

KERNEL = "kernels:\n  web:\n    command: [a]\n"

# text, LINE:COLUMN, KEY.PATH, part of the message or hint
MISTAKES = [
    ("homee: x\n", "1:1", "homee", "unknown key; did you mean home?"),
    ("kernles: {}\n", "1:1", "kernles", "did you mean kernels?"),
    ("version: 2\n", "1:10", "version", "the only one so far"),
    ("version: one\n", "1:10", "version", "needs version 1"),
    ("home: [a]\n", "1:7", "home", "needs a path, not a list"),
    ("home: 5\n", "1:7", "home", 'quote it: "5"'),
    ("home: a\nhome: b\n", "2:1", "home", "given twice; the first is at line 1"),
    ("include: [nothing.yaml]\n", "1:11", "include[0]", "there is no such file"),
    ("include: other.yaml\n", "1:10", "include", "needs a list, not 'other.yaml'; write [other.yaml]"),
    ("timing: {heartbeat_intervall: 1s}\n", "1:10", "timing.heartbeat_intervall", "did you mean heartbeat_interval?"),
    ("timing: {heartbeat_interval: soon}\n", "1:30", "timing.heartbeat_interval", "250ms, 10s, 5m"),
    ("timing: {heartbeat_interval: -1}\n", "1:30", "timing.heartbeat_interval", "not '-1'"),
    ("timing: {heartbeat_interval: true}\n", "1:30", "timing.heartbeat_interval", "needs a duration"),
    ("timing: {check_interval: 0}\n", "1:26", "timing.check_interval", "must be at least 10ms"),
    ("timing:\n  heartbeat_timeout: 2s\n", "2:22", "timing.heartbeat_timeout", "three times heartbeat_interval, 3s"),
    ("timing:\n  heartbeat_interval: 20s\n", "2:23", "timing.heartbeat_interval", "a third of heartbeat_timeout, 10s"),
    ("timing: 10\n", "1:9", "timing", "needs a mapping, not the number 10"),
    ('restarts: {max_restarts: "5"}\n', "1:26", "restarts.max_restarts", "remove the quotes"),
    ("restarts: {max_restarts: 1.5}\n", "1:26", "restarts.max_restarts", "a whole number"),
    ("restarts: {max_restarts: true}\n", "1:26", "restarts.max_restarts", "not true"),
    ("restarts: {backoff: {jitter: 2}}\n", "1:30", "restarts.backoff.jitter", "from 0 to 1"),
    ("restarts: {backoff: {factor: 0.5}}\n", "1:30", "restarts.backoff.factor", "from 1 to"),
    ("restarts: {parallel: 0}\n", "1:22", "restarts.parallel", "at least 1"),
    ("playbooks: [nowhere]\n", "1:13", "playbooks[0]", "there is no such folder"),
    ("coding_agent: {apply: maybe}\n", "1:23", "coding_agent.apply", "must be one of fix, suggest, off; not 'maybe'"),
    ("coding_agent: {min_confidence: 2}\n", "1:32", "coding_agent.min_confidence", "from 0 to 1"),
    ("coding_agent: {watch: [{pth: a}]}\n", "1:25", "coding_agent.watch[0].pth", "did you mean path?"),
    ("coding_agent:\n  watch: [{python: a}]\n", "2:11", "coding_agent.watch[0]", "`path` is missing"),
    ("coding_agent: {backend: {modell: x}}\n", "1:16", "coding_agent.backend", "`command` or `url`"),
    ("coding_agent: {backend: {url: x, model: m}}\n", "1:31", "coding_agent.backend.url", "http://"),
    ("notify: [me]\n", "1:10", "notify[0]", "an Apprise URL"),
    ("defaults: {autostart: perhaps}\n", "1:23", "defaults.autostart", "true or false"),
    ("kernels: [a]\n", "1:10", "kernels", "needs a mapping, not a list"),
    ("kernels:\n  web: {cwd: /}\n", "2:3", "kernels.web", "`command` is missing"),
    ("kernels:\n  web:\n", "2:3", "kernels.web", "`command` is missing"),
    ("kernels:\n  web: {comand: a}\n", "2:9", "kernels.web.comand", "did you mean command?"),
    ("kernels:\n  web: {command: }\n", "2:9", "kernels.web.command", "needs a list of arguments, or a string"),
    ("kernels:\n  web: {command: []}\n", "2:18", "kernels.web.command", "names no program"),
    ("kernels:\n  web: {command: [a, null]}\n", "2:22", "kernels.web.command[1]", "null"),
    ("kernels:\n  web: {command: \"a 'b\"}\n", "2:18", "kernels.web.command", "close the quote"),
    ("kernels:\n  web: {command: {a: b}}\n", "2:18", "kernels.web.command", "not a mapping"),
    ("kernels:\n  watchdog: {command: a}\n", "2:3", "kernels.watchdog", "the name of a member"),
    ("kernels:\n  -web: {command: a}\n", "2:3", "kernels.-web", "begins with a letter or digit"),
    ("kernels:\n  a: {command: a}\n  a: {command: b}\n", "3:3", "kernels.a", "given twice"),
    (KERNEL + "    autostart: 1\n", "4:16", "kernels.web.autostart", "needs true or false, not the number 1"),
    (KERNEL + '    autostart: "true"\n', "4:16", "kernels.web.autostart", "remove the quotes"),
    (KERNEL + "    critical:\n", "4:5", "kernels.web.critical", "needs true or false, not nothing"),
    (KERNEL + "    restart: no\n", "4:14", "kernels.web.restart", "always, on-failure, never; not 'no'"),
    (KERNEL + "    restart: on_failure\n", "4:14", "kernels.web.restart", "did you mean on-failure?"),
    (KERNEL + "    replicas: -1\n", "4:15", "kernels.web.replicas", "from 0 to 1000"),
    (KERNEL + "    env: {A: [1]}\n", "4:14", "kernels.web.env.A", "needs a text, not a list"),
    (KERNEL + "    env: {A: null}\n", "4:14", "kernels.web.env.A", '"null" for the word'),
    (KERNEL + "    env: {GRACED_RUN: x}\n", "4:11", "kernels.web.env.GRACED_RUN", "set by graced itself"),
    (KERNEL + "    env: {A: '${NOT_THERE}'}\n", "4:14", "kernels.web.env.A", "${NOT_THERE:-default}"),
    (KERNEL + "    env: {A: '${1}'}\n", "4:14", "kernels.web.env.A", "$${"),
    (KERNEL + "    env_file: no.env\n", "4:15", "kernels.web.env_file", "there is no such file"),
    (KERNEL + "    umask: 088\n", "4:12", "kernels.web.umask", "octal"),
    (KERNEL + "    nice: 30\n", "4:11", "kernels.web.nice", "from -20 to 19"),
    (KERNEL + "    oom_score_adj: 2000\n", "4:20", "kernels.web.oom_score_adj", "from -1000 to 1000"),
    (KERNEL + "    groups: [a b]\n", "4:14", "kernels.web.groups[0]", "letters, digits"),
    (KERNEL + "    groups: [a, a]\n", "4:17", "kernels.web.groups[1]", "twice"),
    (KERNEL + "    schedule: 61 * * * *\n", "4:15", "kernels.web.schedule", "from 0 to 59"),
    (KERNEL + "    schedule: often\n", "4:15", "kernels.web.schedule", "5 fields, not 1"),
    (KERNEL + "    schedule: {cron: '@daily', overlap: both}\n", "4:41", "kernels.web.schedule.overlap", "skip, queue, kill"),
    (KERNEL + "    schedule: {timezone: UTC}\n", "4:5", "kernels.web.schedule", "`cron` is missing"),
    (KERNEL + "    depends_on: [wbe]\n", "4:18", "kernels.web.depends_on[0]", "there is no kernel 'wbe'"),
    (KERNEL + "    depends_on: db\n", "4:17", "kernels.web.depends_on", "write [db]"),
    (KERNEL + "    depends_on: [web]\n", "4:18", "kernels.web.depends_on[0]", "a cycle: web -> web"),
    (KERNEL + "    depends_on: [{name: web, on_restart: x}]\n", "4:42", "kernels.web.depends_on[0].on_restart", "ignore, restart"),
    (KERNEL + "    ready: {when: http}\n", "4:5", "kernels.web.ready", "`url` is missing"),
    (KERNEL + "    ready: {when: tcp}\n", "4:5", "kernels.web.ready", "`port` is missing"),
    (KERNEL + "    ready: {when: exec}\n", "4:5", "kernels.web.ready", "`command` is missing"),
    (KERNEL + "    ready: {when: log}\n", "4:5", "kernels.web.ready", "`pattern` is missing"),
    (KERNEL + "    ready: {when: log, pattern: '('}\n", "4:33", "kernels.web.ready.pattern", "no regular expression"),
    (KERNEL + "    ready: {when: now}\n", "4:19", "kernels.web.ready.when", "started, notify, http"),
    (KERNEL + "    ready: notify\n", "4:12", "kernels.web.ready", "write {when: notify}"),
    (KERNEL + "    health: {kind: output}\n", "4:5", "kernels.web.health", "`silence` is missing"),
    (KERNEL + "    health: {kind: tcp, port: 70000}\n", "4:31", "kernels.web.health.port", "from 1 to 65535"),
    (KERNEL + "    health: {kind: tcp, port: 7, url: x}\n", "4:34", "kernels.web.health.url", "`url` goes with kind: http"),
    (KERNEL + "    health: {kind: http, url: 'http://a', status: 600}\n", "4:51", "kernels.web.health.status", "200-399"),
    (KERNEL + "    restarts: {parallel: 2}\n", "4:16", "kernels.web.restarts.parallel", "top-level `restarts`"),
    (KERNEL + "    exit_codes: {ok: [256]}\n", "4:23", "kernels.web.exit_codes.ok[0]", "from 0 to 255"),
    (KERNEL + "    limits: {memory: lots}\n", "4:22", "kernels.web.limits.memory", "64K, 10M, 2G"),
    (KERNEL + "    limits: {cpu: 90}\n", "4:19", "kernels.web.limits.cpu", "needs a mapping"),
    (KERNEL + "    limits: {cpu: {for: 1s}}\n", "4:14", "kernels.web.limits.cpu", "`percent` is missing"),
    (KERNEL + "    stop: {signal: TREM}\n", "4:20", "kernels.web.stop.signal", "did you mean TERM?"),
    (KERNEL + "    stop: {timeout: 10x}\n", "4:21", "kernels.web.stop.timeout", "not '10x'"),
    (KERNEL + "    reload: hup\n", "4:13", "kernels.web.reload", "{signal: HUP}"),
    (KERNEL + "    reload: {signal: HUP, command: a}\n", "4:13", "kernels.web.reload", "either `signal` or `command`"),
    (KERNEL + "    restart_mode: both\n", "4:19", "kernels.web.restart_mode", "stop_first, overlap"),
    (KERNEL + "    hooks: {after_start: a}\n", "4:13", "kernels.web.hooks.after_start", "did you mean"),
    (KERNEL + "    when_done: stop\n", "4:16", "kernels.web.when_done", "keep, stop_all"),
    (KERNEL + "    sockets: [99999]\n", "4:15", "kernels.web.sockets[0]", "from 1 to 65535"),
    (KERNEL + "    sockets: ['::1:80']\n", "4:15", "kernels.web.sockets[0]", "[::1]:80"),
    (KERNEL + "    ladder: [restart, fixsource]\n", "4:23", "kernels.web.ladder[1]", "did you mean fix_source?"),
    (KERNEL + "    log: {to: syslog}\n", "4:15", "kernels.web.log.to", "file, stdout, journal"),
    (KERNEL + "    log: {max_size: 10Q}\n", "4:21", "kernels.web.log.max_size", "not '10Q'"),
    (KERNEL + "    name: web\n", "4:5", "kernels.web.name", "its key under `kernels` is its name"),
    (KERNEL + "    replicas: 2\n  web.1: {command: a}\n", "5:3", "kernels.web.1", "a replica of web"),
    ("kernels: {a: {command: x\n", "2:1", "", "YAML: "),
    ("kernels: {a: {command: x, nice: ${N}}}\n", "1:34", "", "quote a value with ${"),
    ("kernels:\n  a: {command: x, depends_on: [b]}\n  b: [\n", "4:1", "", "YAML: "),
    ("kernels:\n\tweb: {}\n", "2:1", "", "indent with spaces"),
    ("home: *nothing\n", "1:7", "", "an anchor &nothing must stand before it"),
    ("home: &a [*a]\n", "1:11", "home", "stands inside what it names"),
    ("home: !!python/object:os.system x\n", "1:7", "", "there is only !!str"),
    ("version: 1\n---\nversion: 1\n", "2:1", "", "a second document"),
    ("? [a]\n: b\n", "1:3", "", "a key must be a plain word"),
    ("- a\n", "1:1", "", "needs a mapping with keys such as `kernels`, not a list"),
    ("just text\n", "1:1", "", "not 'just text'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "path", "said"), MISTAKES, ids=[f"{m[2] or m[3]}-{m[1]}" for m in MISTAKES])
def test_a_mistake_is_told_with_place_key_and_hint(
    tmp_path: pathlib.Path, text: str, where: str, path: str, said: str
) -> None:
    file = tmp_path / "graced.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(str(file), {})
    lines = [str(problem) for problem in refused.value.problems]
    assert len(lines) == 1, lines
    start = f"{file}:{where}: {path}: " if path else f"{file}:{where}: "
    assert lines[0].startswith(start), lines[0]
    assert said in lines[0]
    assert "\n" not in lines[0]


def test_all_problems_are_told_in_the_order_of_the_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "graced.yaml"
    file.write_text(
        "hme: x\nkernels:\n  a: {}\n  b: {command: 'x', nice: 99, restart: x}\n  c: {command: y, nope: 1}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(str(file), {})
    places = [(p.line, p.column) for p in refused.value.problems]
    assert places == sorted(places)
    assert [p.path for p in refused.value.problems] == [
        "hme", "kernels.a", "kernels.b.nice", "kernels.b.restart", "kernels.c.nope",
    ]  # fmt: skip


def test_a_mistake_in_defaults_is_told_once(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "graced.yaml"
    file.write_text("defaults: {nice: 99}\nkernels: {a: {command: x}, b: {command: x}}\n")
    with pytest.raises(ConfigError) as refused:
        load(str(file), {})
    assert [p.path for p in refused.value.problems] == ["defaults.nice"]


def test_a_long_cycle_is_named_in_order(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "graced.yaml"
    file.write_text(
        "kernels:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [{name: c}]}\n"
        "  c: {command: x, depends_on: [a]}\n  d: {command: x, depends_on: [a]}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(str(file), {})
    assert [p.message for p in refused.value.problems] == ["a cycle: a -> b -> c -> a"]


def test_thousands_of_kernels_in_a_chain_are_no_trouble(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "graced.yaml"
    count = 1500
    chain = [f"  k{i}: {{command: x, depends_on: [k{i + 1}]}}" for i in range(count)]
    file.write_text("kernels:\n" + "\n".join(chain) + f"\n  k{count}: {{command: x}}\n")
    assert len(load(str(file), {}).kernels) == count + 1


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}:1:1: cannot be read: Is a directory")):
        load(str(tmp_path), {})
    (tmp_path / "big.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="is larger than 1 MiB"):
        load(str(tmp_path / "big.yaml"), {})
    (tmp_path / "latin.yaml").write_bytes(b"home: a\nnotify: [\xe9]\n")
    with pytest.raises(ConfigError, match=r"latin.yaml:2:10: is not UTF-8 text"):
        load(str(tmp_path / "latin.yaml"), {})


def test_aliases_that_multiply_and_deep_nesting_are_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "graced.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="holds more than 200000 values"):
        load(str(file), {})
    file.write_text("home: " + "[" * 500 + "]" * 500)
    with pytest.raises(ConfigError, match="nested more than 40 deep"):
        load(str(file), {})
