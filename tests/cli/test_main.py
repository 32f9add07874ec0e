"""Verbs, help, and what an exit code means."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mien import __version__
from mien.cli.main import VERBS
from mien.core.errors import SourceError


def test_help_names_every_verb_and_goes_to_stdout(mien) -> None:
    ran = mien("--help")
    assert ran.code == 0
    assert ran.err == ""
    for verb, line in VERBS.items():
        assert f"mien {verb}" in ran.out
        assert line in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_in_the_words_of_the_overview(mien, verb: str) -> None:
    ran = mien(verb, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"usage: mien {verb} ")
    options = getattr(
        importlib.import_module(f"mien.cli.{verb.replace('-', '_')}"), verb.title().replace("-", ""), None
    )
    if options is not None:  # train has no options of its own
        assert options.__doc__.splitlines()[0] == VERBS[verb]


def test_version(mien) -> None:
    assert mien("--version").out == f"mien {__version__}\n"


def test_no_verb_is_a_problem_of_the_user(mien) -> None:
    ran = mien()
    assert (ran.code, ran.out) == (1, "")
    assert "mien analyze" in ran.err


def test_a_misspelt_verb_gets_the_right_one(mien) -> None:
    ran = mien("analyse", "talk.mp4")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "mien: expected a verb of mien, got 'analyse'; did you mean analyze?\n"


def plant(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setitem(sys.modules, "mien.cli.models", SimpleNamespace(main=fail))


def test_what_the_user_can_mend_takes_one_line(mien, monkeypatch) -> None:
    plant(monkeypatch, SourceError("a file\nor folder", "none", "check"))
    ran = mien("models")
    assert (ran.code, ran.out, ran.err) == (1, "", "mien: expected a file or folder, got none; check\n")


def test_a_bug_shows_its_traceback_and_asks_for_a_report(mien, monkeypatch) -> None:
    plant(monkeypatch, ZeroDivisionError("oh"))
    ran = mien("models")
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" in ran.err
    assert "ZeroDivisionError: oh" in ran.err
    assert "bug in mien" in ran.err


def test_ctrl_c_is_130(mien, monkeypatch) -> None:
    plant(monkeypatch, KeyboardInterrupt())
    ran = mien("models")
    assert (ran.code, ran.out, ran.err) == (130, "", "mien: stopped; nothing was written\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_does_what_ctrl_c_does(mien, monkeypatch, number: signal.Signals) -> None:
    def work(args: object) -> int:
        os.kill(os.getpid(), number)
        return 0

    monkeypatch.setitem(sys.modules, "mien.cli.models", SimpleNamespace(main=work))
    given = signal.signal(number, signal.SIG_DFL)  # nohup has one of them ignored
    try:
        ran = mien("models")
        assert (ran.code, ran.out, ran.err) == (130, "", "mien: stopped; nothing was written\n")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, given)


def test_what_the_system_refuses_is_no_bug(mien, monkeypatch) -> None:
    plant(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/data/out"))
    ran = mien("models")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "mien: expected files that can be read and written, got /data/out: Permission denied; "
        "allow it, or choose another place\n"
    )


PRINTS = """
import sys, types
from mien.cli import main
from mien.cli.console import print_json, print_line, print_table
def talk(args):
    print_line("caf\\udce9 \u9762\u8ac7")
    print_json({"name": "caf\\udce9 \u9762\u8ac7"})
    print_table("\u9762\u8ac7", ("a",), [("caf\\udce9",)])
    return 0
sys.modules['mien.cli.models'] = types.SimpleNamespace(main=talk)
sys.argv = ['mien', 'models']
main.entry()
"""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_any_name_can_be_printed_on_any_terminal(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    run = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, env=environment, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert json.loads(run.stdout.decode(encoding).splitlines()[1]) == {"name": "caf? \u9762\u8ac7"}


@pytest.mark.parametrize(("end", "code", "words"), [(">&-", 0, ""), (">/dev/full", 1, "No space left on device")])
def test_a_closed_or_full_stdout_is_no_bug(end: str, code: int, words: str) -> None:
    for lines in (PRINTS, PRINTS.replace("main.entry()", "sys.argv = ['mien', '--version']; main.entry()")):
        run = subprocess.run(["sh", "-c", f'"$0" -c "$1" {end}', sys.executable, lines], capture_output=True, text=True)
        assert run.returncode == code
        assert words in run.stderr
        assert run.stderr.count("\n") == code, run.stderr


def test_with_all_streams_closed_no_file_takes_their_numbers() -> None:
    program = "import os\nfrom mien.cli import main\nmain._open_standard_streams()\nos._exit(os.open('/', os.O_RDONLY))"
    run = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program], check=False)
    assert run.returncode > 2


def test_options_that_do_not_parse_are_no_bug(mien) -> None:
    ran = mien("analyze", "a.mp4", "-o", "out", "--widow", "3")
    assert (ran.code, ran.out) == (1, "")
    assert "--window" in ran.err


@pytest.mark.parametrize("say", ["print('span')", "print_table('spans', ('a',), [('span',)])"])
def test_a_reader_that_leaves_early_is_no_bug(say: str) -> None:
    # More than a pipe holds, so that writing fails.
    program = (
        "import sys, types\n"
        "from mien.cli.console import print_table\n"
        "from mien.cli.main import main\n"
        "def talk(args):\n"
        f"    for _ in range(100000): {say}\n"
        "sys.modules['mien.cli.models'] = types.SimpleNamespace(main=talk)\n"
        "sys.exit(main(['models']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        complaint = run.stderr.read()
    assert (run.returncode, complaint) == (0, b"")


def test_python_m_mien_is_mien() -> None:
    run = subprocess.run([sys.executable, "-m", "mien", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"mien {__version__}\n"
