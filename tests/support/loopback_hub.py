"""The hub on loopback: two real HTTP servers that answer as huggingface.co and its store of large files do.

The hub answers for listings and small files, and sends readers of large ones to the store under an address
that is signed and expires. What it was asked, and what it sent, is written down; how it misbehaves is said
by the test.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

LARGE = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".msgpack", ".h5")
API = re.compile(
    r"/api/models/(?P<repo>[\w-]+/[\w.-]+)(?:/(?P<kind>revision|tree)/(?P<revision>[^/?]+)(?:/.*)?)?$"
)
RESOLVE = re.compile(r"/(?P<repo>[\w-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)$")
CACHE = re.compile(r"/api/resolve-cache/models/(?P<repo>[\w-]+/[\w.-]+)/(?P<revision>[^/]+)/(?P<file>.+)$")
NOT_OURS = "/api/agent-harnesses"  # the hub's client asks for it by itself
CHUNK = 1 << 16
SECRET = b"only the two servers know it"


@dataclass(frozen=True)
class Content:
    """The bytes of a file; made when they are asked for, so that they may be more than a disk holds."""

    size: int
    take: Callable[[int, int], bytes]
    sha256: str
    blob: str = "b" * 40

    @classmethod
    def of(cls, content: bytes) -> Content:
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        return cls(len(content), lambda a, b: content[a:b], hashlib.sha256(content).hexdigest(), blob)


@dataclass
class Repository:
    """Revisions by name, each with its commit, and the files of each commit."""

    commits: dict[str, dict[str, Content]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] | None = None  # the metadata at the head of its README
    tags: list[str] = field(default_factory=list)
    created: str = "2024-05-17T08:12:44.000Z"
    parameters: int | None = None  # as the hub counts the elements of safetensors

    def add(self, files: dict[str, Content | bytes], branch: str = "main") -> str:
        """Put files on a branch as a new commit."""
        held = {
            name: content if isinstance(content, Content) else Content.of(content)
            for name, content in files.items()
        }
        text = json.dumps([branch, len(self.commits), sorted((k, v.sha256) for k, v in held.items())])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = held
        self.branches[branch] = commit
        return commit

    def at(self, revision: str) -> str | None:
        """The commit of a branch or commit."""
        return revision if revision in self.commits else self.branches.get(revision)


@dataclass
class Seen:
    """One request, and what was sent for it."""

    server: str
    method: str
    path: str
    asked: str | None
    token: str | None
    status: int = 0
    sent: int = 0


@dataclass
class Fault:
    """A misbehaviour: the next `times` requests whose place fits get it.

    `kind`: a status, or "cut" (half of the body), "slow" (a pause first), "whole" (no ranges), "more" (bytes
    beyond the end), "shift" (another range than asked for), "zip" (compressed), "close" (no answer).
    """

    kind: int | str
    times: int = 1
    server: str = "store"
    fits: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class LoopbackHub:
    """What is served, what was asked, and how it misbehaves."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.gated: set[str] = set()
        self.withdrawn: set[str] = set()
        self.large: tuple[str, ...] = LARGE
        self.lifetime = 3600.0  # seconds that an address of the store is good for
        self.clock = time.time
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.commit_header: str | None = None  # what the hub says is the commit, if not the truth
        self.delay = 0.0  # seconds that every request takes, as on a network
        self.store_host = ""  # where readers are sent, if not to the store
        self.endpoint = self.store = ""
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    def repository(self, name: str) -> Repository:
        """A repository, made when it is not there."""
        return self.repositories.setdefault(name, Repository())

    def add_folder(self, name: str, folder: Path, branch: str = "main") -> str:
        """Serve a directory's files as a commit."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return self.repository(name).add(
            {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}, branch
        )

    @property
    def sent(self) -> int:
        """Bytes of bodies of files, from both servers."""
        return sum(one.sent for one in self.seen)

    @property
    def ranges(self) -> list[tuple[str, str | None]]:
        """Requests to the store, with their ranges."""
        return [(one.path, one.asked) for one in self.seen if one.server == "store"]

    def forget(self) -> None:
        """Begin to count again."""
        self.seen.clear()
        self.most_at_once = 0

    def sign(self, digest: str, expires: int) -> str:
        """The signature of an address."""
        return hmac.new(SECRET, f"{digest}:{expires}".encode(), hashlib.sha256).hexdigest()

    def find(self, digest: str) -> Content | None:
        """Content by its digest."""
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for content in files.values():
                    if content.sha256 == digest:
                        return content
        return None

    def fault(self, server: str, path: str) -> Fault | None:
        """The misbehaviour that a request gets."""
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.server == server and fault.fits in path:
                    fault.times -= 1
                    return fault
        return None

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count requests that are answered at one time."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class Handler(BaseHTTPRequestHandler):
    """What both servers share: bodies, ranges and misbehaviour."""

    protocol_version = "HTTP/1.1"
    hub: LoopbackHub
    kind = ""

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.noted = Seen(
            self.kind, self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")
        )
        if self.path.startswith(NOT_OURS):
            self.answer(200, b"{}")
            return
        self.hub.seen.append(self.noted)
        with self.hub.busy():
            time.sleep(self.hub.delay)
            fault = self.hub.fault(self.kind, self.path)
            if fault is not None and isinstance(fault.kind, int):
                self.answer(fault.kind, b"not now", **fault.headers)
            elif fault is not None and fault.kind == "close":
                self.close_connection = True
                self.connection.close()
            else:
                if fault is not None and fault.kind == "slow":
                    time.sleep(0.3)
                self.respond(fault)

    def respond(self, fault: Fault | None) -> None:
        raise NotImplementedError

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.noted.status = status
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.answer(
            status,
            json.dumps({"error": message or code}).encode(),
            X_Error_Code=code,
            X_Error_Message=message or code,
        )

    def send(self, content: Content, fault: Fault | None, **headers: str) -> None:
        """A file, or the range of it that is asked for."""
        kind = None if fault is None else fault.kind
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        begin, end, status = 0, content.size, 200
        if asked and kind != "whole":
            begin = int(asked[1])
            end = min(content.size, int(asked[2]) + 1 if asked[2] else content.size)
            if begin >= content.size:
                self.answer(416, Content_Range=f"bytes */{content.size}")
                return
            status = 206
            shift = 1 if kind == "shift" else 0
            headers["Content_Range"] = f"bytes {begin + shift}-{end - 1 + shift}/{content.size}"
        length = end - begin + (1000 if kind == "more" else 0)
        if kind == "zip":
            headers["Content_Encoding"] = "gzip"
        self.noted.status = status
        self.send_response(status)
        for key, value in {
            "Content_Length": str(length),
            "Accept_Ranges": "bytes",
            "ETag": f'"{content.sha256[:32]}"',
            **headers,
        }.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "GET":
            return
        stop = begin + (end - begin) // 2 if kind == "cut" else end
        try:
            for start in range(begin, stop, CHUNK):
                piece = content.take(start, min(stop, start + CHUNK))
                self.wfile.write(piece)
                self.noted.sent += len(piece)
            if kind == "more":
                self.wfile.write(bytes(1000))
        except OSError:
            self.close_connection = True
        if kind == "cut":
            self.close_connection = True
            self.connection.close()


class HubHandler(Handler):
    """huggingface.co."""

    kind = "hub"

    def respond(self, fault: Fault | None) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        asked = CACHE.match(path) or API.match(path) or RESOLVE.match(path)
        repository = hub.repositories.get(asked["repo"]) if asked else None
        if asked is None or repository is None:
            self.refuse(401, "RepoNotFound", "Repository not found")
            return
        if asked["repo"] in hub.withdrawn:
            self.refuse(403, "DisabledRepo", "Access to this resource is disabled.")
            return
        commit = repository.at(unquote(asked["revision"] or "main"))
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {asked['revision']}")
        elif "file" in asked.groupdict():
            if asked["repo"] in hub.gated:
                self.refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
            else:
                self.file(asked["repo"], commit, unquote(asked["file"]), path.startswith("/api/"), fault)
        else:
            files = repository.commits[commit]
            about = self.tree(files) if asked["kind"] == "tree" else self.info(asked["repo"], commit, files)
            body = json.dumps(about).encode()
            self.answer(200, body, Content_Type="application/json; charset=utf-8", X_Repo_Commit=commit)
            self.noted.sent += len(body)

    def large(self, name: str) -> bool:
        return name.endswith(self.hub.large)

    def info(self, repo: str, commit: str, files: dict[str, Content]) -> dict[str, Any]:
        blobs = parse_qs(urlsplit(self.path).query).get("blobs", [""])[0].lower() == "true"
        siblings = []
        for name, content in files.items():
            entry: dict[str, Any] = {"rfilename": name}
            if blobs:
                entry |= {"size": content.size, "blobId": content.blob}
                if self.large(name):
                    entry["lfs"] = {"sha256": content.sha256, "size": content.size, "pointerSize": 134}
            siblings.append(entry)
        held = self.hub.repositories[repo]
        told: dict[str, Any] = {"tags": held.tags, "createdAt": held.created}
        if held.card is not None:
            told["cardData"] = held.card
        if held.parameters is not None:
            told["safetensors"] = {"parameters": {"BF16": held.parameters}, "total": held.parameters}
        return told | {
            "_id": "621ffdc036468d709f17434d",
            "id": repo,
            "modelId": repo,
            "author": repo.partition("/")[0],
            "sha": self.hub.commit_header or commit,
            "private": False,
            "gated": "manual" if repo in self.hub.gated else False,
            "disabled": False,
            "siblings": siblings,
        }

    def tree(self, files: dict[str, Content]) -> list[dict[str, Any]]:
        found = []
        for name, content in files.items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": content.size, "oid": content.blob}
            if self.large(name):
                entry["lfs"] = {"oid": content.sha256, "size": content.size, "pointerSize": 134}
            found.append(entry)
        return found

    def file(self, repo: str, commit: str, name: str, cached: bool, fault: Fault | None) -> None:
        hub = self.hub
        content = hub.repositories[repo].commits[commit].get(name)
        if content is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        told = {"X_Repo_Commit": hub.commit_header or commit}
        if self.large(name):
            expires = int(hub.clock() + hub.lifetime)
            address = f"{hub.store_host or hub.store}/repos/{content.sha256}"
            signed = f"{address}?Expires={expires}&Signature={hub.sign(content.sha256, expires)}"
            self.answer(
                302,
                f"Found. Redirecting to {signed}".encode(),
                Location=signed,
                X_Linked_Size=str(content.size),
                X_Linked_ETag=f'"{content.sha256}"',
                ETag=f'"{content.sha256}"',
                Accept_Ranges="bytes",
                **told,
            )
        elif not cached:
            # Small files are sent on within the host, to an address of the commit.
            self.answer(
                307,
                b"Temporary Redirect",
                Location=f"/api/resolve-cache/models/{repo}/{commit}/{name}",
                X_Linked_Size=str(content.size),
                X_Linked_ETag=f'"{content.blob}"',
                ETag=f'"{content.blob}"',
                **told,
            )
        else:
            self.send(content, fault, ETag=f'"{content.blob}"', **told)


class StoreHandler(Handler):
    """The store of large files: it knows digests and signatures, and no repositories."""

    kind = "store"

    def respond(self, fault: Fault | None) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        digest = parts.path.rpartition("/")[2]
        expires = int(query.get("Expires", ["0"])[0])
        signed = query.get("Signature", [""])[0]
        if self.headers.get("Authorization"):
            self.answer(400, b"<Error><Code>InvalidArgument</Code></Error>")
        elif not hmac.compare_digest(signed, self.hub.sign(digest, expires)):
            self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        elif expires < self.hub.clock():
            self.answer(
                403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            )
        elif (content := self.hub.find(digest)) is None:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self.send(content, fault)


class Server(ThreadingHTTPServer):
    """One of the two; readers that hang up are nothing to write about."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def loopback_hub(cache: Path) -> Iterator[LoopbackHub]:
    """Serve on two ports of loopback; the hub's client in this process is sent there, with a token."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    hub = LoopbackHub()
    servers = []
    for base in (HubHandler, StoreHandler):
        served = type(base.__name__, (base,), {"hub": hub})
        server = Server(("127.0.0.1", 0), served)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    hub.endpoint, hub.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.endpoint)
        patch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        )
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("HF_HUB_CACHE", str(cache))
        patch.setenv("HF_TOKEN", "hf_secret")
        patch.setenv("NO_PROXY", "127.0.0.1")
        try:
            yield hub
        finally:
            close_session()
            for server in servers:
                server.shutdown()
                server.server_close()
