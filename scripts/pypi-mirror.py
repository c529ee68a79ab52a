#!/usr/bin/env python3
"""Serve a mirror of this machine's package index on 127.0.0.1, for tests. Print its URL and run until it is stopped.

The mirror passes on the pages of the index unchanged. The index is the one that pip is configured for. Needs
Python >= 3.11 and pip.
"""

import functools
import http.server
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request


def index_url():
    """Return the index of pip, from its variable, its configuration or its default."""
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    ask = lambda *arguments: subprocess.run([sys.executable, *arguments], capture_output=True, text=True).stdout.strip()
    asked = os.environ.get("PIP_INDEX_URL") or ask("-m", "pip", "config", "get", "global.index-url")
    return (asked or ask("-c", default)).rstrip("/")


INDEX = index_url()
CONTEXT = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT") or None)


@functools.lru_cache(maxsize=None)
def page(path, accept):
    """Download a page of the index, only once. Try again after a network error."""
    request = urllib.request.Request(INDEX + path, headers={"Accept": accept})
    for pause in (0.2, 1, 3, None):
        try:
            with urllib.request.urlopen(request, context=CONTEXT, timeout=60) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, "text/plain", b""
        except urllib.error.URLError:
            if pause is None:
                raise
            time.sleep(pause)


class Mirror(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        accept = self.headers["Accept"] or "*/*"
        status, kind, body = page(self.path.removeprefix("/simple"), accept)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
print(f"http://127.0.0.1:{server.server_port}/simple", flush=True)
server.serve_forever()
