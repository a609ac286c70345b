"""Google's side of the door: tokens for signed keys, and a store that lets nobody in without one.

The program finds it as it finds Google: STORAGE_EMULATOR_HOST is not set, since who sets it is not
asked for credentials, but a proxy that stands for storage.googleapis.com with a certificate of our
own, and hands on to fake-gcs-server what has the right token.
"""

import base64
import datetime
import http.client
import json
import threading
import time
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from loopback import Handler, Loopback
from tls import pem, serve_tls

HOST = "storage.googleapis.com"
EMAIL = "packer@tests.example"
ACTED_AS = "writer@tests.example"
REFRESH_TOKEN, SUBJECT_TOKEN = "secret-refresh-token", "secret-subject-token"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
CLOUD, STORAGE = (f"https://www.googleapis.com/auth/{name}"
                  for name in ("cloud-platform", "devstorage.read_write"))


def _unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Google(Loopback):
    """In `with`: env() and key_file() for the program; problems lists what it did wrong."""

    def __init__(self, folder, store_port):
        super().__init__(_Handler)
        self.folder, self.store_port = folder, store_port
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.problems, self.given, self.good = [], [], set()
        self.served, self.may_be_used = 0, True
        self.delegates, self.payers = None, set()
        self.revoke_at = None  # the request at which all tokens so far end
        self.lock = threading.Lock()
        folder.mkdir(exist_ok=True)
        self.tls = serve_tls(folder / "server.pem", HOST)
        self.token_uri = f"{self.url}/token"

    def env(self):
        return {"https_proxy": f"http://127.0.0.1:{self.port}",
                "CURL_CA_BUNDLE": str(self.folder / "server.pem")}

    def key_file(self, key=None):
        """A service account's key file, signed for with the right key or another."""
        path = self.folder / "key.json"
        path.write_text(json.dumps({
            "type": "service_account", "project_id": "tests", "private_key_id": "k1",
            "private_key": pem(key or self.key).decode(), "client_email": EMAIL,
            "token_uri": self.token_uri}))
        return path

    def _file(self, name, content):
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def _acted_as_url(self):
        return f"{self.url}/v1/projects/-/serviceAccounts/{ACTED_AS}:generateAccessToken"

    def user(self):
        return {"type": "authorized_user", "client_id": "client", "client_secret": "secret-client",
                "refresh_token": REFRESH_TOKEN, "token_uri": self.token_uri}

    def user_file(self, folder):
        """Where gcloud puts it."""
        path = folder / "application_default_credentials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.user()))
        return path

    def impersonating_file(self):
        return self._file("acts.json", {
            "type": "impersonated_service_account", "source_credentials": self.user(),
            "service_account_impersonation_url": self._acted_as_url(), "delegates": ["d@x"]})

    def external_file(self, acts):
        """A token of another service, in JSON in a file; with acts to act as a service account."""
        source = self._file("subject.json", {"id_token": SUBJECT_TOKEN})
        more = {"service_account_impersonation_url": self._acted_as_url()} if acts else {}
        return self._file("external.json", {
            "type": "external_account", "audience": AUDIENCE, "token_url": f"{self.url}/sts",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", **more,
            "credential_source": {"file": str(source), "format": {
                "type": "json", "subject_token_field_name": "id_token"}}})

    def machine_env(self):
        return {"GCE_METADATA_HOST": f"127.0.0.1:{self.port}", "NO_GCE_CHECK": "false"}

    def expect(self, what, found, want):
        """Notes what is not as it should be."""
        wrong = {name: found.get(name) for name in want if found.get(name) != want[name]}
        if wrong:
            self.problems.append(f"{what}: {wrong}")

    def check_jwt(self, text):
        """What is wrong with it, or None."""
        header, claims, signature = text.split(".")
        try:
            self.key.public_key().verify(_unbase64(signature), f"{header}.{claims}".encode(),
                                         padding.PKCS1v15(), hashes.SHA256())
        except Exception:
            return "Invalid JWT Signature."
        header, claims = json.loads(_unbase64(header)), json.loads(_unbase64(claims))
        want = {"iss": EMAIL, "aud": self.token_uri}
        if header != {"alg": "RS256", "typ": "JWT", "kid": "k1"}:
            self.problems.append(f"header {header}")
        if {name: claims.get(name) for name in want} != want:
            self.problems.append(f"claims {claims}")
        if not claims["scope"].startswith("https://www.googleapis.com/auth/"):
            self.problems.append(f"scope {claims['scope']}")
        if not (abs(claims["iat"] - time.time()) < 60 and 0 < claims["exp"] - claims["iat"] <= 3600):
            self.problems.append(f"times {claims}")
        return None

    def count_request(self):
        """A token that is younger than a second and refused is not asked for anew: not sooner."""
        with self.lock:
            self.served += 1
            if self.served == self.revoke_at:
                time.sleep(max(0, 1.2 - (time.monotonic() - self.given_at)))
                self.good.clear()

    def give(self):
        """A new token."""
        token = f"ya29.secret-{len(self.given)}"
        self.given.append(token)
        self.given_at = time.monotonic()
        if self.may_be_used:
            self.good.add(token)
        return token


