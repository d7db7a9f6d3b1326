"""Role ollama: a template that closes the assistant's last message is refused, run for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "ansible" / "roles" / "ollama"
OPEN = "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{answer}"
CLOSED = OPEN + "<|im_end|>\n<|im_start|>assistant\n"
Reply = Callable[[dict[str, Any]], dict[str, Any]]


def shown(template: str) -> Reply:
    """Answer as Ollama 0.24 does when it is to show the prompt."""

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        assert body["_debug_render_only"] is True
        question, answer = (message["content"] for message in body["messages"])
        return {
            "_debug_info": {"rendered_template": template.format(question=question, answer=answer)}
        }

    return reply


def ignorant(_: dict[str, Any]) -> dict[str, Any]:
    """Answer as one that does not know the wish."""
    return {"message": {"role": "assistant", "content": " four"}, "done": True}


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Callable[[Reply], tuple[int, str]]]:
    """Return check(reply): exit code and output of the tasks against a server that replies so."""
    servers = []

    def run(reply: Reply) -> tuple[int, str]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                content = json.dumps(reply(body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return _play(tmp_path, f"127.0.0.1:{server.server_port}")

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def _play(folder: Path, host: str) -> tuple[int, str]:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "ollama_host": host,
            "ollama_continued_models": ["heyken-general"],
        },
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "tasks": [{"ansible.builtin.import_tasks": str(ROLE / "tasks" / "continued.yml")}],
    }
    book = folder / "play.yml"
    book.write_text(yaml.dump([play]))
    done = subprocess.run(  # noqa: S603 - our own tasks
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            "-c",
            "local",
            str(book),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_template_that_closes_the_answer_is_refused(
    check: Callable[[Reply], tuple[int, str]],
) -> None:
    code, said = check(shown(CLOSED))
    assert code != 0
    assert "template of the model heyken-general closes the assistant" in said, said
    assert "docs/howto/change-the-model.md" in said


def test_a_line_break_after_the_answer_counts_as_closed(
    check: Callable[[Reply], tuple[int, str]],
) -> None:
    assert check(shown(OPEN + "\n"))[0] != 0


@pytest.mark.parametrize("reply", [shown(OPEN), ignorant])
def test_an_open_template_passes_and_so_does_what_cannot_be_known(
    check: Callable[[Reply], tuple[int, str]], reply: Reply
) -> None:
    code, said = check(reply)
    assert code == 0, said
