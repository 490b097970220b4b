"""`manage.py playbooks_import DIRECTORY --author USER`: the playbooks of a directory, each changed one as a draft."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from playbooks import access
from playbooks.domain.check import check
from playbooks.domain.problems import Problem, Unreadable
from playbooks.management.tree import Found, files
from playbooks.models import Principal
from playbooks.operations import playbooks
from playbooks.operations.actions import actions


class Command(BaseCommand):
    help = (
        "Reads every YAML file below a directory and stores each that differs from what is there as a draft of its "
        "author. Nothing is published. Exits with 1 when a file has a problem, after the others were stored; "
        "without --author, stores nothing and exits with 1 when a file differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, metavar="DIRECTORY")
        parser.add_argument(
            "--author", metavar="USER", help="who wrote what differs, and so cannot publish it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        directory = options["directory"]
        if not directory.is_dir():
            raise CommandError(f"{directory} is no directory.")
        author = _author(options["author"])
        bad, differ, seen = 0, 0, dict[str, Path]()
        for found in files(directory):
            slug, text, problems = _read(found, seen)
            for each in problems:
                self.stdout.write(f"{found.path}:{each.line}:{each.column}: {each.message}")
            bad += bool(problems)
            differ += not problems and self._take_in(found.path, directory, slug, text, author)
        if bad:
            raise CommandError(
                f"{bad} file{'s have' if bad > 1 else ' has'} problems and {_not(bad)} stored."
            )
        if differ and author is None:
            raise CommandError(f"{differ} would be a new draft. Name who wrote them with --author.")

    def _take_in(self, path: Path, directory: Path, slug: str, text: str, author: Principal | None) -> bool:
        """Whether the file differs from what is stored."""
        if author is None:
            differs = not playbooks.is_current(slug, text)
            self.stdout.write(f"{path}: {'differs' if differs else 'unchanged'}")
            return differs
        made = playbooks.take_in(text, author=author, origin=path.relative_to(directory).as_posix())
        self.stdout.write(f"{path}: {f'draft: {made}' if made else 'unchanged'}")
        return made is not None


def _not(count: int) -> str:
    return "were not" if count > 1 else "was not"


def _author(username: str | None) -> Principal | None:
    if username is None:
        return None
    author = Principal.objects.filter(username=username).first()
    if author is None:
        raise CommandError(f"There is nobody called {username}.")
    if not access.may(author, "write_playbook"):
        raise CommandError(f"{author} may not write playbooks.")
    return author


def _read(found: Found, seen: dict[str, Path]) -> tuple[str, str, Sequence[Problem]]:
    """The playbook's name and text, or what is wrong. `seen` has the playbooks of earlier files, and takes this one."""
    try:
        text = found.read()
    except Unreadable as error:
        return "", "", error.problems
    except OSError as error:
        return "", "", [Problem(1, 1, f"cannot be read: {error.strerror}")]
    checked = check(text, actions())
    if checked.playbook is None:
        return "", text, checked.problems
    slug = checked.playbook.playbook
    if slug in seen:
        return slug, text, [Problem(1, 1, f"the playbook {slug} is in {seen[slug]} already")]
    seen[slug] = found.path
    return slug, text, ()