class _Handler(Handler):
    def do_CONNECT(self):
        """From here on the connection is TLS, and the requests in it are handled like others."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.cloud.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def may_enter(self):
        """The address of a resumable upload is as good as a token."""
        self.cloud.count_request()
        query = parse_qs(urlsplit(self.path).query)
        self.cloud.payers.add(query.get("userProject", [None])[0])
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return "upload_id=" in self.path or (kind == "Bearer" and token in self.cloud.good)

    def handle_any(self):
        body = self.body()
        if self.path == "/token":
            self.hand_out_token(body)
        elif self.path == "/sts":
            self.trade(body)
        elif self.path.startswith("/v1/projects/-/serviceAccounts/"):
            self.act(body)
        elif self.path.startswith("/computeMetadata/"):
            self.metadata()
        elif not self.may_enter():
            self.answer(401, b'{"error":{"code":401,"message":"Invalid Credentials"}}')
        else:
            self.hand_on(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def answer_token(self, **more):
        self.answer(200, json.dumps({"access_token": self.cloud.give(), "expires_in": 3600,
                                     "token_type": "Bearer", **more}).encode())

    def hand_out_token(self, body):
        """For a service account's signed wish, or a user's refresh token."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        wrong = None
        if asked.get("grant_type") == "refresh_token":
            self.cloud.expect("user", asked, {"client_id": "client", "client_secret": "secret-client",
                                               "refresh_token": REFRESH_TOKEN})
        else:
            self.cloud.expect("grant", asked,
                               {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"})
            wrong = self.cloud.check_jwt(asked["assertion"])
        if wrong:
            self.answer(400, json.dumps({"error": "invalid_grant",
                                         "error_description": wrong}).encode())
        else:
            self.answer_token()

    def trade(self, body):
        """A token of another service for one of Google's."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.cloud.expect("trade", asked, {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": AUDIENCE,
            "subject_token": SUBJECT_TOKEN,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token"})
        self.answer_token(scope=asked.get("scope"))

    def act(self, body):
        """A service account's token for who may act as it; their own does not open the store then."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.cloud.given or not self.path.endswith(f"/{ACTED_AS}:generateAccessToken"):
            self.cloud.problems.append(f"acts {self.path}")
        self.cloud.good.discard(token)
        asked = json.loads(body)
        self.cloud.expect("acts", asked, {"scope": [STORAGE], "lifetime": "3600s"})
        self.cloud.delegates = asked.get("delegates")
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        self.answer(200, json.dumps({"accessToken": self.cloud.give(),
                                     "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode())

    def metadata(self):
        self.cloud.expect("metadata", self.headers, {"Metadata-Flavor": "Google"})
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        if self.path == f"{account}email":
            self.answer(200, EMAIL.encode())
        elif self.path == f"{account}token":
            self.answer_token()
        else:
            self.answer(404, b"")

    def hand_on(self, body):
        store = http.client.HTTPConnection("127.0.0.1", self.cloud.store_port)
        own = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        store.request(self.command, self.path, body, {**own, "Host": HOST})
        reply = store.getresponse()
        data = reply.read()
        drop = ("content-length", "transfer-encoding", "connection")
        self.answer(reply.status, data, [(name, value.replace(f"http://{HOST}", f"https://{HOST}"))
                                         for name, value in reply.getheaders()
                                         if name.lower() not in drop])
        store.close()
