"""Where a live picture is shown: a window of this desktop, or a browser on this machine."""

from __future__ import annotations

import errno
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError, MissingDependencyError

LOOPBACK = "127.0.0.1"
BOUNDARY = "frame"
QUALITY = 80
STALLED = 5.0
"""Seconds after which a browser that does not take its pictures is let go."""
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>mien</title>
<style>html,body{margin:0;height:100%;background:#101010}img{width:100%;height:100%;object-fit:contain}</style>
<img src="/stream" alt="live picture with boxes and labels"></html>"""


class Screen(Protocol):
    """Shows pictures until it is closed."""

    @property
    def wanted(self) -> bool:
        """Whether anybody looks, so that a picture is worth drawing."""

    def show(self, image: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Show an RGB picture; False when the viewer has closed the screen."""


class Window:
    """A window of the desktop; Q, Escape or its cross closes it.

    Raises:
        MissingDependencyError: the installed OpenCV has no windows.
    """

    wanted = True

    def __init__(self, title: str) -> None:
        if "GUI:                           NONE" in cv2.getBuildInformation():
            got = "opencv-python-headless, which mien installs"
            fix = "use --mjpeg 8090 and a browser, or put opencv-python in its place"
            raise MissingDependencyError("an OpenCV with windows", got, fix)
        self._title = title

    def __enter__(self) -> Window:
        try:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            fix = "use --mjpeg 8090 and a browser"
            raise ConfigError("a desktop to open a window on", "none that OpenCV can reach", fix) from error
        return self

    def show(self, image: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Show an RGB picture; False when the window was closed."""
        cv2.imshow(self._title, image[..., ::-1])
        pressed = cv2.waitKey(1) & 0xFF
        return pressed not in (ord("q"), 27) and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cv2.destroyAllWindows()


class MjpegServer:
    """A page with the live picture, for browsers on this machine only; a context manager.

    A request that names another host is refused: a page of the web cannot reach the pictures by a name that it points
    to this machine.

    Args:
        port: to listen on; 0 takes a free one.

    Raises:
        ConfigError: the port is taken or not allowed.
    """

    def __init__(self, port: int) -> None:
        if not 0 <= port <= 65535:
            raise ConfigError("a port from 1 to 65535", str(port), "use 8090")
        self._news = threading.Condition()
        self._picture: tuple[int, bytes] = (0, b"")
        self._viewers, self._closed = 0, False
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, self))
        except OSError as error:
            why = "in use" if error.errno == errno.EADDRINUSE else error.strerror or "refused"
            raise ConfigError("a free port", f"port {port}, which is {why}", "choose another one") from error
        # Closing waits for the viewers' threads, which end when told so.
        self._server.daemon_threads, self._server.block_on_close = False, True
        self.address = f"http://{LOOPBACK}:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="mjpeg")

    @property
    def wanted(self) -> bool:
        """Whether a browser looks."""
        return self._viewers > 0

    def show(self, image: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Hand an RGB picture to all who look; always True: viewers come and go."""
        good, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if good:
            with self._news:
                self._picture = self._picture[0] + 1, data.tobytes()
                self._news.notify_all()
        return True

    def next_picture(self, last: int) -> tuple[int, bytes] | None:
        """The first picture after number ``last``; None when the server closes."""
        with self._news:
            while not self._closed and self._picture[0] <= last:
                self._news.wait(0.5)
            return None if self._closed else self._picture

    def viewer(self, change: int) -> None:
        """Note that a viewer came (1) or left (-1)."""
        with self._news:
            self._viewers += change

    def __enter__(self) -> MjpegServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = STALLED

    def __init__(self, screen: MjpegServer, *args: object) -> None:
        self._screen = screen
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (LOOPBACK, "localhost"):
            self.send_error(403, "this page is for this machine only")
        elif self.path == "/":
            self._head("text/html; charset=utf-8")
            self.wfile.write(PAGE)
        elif self.path == "/stream":
            self._stream()
        else:
            self.send_error(404)

    def _head(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()

    def _stream(self) -> None:
        self._head(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self._screen.viewer(1)
        last = 0
        try:
            while (picture := self._screen.next_picture(last)) is not None:
                last, data = picture
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
        except OSError:  # the viewer has left, or takes nothing any more
            pass
        finally:
            self._screen.viewer(-1)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal shows the board."""
