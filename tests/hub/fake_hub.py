#!/usr/bin/env python3
"""A server that speaks as much of the Hub's protocol as hearth uses, and misbehaves on request.

usage: fake_hub.py FOLDER

FOLDER has repositories: org/name/COMMIT/FILE…, and behaviour.json, which is read anew for every
request; FOLDER/requests.log receives a line of JSON for each. Two ports of the loopback are opened,
the Hub's and that of a storage host to which large files are redirected; the first line of output
has both. It ends when standard input does.

behaviour.json:
  {"refs": {"org/name": {"main": COMMIT}}, "token": "t",
   "rules": [{"path": regular expression, "host": "hub" | "storage", "method": "GET" | "HEAD",
              "times": how often it applies (default: always), "do": what, …}]}

What a rule does:
  status          answers "status", with "code" as X-Error-Code and "headers"
  redirect, body  to "location", with the ports in braces; "text"
  truncate, slow  after so many "bytes"; at a "rate" of bytes a second
  stall           sends a half, and nothing for so many "seconds"
  garbage         the right length, wrong bytes
  extra           more bytes than there are
  no_ranges, wrong_range, no_length
  etag, commit    other ones in the headers
  large           redirects a file whatever its size
  plain_listing   has neither sizes nor checksums
"""

import hashlib
import json
import os
import re
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE_BYTES = 16 * 1024  # files of this size and more are in LFS


class State:
    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.applied = {}
        self.digests = {}
        self.ports = {}

    def behaviour(self):
        try:
            with open(os.path.join(self.folder, "behaviour.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def log(self, row):
        path = os.path.join(self.folder, "requests.log")
        with self.lock, open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rules(self, host, method, path):
        """The rules that apply to a request; counts those that apply a certain number of times."""
        found = {}
        for rule in self.behaviour().get("rules", []):
            if rule.get("host", host) != host or rule.get("method", method) != method:
                continue
            if not re.search(rule["path"], path):
                continue
            key = json.dumps(rule, sort_keys=True)
            with self.lock:
                count = self.applied.get(key, 0)
                if count >= rule.get("times", 1 << 30):
                    continue
                self.applied[key] = count + 1
            found.setdefault(rule["do"], rule)
        return found

    def file(self, repo, commit, name):
        path = os.path.join(self.folder, repo, commit, name)
        with open(path, "rb") as file:
            content = file.read()
        sha256 = hashlib.sha256(content).hexdigest()
        sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return content, sha256 if len(content) >= LARGE_BYTES else sha1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None
    host = "hub"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        path = urllib.parse.unquote(self.path)
        self.state.log({"host": self.host, "method": self.command, "path": path,
                        "authorization": self.headers.get("Authorization"),
                        "range": self.headers.get("Range")})
        self.applied = self.state.rules(self.host, self.command, path)
        try:
            self.dispatch(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except FileNotFoundError:
            self.send(404, {"X-Error-Code": "EntryNotFound"})

    def dispatch(self, path):
        rule = self.applied.get("status")
        if rule:
            headers = dict(rule.get("headers", {}))
            if "code" in rule:
                headers["X-Error-Code"] = rule["code"]
            return self.send(rule["status"], headers)
        if "redirect" in self.applied:
            location = self.applied["redirect"]["location"]
            return self.send(302, {"Location": location.format(**self.state.ports)})
        if "body" in self.applied:
            return self.send(200, {}, self.applied["body"]["text"].encode())
        token = self.state.behaviour().get("token")
        if self.host == "hub" and token and self.headers.get("Authorization") != f"Bearer {token}":
            return self.send(401, {"X-Error-Code": "RepoNotFound"})
        listing = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^?]+)(\?.*)?", path)
        if listing:
            return self.listing(listing[1], listing[2])
        resolve = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if resolve:
            return self.resolve(*resolve.groups())
        stored = re.fullmatch(r"/store/([^/]+/[^/]+)/([^/]+)/(.+)", path)
        if stored and self.host == "storage":
            content, _ = self.state.file(*stored.groups())
            etag = hashlib.md5(content).hexdigest()
            return self.content(content, {"ETag": f'"{etag}"'})
        return self.send(404, {"X-Error-Code": "EntryNotFound"})

    def commit(self, repo, revision):
        commit = self.state.behaviour().get("refs", {}).get(repo, {}).get(revision, revision)
        if os.path.isdir(os.path.join(self.state.folder, repo, commit)):
            return commit
        return None

    def listing(self, repo, revision):
        if not os.path.isdir(os.path.join(self.state.folder, repo)):
            return self.send(401, {"X-Error-Code": "RepoNotFound"})
        commit = self.commit(repo, revision)
        if not commit:
            return self.send(404, {"X-Error-Code": "RevisionNotFound"})
        root = os.path.join(self.state.folder, repo, commit)
        rows = []
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), root)
                content, digest = self.state.file(repo, commit, path)
                row = {"rfilename": path}
                if "plain_listing" not in self.applied:
                    row["size"] = len(content)
                    row["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                    if len(content) >= LARGE_BYTES:
                        row["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
                rows.append(row)
        body = json.dumps({"id": repo, "sha": commit, "siblings": rows}).encode()
        return self.send(200, {"Content-Type": "application/json"}, body)

    def resolve(self, repo, revision, name):
        commit = self.commit(repo, revision)
        if not commit:
            return self.send(404, {"X-Error-Code": "RevisionNotFound"})
        content, digest = self.state.file(repo, commit, name)
        if "etag" in self.applied:
            digest = self.applied["etag"]["etag"]
        headers = {"X-Repo-Commit": self.applied.get("commit", {}).get("commit", commit)}
        if len(content) >= LARGE_BYTES or "large" in self.applied:
            headers["X-Linked-Etag"] = f'"{digest}"'
            headers["X-Linked-Size"] = str(len(content))
            path = urllib.parse.quote(f"/store/{repo}/{commit}/{name}")
            headers["Location"] = "http://127.0.0.1:{storage}".format(**self.state.ports) + path
            return self.send(302, headers)
        headers["ETag"] = f'"{digest}"'
        return self.content(content, headers)

    def content(self, content, headers):
        if "garbage" in self.applied:
            content = bytes(byte ^ 0x5A for byte in content)
        begin, end, status = 0, len(content), 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and "no_ranges" not in self.applied:
            begin = int(asked[1])
            end = min(int(asked[2]) + 1 if asked[2] else end, end)
            if begin >= len(content):
                return self.send(416, {"Content-Range": f"bytes */{len(content)}"})
            status = 206
            shift = 1 if "wrong_range" in self.applied else 0
            headers["Content-Range"] = f"bytes {begin + shift}-{end - 1}/{len(content)}"
        return self.send(status, headers, content[begin:end])

    def send(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "extra" in self.applied:
            body += b"more"
        if "no_length" in self.applied:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if "truncate" in self.applied:
            self.close_connection = True
            body = body[: self.applied["truncate"]["bytes"]]
        if "stall" in self.applied:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(self.applied["stall"].get("seconds", 5))
            self.close_connection = True
            return
        if "slow" not in self.applied:
            self.wfile.write(body)
            return
        rate = self.applied["slow"]["rate"]
        step = max(1, rate // 50)
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            self.wfile.flush()
            time.sleep(step / rate)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # clients that are killed break their connections


def start(state, host):
    handler = type(host, (Handler,), {"state": state, "host": host})
    server = Server(("127.0.0.1", 0), handler)
    state.ports[host] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    state = State(sys.argv[1])
    start(state, "hub")
    start(state, "storage")
    print(state.ports["hub"], state.ports["storage"], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
