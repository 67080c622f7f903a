"""Deleting runs and their checkpoints: nothing outside the run folder is ever touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import flip_last_byte, write_run_folder

from nmt.errors import NmtError, StorageError, UsageError
from nmt.manage.deletion import find_removable, keep_best, remove_run
from nmt.runs import Run, locked


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return $NMT_RUNS, an empty folder."""
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def remove(name: str) -> str:
    return remove_run(find_removable(name))


def test_run_is_deleted_by_name_or_path(runs: Path) -> None:
    for name in ("a", "b", "c"):
        write_run_folder(runs / name)
    assert "deleted" in remove("a")
    assert "deleted" in remove("runs/b")
    assert "deleted" in remove(str(runs / "c"))
    assert list(runs.iterdir()) == []


def test_damaged_run_is_deleted(runs: Path) -> None:
    write_run_folder(runs / "a").config_file.unlink()
    (runs / "a" / "model" / "manifest.json").write_text("{")
    remove("a")
    assert not (runs / "a").exists()


def test_link_to_the_latest_run_is_deleted_with_the_run(runs: Path) -> None:
    write_run_folder(runs / "a")
    write_run_folder(runs / "b")
    (runs / "latest").symlink_to("a")
    remove("b")
    assert (runs / "latest").is_symlink()
    remove("a")
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_only_the_link_is_deleted_of_a_linked_run(runs: Path, target: str) -> None:
    other = write_run_folder(runs.parent / "elsewhere")
    (runs / "a").symlink_to(runs.parent / target)
    assert f"deleted the link {runs / 'a'}; its target" in remove("a")
    assert list(runs.iterdir()) == []
    assert other.weights().exists()


def test_links_inside_a_run_are_not_followed(runs: Path) -> None:
    run = write_run_folder(runs / "a")
    run.data_folder.symlink_to(runs.parent / "corpus")
    (runs.parent / "corpus").mkdir()
    (runs.parent / "corpus" / "text").write_text("kept")
    remove("a")
    assert not run.path.exists()
    assert (runs.parent / "corpus" / "text").read_text() == "kept"


def test_what_is_not_a_run_is_refused(runs: Path) -> None:
    (runs / "notes").mkdir()
    (runs / "notes" / "lock").write_text("")
    (runs / "file").write_text("")
    (runs / "link").symlink_to("notes")
    mixed = write_run_folder(runs / "mixed")
    (mixed.path / "thesis.tex").write_text("")
    for name, message in (
        ("notes", "not a run folder"),
        ("file", "not a run folder"),
        ("link", "not a run folder"),
        ("", "not a run folder"),
        (".", "not a run folder"),
        ("..", "not a run folder"),
        ("mixed", "contains thesis.tex, which nmt did not write"),
        ("none", "no run"),
    ):
        with pytest.raises(NmtError, match=message):
            find_removable(name)
    assert len(list(runs.iterdir())) == 4
    with pytest.raises(UsageError):
        find_removable("none")


def test_run_that_trains_is_refused_also_through_a_link(runs: Path) -> None:
    run = write_run_folder(runs / "a")
    (runs / "link").symlink_to("a")
    found = find_removable("a")
    with locked(run):
        for name in ("a", "link"):
            with pytest.raises(StorageError, match="in use by another nmt"):
                find_removable(name)
        with pytest.raises(StorageError, match="in use by another nmt"):
            remove_run(found)  # The training started after the question.
    assert run.weights().exists()


def test_best_checkpoint_of_an_unfinished_run_is_kept(runs: Path) -> None:
    run = write_run_folder(runs / "a", finished=False)
    best = run.weights()
    done = keep_best(run)
    assert "kept step-00000020" in done
    assert "training can resume only from there" in done
    assert run.checkpoints() == [run.checkpoint(20)]
    assert run.weights() == best


def test_final_model_is_kept_without_checkpoints(runs: Path) -> None:
    run = write_run_folder(runs / "a")
    assert "training cannot resume" in keep_best(run)
    assert run.checkpoints() == []
    assert run.weights() == run.model_folder / "model.safetensors"


def test_damaged_weights_keep_all_checkpoints(runs: Path) -> None:
    run = write_run_folder(runs / "a")
    flip_last_byte(run.model_folder / "model.safetensors")
    with pytest.raises(StorageError, match="is damaged"):
        keep_best(run)
    assert len(run.checkpoints()) == 3


def test_linked_checkpoints_are_not_deleted(runs: Path) -> None:
    run = write_run_folder(runs / "a")
    run.checkpoints_folder.rename(runs.parent / "elsewhere")
    run.checkpoints_folder.symlink_to(runs.parent / "elsewhere")
    with pytest.raises(StorageError, match="checkpoints is a link"):
        keep_best(Run(run.path))
    assert len(run.checkpoints()) == 3


def test_crash_while_deleting_leaves_no_half_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run_folder(runs / "a")

    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("shutil.rmtree", lambda path, **_: None if _ else fail(path))
    with pytest.raises(StorageError, match="cannot delete"):
        remove_run(run)
    assert [path.name for path in runs.iterdir()] == [".tmp-old-a"]
