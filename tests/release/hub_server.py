"""A stand-in for the Hugging Face Hub: what its real client needs to publish a dataset.

Commits are immutable snapshots of path to SHA-256; branches and tags are names of commits.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_LARGE = (".parquet", ".safetensors", ".fits")


@dataclass
class Repo:
    """A dataset repository."""

    commits: dict[str, dict[str, str]] = field(default_factory=lambda: {"0" * 40: {}})
    branches: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, name: str) -> str:
        found = self.branches.get(name) or self.tags.get(name) or name
        return found if found in self.commits else self.commits[found] and found

    def commit(self, branch: str, files: dict[str, str]) -> str:
        text = json.dumps([len(self.commits), files], sort_keys=True)
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name], self.branches[branch] = files, name
        return name


class HubServer(ThreadingHTTPServer):
    """The stand-in, with its repositories and contents open to tests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.lock = threading.RLock()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def keep(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        self.blobs[name] = content
        return name

    def commit_other(self, repo: str, branch: str = "main") -> None:
        """Commit as somebody else would."""
        found = self.repos[repo]
        files = dict(found.commits[found.branches[branch]])
        found.commit(branch, files | {"OTHER.md": self.keep(b"other")})


@contextmanager
def run_hub() -> Iterator[HubServer]:
    """Serve until the block ends."""
    server = HubServer()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            for pattern, answer in _ROUTES:
                found = re.fullmatch(pattern, f"{self.command} {urlsplit(self.path).path}")
                if found:
                    parts = {k: unquote(v) for k, v in found.groupdict(default="").items()}
                    try:
                        return answer(self, body, **parts)
                    except KeyError:
                        return self.refuse(404, "RevisionNotFound")
        return self.refuse(404, "RepoNotFound")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def reply(self, body: Any, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, code: str = "") -> None:
        self.reply({"error": code}, status, X_Error_Code=code)

    @property
    def base(self) -> str:
        return f"http://{self.headers['Host']}"

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        status = 409 if name in self.server.repos else 200
        self.server.repos.setdefault(name, Repo())
        self.reply({"url": f"{self.base}/datasets/{name}", "id": name, "name": name}, status)

    def validate_card(self, body: bytes) -> None:
        card = json.loads(body)["content"]
        errors = [] if "license:" in card else [{"message": "license is missing"}]
        self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)

    def sort_files(self, body: bytes, repo: str, rev: str) -> None:
        kept = self.server.repos[repo].commits[self.server.repos[repo].find(rev)]
        answer = []
        for file in json.loads(body)["files"]:
            path = file["path"]
            is_large = path.endswith(_LARGE)
            old = self.describe(path, kept[path]) if path in kept else {}
            oid = old.get("lfs", old).get("oid")
            mode = "lfs" if is_large else "regular"
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.reply({"files": answer})

    def offer_uploads(self, body: bytes, repo: str) -> None:
        answer = []
        for item in json.loads(body)["objects"]:
            if item["oid"] not in self.server.blobs:
                upload = {"href": f"{self.base}/lfs/{item['oid']}", "header": {}}
                item["actions"] = {"upload": upload}
            answer.append(item)
        self.reply({"transfer": "basic", "objects": answer})

    def take_upload(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self.refuse(400)
        self.server.keep(body)
        return self.reply({})

    def commit(self, body: bytes, repo: str, rev: str) -> None:
        found = self.server.repos[repo]
        parent = found.branches[rev]
        files = dict(found.commits[parent])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit", parent) != parent:
                return self.refuse(412)
            if entry["key"] == "file":
                files[value["path"]] = self.server.keep(base64.b64decode(value["content"]))
            elif entry["key"] == "lfsFile":
                files[value["path"]] = value["oid"]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        name = found.commit(rev, files)
        url = f"{self.base}/datasets/{repo}/commit/{name}"
        return self.reply({"success": True, "commitUrl": url, "commitOid": name})

    def list_tree(self, body: bytes, repo: str, rev: str) -> None:
        found = self.server.repos[repo]
        files = found.commits[found.find(rev)]
        self.reply([self.describe(path, name) for path, name in sorted(files.items())])

    def describe(self, path: str, name: str) -> dict[str, Any]:
        content = self.server.blobs[name]
        git_id = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_id}
        large = {"oid": name, "size": len(content), "pointerSize": 130}
        return entry | ({"lfs": large} if path.endswith(_LARGE) else {})

    def show_revision(self, body: bytes, repo: str, rev: str) -> None:
        found = self.server.repos[repo]
        commit = found.find(rev)
        names = [{"rfilename": path} for path in found.commits[commit]]
        self.reply({"id": repo, "sha": commit, "private": False, "tags": [], "siblings": names})

    def list_refs(self, body: bytes, repo: str) -> None:
        found = self.server.repos[repo]
        kinds = {"branches": ("heads", found.branches), "tags": ("tags", found.tags)}
        self.reply(
            {
                kind: [
                    {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": commit}
                    for name, commit in names.items()
                ]
                for kind, (folder, names) in kinds.items()
            }
            | {"converts": []}
        )

    def add_tag(self, body: bytes, repo: str, rev: str) -> None:
        found, tag = self.server.repos[repo], json.loads(body)["tag"]
        if tag in found.tags:
            return self.refuse(409)
        found.tags[tag] = found.find(rev)
        return self.reply({})

    def add_branch(self, body: bytes, repo: str, rev: str) -> None:
        found = self.server.repos[repo]
        if rev in found.branches:
            return self.refuse(409)
        found.branches[rev] = found.branches["main"]
        return self.reply({})

    def resolve(self, body: bytes, repo: str, rev: str, path: str) -> None:
        found = self.server.repos[repo]
        commit = found.find(rev)
        name = found.commits[commit].get(path)
        if name is None:
            return self.refuse(404, "EntryNotFound")
        headers = {"X_Repo_Commit": commit, "ETag": f'"{name}"'}
        if not path.endswith(_LARGE):
            return self.hand_out(name, **headers)
        # Large files lie on another host.
        elsewhere = self.base.replace("127.0.0.1", "localhost")
        headers |= {"X_Linked_ETag": f'"{name}"', "Location": f"{elsewhere}/cdn/{name}/{path}"}
        return self.reply(b"", 302, X_Linked_Size=str(len(self.server.blobs[name])), **headers)

    def serve_large(self, body: bytes, oid: str) -> None:
        self.hand_out(oid)

    def hand_out(self, name: str, **headers: str) -> None:
        content = self.server.blobs[name]
        headers["Accept_Ranges"] = "bytes"
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            return self.reply(content, **headers)
        start, total = int(asked[1]), len(content)
        headers["Content_Range"] = f"bytes {start}-{total - 1}/{total}"
        return self.reply(content[start:], 206, **headers)


_REPO, _REV = r"(?P<repo>[\w.-]+/[\w.-]+)", r"(?P<rev>[^/]+)"
_API = f"/api/datasets/{_REPO}"
_ROUTES: list[tuple[str, Callable[..., None]]] = [
    ("POST /api/repos/create", _Handler.create),
    ("POST /api/validate-yaml", _Handler.validate_card),
    (f"POST {_API}/preupload/{_REV}", _Handler.sort_files),
    (f"POST {_API}/commit/{_REV}", _Handler.commit),
    (f"GET {_API}/tree/{_REV}", _Handler.list_tree),
    (f"GET {_API}/revision/{_REV}", _Handler.show_revision),
    (f"GET {_API}/refs", _Handler.list_refs),
    (f"POST {_API}/tag/{_REV}", _Handler.add_tag),
    (f"POST {_API}/branch/{_REV}", _Handler.add_branch),
    (rf"POST /datasets/{_REPO}\.git/info/lfs/objects/batch", _Handler.offer_uploads),
    ("PUT /lfs/(?P<oid>[0-9a-f]{64})", _Handler.take_upload),
    ("GET /cdn/(?P<oid>[0-9a-f]{64})/.+", _Handler.serve_large),
    (f"(?:GET|HEAD) /datasets/{_REPO}/resolve/{_REV}/(?P<path>.+)", _Handler.resolve),
]
