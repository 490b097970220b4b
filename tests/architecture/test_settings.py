"""What the environment says is understood or refused with its name; production refuses every unsafe default."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as some

from soar import env

Variable = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[2]
NAME = "SOAR_TEST_ONLY"
SAFE = {
    "SOAR_PRODUCTION": "true",
    "SOAR_SECRET_KEY": "a" * 64,
    "SOAR_CONNECTION_KEY": "b" * 64,
    "SOAR_ALLOWED_HOSTS": "soar.example.org",
    "SOAR_DATABASE_URL": "postgresql://soar:secret@127.0.0.1:1/soar",  # nothing listens there
    "SOAR_BROKER_URL": "redis://127.0.0.1:1/0",
}


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> Variable:
    """Sets the one variable that these tests read."""
    monkeypatch.delenv(NAME, raising=False)
    return lambda value: monkeypatch.setenv(NAME, value)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to which the variable's `_FILE` points. It is not there yet."""
    path = tmp_path / "value"
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    return path


def database(name: str) -> dict[str, Any]:
    return env.database(name, home=Path("/nowhere"))


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (env.boolean, "maybe"),
        (env.boolean, "2"),
        (lambda name: env.integer(name, 1), ""),
        (lambda name: env.integer(name, 1), "8000/tcp"),
        (lambda name: env.integer(name, 1), "1.5"),
        (lambda name: env.log_level(name, "INFO"), "LOUD"),
        (database, "mysql://localhost/soar"),
        (database, "soar"),
        (database, "postgresql://localhost"),
        (database, "postgresql://localhost:port/soar"),
        (database, "postgresql://[::1/soar"),
        (database, "sqlite://soar.sqlite3"),
        (database, "sqlite://"),
    ],
)
def test_a_value_that_cannot_be_understood_is_refused_with_its_name(
    read: Callable[[str], object], value: str, variable: Variable
) -> None:
    variable(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        read(NAME)


@pytest.mark.parametrize("value", ["true", "1", "yes", "on", "TRUE", " On "])
def test_what_is_true(value: str, variable: Variable) -> None:
    variable(value)
    assert env.boolean(NAME) is True


@pytest.mark.parametrize("value", ["false", "0", "no", "off", "", "False"])
def test_what_is_false(value: str, variable: Variable) -> None:
    variable(value)
    assert env.boolean(NAME, default=True) is False


def test_what_is_not_set_has_its_default(variable: Variable) -> None:
    assert env.text(NAME, "default") == "default"
    assert env.boolean(NAME, default=True) is True
    assert env.integer(NAME, 8000) == 8000
    assert env.log_level(NAME, "INFO") == "INFO"
    assert env.words(NAME, "a,b") == ["a", "b"]


def test_words_are_separated_by_commas(variable: Variable) -> None:
    variable(" soar.example.org , ,10.0.0.1,")
    assert env.words(NAME) == ["soar.example.org", "10.0.0.1"]


def test_a_value_may_lie_in_a_file(file: Path) -> None:
    file.write_text("  a secret\n", encoding="utf-8")
    assert env.text(NAME) == "a secret"


def test_a_value_and_a_file_contradict_each_other(file: Path, variable: Variable) -> None:
    file.write_text("a secret", encoding="utf-8")
    variable("another")
    with pytest.raises(ImproperlyConfigured, match=f"Set {NAME} or {NAME}_FILE, not both"):
        env.text(NAME)


def test_a_file_that_is_not_there_is_refused(file: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE cannot be read: No such file.*{file}"):
        env.text(NAME)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"\n", "is empty"), (b"\xff\xfe", "is not text in UTF-8")]
)
def test_a_file_that_holds_no_value_is_refused(content: bytes, sentence: str, file: Path) -> None:
    """An empty file would quietly stand for the unsafe default."""
    file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE {sentence}"):
        env.text(NAME)


