"""Temporary credentials of Amazon's: where they come from, how they sign, what happens when they end."""

import pytest
from conftest import FATAL, run, tree

from .conftest import get_many
from .servers import noise

amazon_module = pytest.importorskip("stores.amazon", reason="no botocore", exc_type=ImportError)
Amazon = amazon_module.Amazon


@pytest.fixture
def amazon(s3):
    with Amazon(s3.port) as made:
        yield made


@pytest.fixture(params=["role", "container", "machine"])
def whom(request):
    return request.param


@pytest.fixture
def temporary_env(env, amazon, whom, tmp_path):
    token = tmp_path / "token"
    env = {**env, **amazon.env()}
    if whom == "role":
        token.write_text(amazon_module.WEB_TOKEN + "\n")
        return {**env, "AWS_ROLE_ARN": amazon_module.ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    if whom == "container":
        token.write_text(amazon_module.CONTAINER_TOKEN)
        return {**env, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{amazon.url}/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}
    return {**env, "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{amazon.url}/"}


def test_they_open_the_door(s3, amazon, whom, temporary_env, at, tmp_path, flowers):
    (flowers / "large with space").write_bytes(noise(9 << 20))
    want = tree(flowers)
    run("cp", "-r", flowers, s3.url(at), env=temporary_env)
    assert get_many(s3, at) == want
    run("cp", "-r", s3.url(at), tmp_path / "down", env=temporary_env)
    assert tree(tmp_path / "down") == want
    assert amazon.problems == []
    assert amazon.given == [whom] * 2  # once for each run


def test_when_they_end_others_are_asked_for(s3, amazon, whom, temporary_env, at, flowers):
    amazon.revoke_at = 20
    run("cp", "-r", flowers, s3.url(at), env=temporary_env)
    assert get_many(s3, at) == tree(flowers)
    assert amazon.given == [whom] * 2


def test_what_ends_for_good_is_told(s3, amazon, env, at):
    """Of the environment, where no others can be had; and no secret is shown."""
    keys = amazon.give("environment")
    amazon.good.clear()
    said = run("ls", s3.url(at), code=FATAL, env={
        **env, **amazon.env(), "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"], "AWS_SESSION_TOKEN": keys["Token"]}).stderr
    assert "ExpiredToken" in said and "get new credentials" in said
    assert "secret" not in said


def test_a_role_that_is_refused(s3, amazon, env, at, tmp_path):
    (tmp_path / "token").write_text("another-web-token")
    said = run("ls", s3.url(at), code=FATAL, env={
        **env, **amazon.env(), "AWS_ROLE_ARN": amazon_module.ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}).stderr
    assert amazon_module.ROLE in said and "another-web-token" not in said
