"""Amazon's side of the door: temporary credentials of a role, a container and a machine, and a store
that lets nobody in without them.

Signatures are checked with botocore's own arithmetic, over the headers that the request says are
signed; what passes is signed again with the keys of the server behind.
"""

import http.client
import json
import threading
import time
from urllib.parse import parse_qs

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from loopback import Handler, Loopback

from .servers import KEY, SECRET

ROLE = "arn:aws:iam::123456789012:role/packers"
WEB_TOKEN, CONTAINER_TOKEN, MACHINE_TOKEN = "web-identity-token", "container-token", "machine-token"
REGION = "us-east-1"


class Amazon(Loopback):
    """In `with`: listens on port; given lists who got credentials, problems what was done wrong."""

    def __init__(self, store_port):
        super().__init__(_Handler)
        self.store_port = store_port
        self.given, self.problems, self.good = [], [], {}
        self.served, self.revoke_at = 0, None  # the request at which all credentials so far end
        self.lock = threading.Lock()

    def env(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION}

    def give(self, whom):
        """New credentials, good until they are revoked."""
        with self.lock:
            self.given.append(whom)
            number = len(self.given)
            made = {"AccessKeyId": f"ASIA{number:016}", "SecretAccessKey": f"secret-key-{number}",
                    "Token": f"secret-token-{number}",
                    "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
            self.good[made["AccessKeyId"]] = made
            return made

    def count_request(self):
        with self.lock:
            self.served += 1
            if self.served == self.revoke_at:
                self.good.clear()


def _signature(handler, keys):
    """What the request's signature should be."""
    fields = dict(part.strip().split("=", 1) for part in
                  handler.headers["Authorization"].split(" ", 1)[1].split(","))
    signed = {name: handler.headers[name] for name in fields["SignedHeaders"].split(";")}
    request = AWSRequest(handler.command, f"http://{handler.headers['Host']}{handler.path}",
                         headers=signed)
    request.context["timestamp"] = handler.headers["X-Amz-Date"]
    auth = S3SigV4Auth(Credentials(keys["AccessKeyId"], keys["SecretAccessKey"]), "s3", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request), fields


class _Handler(Handler):
    def refuse(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode())

    def handle_any(self):
        body = self.body()
        if self.command == "POST" and self.path == "/":
            self.take_role(body)
        elif self.path == "/container":
            self.hand_out("container", "Authorization", CONTAINER_TOKEN)
        elif self.path.startswith("/latest/"):
            self.metadata()
        else:
            self.store(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def hand_out(self, whom, header, secret):
        if self.headers.get(header) != secret:
            self.cloud.problems.append(f"{whom}: {header} {self.headers.get(header)}")
            return self.answer(401)
        return self.answer(200, json.dumps(self.cloud.give(whom)).encode())

    def take_role(self, body):
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        want = {"Action": "AssumeRoleWithWebIdentity", "RoleArn": ROLE, "Version": "2011-06-15",
                "WebIdentityToken": WEB_TOKEN}
        if {name: asked.get(name) for name in want} != want or "RoleSessionName" not in asked:
            self.cloud.problems.append(f"role {asked}")
            return self.refuse(400, "InvalidIdentityToken")
        keys = self.cloud.give("role")
        keys["SessionToken"] = keys["Token"]
        fields = "".join(f"<{name}>{keys[name]}</{name}>" for name in
                         ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"))
        return self.answer(200, f"<AssumeRoleWithWebIdentityResponse><Credentials>{fields}"
                                "</Credentials></AssumeRoleWithWebIdentityResponse>".encode())

    def metadata(self):
        if self.command == "PUT" and self.path == "/latest/api/token":
            if not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
                self.cloud.problems.append("no life of the metadata token")
            return self.answer(200, MACHINE_TOKEN.encode())
        if self.headers.get("X-aws-ec2-metadata-token") != MACHINE_TOKEN:
            self.cloud.problems.append("metadata of version 1")
            return self.answer(401)
        place = "/latest/meta-data/iam/security-credentials/"
        if self.path == place:
            return self.answer(200, b"machine-role")
        if self.path != f"{place}machine-role":
            return self.answer(404)
        return self.hand_out("machine", "X-aws-ec2-metadata-token", MACHINE_TOKEN)

    def store(self, body):
        self.cloud.count_request()
        if "Authorization" not in self.headers:
            return self.refuse(403, "AccessDenied")
        key = self.headers["Authorization"].split("Credential=")[1].split("/")[0]
        keys = self.cloud.good.get(key)
        if keys is None:
            return self.refuse(400, "ExpiredToken")
        want, fields = _signature(self, keys)
        token_is_signed = "x-amz-security-token" in fields["SignedHeaders"].split(";")
        if fields["Signature"] != want or self.headers.get("X-Amz-Security-Token") != keys["Token"]:
            return self.refuse(403, "SignatureDoesNotMatch")
        if not token_is_signed:
            self.cloud.problems.append("the token is not signed")
        return self.hand_on(body)

    def hand_on(self, body):
        kept = {name: value for name, value in self.headers.items() if name.lower() not in (
            "host", "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256")}
        request = AWSRequest(self.command,
                             f"http://127.0.0.1:{self.cloud.store_port}{self.path}",
                             data=body, headers=kept)
        S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION).add_auth(request)
        behind = http.client.HTTPConnection("127.0.0.1", self.cloud.store_port)
        behind.request(self.command, self.path, body, dict(request.headers))
        reply = behind.getresponse()
        data = reply.read()
        drop = ["transfer-encoding", "connection"]
        if self.command != "HEAD":
            drop.append("content-length")
        self.answer(reply.status, data, [pair for pair in reply.getheaders()
                                         if pair[0].lower() not in drop])
        behind.close()
