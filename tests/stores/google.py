"""Google's side of the door: tokens for signed keys, and a store that lets nobody in without one.

The program finds it as it finds Google: STORAGE_EMULATOR_HOST is not set, since who sets it is not
asked for credentials, but a proxy that stands for storage.googleapis.com with a certificate of our
own, and hands on to fake-gcs-server what has the right token.
"""

import base64
import datetime
import http.client
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

HOST = "storage.googleapis.com"
EMAIL = "packer@tests.example"


def _pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _certificate(key):
    """One that vouches for itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - day).not_valid_after(now + day)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM)


def _unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Google:
    """In `with`: env() and key_file() for the program; problems lists what it did wrong."""

    def __init__(self, folder, store_port):
        self.folder, self.store_port = folder, store_port
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.problems, self.given, self.good = [], [], set()
        self.served, self.may_be_used = 0, True
        self.revoke_at = None  # the request at which all tokens so far end
        self.lock = threading.Lock()
        folder.mkdir(exist_ok=True)
        (folder / "server.pem").write_bytes(_pem(self.key) + _certificate(self.key))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "server.pem")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.google = self
        self.port = self.server.server_address[1]
        self.token_uri = f"http://127.0.0.1:{self.port}/token"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def env(self):
        return {"https_proxy": f"http://127.0.0.1:{self.port}",
                "CURL_CA_BUNDLE": str(self.folder / "server.pem")}

    def key_file(self, key=None):
        """A service account's key file, signed for with the right key or another."""
        path = self.folder / "key.json"
        path.write_text(json.dumps({
            "type": "service_account", "project_id": "tests", "private_key_id": "k1",
            "private_key": _pem(key or self.key).decode(), "client_email": EMAIL,
            "token_uri": self.token_uri}))
        return path

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def google(self):
        return self.server.google

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        """From here on the connection is TLS, and the requests in it are handled like others."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.google.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def may_enter(self):
        """The address of a resumable upload is as good as a token."""
        self.google.count_request()
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return "upload_id=" in self.path or (kind == "Bearer" and token in self.google.good)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/token":
            self.hand_out_token(body)
        elif not self.may_enter():
            self.answer(401, b'{"error":{"code":401,"message":"Invalid Credentials"}}')
        else:
            self.hand_on(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def hand_out_token(self, body):
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if asked.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            self.google.problems.append(f"grant_type {asked.get('grant_type')}")
        wrong = self.google.check_jwt(asked["assertion"])
        if wrong:
            self.answer(400, json.dumps({"error": "invalid_grant",
                                         "error_description": wrong}).encode())
        else:
            self.answer(200, json.dumps({"access_token": self.google.give(), "expires_in": 3600,
                                         "token_type": "Bearer"}).encode())

    def hand_on(self, body):
        store = http.client.HTTPConnection("127.0.0.1", self.google.store_port)
        own = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        store.request(self.command, self.path, body, {**own, "Host": HOST})
        reply = store.getresponse()
        data = reply.read()
        drop = ("content-length", "transfer-encoding", "connection")
        self.answer(reply.status, data, [(name, value.replace(f"http://{HOST}", f"https://{HOST}"))
                                         for name, value in reply.getheaders()
                                         if name.lower() not in drop])
        store.close()
