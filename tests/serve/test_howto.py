"""docs/server.md as written: its commands, with this server's address and a real job's number."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from serving import Start, wait_for

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "server.md").read_text("utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here, which the how-to uses")
def test_what_it_tells_to_ask_is_answered(start: Start, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(clip.read_bytes())
    server = start("--root", tmp_path)
    commands = [line for line in BLOCKS[1].splitlines() if line.startswith("curl")]
    assert len(commands) == 7

    def ask(command: str, job: str = "") -> str:
        text = command.replace("http://127.0.0.1:8000", server.address.rstrip("/")).replace("3f...", job)
        text = text.replace("/videos/", f"{tmp_path}/").replace("curl ", "curl --fail --silent --show-error ", 1)
        ran = subprocess.run(["bash", "-euc", text], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, f"{text}\n{ran.stderr}"
        return ran.stdout

    for command in commands[:2]:
        (job,) = re.findall(r'"id": ?"(\w+)"', ask(command))
        with server.client() as client:
            assert wait_for(client, job, "done", "failed")["status"] == "done"
    assert '"status"' in ask(commands[2], job)
    assert "done" in ask(commands[3], job)
    ask(commands[4], job)
    ask(commands[5], job)
    ask(commands[6], job)
    assert (tmp_path / "spans.csv").read_text().startswith("track,")
    assert "<html" in (tmp_path / "talk.html").read_text()
    with server.client() as client:
        assert client.get(f"/v1/jobs/{job}").status_code == 404


def test_the_ways_to_start_it(start: Start, tmp_path: Path) -> None:
    """Its first block: with a root; and for others only with a token."""
    ways = [line.split("#")[0].strip() for line in BLOCKS[0].splitlines() if "mien serve" in line]
    assert ways == ["mien serve", "mien serve --root /videos", "MIEN_TOKEN=... mien serve --host 0.0.0.0"]
    first = start("--root", tmp_path)
    with first.client() as client:
        assert client.get("/v1/jobs").status_code == 200
    first.kill()
    token = "sixteen letters and more"
    with start("--host", "0.0.0.0", environment={"MIEN_TOKEN": token}).client() as client:
        assert client.get("/v1/jobs").status_code == 401
        assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200
