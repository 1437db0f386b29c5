"""Births: kernels (`launch`) and a cold spawner (`cold_start`).

posix_spawn(3) where it can do all that is asked, as it copies no page tables; fork and exec for the rest. Either way
the newborn leads a session of its own, has no signal ignored or blocked, and no descriptor but those it was given.
"""

import errno
import os
import resource
import signal
import struct
from collections.abc import Callable, Mapping
from typing import Final, Never

import msgspec

from graced.posix.descriptors import Action, ChildFds, close_all_but, seal_fds
from graced.posix.forkexec import ALL_SIGNALS, Image, Step, failed, fork_exec
from graced.posix.limits import as_given, given_open_files
from graced.posix.shebang import fault
from graced.posix.users import Credentials, credentials

__all__ = ["ALL_SIGNALS", "Launch", "close_all_but", "cold_start", "launch", "resolve", "seal_fds"]


SHELL_WORDS: Final = frozenset(
    {"cd", "export", "source", ".", "set", "unset", "ulimit", "umask", "exec", "eval", "trap", "if", "while", "for"}
)
"""Words that a shell carries out itself: no program is called so."""

SHELL_HINT: Final = """write command: [sh, -c, '...']"""

EXPLAINED: Final = (errno.ENOENT, errno.ENOEXEC, errno.EACCES)


class Launch(msgspec.Struct):
    """One kernel to be born. `env` is its whole environment; `keep_fd` holds (ours, number in the child).

    `nice` is absolute, `open_files` the soft limit of descriptors, `cwd` best an absolute path. `listen_pid` puts
    LISTEN_PID=its pid into the environment.
    """

    name: str
    argv: list[str]
    env: dict[str, str]
    log_fd: int
    cwd: str | None = None
    user: str | None = None
    group: str | None = None
    umask: int | None = None
    nice: int | None = None
    oom_score_adj: int | None = None
    open_files: int | None = None
    listen_pid: bool = False
    keep_fd: tuple[tuple[int, int], ...] = ()

    @property
    def needs_fork(self) -> bool:
        """Whether something is asked that posix_spawn cannot do."""
        asked = (self.user, self.group, self.umask, self.nice, self.oom_score_adj, self.open_files)
        return self.listen_pid or any(wish is not None for wish in asked)


def resolve(word: str, env: Mapping[str, str], cwd: str | None = None) -> str:
    """The absolute path of a command word, by the PATH of `env`, relative to `cwd`.

    FileNotFoundError or PermissionError, whose `strerror` is a sentence with the word.
    """
    if "/" in word:
        candidates = [word]
    else:
        candidates = [os.path.join(folder, word) for folder in env.get("PATH", os.defpath).split(":")]
    barred = ""
    for candidate in candidates:
        path = os.path.abspath(os.path.join(cwd or ".", candidate))
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            barred = barred or path
    if barred:
        raise PermissionError(errno.EACCES, f"command {word}: {barred} is not executable")
    where = "no such file" if "/" in word else "not found on PATH"
    hint = f"; it is a command of the shell: {SHELL_HINT}" if word in SHELL_WORDS else ""
    raise FileNotFoundError(errno.ENOENT, f"command {word}: {where}{hint}")


def launch(wish: Launch) -> int:
    """Starts a kernel and returns its pid once its exec is done.

    Raises OSError whose `strerror` names the step that failed: "cwd /nope: No such file or directory". Nothing is left
    running then. Not for a process with Python threads: its working directory is the kernel's for a moment.
    """
    if not wish.argv:
        raise FileNotFoundError(errno.ENOENT, "command: it is empty")
    if wish.cwd is not None:
        try:
            os.stat(wish.cwd)
        except OSError as error:  # said before a command that is relative to it is not found
            raise failed(f"cwd {wish.cwd}", error.errno) from None
    path = resolve(wish.argv[0], wish.env, wish.cwd)
    try:
        if wish.needs_fork:
            steps = _steps(wish, credentials(wish.user, wish.group))
            with ChildFds(wish.log_fd, wish.keep_fd) as fds:
                return fork_exec(Image(path, wish.argv, dict(wish.env), wish.listen_pid), steps, fds)
        with ChildFds(wish.log_fd, wish.keep_fd) as fds, _Inside(wish.cwd):
            return _posix_spawn(path, wish.argv, wish.env, fds.actions())
    except OSError as error:
        raise _explained(error, path, wish) from None


def _explained(error: OSError, path: str, wish: Launch) -> OSError:
    """execve(2) says "No such file or directory" of a file that is there when its interpreter is not."""
    text = str(error.strerror)
    if error.errno not in EXPLAINED or not text.startswith(f"command {wish.argv[0]}: "):
        return error
    wrong = fault(path, wish.env).replace("FILE", path)
    return OSError(error.errno, f"command {wish.argv[0]}: {wrong}") if wrong else error


