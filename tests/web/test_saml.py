"""Sign-in by SAML: who is linked comes in, and no answer is believed that the provider did not sign for this request.

The provider's side signs with xmlsec, as real ones do.
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers import registry
from django.http import HttpResponse
from django.test import Client
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Words
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from playbooks.audit import reading
from playbooks.domain.verbs import Verb
from playbooks.models import Principal, Session
from playbooks.operations import identities, people
from playbooks.operations.caller import SYSTEM
from soar import urls
from tests import saml_provider
from tests.cast import Cast
from tests.saml_provider import Telling, keys, response

LOGIN, ACS, FINISH = "/accounts/saml/", "/accounts/saml/acs/", "/accounts/saml/acs/finish/"
KNOWN, UNKNOWN = "248289761001", "999"


@pytest.fixture(autouse=True)
def _configured(settings: Any, cast: Cast) -> Iterator[None]:
    """An installation with a provider, at which the analyst has an identity."""
    settings.SAML_ISSUER, settings.SAML_METADATA = saml_provider.ISSUER, saml_provider.metadata()
    settings.SAML = {**settings.SAML, "name": "Example"}
    settings.SOCIALACCOUNT_PROVIDERS = {**settings.SOCIALACCOUNT_PROVIDERS, "saml": {"APPS": [settings.SAML]}}
    registry.loaded = False  # it is filled when applications are loaded
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "allauth.socialaccount.providers.saml"]
    settings.ROOT_URLCONF = _addresses()
    identities.provision(cast.analyst, provider="saml", subject=KNOWN, caller=None)
    yield
    registry.provider_map.pop("saml", None)


def _addresses() -> ModuleType:
    """The addresses of an installation with these settings, beside those of the one without them."""
    found = importlib.util.spec_from_file_location("addresses_with_saml", str(urls.__file__))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


class Browser(Client):
    """Beside the pages of the provider, which post without our session's cookie."""

    def leave(self, query: str = "") -> Any:
        """The request that it takes to the provider."""
        page = self.post(LOGIN + query)
        assert page.status_code == 200, page.content
        target = page["Refresh"].removeprefix("0; url=")
        assert target in unescape(page.content.decode())
        return saml_provider.asked(target)

    def bring(self, told: str) -> HttpResponse:
        """Brings an answer from the provider, and goes wherever that leads."""
        session = self.cookies.pop("sessionid", None)
        encoded = base64.b64encode(told.encode()).decode()
        page: Any = self.post(ACS, {"SAMLResponse": encoded, "RelayState": "https://elsewhere.example/"})
        if session is not None:
            self.cookies["sessionid"] = session.value
        return self.get(FINISH) if page.status_code == 302 else page

    @property
    def is_signed_in(self) -> bool:
        return "_auth_user_id" in self.session


def come(browser: Browser, **told: Any) -> HttpResponse:
    """Goes to the provider and comes back with what it tells."""
    request = browser.leave().get("ID")
    return browser.bring(response(Telling(request, **told).signed(), to=request))


def refused(browser: Browser, page: HttpResponse) -> bool:
    """Whether nobody was let in, and the log says so."""
    assert (page.status_code, browser.is_signed_in) == (403, False), page.content
    entries = reading.entries(verb=Verb.SIGNIN_FAILED)
    return entries.filter(outcome="refused").count() == 1 and not reading.entries(verb=Verb.SIGNIN_SUCCEEDED)


def test_who_is_linked_comes_in_and_the_log_says_how(cast: Cast) -> None:
    browser = Browser()
    assert b"Sign in with Example" in browser.get("/accounts/login/").content
    page = come(browser)
    assert (page.status_code, page["Location"], browser.is_signed_in) == (302, "/", True)
    entry = reading.entries(verb=Verb.SIGNIN_SUCCEEDED).get()
    assert entry.subject_id == str(cast.analyst.pk)
    assert "'methods': ['saml']" in str(reading.body_of(entry.pk))
    assert KNOWN in browser.get("/keys/").content.decode()


def test_the_request_says_where_the_answer_goes_and_who_asks() -> None:
    request = Browser().leave()
    assert request.get("AssertionConsumerServiceURL") == "http://localhost:8000/accounts/saml/acs/"
    assert request.findtext("{*}Issuer") == "http://localhost:8000/accounts/saml/metadata/"
    assert request.get("ForceAuthn") is None


