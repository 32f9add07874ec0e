"""``mien VERB ...``: find the verb, run it, turn what went wrong into an exit code.

0: well; 1: something the user can mend, said in one line; 2: a bug of ours, with its traceback; 130: Ctrl-C, or
SIGTERM, which does the same.
Only the module of the verb that was asked for is loaded, so ``mien --help`` answers at once.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from mien.cli.problems import BUG, OK, STOPPED, USER, complain, confess, note
from mien.core.errors import ConfigError, InputError, file_error
from mien.core.registry import did_you_mean
from mien.core.version import __version__

VERBS = {
    "analyze": "Which expression does each face show, when: tables and pictures for videos and stills.",
    "watch": "Which expression does each face show, now: a camera, a stream or a file, as it runs.",
    "explain": "Why this label: where in the face, and when, the answer comes from, and what theory would expect.",
    "export-result": "Results for other programs: ELAN, Praat, captions, BORIS, annotation tools, Excel, SPSS, BIDS.",
    "plot": "Pictures for papers: timelines, mean probabilities, transitions between expressions, confusion.",
    "agree": "How far people who coded the films agree with each other and with mien: kappa, alpha, F1, intervals.",
    "validate": "How often the model names what people named in labelled pictures, beside how often people do.",
    "study": "Films, people and events to the tables, curves, contrasts and pictures of a paper.",
    "sweep": "Films by the million, from any store, on this machine, an array of jobs or a Ray cluster: a row each.",
    "models": "The models that come with mien: labels, licence, training data, scores.",
    "relabel": "Other labels for a head of text vectors, without training; they are marked as not measured.",
    "doctor": "Check that this machine has what mien needs, and say what to do where it does not.",
    "prepare": "Check a data set's release, crop its faces, and write a manifest to train and evaluate by.",
    "pretrain": "Pre-train a backbone on face crops without labels: a masked autoencoder.",
    "train": "Train a model by a named recipe.",
    "adapt": "Fit a model to unlabelled faces of another kind, where clusters agree with it; or make it forget some.",
    "evaluate": "Measure models on a labelled split: UAR, WAR, macro-F1, recalls, intervals, calibration.",
    "serve": "Serve browsers and programs: videos in, results out, on this machine and by default for it alone.",
    "export": "A model as a file that runs without mien: uint8 face crops in, probabilities out.",
    "convert": "Turn a released checkpoint of S2D or POSTER++ into weights for mien.",
}
"""What there is, in the order of the help. Verb ``x-y`` is ``main(args) -> int`` in ``mien.cli.x_y``."""

HELP = f"""usage: mien VERB [OPTIONS]

Which expression does each face in this video show, when. Expressions shown, not emotions felt.

{chr(10).join(f"  mien {verb:<13} {line}" for verb, line in VERBS.items())}

  mien VERB --help   all options of a verb
  mien --version     the version

Results go to stdout, progress and problems to stderr.
Exit code: 0 well, 1 a problem that you can mend, 2 a bug in mien, 130 stopped by Ctrl-C or SIGTERM.
Environment: MIEN_CACHE (folder for downloads), MIEN_OFFLINE=1 (no downloads), MIEN_THREADS (number).
"""


def entry() -> None:
    """The console script ``mien``."""
    _open_standard_streams()
    sys.exit(main(sys.argv[1:]))


def _open_standard_streams() -> None:
    """Put nothing where a stream was closed (``>&-``): else the next file opened would get its number, and output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        nothing = os.open(os.devnull, os.O_RDWR)
        if nothing != number:
            os.dup2(nothing, number)
            os.close(nothing)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    # A terminal that is not UTF-8 shows an escape for what it has no letter for.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main(args: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return its exit code."""
    try:
        with _stops_as_ctrl_c():
            code = _dispatch(args)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # --help of a verb, and options that do not parse
        return stop.code if isinstance(stop.code, int) else OK
    except InputError as error:
        complain(error)
        return USER
    except KeyboardInterrupt:
        note("stopped; nothing was written")
        return STOPPED
    except BrokenPipeError:
        _silence_stdout()  # its reader (head, less) has left
        return OK
    except OSError as error:
        if error.errno is None:
            confess(error)
            return BUG
        _silence_stdout()  # the disk it goes to may be full
        complain(file_error(error))
        return USER
    except Exception as error:
        confess(error)
        return BUG


def _silence_stdout() -> None:
    """Where stdout cannot be written to any more, keep Python from saying so once more when it closes it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _stops_as_ctrl_c() -> Iterator[None]:
    """Inside, being told to end (SIGTERM) and losing the terminal (SIGHUP) do what Ctrl-C does; not where ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _ctrl_c)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ctrl_c(number: int, frame: FrameType | None) -> None:
    stop = signal.getsignal(signal.SIGINT)
    if callable(stop):
        stop(number, frame)
    else:  # a shell starts what is to run in the background without Ctrl-C
        raise KeyboardInterrupt


def _dispatch(args: Sequence[str]) -> int:
    if not args:
        sys.stderr.write(HELP)
        return USER
    verb, *rest = args
    if verb in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return OK
    if verb in ("-V", "--version"):
        sys.stdout.write(f"mien {__version__}\n")
        return OK
    if verb not in VERBS:
        raise ConfigError("a verb of mien", repr(verb), did_you_mean(verb, VERBS))
    run = importlib.import_module(f"mien.cli.{verb.replace('-', '_')}").main
    return int(run(rest))
