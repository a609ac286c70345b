"""A proxy in front of a store that does to some requests what networks do.

It knows just enough of HTTP to tell requests apart: a share of them, chosen by a seeded generator in
the order in which they arrive, meets one of the faults. What happened is counted, so that a test
can see that it met any.

It also answers what fake-gcs-server takes for the end of an upload: how far a resumable upload came.
"""

import random
import re
import socket
import struct
import threading
import time
from collections import Counter

# Before the store has seen the request.
REFUSALS = {
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nslow",
}
# That no other try changes, of a write.
FINAL = {"full": b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: 78\r\n\r\n"
                 b"<Error><Code>QuotaExceeded</Code><Message>Bucket is full.</Message></Error>   "}
# redirect: a read is sent to the same place again; reset: before the store has seen the request;
# lost: when it has, and its answer is gone; cut, truncated: a reset or a polite end within the
# answer; chunk: an answer in chunks that ends within one; stall: nothing more comes; slow: it comes
# late and in drops; corrupt: a byte of an object read is another; corrupt-write: of an object
# written.
FAULTS = [*REFUSALS, "redirect", "reset", "lost", "cut", "truncated", "chunk", "stall", "slow",
          "corrupt", "corrupt-write"]
# And "less": of a piece of a resumable upload the store is given the first half, and says so; "late":
# the store is given a write only when who sent it has given up.
DROPS, DROP_SECONDS, LATE_SECONDS = 10, 0.03, 4


def _read_head(stream):
    """The lines up to the empty one, and {name in small letters: value}; None at the end."""
    lines = []
    for line in iter(stream.readline, b"\r\n"):
        if not line.endswith(b"\n"):
            return None, {}
        lines.append(line)
    if not lines:
        return None, {}
    pairs = (line.decode("latin-1").split(":", 1) for line in lines[1:])
    return b"".join(lines) + b"\r\n", {name.lower(): value.strip() for name, value in pairs}


def _read_body(stream, headers):
    """A body as it is on the wire."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return stream.read(int(headers.get("content-length", 0)))
    parts = []
    while True:
        size = stream.readline()
        data = stream.read(int(size.split(b";")[0], 16) + 2)
        parts += [size, data]
        if int(size.split(b";")[0], 16) == 0:
            return b"".join(parts)


def _flip(data):
    """Another byte in the middle, where a multipart body has its object too."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x20]) + data[middle + 1:]


