"""HTTP/2 over TLS in front of a store that speaks HTTP/1.1, as Google's own front ends are.

Requests of a connection are answered one after the other, however many wait; a share of them, chosen
by a seeded generator in the order in which they are answered, meets one of the faults that HTTP/2
has of its own. What happened is counted, so that a test can see that it met any.
"""

import select
from collections import deque
from http.client import HTTPConnection, HTTPException

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from .fault_proxy import Front

# refuse: a stream is reset before the store has seen its request; reset: within its answer, when it
# has; cut: there the connection ends with all its streams; goaway: behind the answer the connection
# ends politely, and what else was asked is not answered.
FAULTS = ["refuse", "reset", "cut", "goaway"]
# Of one hop, and what HTTP/2 says in another way.
NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
WINDOW = 16 << 20


class Http2Door(Front):
    """beside is the most requests that waited on one connection."""

    def __init__(self, upstream, tls, faults=(), **options):
        tls.set_alpn_protocols(["h2"])
        super().__init__(upstream, faults, tls=tls, **options)
        self.beside = 0

    def _serve(self, client):
        try:
            with self.tls.wrap_socket(client, server_side=True) as wrapped:
                assert wrapped.selected_alpn_protocol() == "h2"
                _Connection(self, wrapped).serve()
        except (OSError, HTTPException):
            pass  # one of them hung up

    def choose(self, waiting):
        """The fault that the next request meets, or None."""
        with self.lock:
            self.seen += 1
            self.beside = max(self.beside, waiting)
            met = self.random.random() < self.share
            if not self.faults or not met or self.most == sum(self.hits.values()):
                return None
            fault = self.random.choice(self.faults)
            self.hits[fault] += 1
            return fault


class _Connection:
    def __init__(self, door, client):
        self.door, self.client = door, client
        self.store = HTTPConnection("127.0.0.1", door.upstream)
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.asked, self.whole = {}, deque()  # a stream's request; the streams whose request is whole

    def serve(self):
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        try:
            while True:
                self._flush()
                while not self.whole or self._has_more():
                    self._receive()
                if not self._answer(self.whole.popleft()):
                    return
        finally:
            self.store.close()

    def _flush(self):
        self.client.sendall(self.h2.data_to_send())

    def _has_more(self):
        return self.client.pending() or select.select([self.client], [], [], 0)[0]

    def _receive(self):
        data = self.client.recv(1 << 16)
        if not data:
            raise ConnectionError
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.asked[event.stream_id] = dict(event.headers), bytearray()
            elif isinstance(event, DataReceived):
                self.asked[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.whole.append(event.stream_id)
            elif isinstance(event, StreamReset):
                self.asked.pop(event.stream_id, None)
        self._flush()

    def _ask(self, headers, body):
        """The store's answer: status, headers, body."""
        passed = {name: value for name, value in headers.items() if not name.startswith(":")}
        self.store.request(headers[":method"], headers[":path"], bytes(body),
                           {**passed, "Host": headers[":authority"]})
        reply = self.store.getresponse()
        here = "//" + headers[":authority"]
        fields = [(name.lower(), value.replace(f"http:{here}", f"https:{here}"))
                  for name, value in reply.getheaders() if name.lower() not in NOT_PASSED_ON]
        return reply.status, fields, reply.read()

    def _answer(self, stream):
        """False: that was the connection's last one."""
        headers, body = self.asked.pop(stream, (None, None))
        if headers is None:  # taken back
            return True
        fault = self.door.choose(len(self.asked) + 1)
        try:
            if fault == "refuse":
                self.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
                return True
            status, fields, content = self._ask(headers, body)
            half = fault in ("reset", "cut")
            self.h2.send_headers(stream, [(":status", str(status)), *fields])
            self._send(stream, content[:len(content) // 2] if half else content)
            if fault == "reset":
                self.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
            elif not half:
                self.h2.end_stream(stream)
            if fault == "goaway":
                self.h2.close_connection(last_stream_id=stream)
        except ProtocolError:
            return True  # it was taken back meanwhile
        self._flush()
        return fault not in ("cut", "goaway")

    def _send(self, stream, content):
        left = memoryview(content)
        while left:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self._receive()
                continue
            self.h2.send_data(stream, bytes(left[:room]))
            left = left[room:]
            self._flush()
