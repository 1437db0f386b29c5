# What vulture takes for unused, and is not. One name a line, with who uses it.
# ruff: noqa
SelfHealing, Architect, Parliament, Trigger, Watchdog  # members/spawner.py finds a role's Duty by its name
format_commands, format_epilog, color  # click calls and reads them
whitespace_split  # shlex reads it
validate  # a command: click finds it by its decorator
serve  # repair/bounded.py: by name, in the text of a program
train, simple_repairs  # scripts/build_ngram; what `graced.repair` offers besides
bump  # the writer that tests of the store use; production counts by incident
agents, overlap, catch_up, on_restart, silence_s, percent, for_s, memory_bytes  # keys: test_frame_plugs.py holds them
before_start, after_ready, after_exit, max_size_bytes, max_age_s, health, hooks, reload  # to the table of inert keys
restart_mode, when_done, when_failed, superseded, queued, undone  # fields of what is printed and stored
takers  # bus/verbs.py: the table, which test_frame_plugs.py holds to the handlers
PHASES, EVENTS  # core/kernels: the table, which test_core_kernels.py holds to be complete
Outside  # members/outside.py: a type
patch  # mending/apply.py: of an answer
probation_s  # a key: test_frame_plugs.py holds it to the table of inert keys