# Of a piece of a resumable upload: which bytes it is.
PIECE = re.compile(rb"(?<=\r\nContent-Range: bytes )(\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)


QUESTION = re.compile(rb"\r\nContent-Range: bytes \*/", re.IGNORECASE)


def _halve(head, body):
    """The same piece without its second half."""
    start, half = int(PIECE.search(head)[1]), len(body) // 2
    head = PIECE.sub(b"%d-%d/*" % (start, start + half - 1), head)
    return re.sub(rb"(?<=\r\nContent-Length: )\d+", b"%d" % half, head,
                  flags=re.IGNORECASE), body[:half]


def _rechunk(head, body):
    """The same answer in chunks, of which the last is cut off."""
    lines = [line for line in head.split(b"\r\n")
             if not line.lower().startswith((b"content-length:", b"transfer-encoding:"))]
    lines.insert(1, b"Transfer-Encoding: chunked")
    half = len(body) // 2
    parts = [b"%x\r\n%s\r\n" % (half, body[:half])] if half else []
    return b"\r\n".join(lines) + b"".join(parts) + b"%x\r\n" % (len(body) - half)


def _drip(connection, data):
    """Late, and in drops."""
    size = len(data) // DROPS + 1
    for at in range(0, len(data), size):
        time.sleep(DROP_SECONDS)
        connection.sendall(data[at:at + size])


def _reset(connection):
    """A close that the other end sees as a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Front:
    """Listens on self.port while in `with`, in front of the port upstream, with the context tls for
    HTTPS: each connection has a thread that calls _serve. hits counts the faults, seen all requests."""

    def __init__(self, upstream, faults, share=0.1, seed=1, most=None, tls=None):
        self.upstream, self.faults, self.share, self.most = upstream, list(faults), share, most
        self.tls = tls
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.hits, self.seen = Counter(), 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()


class FaultProxy(Front):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.open, self.gone = set(), False
        self.kept, self.ended = {}, {}  # of a resumable upload's address: its bytes; the last answer

    def __exit__(self, *_):
        super().__exit__()
        with self.lock:
            self.gone, left = True, list(self.open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _serve(self, client):
        store = None
        try:
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            store = socket.create_connection(("127.0.0.1", self.upstream))
            store.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                if self.gone:  # accepted just before
                    return
                self.open |= {client, store}
            asked, answered = client.makefile("rb"), store.makefile("rb")
            while self._relay(client, store, asked, answered):
                pass
            asked.close()
            answered.close()
        except (OSError, ValueError):
            pass  # one of them hung up, which is what this is about
        finally:
            with self.lock:
                self.open -= {client, store}
            client.close()
            if store is not None:
                store.close()

    def _choose(self, method, target, head, body):
        """The fault that this request meets, or None."""
        media = "alt=media" in target or ("/storage/v1/" not in target and "list-type" not in target)
        fits = {"corrupt": method == "GET" and media,
                "redirect": method in ("GET", "HEAD"),
                "full": method in ("PUT", "POST"),
                "late": method in ("PUT", "POST"),
                "less": len(body) > 1 and PIECE.search(head),
                # A list of parts, or the beginning of an upload, is no object.
                "corrupt-write": method in ("PUT", "POST") and len(body) >= 1024}
        with self.lock:
            self.seen += 1
            met, fault = self.random.random() < self.share, self.random.choice(self.faults)
            if not met or not fits.get(fault, True) or self.most == sum(self.hits.values()):
                return None
            self.hits[fault] += 1
            return fault

    def _ask(self, store, answered, target, head, body):
        """The store's answer, or to the question how far an upload came what Google would say."""
        if QUESTION.search(head):
            kept = self.kept.get(target, 0)
            line = b"Range: bytes=0-%d\r\n" % (kept - 1) if kept else b""
            return self.ended.get(target, (b"HTTP/1.1 308 Resume Incomplete\r\n" + line
                                           + b"Content-Length: 0\r\n\r\n", {}, b""))
        store.sendall(head + body)
        asked, piece = head, PIECE.search(head)
        head, headers = _read_head(answered)
        if head is None:
            return None, {}, b""
        empty = asked.startswith(b"HEAD ") or head.split()[1] in (b"204", b"304")
        answer = head, headers, b"" if empty else _read_body(answered, headers)
        if piece and head.split()[1] == b"308":
            self.kept[target] = int(piece[2]) + 1
        elif piece:
            self.ended[target] = answer
        return answer

    def _relay(self, client, store, asked, answered):
        """One request and its answer; False when the connection is over."""
        head, headers = _read_head(asked)
        if head is None:
            return False
        method, target = head.split(b" ")[:2]
        body = _read_body(asked, headers)
        fault = self._choose(method.decode(), target.decode("latin-1"), head, body)
        if fault in REFUSALS or fault in FINAL:
            client.sendall({**REFUSALS, **FINAL}[fault])
            return True
        if fault == "redirect":
            client.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
                           b"Location: http://127.0.0.1:%d%s\r\n\r\n" % (self.port, target))
            return True
        if fault == "reset":
            _reset(client)
            return False
        if fault == "late":
            time.sleep(LATE_SECONDS)
        elif fault == "less":
            head, body = _halve(head, body)
        elif fault == "corrupt-write":
            body = _flip(body)
        head, headers, body = self._ask(store, answered, target, head, body)
        if head is None:
            return False
        if fault == "lost":
            _reset(client)
            return False
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        if fault == "chunk" and body and not chunked:
            client.sendall(_rechunk(head, body))
            return False
        if fault in ("cut", "truncated", "stall", "chunk"):
            # Of an answer without a body half of its headers.
            client.sendall(head + body[:len(body) // 2] if body else head[:len(head) // 2])
            if fault == "stall":
                client.recv(1)  # until the other end has waited enough
            elif fault == "cut":
                _reset(client)
            return False
        good = head.split()[1] in (b"200", b"206")
        answer = head + (_flip(body) if fault == "corrupt" and body and good else body)
        if fault == "slow":
            _drip(client, answer)
        else:
            client.sendall(answer)
        return headers.get("connection", "").lower() != "close"
