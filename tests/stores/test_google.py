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
