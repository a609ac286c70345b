"""A stand-in that makes pages of listings, as fast as it can: 1,000 objects each, in Google's JSON or
S3's XML. In the bucket `folders` each page is a folder, in `flat` there are none.
A page can be made to take as long as a cloud takes for it.

    python tests/stores/pages.py PORT
"""

import re
import socketserver
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

PAGES, OBJECTS = 1000, 1000  # of a page: always; pages: unless other ones are asked for
NUMBER = b"@@@@"  # of the page
KEYS = {"folders": b"all/@@@@/%03d.jpg", "flat": b"all/@@@@-%03d.jpg"}
ETAG = b"9e107d9d372bb6826bd81d3542a419d6"


def _gs_page(key):
    items = b",".join(b'{"name":"%s","size":"12345","updated":"2026-01-02T03:04:05.678Z",'
                      b'"generation":"1767323045678901","crc32c":"n03x6A=="}' % (key % i)
                      for i in range(OBJECTS))
    return b'{"nextPageToken":"%NEXT%","items":[' + items + b"]}"


def _s3_page(key):
    items = b"".join(b"<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
                     b"<ETag>&quot;%s&quot;</ETag><Size>12345</Size>"
                     b"<StorageClass>STANDARD</StorageClass></Contents>" % (key % i, ETAG)
                     for i in range(OBJECTS))
    return (b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/'
            b'doc/2006-03-01/"><EncodingType>url</EncodingType><IsTruncated>%MORE%</IsTruncated>'
            b"%NEXT%" + items + b"</ListBucketResult>")


PAGE = {("gs", bucket): _gs_page(key) for bucket, key in KEYS.items()}
PAGE |= {("s3", bucket): _s3_page(key) for bucket, key in KEYS.items()}


def _page(store, bucket, number, last):
    body = PAGE[store, bucket].replace(NUMBER, b"%04d" % number)
    token = b"" if last else b"%04d" % (number + 1)
    if store == "gs":
        return body.replace(b"%NEXT%", token, 1)
    if token:
        token = b"<NextContinuationToken>%s</NextContinuationToken>" % token
    return body.replace(b"%MORE%", b"false" if last else b"true", 1).replace(b"%NEXT%", token, 1)


def _folders(store, bucket, pages):
    names = [b"all/%04d/" % i for i in range(pages)] if bucket == "folders" else []
    if store == "gs":
        return b'{"prefixes":[' + b",".join(b'"%s"' % name for name in names) + b"]}"
    return (b"<ListBucketResult><IsTruncated>false</IsTruncated>"
            + b"".join(b"<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % name
                       for name in names) + b"</ListBucketResult>")


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            self.serve()
        except ConnectionError:
            pass  # who asked has seen enough

    def serve(self):
        for line in iter(self.rfile.readline, b""):
            target = line.split()[1].decode()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            listing = re.fullmatch(r"(/storage/v1/b)?/(folders|flat)/?o?", urlsplit(target).path)
            body = self.answer(target) if listing else b""
            head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n"
            self.wfile.write(head % (b"200 OK" if listing else b"404 None", len(body)) + body)

    def answer(self, target):
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        store = "gs" if parts.path.startswith("/storage/v1/") else "s3"
        bucket = re.search("folders|flat", parts.path)[0]
        if "delimiter" in query:
            return _folders(store, bucket, self.server.pages)
        token = query.get("pageToken") or query.get("continuation-token")
        start = query.get("startOffset") or query.get("start-after")
        number = int(token) if token else int(start[4:8]) if start else 0
        time.sleep(self.server.seconds)
        return _page(store, bucket, number, number + 1 >= self.server.pages)


class PageMaker(socketserver.ThreadingTCPServer):
    """In `with`: listens on port; there are so many pages, and one takes so many seconds."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port=0, seconds=0, pages=PAGES):
        super().__init__(("127.0.0.1", port), _Handler)
        self.port, self.seconds, self.pages = self.server_address[1], seconds, pages

    def env(self):
        return {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{self.port}",
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}",
                "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


if __name__ == "__main__":
    PageMaker(int(sys.argv[1])).serve_forever()
