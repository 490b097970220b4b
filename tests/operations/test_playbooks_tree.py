"""A directory of YAML in a Git repository is loaded and exported without loss, and nothing outside of it is touched."""

from __future__ import annotations

import os
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from playbooks.domain.statuses import VersionStatus
from playbooks.management.library import SHIPPED, install
from playbooks.models import PlaybookVersion
from playbooks.operations import playbooks
from playbooks.operations.refusals import Refused
from tests.cast import Cast, publish

SMALL = "playbook: small\ntitle: Small\nsteps:\n  - id: note\n    set: {a: 1}   # one\r\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The working tree of an empty Git repository."""
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(tree: Path, *words: str) -> str:
    """What Git says, without anybody's configuration."""
    names = {
        f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    alone = {"PATH": os.environ["PATH"], "HOME": str(tree), "GIT_CONFIG_NOSYSTEM": "1", **names}
    return subprocess.run(
        ["git", *words], cwd=tree, env=alone, check=True, capture_output=True, text=True
    ).stdout


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "As exported")


def export(tree: Path, *options: str) -> str:
    return said("playbooks_export", str(tree), *options)


def take_in(tree: Path, *options: str) -> str:
    return said("playbooks_import", str(tree), *options)


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def fails(tree: Path, *options: str) -> tuple[str, str]:
    """What a refused import prints, and its last sentence."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("playbooks_import", str(tree), *options, stdout=out)
    return out.getvalue(), str(error.value)


def test_the_library_goes_round_without_a_difference(cast: Cast, tree: Path) -> None:
    for name in SHIPPED:
        install(name)
    assert export(tree) == f"{len(SHIPPED)} written, 0 unchanged.\n"
    commit(tree)
    for path in SHIPPED.values():
        assert (tree / path.name).read_bytes() == path.read_bytes()
    count = PlaybookVersion.objects.count()
    assert take_in(tree, "--author", "author").count(": unchanged") == len(SHIPPED)
    assert PlaybookVersion.objects.count() == count
    assert export(tree) == f"0 written, {len(SHIPPED)} unchanged.\n"
    assert git(tree, "status", "--porcelain") == ""


def test_an_empty_installation_takes_a_tree_in_as_drafts_and_gives_it_back(cast: Cast, tree: Path) -> None:
    for path in SHIPPED.values():
        (tree / path.name).write_bytes(path.read_bytes())
    (tree / "small.yaml").write_bytes(SMALL.encode())
    commit(tree)
    take_in(tree, "--author", "author")
    assert set(PlaybookVersion.objects.values_list("status", "author__username")) == {("draft", "author")}
    assert export(tree) == "0 written, 0 unchanged.\n"
    export(tree, "--drafts")
    assert git(tree, "status", "--porcelain") == ""


def test_a_changed_file_becomes_a_draft_and_never_more(cast: Cast, tree: Path) -> None:
    publish(cast, SMALL)
    export(tree)
    file = tree / "small.yaml"
    file.write_text(SMALL.replace("a: 1", "a: 2"), newline="")
    assert f"{file}: draft: small 2" in take_in(tree, "--author", "author")
    made = PlaybookVersion.objects.get(number=2)
    assert (made.status, made.author) == (VersionStatus.DRAFT, cast.author)
    assert f"{file}: unchanged" in take_in(tree, "--author", "author")
    file.write_text(SMALL, newline="")
    assert f"{file}: unchanged" in take_in(tree, "--author", "author"), "it is what is in force"
    assert export(tree, "--drafts") == "1 written, 0 unchanged.\n"
    assert file.read_bytes() == made.source.encode()


def test_who_is_named_as_author_does_not_publish_it(cast: Cast, tree: Path) -> None:
    (tree / "small.yaml").write_text(SMALL)
    take_in(tree, "--author", "author")
    playbooks.submit("small", 1, caller=cast.caller("author"))
    with pytest.raises(Refused):
        playbooks.publish("small", 1, caller=cast.caller("author"))
    assert playbooks.publish("small", 1, caller=cast.caller("publisher")).status == VersionStatus.PUBLISHED


def test_every_problem_has_its_place_and_the_other_files_are_stored(cast: Cast, tree: Path) -> None:
    (tree / "deeper").mkdir()
    (tree / "deeper" / "good.yml").write_text(SMALL)
    (tree / "bad.yaml").write_text(SMALL.replace("set:", "sett:") + "nonsense: 1\n")
    (tree / "latin.yaml").write_bytes(b"playbook: caf\xe9\n")
    (tree / "twice.yaml").write_text(SMALL)
    (tree / "large.yaml").write_text("#" * 300_000)
    (tree / "notes.txt").write_text("no playbook")
    said, last = fails(tree, "--author", "author")
    assert f"{tree}/bad.yaml:4:5: " in said
    assert f"{tree}/bad.yaml:6:1: " in said
    assert f"{tree}/latin.yaml:1:14: this byte is not UTF-8" in said
    assert f"{tree}/large.yaml:1:1: the file has 300000 bytes" in said
    assert f"{tree}/twice.yaml: draft: small 1" in said
    assert f"{tree}/deeper/good.yml:1:1: the playbook small is in {tree}/twice.yaml already" in said
    assert last == "4 files have problems and were not stored."
    assert PlaybookVersion.objects.count() == 1


def test_links_are_refused_and_hidden_files_are_left_alone(
    cast: Cast, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "small.yaml").write_text(SMALL)
    (tree / "link.yaml").symlink_to(outside / "small.yaml")
    (tree / "folder").symlink_to(outside)
    (tree / ".hidden.yaml").write_text("x")
    (tree / "pipe.yaml").mkdir()
    said, _ = fails(tree, "--author", "author")
    assert said.splitlines() == [
        f"{tree}/folder:1:1: this is a symbolic link, which is not followed",
        f"{tree}/link.yaml:1:1: this is a symbolic link, which is not followed",
    ]
    assert not PlaybookVersion.objects.exists()


def test_an_export_writes_through_no_link(
    cast: Cast, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "precious"
    outside.write_text("precious")
    publish(cast, SMALL)
    publish(cast, SMALL.replace("small", "other"))
    (tree / "small.yaml").symlink_to(outside)
    with pytest.raises(CommandError, match=r"small\.yaml: this is a symbolic link"):
        export(tree)
    assert outside.read_text() == "precious"
    assert (tree / "other.yaml").exists()
    assert not list(tree.glob(".*.new"))


def test_without_an_author_nothing_is_stored_and_what_differs_is_told(cast: Cast, tree: Path) -> None:
    publish(cast, SMALL)
    export(tree)
    assert "unchanged" in take_in(tree)
    (tree / "small.yaml").write_text(SMALL.replace("a: 1", "a: 2"))
    said, last = fails(tree)
    assert "small.yaml: differs" in said
    assert "--author" in last
    assert PlaybookVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("author", "sentence"),
    [("nobody", "There is nobody called nobody."), ("publisher", "Publisher may not write playbooks.")],
)
def test_the_author_is_somebody_who_may_write(cast: Cast, tree: Path, author: str, sentence: str) -> None:
    (tree / "small.yaml").write_text(SMALL)
    assert fails(tree, "--author", author) == ("", sentence)
    with pytest.raises(Refused):
        playbooks.take_in(SMALL, author=cast.publisher, origin="small.yaml")
    assert not PlaybookVersion.objects.exists()


def test_a_directory_that_is_not_there_is_told(cast: Cast, tmp_path: Path) -> None:
    assert fails(tmp_path / "nowhere")[1] == f"{tmp_path / 'nowhere'} is no directory."