def cold_start(
    argv: list[str], env: Mapping[str, str], log_path: str, lock_fd: int | None = None, as_child: bool = True
) -> int:
    """Starts a daemon in a session of its own, stdin /dev/null, output appended to `log_path` (0600). Returns its pid.

    It has none of the caller's descriptors but `lock_fd`, under the same number. `as_child=False`: it is nobody's child
    (init or the next subreaper takes it). A log that cannot be opened is no reason not to start: /dev/null then.
    Raises OSError when it cannot be executed.
    """
    path = resolve(argv[0], env)
    try:
        # O_NONBLOCK: a FIFO in its place that nobody reads is one that cannot be opened.
        log_fd = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError:
        log_fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        keep = () if lock_fd is None else ((lock_fd, lock_fd),)
        with ChildFds(log_fd, keep) as fds:
            spawn = _posix_spawn if as_child else _spawn_orphan
            return spawn(path, argv, env, fds.actions())
    finally:
        os.close(log_fd)


# --- posix_spawn


class _Inside:
    """Stands in `cwd` for the length of one posix_spawn, which cannot change the directory itself in Python.

    Every kernel has a cwd by default, and a fork for it would cost twice as much as the whole birth.
    """

    def __init__(self, cwd: str | None) -> None:
        self._cwd = cwd
        self._back = -1

    def __enter__(self) -> None:
        if self._cwd is not None:
            self._back = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.chdir(self._cwd)
            except OSError as error:
                os.close(self._back)
                raise failed(f"cwd {self._cwd}", error.errno) from None

    def __exit__(self, *_: object) -> None:
        if self._back >= 0:
            os.fchdir(self._back)
            os.close(self._back)


def _posix_spawn(path: str, argv: list[str], env: Mapping[str, str], actions: list[Action]) -> int:
    try:
        with as_given():
            return os.posix_spawn(
                path, argv, env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=ALL_SIGNALS
            )
    except OSError as error:
        raise failed(f"command {argv[0]}", error.errno) from None
    except ValueError:  # a NUL byte in a word, or = in the name of a variable
        raise failed(f"command {argv[0]}", errno.EINVAL) from None


def _spawn_orphan(path: str, argv: list[str], env: Mapping[str, str], actions: list[Action]) -> int:
    """Through a middle process that ends at once."""
    reader, writer = os.pipe()
    try:
        # A Ctrl-C in the middle process would lose the pid of a daemon that runs.
        before = signal.pthread_sigmask(signal.SIG_SETMASK, ALL_SIGNALS)
        try:
            middle = os.fork()
            if middle == 0:
                _be_middle(path, argv, env, actions, writer)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(writer)
        report = os.read(reader, struct.calcsize("i"))
        os.waitpid(middle, 0)
    finally:
        os.close(reader)
    answer = int(struct.unpack("i", report)[0]) if report else -errno.EIO
    if answer < 0:
        raise failed(f"command {argv[0]}", -answer)
    return answer


def _be_middle(path: str, argv: list[str], env: Mapping[str, str], actions: list[Action], report_fd: int) -> Never:
    answer = -errno.EIO
    try:
        answer = _posix_spawn(path, argv, env, actions)
    except OSError as error:
        answer = -(error.errno or errno.EIO)
    finally:
        os.write(report_fd, struct.pack("i", answer))
        os._exit(0)


# --- what only a fork can do


def _steps(wish: Launch, who: Credentials | None) -> list[Step]:
    """In the order of the rights they need: those that need root, then the user, then what that user may do."""
    steps: list[Step] = []

    def add(words: str, act: Callable[[], object]) -> None:
        steps.append(Step(words, act))

    if (limit := wish.open_files if wish.open_files is not None else given_open_files()) is not None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        add(f"open_files {limit}", lambda: _limit_files(limit, max(limit, hard)))
    if (score := wish.oom_score_adj) is not None:
        add(f"oom_score_adj {score}", lambda: _write_oom(str(score).encode()))
    if (nice := wish.nice) is not None:
        add(f"nice {nice}", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice))
    if who is not None:
        add(f"group {wish.group or who.gid}", lambda: _become_group(who))
        add(f"user {wish.user or who.uid}", lambda: os.setresuid(who.uid, who.uid, who.uid))
    if (umask := wish.umask) is not None:
        add(f"umask {umask:o}", lambda: os.umask(umask))
    if (cwd := wish.cwd) is not None:
        add(f"cwd {cwd}", lambda: os.chdir(cwd))
    return steps


def _limit_files(soft: int, hard: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except ValueError:  # how Python words EPERM and EINVAL here
        raise OSError(errno.EPERM, "") from None


def _write_oom(score: bytes) -> None:
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, score)
    os.close(fd)


def _become_group(who: Credentials) -> None:
    os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