@pytest.mark.parametrize("address", ["https://soar.example.org", "https://soar.example.org:8443"])
def test_it_is_bound_to_the_address_of_the_installation_whatever_a_request_says_of_its_host(
    settings: Any, address: str
) -> None:
    settings.BASE_URL, settings.SAML_ENTITY_ID = address, "urn:example:soar"
    for brought, is_let_in in ((address, True), ("http://testserver", False)):
        browser, at = Browser(), f"{brought}/accounts/saml/acs/"
        request = browser.leave()
        assert request.get("AssertionConsumerServiceURL") == f"{address}/accounts/saml/acs/"
        told = Telling(request.get("ID"), recipient=at, entity_id="urn:example:soar").signed()
        page = browser.bring(response(told, to=request.get("ID"), at=at))
        assert (page.status_code == 302, browser.is_signed_in) == (is_let_in, is_let_in)


def test_the_answer_may_be_signed_around_a_signed_assertion() -> None:
    browser = Browser()
    request = browser.leave().get("ID")
    assert browser.bring(_sign(response(Telling(request).signed(), to=request))).status_code == 302


@pytest.mark.parametrize(
    "next_", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_it_leads_on_to_pages_of_ours_only(next_: str) -> None:
    for asked, leads in ((next_, "/"), ("/runs/", "/runs/")):
        browser = Browser()
        request = browser.leave(f"?next={asked}").get("ID")
        assert browser.bring(response(Telling(request).signed(), to=request))["Location"] == leads


def test_who_is_not_linked_is_told_whom_to_ask_and_nobody_is_made() -> None:
    before = Principal.objects.count()
    browser = Browser()
    told = {"email": ["tier2@example.org"], "urn:oid:0.9.2342.19200300.100.1.3": ["tier2@example.org"]}
    page = come(browser, subject=UNKNOWN, attributes=told)
    assert refused(browser, page)
    assert UNKNOWN in page.content.decode()
    assert "Ask an administrator" in page.content.decode()
    assert (Principal.objects.count(), SocialAccount.objects.count()) == (before, 1)


def test_a_deactivated_person_is_turned_away_though_the_provider_knows_them(cast: Cast) -> None:
    people.deactivate(cast.analyst, actor=SYSTEM)
    browser = Browser()
    assert refused(browser, come(browser))


def test_nobody_links_an_identity_to_themselves(cast: Cast) -> None:
    browser = Browser()
    browser.force_login(cast.tier2)
    request = browser.leave("?process=connect").get("ID")
    page = browser.bring(response(Telling(request, subject=UNKNOWN).signed(), to=request))
    assert page.status_code == 403
    assert SocialAccount.objects.count() == 1


def _altered(telling: Telling, request: str) -> str:
    return response(telling.signed().replace(KNOWN, UNKNOWN), to=request)


def _beside(telling: Telling, request: str) -> str:
    """A second assertion before the signed one: signature wrapping."""
    forged = Telling(request, subject=KNOWN).assertion()
    return response(forged, telling.signed(), to=request)


def _within(telling: Telling, request: str) -> str:
    """The signed assertion inside the signature of a forged one of the same ID."""
    signed = telling.signed()
    start, end = signed.index("<ds:Signature"), signed.index("</ds:Signature>")
    wrapped = f"{signed[start:end]}<ds:Object>{telling.assertion()}</ds:Object></ds:Signature>"
    forged = Telling(request, subject=KNOWN, id=telling.id).assertion()
    return response(forged.replace("</saml:Issuer>", f"</saml:Issuer>{wrapped}", 1), to=request)


def _in_extensions(telling: Telling, request: str) -> str:
    """The signed assertion where nobody reads it, and a forged one where the library looks."""
    told = response(Telling(request, subject=KNOWN).assertion(), to=request)
    hidden = f"<samlp:Extensions>{telling.signed()}</samlp:Extensions>"
    return told.replace("</saml:Issuer>", f"</saml:Issuer>{hidden}", 1)


def _sign(told: str) -> str:
    key = keys("provider")
    return str(OneLogin_Saml2_Utils.add_sign(told, key.private, key.certificate).decode())


FORGED: dict[str, Callable[[Telling, str], str]] = {
    "it is not signed": lambda telling, request: response(telling.assertion(), to=request),
    "another's key signed it": lambda telling, request: response(telling.signed("another"), to=request),
    "SHA-1 is what was signed": lambda telling, request: response(
        telling.signed(algorithm=Words.RSA_SHA1), to=request
    ),
    "it was altered after it was signed": _altered,
    "there are two": _beside,
    "the signed one is inside the signature": _within,
    "the signed one is in an extension": _in_extensions,
    "there is none": lambda telling, request: response(to=request),
    "the answer around it alone is signed": lambda telling, request: _sign(
        response(telling.assertion(), to=request)
    ),
    "it has a document type": lambda telling, request: (
        '<!DOCTYPE x [<!ENTITY who "248289761001">]>' + response(telling.signed(), to=request)
    ),
    "it is no document": lambda telling, request: "<samlp:Response",
    "it is something else": lambda telling, request: saml_provider.metadata(),
    "it is too long": lambda telling, request: response(telling.signed(), to=request) + " " * 200_000,
}


@pytest.mark.parametrize("forgery", FORGED)
def test_an_answer_is_not_believed_when(forgery: str) -> None:
    browser = Browser()
    request = browser.leave().get("ID")
    is_wrapped = forgery in {
        "there are two",
        "the signed one is inside the signature",
        "the signed one is in an extension",
    }
    telling = Telling(request, subject=UNKNOWN if is_wrapped else KNOWN)
    kept = Session.objects.count()
    assert refused(browser, browser.bring(FORGED[forgery](telling, request)))
    assert Session.objects.count() == kept, "what nobody signed fills no table"


WRONG = {
    "it is over": {"begins": timedelta(hours=-2), "lasts": timedelta(hours=-1)},
    "it is not yet": {"begins": timedelta(hours=1)},
    "it never ends": {"lasts": None},
    "it is for another": {"entity_id": "https://another.example"},
    "it is for anybody": {"entity_id": None},
    "it is to be posted elsewhere": {"recipient": "http://localhost:8000/accounts/saml/acs/elsewhere"},
    "it may be posted anywhere": {"recipient": None},
    "another provider says so": {"issuer": "https://elsewhere.example"},
    "it names somebody by their mail": {"format": Words.NAMEID_EMAIL_ADDRESS},
    "it names somebody for once": {"format": Words.NAMEID_TRANSIENT},
    "it names nobody": {"subject": ""},
    "the name is too long": {"subject": "a" * 192},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_provider_signed_is_not_believed_when(wrong: str) -> None:
    browser = Browser()
    assert refused(browser, come(browser, **WRONG[wrong]))


def test_an_answer_lets_in_once_and_only_who_asked_for_it() -> None:
    browser, attacker = Browser(), Browser()
    request = browser.leave().get("ID")
    told = response(Telling(request).signed(), to=request)
    attacker.leave()
    assert attacker.bring(told).status_code == 403
    assert not attacker.is_signed_in
    assert browser.bring(told).status_code == 302
    browser.post("/accounts/logout/")
    for _ in range(2):
        assert browser.bring(told).status_code == 403
        assert not browser.is_signed_in


@pytest.mark.parametrize("claims", [True, False])
def test_nobody_comes_in_without_having_asked(claims: bool) -> None:
    """What a provider tells unasked was meant for anybody; the answer around it, which nobody signs, claims more."""
    browser = Browser()
    request = browser.leave().get("ID")
    assert refused(browser, browser.bring(response(Telling(None).signed(), to=request if claims else None)))


def test_the_page_that_finishes_lets_nobody_in_by_itself() -> None:
    browser = Browser()
    browser.leave()
    page: Any = browser.get(FINISH)
    assert refused(browser, page)


def test_the_answer_that_waits_is_gone_and_its_cookie_is_not_for_scripts() -> None:
    browser = Browser()
    request = browser.leave().get("ID")
    encoded = base64.b64encode(response(Telling(request).signed(), to=request).encode()).decode()
    page = browser.post(ACS, {"SAMLResponse": encoded})
    cookie = page.cookies["saml-acs-session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", FINISH)
    assert browser.get(FINISH).status_code == 302
    assert not Session.objects.filter(pk=cookie.value).exists()


def test_a_remark_in_the_name_cuts_nothing_off_it() -> None:
    """Canonical XML leaves remarks out, so one can be put in without breaking the signature."""
    browser = Browser()
    request = browser.leave().get("ID")
    signed = Telling(request, subject=f"{KNOWN}.evil").signed().replace(".evil", "<!-- -->.evil")
    page = browser.bring(response(signed, to=request))
    assert refused(browser, page)
    assert f"{KNOWN}.evil" in page.content.decode()


def test_a_sign_in_that_is_broken_off_says_so() -> None:
    browser = Browser()
    request = browser.leave().get("ID")
    page = browser.bring(response(to=request, status=Words.STATUS_RESPONDER))
    assert refused(browser, page)
    assert b"broken off" in page.content


def test_an_attribute_says_who_it_is_where_one_is_named(settings: Any, cast: Cast) -> None:
    settings.SAML_SUBJECT = "urn:example:id"
    settings.SAML["settings"] = {"attribute_mapping": {"uid": ["urn:example:id"]}}
    identities.provision(cast.tier2, provider="saml", subject="of-tier2", caller=None)
    for values, is_let_in in ((["of-tier2"], True), ([], False), (["of-tier2", KNOWN], False)):
        browser = Browser()
        page = come(browser, subject=KNOWN, attributes={"urn:example:id": values, "urn:example:other": ["x"]})
        assert (page.status_code == 302, browser.is_signed_in) == (is_let_in, is_let_in)
    assert reading.entries(verb=Verb.SIGNIN_SUCCEEDED).get().subject_id == str(cast.tier2.pk)


def test_a_provider_that_changes_its_key_signs_with_both_for_a_while(settings: Any) -> None:
    settings.SAML_METADATA = saml_provider.metadata(saml_provider.ISSUER, "provider", "next")
    for name in ("provider", "next"):
        browser = Browser()
        request = browser.leave().get("ID")
        assert browser.bring(response(Telling(request).signed(name), to=request)).status_code == 302


def test_a_sign_in_is_as_old_as_it_is_at_the_provider(cast: Cast) -> None:
    """Before a change of how one signs in, whoever has neither password nor factor here is asked there anew."""
    cast.analyst.set_unusable_password()
    cast.analyst.save()
    browser = Browser()
    assert come(browser, signed_in=timedelta(minutes=10)).status_code == 302
    page = browser.get("/accounts/passkeys/add/")
    assert (page.status_code, b"Sign in once more" in page.content) == (401, True)
    request = browser.leave("?next=/accounts/passkeys/add/&auth_params=prompt%3Dlogin")
    assert request.get("ForceAuthn") == "true"
    told = response(Telling(request.get("ID")).signed(), to=request.get("ID"))
    assert browser.bring(told)["Location"] == "/accounts/passkeys/add/"
    assert browser.get("/accounts/passkeys/add/").status_code == 200


def test_it_is_no_proof_of_a_second_factor(cast: Cast) -> None:
    """SAML says nothing that is bound to a challenge of ours, so the page offers it to nobody."""
    cast.analyst.set_unusable_password()
    cast.analyst.save()
    browser = Browser()
    come(browser)
    assert browser.post("/step-up/provider/?for=grant", {"provider": "saml"}).status_code == 404


def test_the_addresses_are_these_and_a_form_of_ours_begins_it() -> None:
    browser = Browser(enforce_csrf_checks=True)
    assert browser.post(LOGIN).status_code == 403
    for path in (LOGIN, ACS):
        assert browser.get(path).status_code == 405
    assert browser.post(FINISH).status_code in {403, 405}
    for path in ("/accounts/saml/sls/", "/accounts/saml/saml/acs/", "/accounts/saml/saml/login/"):
        assert browser.get(path).status_code == 404


def test_the_provider_can_read_who_we_are() -> None:
    page = Browser().get("/accounts/saml/metadata/")
    assert page["Content-Type"] == "application/samlmetadata+xml"
    said = page.content.decode()
    assert 'entityID="http://localhost:8000/accounts/saml/metadata/"' in said
    assert 'Location="http://localhost:8000/accounts/saml/acs/"' in said
    assert 'WantAssertionsSigned="true"' in said
    assert not [each for each in ("SingleLogout", "validUntil", "cacheDuration") if each in said]


@pytest.mark.parametrize(
    "document", ["<nothing/>", saml_provider.metadata("https://another.example"), "<not-even-xml"]
)
def test_metadata_of_somebody_else_is_an_error_at_the_start_and_a_page_later(
    settings: Any, document: str
) -> None:
    from soar.checks import metadata_of_saml_provider

    assert metadata_of_saml_provider() == []
    settings.SAML_METADATA = document
    [error] = metadata_of_saml_provider()
    assert (error.id, "SOAR_SAML_METADATA_FILE" in str(error.hint)) == ("soar.E007", True)
    assert Browser().post(LOGIN).status_code == 403


def test_metadata_that_cannot_be_fetched_says_that_the_sign_in_failed(settings: Any) -> None:
    settings.SAML_METADATA = "https://localhost:1/metadata"
    page = Browser().post(LOGIN)
    assert (page.status_code, b"could not be trusted" in page.content) == (403, True)


def test_metadata_at_an_address_is_fetched_once_for_all(settings: Any, tmp_path: Path) -> None:
    document = tmp_path / "metadata.xml"
    document.write_text(saml_provider.metadata(), encoding="utf-8")
    settings.SAML_METADATA = document.as_uri()
    browser = Browser()
    browser.leave()
    document.unlink()
    assert come(browser).status_code == 302
