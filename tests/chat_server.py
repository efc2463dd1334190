"""A server on this machine for tests of whatever asks one over HTTP."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(behave):
    """`behave(number of the request, body)` gives (status, headers, content), or a list of pieces to be streamed."""
    seen, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(seen)
                seen.append({"path": self.path, "body": body, "headers": dict(self.headers)})
            status, headers, content = behave(number, body)
            try:
                self.send_response(status)
                headers = {"Content-Length": str(len(content)), **headers} if isinstance(content, bytes) else headers
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in [content] if isinstance(content, bytes) else content:
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass  # the client has hung up

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
