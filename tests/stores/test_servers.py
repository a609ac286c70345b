"""The servers themselves, each as its own client sees it: what the other tests rely on."""

import pytest


@pytest.mark.parametrize("name", ["gs", "s3", "versity", "hdfs"])
def test_it_keeps_what_is_put(request, at, name):
    server = request.getfixturevalue(name)
    for key in "b/c", "a", "a2":
        server.put(f"{at}/{key}", key.encode())
    assert server.keys(f"{at}/") == [f"{at}/{key}" for key in ("a", "a2", "b/c")]
    assert server.get(f"{at}/b/c") == b"b/c"
