"""A read that is found to be stalled when its last bytes are there."""

import os
import signal
import socketserver
import threading
import time

from conftest import HANG, OK, start

BODY = b"forty bytes, of which half come too late"
STALL = 2  # seconds


class Server(socketserver.ThreadingTCPServer):
    """A web server that keeps the second half of BODY until it may go; ranges behind the end are a 416."""

    daemon_threads = allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.half, self.whole = threading.Event(), threading.Event()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in iter(self.rfile.readline, b""):
            headers = {}
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            method, wanted = line.split()[0].decode(), headers.get("range", "")
            if wanted == f"bytes={len(BODY)}-":
                self.wfile.write(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
                continue
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "1"\r\n\r\n' % len(BODY))
            if method == "HEAD":
                continue
            self.wfile.write(BODY[:20])
            self.server.half.set()
            self.server.whole.wait(HANG)
            self.wfile.write(BODY[20:])


def test_it_is_whole(tmp_path):
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/file"
        copy = start("cp", url, tmp_path / "file", env={**os.environ, "SHARDMILL_STALL_SECONDS": str(STALL)})
        assert server.half.wait(HANG)
        time.sleep(STALL / 2)  # libcurl has seen that it is slow
        copy.send_signal(signal.SIGSTOP)
        server.whole.set()
        time.sleep(STALL + 0.5)
        copy.send_signal(signal.SIGCONT)
        code = copy.wait(timeout=HANG)
        server.shutdown()
    assert code == OK and (tmp_path / "file").read_bytes() == BODY
