import os
import stat

import pytest

from graced.posix import files


def _mode(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_whole_with_its_mode(tmp_path, durable) -> None:
    path = str(tmp_path / "config")
    before = os.umask(0o777)
    try:
        files.write_whole(path, b"old", durable=durable)
        files.write_whole(path, b"x" * 3_000_000, mode=0o640, durable=durable)
    finally:
        os.umask(before)
    assert os.path.getsize(path) == 3_000_000
    assert _mode(path) == 0o640
    assert os.listdir(tmp_path) == ["config"]


def test_an_error_keeps_the_old_file_and_leaves_no_half(tmp_path) -> None:
    (tmp_path / "config").write_text("old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_whole(str(tmp_path / "folder"), b"new")
    with pytest.raises(TypeError):
        files.write_whole(str(tmp_path / "config"), "text")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        files.write_whole(str(tmp_path / "nowhere" / "x"), b"")
    assert (tmp_path / "config").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["config", "folder"]


def test_a_leftover_of_a_dead_process_with_our_pid_is_no_obstacle(tmp_path, monkeypatch) -> None:
    path = str(tmp_path / "config")
    leftover = str(tmp_path / ".config.left.tmp")
    (tmp_path / ".config.left.tmp").write_text("half")
    monkeypatch.setattr(files, "temporary_beside", lambda _: leftover)
    files.write_whole(path, b"new")
    assert os.listdir(tmp_path) == ["config"]


def test_the_longest_name_there_is(tmp_path) -> None:
    path = str(tmp_path / ("é" * 127))
    files.write_whole(path, b"x")
    assert os.path.getsize(path) == 1


def test_a_kill_in_the_middle_leaves_old_or_new(tmp_path, run_script) -> None:
    path = str(tmp_path / "state")
    run_script(
        "import os, signal, sys, time, random\n"
        "from graced.posix.files import write_whole\n"
        "path = sys.argv[1]\n"
        "wholes = {bytes([n]) * 200000 for n in range(8)}\n"
        "write_whole(path, bytes(200000), durable=False)\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        while True:\n"
        "            for n in range(8): write_whole(path, bytes([n]) * 200000, durable=False)\n"
        "    time.sleep(random.uniform(0, 0.02))\n"
        "    os.kill(pid, signal.SIGKILL)\n"
        "    os.waitpid(pid, 0)\n"
        "    assert open(path, 'rb').read() in wholes\n",
        path,
    )


def test_of_many_makers_one_wins(tmp_path, run_script) -> None:
    out = run_script(
        "import os, sys\n"
        "from graced.posix.files import create_once\n"
        "pids = []\n"
        "for n in range(8):\n"
        "    pid = os.fork()\n"
        "    if pid == 0: os._exit(create_once(sys.argv[1], b'%d' % n * 50))\n"
        "    pids.append(pid)\n"
        "print(sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids), open(sys.argv[1]).read())\n",
        str(tmp_path / "id"),
    )
    winners, text = out.split()
    assert winners == "1"
    assert len(text) == 50 and len(set(text)) == 1
    assert os.listdir(tmp_path) == ["id"]


def test_a_folder_gets_its_mode_also_when_it_is_there(tmp_path) -> None:
    folder = tmp_path / "a" / "run"
    files.make_dir(str(folder), 0o700)
    assert _mode(folder) == 0o700
    folder.chmod(0o755)
    files.make_dir(str(folder), 0o700)
    assert _mode(folder) == 0o700


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(NotADirectoryError, match="run is not a folder"):
        files.make_dir(str(tmp_path / "run"), 0o700)
