"""A hub on this machine that speaks as much of the Hugging Face Hub's HTTP as publishing and fetching a model need."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants


def _is_private(asked: dict[str, Any]) -> bool:
    # by the one key or the other, as the client's release has it
    return bool(asked.get("private")) or asked.get("visibility") == "private"


class Hub:
    """Repositories by name: whether each is private, and the files of its branches."""

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.branches: dict[str, dict[str, dict[str, bytes]]] = {}
        self.url = ""

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        return self.branches[repo][branch]

    def commit_of(self, repo: str, branch: str) -> str:
        return hashlib.sha1(f"{repo}{branch}{sorted(self.files(repo, branch).items())}".encode()).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Serve a hub while the block runs."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _missing(self, code: str) -> None:
            self._answer({"error": code}, 404, {"X-Error-Code": code})

        def _branch(self, repo: str, revision: str) -> str | None:
            for branch in hub.branches[repo]:
                if revision in (branch, hub.commit_of(repo, branch)):
                    return branch
            return None

        def do_POST(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/").split("/")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path[:2] == ["api", "repos"]:
                asked = json.loads(body)
                repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
                if repo in hub.branches:
                    self._answer({"url": f"{hub.url}/{repo}"}, 409)
                    return
                hub.private[repo], hub.branches[repo] = _is_private(asked), {"main": {}}
                self._answer({"url": f"{hub.url}/{repo}"})
                return
            if path == ["api", "validate-yaml"]:
                self._answer({"errors": [], "warnings": []})
                return
            repo, what, branch = "/".join(path[2:4]), path[4], path[-1]
            if repo not in hub.branches:
                self._missing("RepoNotFound")
            elif what == "branch":
                hub.branches[repo].setdefault(branch, dict(hub.files(repo)))
                self._answer({})
            elif what == "preupload":
                names = [file["path"] for file in json.loads(body)["files"]]
                self._answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
            else:
                for line in body.decode().splitlines():
                    operation = json.loads(line)
                    if operation["key"] == "file":
                        value = operation["value"]
                        hub.files(repo, branch)[value["path"]] = base64.b64decode(value["content"])
                oid = hub.commit_of(repo, branch)
                self._answer({"commitUrl": f"{hub.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True})

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/").split("/")
            if path[0] == "api" and path[1] == "models":
                repo = "/".join(path[2:4])
                branch = self._branch(repo, path[5] if len(path) > 5 else "main") if repo in hub.branches else None
                if branch is None:
                    self._missing("RevisionNotFound" if repo in hub.branches else "RepoNotFound")
                    return
                siblings = [{"rfilename": name} for name in sorted(hub.files(repo, branch))]
                sha = hub.commit_of(repo, branch)
                if "tree" in path:
                    files = hub.files(repo, branch).items()
                    self._answer([{"type": "file", "path": n, "size": len(c), "oid": sha} for n, c in files])
                    return
                self._answer({"id": repo, "sha": sha, "private": hub.private[repo], "siblings": siblings, "tags": []})
                return
            if "resolve" not in path:
                self._answer({"error": "not served here"}, 404)
                return
            repo, revision, name = "/".join(path[:2]), path[3], "/".join(path[4:])
            branch = self._branch(repo, revision)
            if branch is None or name not in hub.files(repo, branch):
                self._missing("EntryNotFound")
                return
            content = hub.files(repo, branch)[name]
            tag = hashlib.sha1(content).hexdigest()
            self._answer(content, headers={"ETag": f'"{tag}"', "X-Repo-Commit": hub.commit_of(repo, branch)})

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def in_place_of_the_hub(cache: Path) -> Iterator[Hub]:
    """Serve a hub to whoever asks for the Hub meanwhile, in this process or in one that it starts."""
    with hub_server() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        # the library reads these when it is imported
        for name, value in {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_TOKEN": "hf_made_up"}.items():
            patch.setenv(name, value)
        yield hub
