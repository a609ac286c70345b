"""A service account's key: what is signed, what it is exchanged for, where that goes."""

import pytest
from conftest import FATAL, run, tree

from .conftest import get_many
from .servers import noise

google_module = pytest.importorskip("stores.google", reason="no cryptography",
                                    exc_type=ImportError)
Google = google_module.Google


@pytest.fixture
def google(gs, tmp_path):
    with Google(tmp_path / "google", gs.port) as made:
        yield made


@pytest.fixture
def signed_env(env, google):
    return {**env, **google.env(), "GOOGLE_APPLICATION_CREDENTIALS": str(google.key_file())}


def test_a_key_opens_the_door(gs, google, signed_env, at, tmp_path, flowers):
    want = {**tree(flowers), "large": noise(9 << 20)}
    (flowers / "large").write_bytes(want["large"])
    run("cp", "-r", flowers, gs.url(at), env=signed_env)
    assert get_many(gs, at) == want
    run("cp", "-r", gs.url(at), tmp_path / "down", env=signed_env)
    assert tree(tmp_path / "down") == want
    assert google.problems == []
    assert google.served > len(want)
    assert len(google.given) == 2  # one token for each run


@pytest.fixture(params=["user", "acting user", "external", "acting external", "machine"])
def other_env(request, env, google, tmp_path):
    """Everybody else that Google knows; how many tokens each takes; whom an error names."""
    env = {**env, **google.env()}
    name = "GOOGLE_APPLICATION_CREDENTIALS"
    acted_as = f"the service account {google_module.ACTED_AS}"
    if request.param == "user":
        google.user_file(tmp_path / "home" / ".config" / "gcloud")
        return env, 1, "the user"
    if request.param == "acting user":
        return {**env, name: str(google.impersonating_file())}, 2, acted_as
    if request.param == "machine":
        return {**env, **google.machine_env()}, 1, google_module.EMAIL
    acts = request.param == "acting external"
    return ({**env, name: str(google.external_file(acts))}, 1 + acts,
            acted_as if acts else "the external account")


def test_others_open_the_door(gs, google, other_env, at, flowers):
    env, tokens, _ = other_env
    run("cp", "-r", flowers, gs.url(at), env=env)
    assert get_many(gs, at) == tree(flowers)
    assert google.problems == []
    assert len(google.given) == tokens


def test_others_are_named_and_their_secrets_are_not(gs, google, other_env, at, monkeypatch):
    monkeypatch.setattr(google, "may_be_used", False)
    env, _, whom = other_env
    said = run("ls", gs.url(at), code=FATAL, env=env).stderr
    assert "secret" not in said
    assert whom in said and google.problems == []


def test_who_stands_in_between_is_told(gs, google, env, at, tmp_path):
    path = google.impersonating_file()
    gs.put(f"{at}/a", b"x")
    run("ls", gs.url(at), env={**env, **google.env(), "GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    assert google.delegates == ["d@x"]


def test_who_pays_is_told(gs, google, signed_env, at):
    gs.put(f"{at}/a", b"x")
    run("ls", gs.url(at), "--billing-project", "payer", env=signed_env)
    assert google.payers == {"payer"}
    run("ls", gs.url(at), env=signed_env)
    assert google.payers == {"payer", None}


def test_a_token_that_ends_early_is_asked_for_anew(gs, google, signed_env, at, flowers):
    google.revoke_at = 20
    run("cp", "-r", flowers, gs.url(at), env=signed_env)
    assert get_many(gs, at) == tree(flowers)
    assert len(google.given) == 2


def test_a_key_that_is_not_the_right_one(gs, google, env, at):
    other = google_module.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = google.key_file(other)
    said = run("ls", gs.url(at), code=FATAL,
               env={**env, **google.env(), "GOOGLE_APPLICATION_CREDENTIALS": str(path)}).stderr
    assert "Invalid JWT Signature" in said
    assert "PRIVATE KEY" not in said and google.given == []


def test_nobody_in_particular_is_told_how_to_be_somebody(gs, google, env, at):
    said = run("ls", gs.url(at), code=FATAL, env={**env, **google.env()}).stderr
    assert "GOOGLE_APPLICATION_CREDENTIALS" in said


def test_no_token_is_shown(gs, google, signed_env, at, monkeypatch):
    """A fresh token that is refused is final: the line says who asked, not with what."""
    monkeypatch.setattr(google, "may_be_used", False)
    said = run("ls", gs.url(at), code=FATAL, env=signed_env).stderr
    assert google_module.EMAIL in said
    assert "ya29" not in said
    assert len(google.given) < 4
