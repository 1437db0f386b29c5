"""Sources as they were when the kernel was healthy."""

import stat
from pathlib import Path

from graced.mending.snapshot import Snapshots


def test_kept_changed_restored(tmp_path: Path) -> None:
    source, store, kept = tmp_path / "src", Snapshots(str(tmp_path / "snapshots")), tmp_path / "kept"
    (source / "pkg").mkdir(parents=True)
    main, lib, data = source / "main.py", source / "pkg" / "lib.py", source / "state.json"
    main.write_text("import pkg.lib\n")
    lib.write_text("x = 1\n")
    data.write_text("{}")
    main.chmod(0o755)
    roots = (str(source),)
    assert not store.changed("web", roots, ())
    assert store.keep("web", roots, (), proven=True)
    assert not store.changed("web", roots, ())

    lib.write_text("x = 1 / 0\n")
    main.unlink()
    data.write_text('{"n": 1}')
    new = source / "new.py"
    new.write_text("y = 2\n")
    assert store.changed("web", roots, ())
    restored = store.restore("web", str(kept))
    assert sorted(restored.files) == [str(main), str(lib)]
    assert not restored.problem
    assert lib.read_text() == "x = 1\n"
    assert main.read_text() == "import pkg.lib\n"
    assert stat.S_IMODE(main.stat().st_mode) == 0o755
    assert data.read_text() == '{"n": 1}'  # data is not rolled back
    assert new.exists()
    assert (kept / str(lib).lstrip("/")).read_text() == "x = 1 / 0\n"
    assert store.restore("web", str(kept)).files == restored.files  # again: all is done


def test_a_first_snapshot_does_not_replace_one_and_is_forgotten_when_it_failed_itself(tmp_path: Path) -> None:
    store, path = Snapshots(str(tmp_path / "snapshots")), tmp_path / "a.py"
    path.write_text("1\n")
    roots = (str(path),)
    assert store.keep("k", roots, (), proven=False)
    path.write_text("2\n")
    assert not store.keep("k", roots, (), proven=False)
    assert store.changed("k", roots, ())
    path.write_text("1\n")
    assert not store.changed("k", roots, ())  # the very bytes of the snapshot failed
    path.write_text("3\n")
    assert not store.changed("k", roots, ())


def test_blobs_that_nobody_needs_go(tmp_path: Path) -> None:
    store, path = Snapshots(str(tmp_path / "snapshots")), tmp_path / "a.py"
    for n in range(3):
        path.write_text(f"x = {n}\n")
        assert store.keep("k", (str(path),), (), proven=True)
    assert len(list((tmp_path / "snapshots" / "blobs").iterdir())) == 1


def test_a_file_of_some_mebibytes_is_put_back(tmp_path: Path) -> None:
    store, path = Snapshots(str(tmp_path / "snapshots")), tmp_path / "data.json"
    path.write_bytes(b"1" * (3 * 1024 * 1024))
    assert store.keep("k", (str(path),), (), proven=True)
    path.write_bytes(b"2" * (2 * 1024 * 1024))
    restored = store.restore("k", str(tmp_path / "kept"))
    assert restored.files == [str(path)], restored.problem
    assert path.read_bytes() == b"1" * (3 * 1024 * 1024)
