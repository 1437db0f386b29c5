"""Who is who: members, who watches whom, who succeeds whom, which power allows what.

Tables only. A test checks that they are complete (tests/unit/core/test_core_roles.py).
"""

from typing import Final, Literal

Member = str
Tier = Literal[1, 2, 3]

MEMBERS: Final = ("spawner", "watchdog", "self_healing", "coding_agent", "trigger", "parliament", "architect")
HEALERS: Final = ("self_healing", "coding_agent")
DELEGATES: Final = ("architect", "parliament", "trigger")

PEER: Final = {"self_healing": "coding_agent", "coding_agent": "self_healing"}

# Members of one row are started together; a row waits until the row before is born.
START_ORDER: Final = (("trigger",), ("watchdog",), ("self_healing", "coding_agent", "parliament", "architect"))

SURVIVORS: Final = ("self_healing", "coding_agent", "trigger", "architect", "parliament")

# Who brings a member back, best first. The survivor of rank r (0: the first that is not known down)
# acts r x 2 intervals after the death.
SUCCESSION: Final[dict[Member, tuple[Member, ...]]] = {
    "spawner": ("watchdog", *SURVIVORS),
    "watchdog": (*SURVIVORS, "spawner"),
    "self_healing": ("coding_agent", "watchdog"),
    "coding_agent": ("self_healing", "watchdog"),
    "trigger": ("watchdog",),
    "parliament": ("watchdog",),
    "architect": ("watchdog",),
}

# The spawner decides nothing but this: it stands in a line only when everyone before it is known dead.
LAST_RESORT: Final = frozenset({"spawner"})

POWERS: Final[dict[Member, tuple[str, ...]]] = {
    "architect": ("generate_recovery_code", "deploy_fix", "analyze_failure"),
    "parliament": ("coordinate_vote", "approve_action", "escalate_to_human"),
    "trigger": ("restart_kernel", "run_playbook", "monitor_recovery"),
}

MUTUAL_PLAYBOOK: Final = "healer_mutual_restart"
EMERGENCY_PLAYBOOK: Final = "emergency_healer_recovery"
RECOVERY_PLAYBOOKS: Final = (MUTUAL_PLAYBOOK, EMERGENCY_PLAYBOOK)
"""How members bring each other back: every home has these two."""
MUTUAL_TRIGGER: Final = "healer_mutual_recovery"
EMERGENCY_TRIGGER: Final = "healer_emergency"


def others(me: Member) -> tuple[Member, ...]:
    """Every member but `me`, in the order of MEMBERS."""
    return tuple(m for m in MEMBERS if m != me)


def tier_of(executor: Member, target: Member) -> Tier:
    """The tier under which `executor` brings `target` back outside an emergency."""
    return 2 if executor == "watchdog" else 1