def test_without_an_address_the_database_is_sqlite_in_the_home(variable: Variable, tmp_path: Path) -> None:
    read = env.database(NAME, home=tmp_path / "home")
    assert read["NAME"] == str(tmp_path / "home" / "countersign.sqlite3")
    assert read["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in read["OPTIONS"]["init_command"]


def test_the_address_of_a_file_is_sqlite(variable: Variable, tmp_path: Path) -> None:
    variable(f"sqlite://{tmp_path}/with%20space.db")
    assert env.database(NAME, home=tmp_path)["NAME"] == f"{tmp_path}/with space.db"


def test_an_address_of_postgresql_is_read_in_all_its_parts(variable: Variable, tmp_path: Path) -> None:
    variable("postgresql://soar%40corp:p%2Fw%23@db.example.org:5433/incidents?sslmode=verify-full")
    read = env.database(NAME, home=tmp_path)
    assert read["ENGINE"] == "django.db.backends.postgresql"
    assert (read["USER"], read["PASSWORD"]) == ("soar@corp", "p/w#")
    assert (read["HOST"], read["PORT"], read["NAME"]) == ("db.example.org", "5433", "incidents")
    assert read["OPTIONS"] == {
        "sslmode": "verify-full",
        "server_side_binding": True,
        "prepare_threshold": env.PREPARE_AFTER,
    }


@example("/")
@example("?")
@example("#")
@example("[")
@given(some.text(some.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@")))
def test_no_refusal_of_an_address_quotes_its_password(odd: str) -> None:
    """Whatever has to be escaped and is not; the address lacks a name, so that each is refused.

    Except @: there the password ends, and another address follows.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, f"postgresql://soar:hunter2{odd}hunter2@localhost:5432/")
        with pytest.raises(ImproperlyConfigured) as refused:
            database(NAME)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "secret-key"
    secret = env.secret_file(path)
    assert len(secret) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert env.secret_file(path) == secret
    assert env.secret_file(tmp_path / "other") != secret


@pytest.mark.parametrize("length", [0, 63])
def test_a_secret_that_was_cut_short_is_refused_and_stays(length: int, tmp_path: Path) -> None:
    path = tmp_path / "secret-key"
    path.write_text("x" * length, encoding="ascii")
    with pytest.raises(ImproperlyConfigured, match="empty or cut short"):
        env.secret_file(path)
    assert path.read_text(encoding="ascii") == "x" * length


def check(root: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`manage.py check` with nothing in its environment but this."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_refuses_every_unsafe_default_and_says_what_to_set(tmp_path: Path) -> None:
    said = check(ROOT, {"SOAR_HOME": str(tmp_path), "SOAR_PRODUCTION": "true", "SOAR_DEMO": "true"})
    assert said.returncode == 1
    for number in range(1, 7):
        _, _, after = said.stderr.partition(f"(soar.E00{number})")
        assert "HINT: " in after.splitlines()[1], f"soar.E00{number} gives no hint"


def test_production_accepts_an_installation_that_has_set_everything(tmp_path: Path) -> None:
    """No server has to answer: `check` runs before there is one."""
    said = check(ROOT, {**SAFE, "SOAR_HOME": str(tmp_path)})
    assert said.returncode == 0, said.stderr
    assert not list(tmp_path.iterdir()), "no secret is made where all are given"


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        ("SOAR_SECRET_KEY", "E001"),
        ("SOAR_CONNECTION_KEY", "E002"),
        ("SOAR_ALLOWED_HOSTS", "E003"),
        ("SOAR_DATABASE_URL", "E004"),
        ("SOAR_BROKER_URL", "E005"),
    ],
)
def test_production_misses_each_variable_by_itself(variable: str, error: str, tmp_path: Path) -> None:
    said = check(ROOT, {**SAFE, variable: "", "SOAR_HOME": str(tmp_path)})
    assert said.returncode == 1
    assert [line for line in said.stderr.splitlines() if "(soar.E" in line and error in line]
    assert said.stderr.count("(soar.E") == 1


def test_a_value_that_cannot_be_understood_stops_the_start(tmp_path: Path) -> None:
    said = check(ROOT, {"SOAR_HOME": str(tmp_path), "SOAR_PRODUCTION": "perhaps"})
    assert said.returncode == 1
    assert "SOAR_PRODUCTION must be true or false, not 'perhaps'." in said.stderr


def test_no_environment_at_all_is_enough(tmp_path: Path) -> None:
    """In a copy of the checkout, since the default home is in it."""
    for folder in ("soar", "playbooks", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    said = check(tmp_path, {})
    assert said.returncode == 0, said.stderr
    assert {path.name for path in (tmp_path / ".soar").iterdir()} >= {"secret-key", "connection-key"}


@pytest.mark.parametrize(
    "value", ["", "https://id.example.org", "http://localhost:9000/realm/", "http://127.0.0.1:9000"]
)
def test_a_provider_is_reached_over_https_or_is_on_this_machine(variable: Variable, value: str) -> None:
    variable(value)
    assert env.provider_address(NAME) == value.rstrip("/")


@pytest.mark.parametrize(
    "value", ["http://id.example.org", "id.example.org", "ftp://localhost", "javascript:x"]
)
def test_who_somebody_is_never_comes_over_an_open_line(variable: Variable, value: str) -> None:
    variable(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.provider_address(NAME)


def test_a_saml_provider_that_nobody_named_says_nothing(variable: Variable) -> None:
    assert env.provider_metadata(NAME) == ""


def test_what_a_saml_provider_says_of_itself_may_be_the_document(file: Path) -> None:
    file.write_text("\n<EntityDescriptor/>\n", encoding="utf-8-sig")
    assert env.provider_metadata(NAME) == "<EntityDescriptor/>"


@pytest.mark.parametrize(
    "value", ["http://id.example.org/metadata", "metadata.xml", "/etc/soar/metadata.xml"]
)
def test_metadata_never_comes_over_an_open_line_nor_is_it_the_name_of_a_file(
    variable: Variable, value: str
) -> None:
    variable(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.provider_metadata(NAME)


def test_what_belongs_together_is_set_together(variable: Variable) -> None:
    env.together(NAME, "SOAR_TEST_OTHER")
    variable("value")
    env.together(NAME, NAME)
    with pytest.raises(ImproperlyConfigured, match="SOAR_TEST_OTHER is not set"):
        env.together(NAME, "SOAR_TEST_OTHER")


def test_what_is_not_installed_is_named_with_its_extra(variable: Variable) -> None:
    env.needs("no_such_module", extra="sso", name=NAME)
    variable("value")
    env.needs("django", extra="sso", name=NAME)
    with pytest.raises(ImproperlyConfigured, match="SOAR_TEST_ONLY needs the extra `sso`"):
        env.needs("no_such_module", extra="sso", name=NAME)


@pytest.mark.parametrize(
    "value", ["ldaps://ldap.example.org", "ldap://10.0.0.1:1389", "ldap://127.0.0.1", ""]
)
def test_a_directory_is_at_an_address(variable: Variable, value: str) -> None:
    variable(value)
    assert env.directory_address(NAME) == value


@pytest.mark.parametrize(
    "value",
    [
        "ldap.example.org",
        "https://ldap.example.org",
        "ldapi://%2f",
        "ldaps://a ldaps://b",
        "ldaps://",
        "ldaps://a/dc=b",
    ],
)
def test_what_is_no_address_of_a_directory_is_refused(variable: Variable, value: str) -> None:
    variable(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.directory_address(NAME)


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("ldap://127.0.0.1:389", True),
        ("ldap://localhost", True),
        ("ldap://[::1]", True),
        ("ldap://10.0.0.1", False),
        ("ldap://127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_only_to_this_machine_does_nobody_listen(address: str, is_here: bool) -> None:
    assert env.is_local(address) is is_here


@pytest.mark.parametrize("value", ["(uid=%(user)s)", "(&(objectClass=user)(sAMAccountName=%(user)s))"])
def test_a_filter_has_a_place_for_who_is_looked_for(variable: Variable, value: str) -> None:
    variable(value)
    assert env.search_filter(NAME, "(uid=%(user)s)") == value


@pytest.mark.parametrize(
    "value",
    ["(uid=*)", "uid=%(user)s", "(uid=%(user)s", "(uid=%s)", "(uid=%(name)s)", "(a=100%)(uid=%(user)s)"],
)
def test_a_filter_that_would_find_anybody_is_refused(variable: Variable, value: str) -> None:
    variable(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.search_filter(NAME, "")


@pytest.mark.parametrize(
    ("uri", "starts_tls"),
    [("ldap://10.0.0.1", "True"), ("ldaps://10.0.0.1", "False"), ("ldap://127.0.0.1", "False")],
)
def test_a_password_goes_to_a_directory_over_tls_or_stays_here(
    uri: str, starts_tls: str, tmp_path: Path
) -> None:
    """Whether or not the extra is there: a module of its name is enough for the settings."""
    (tmp_path / "ldap.py").touch()
    settings = {"SOAR_HOME": str(tmp_path), "SOAR_LDAP_URI": uri, "SOAR_LDAP_BASE": "dc=example"}
    command = [sys.executable, "-c", "from soar import settings; print(settings.LDAP_STARTS_TLS)"]
    environment = {**settings, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == starts_tls
