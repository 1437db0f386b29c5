"""Is another tool in the middle of its work on a file? Then the file is its user's alone: a merge is not ours to
decide.

Seen by what these tools leave lying while they are at it; of git also by the unmerged entries of its index, which is
all that a `stash pop` leaves.
"""

import os
from typing import Final

from graced.mending.repository import UP_MAX, Repository, repository_of

GIT: Final = (
    ("MERGE_HEAD", "git merge"),
    ("rebase-merge", "git rebase"),
    ("rebase-apply", "git rebase or am"),
    ("CHERRY_PICK_HEAD", "git cherry-pick"),
    ("REVERT_HEAD", "git revert"),
    ("sequencer", "git cherry-pick or revert"),
    ("BISECT_LOG", "git bisect"),
    ("index.lock", "git command"),
)
"""What lies in .git meanwhile, and of which command."""
OTHERS: Final = (
    (".hg", "merge/state2", "hg merge"),
    (".hg", "merge/state", "hg merge"),
    (".hg", "rebasestate", "hg rebase"),
    (".hg", "graftstate", "hg graft"),
    (".hg", "histedit-state", "hg histedit"),
    (".hg", "shelvedstate", "hg unshelve"),
    (".hg", "wlock", "hg command"),
    (".jj", "working_copy/working_copy.lock", "jj command"),
    (".svn", "wc.db-journal", "svn command"),
)
"""The same of other tools: the folder of a work tree, what lies in it, of which command."""

UNMERGED: Final = "merge of this file (git has it as unmerged)"


def underway(path: str) -> str | None:
    """What another tool is doing to the file, in words; None when nothing is seen. Takes `git.TIMEOUT_S` at most."""
    found = marked(path)
    if found is not None:
        return found
    repository = repository_of(path)
    if repository is not None and repository.trusted():
        from graced.mending.git import is_unmerged

        if is_unmerged(repository, path):
            return UNMERGED
    return None


def marked(path: str) -> str | None:
    """The same by stat(2) alone: all but what only the index of git knows."""
    repository = repository_of(path)
    if repository is not None:
        found = _marked(repository)
        if found is not None:
            return found
    folder = os.path.dirname(os.path.realpath(path))
    for _ in range(UP_MAX):
        for store, name, words in OTHERS:
            if os.path.lexists(os.path.join(folder, store, name)):
                return words
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    return None


def _marked(repository: Repository) -> str | None:
    for name, words in GIT:
        if os.path.lexists(os.path.join(repository.marks, name)):
            return words
    return None
