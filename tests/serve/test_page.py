"""The page of ``mien serve`` as people meet it: in a browser, with mouse, keys, a phone's width and a camera."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import av
import pytest
from fake_mien import FakeMien, problem
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, WebSocketRoute, expect, sync_playwright

from chromium import CHROMIUM, in_chromium
from mien.report.palette import EXPRESSION_COLOURS
from mien.serve.page import asset, asset_names

WIDE, NARROW, CAMERA = (1200, 900), (380, 780), (640, 360)
PATIENCE = 20.0
"""Seconds: what takes a tenth of one here takes longer where other work has the cores."""
NASTY = "<img src=x onerror='window.hurt=1'>.mp4"
LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.fixture(scope="module")
def camera(sample_clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera sees, over and over: two seconds of one face, in the form Chromium takes."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with av.open(str(sample_clip("single_face.mp4"))) as source, av.open(str(path), "w", format="mjpeg") as sink:
        stream = sink.add_stream("mjpeg", rate=25, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = *CAMERA, "yuvj420p"
        for number, frame in enumerate(itertools.islice(source.decode(video=0), 50)):
            # By way of RGB: the encoder refuses frames that are still marked as having a video's range of brightness.
            pixels = frame.to_ndarray(format="rgb24", width=CAMERA[0], height=CAMERA[1])
            small = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
            small.pts = number
            sink.mux(stream.encode(small))
        sink.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def chromium(camera: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags = [*fake, f"--use-file-for-fake-video-capture={camera}", "--no-sandbox", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        expect.set_options(timeout=1000 * PATIENCE)
        yield browser
        expect.set_options(timeout=5_000)
        browser.close()


@pytest.fixture
def server() -> Iterator[FakeMien]:
    fake = FakeMien()
    yield fake
    fake.shutdown()
    fake.server_close()


Show = Callable[..., Page]
Scheme = Literal["light", "dark"]
Start = Callable[..., Any]


@pytest.fixture
def show(chromium: Browser, server: FakeMien) -> Iterator[Show]:
    """Opens the page; afterwards it must have asked nobody but its server, and complained of nothing unexpected."""
    opened: list[tuple[BrowserContext, list[str], list[str], re.Pattern[str], str]] = []

    def open_page(
        size: tuple[int, int] = WIDE, scheme: Scheme = "light", bears: str = "$^", path: str = "", address: str = ""
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        asked: list[str] = []
        said: list[str] = []
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        home = address or server.address
        opened.append((context, asked, said, re.compile(bears), home))
        page.goto(home + path)
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for context, asked, said, bears, home in opened:
        context.close()
        assert [words for words in said if not bears.search(words)] == []
        assert all(url.startswith((home, "blob:")) for url in asked), asked


def send(page: Page, *names: str, content: bytes = b"not looked at") -> None:
    files = [FilePayload(name=name, mimeType="video/mp4", buffer=content) for name in names or ("talk.mp4",)]
    page.get_by_label("Choose videos").set_input_files(files)


def job(page: Page, name: str) -> Any:
    return page.locator("#job-list > li", has=page.get_by_role("heading", name=name, exact=True))


def until(page: Page, met: Callable[[], object]) -> None:
    """Wait for what no locator says; the page's policy forbids Playwright's own wait, which evaluates text in it."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain"
        page.wait_for_timeout(20)  # lets messages in, which time.sleep does not


def test_assets_are_those_of_the_folder_and_no_others() -> None:
    page = asset()[0].decode()
    named = set(re.findall(r'(?:src|href)="page/([^"]+)"', page))
    for name in asset_names():
        if name.endswith(".js"):
            named |= set(re.findall(r'from "\./([^"]+)"', asset(name)[0].decode()))
    assert named <= set(asset_names())
    assert asset("report.css")[1].startswith("text/css")
    shades = json.loads(asset("palette.json")[0])["known"]
    assert shades["happiness"]["colour"] == "#{:02x}{:02x}{:02x}".format(*EXPRESSION_COLOURS["happiness"])
    assert len({shade["code"] for shade in shades.values()}) == len(EXPRESSION_COLOURS)
    for name in ("../report.css", "__init__.py", "", "nothing.js"):
        with pytest.raises(KeyError):
            asset(name)


@in_chromium
class TestAnalyses:
    def test_a_newcomer_is_told_what_to_do(self, show: Show) -> None:
        page = show()
        expect(page.locator("#empty")).to_be_visible()
        lists = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/v1/jobs')).length"
        assert page.evaluate(lists) == 1, "with the first answer, not the next"
        expect(page.locator("#empty")).to_contain_text("Choose a video")
        expect(page.locator(".use")).to_contain_text("not what anyone feels")
        expect(page.locator(".use")).to_contain_text("not for workplaces or schools")
        expect(page.locator("#facts")).to_have_text("Model: fake-model")
        expect(page.locator("#video .where")).to_contain_text("server on this machine and nowhere else")
        expect(page.locator("#camera")).to_contain_text("Nothing is kept")

    def test_a_video_from_choice_to_report(self, show: Show, server: FakeMien) -> None:
        page = show()
        send(page)
        expect(job(page, "talk.mp4")).to_contain_text("Waiting; it is next")
        expect(page.locator("#empty")).to_be_hidden()
        server.change("job1", status="running", progress=0.42)
        expect(job(page, "talk.mp4")).to_contain_text("Being analysed, 42 %")
        assert page.get_by_role("progressbar", name="Analysis of talk.mp4").evaluate("bar => bar.value") == 0.42
        expect(page).to_have_title("42 % of talk.mp4 - mien")
        server.finish("job1")
        expect(job(page, "talk.mp4")).to_contain_text("Done in 12 s: 2 faces, 5 spans")
        report = page.frame_locator("iframe[title='Report of talk.mp4']")
        expect(report.get_by_role("heading", name="A report")).to_be_visible()  # one's own first report opens itself
        tab = page.get_by_role("link", name="Open in a tab of its own")
        expect(tab).to_have_attribute("href", f"{server.address}v1/jobs/job1/report")
        page.reload()
        expect(report.get_by_role("heading", name="A report")).to_be_visible()
        page.locator("#report").get_by_role("button", name="Close").click()
        expect(page.locator("iframe")).to_have_count(0)
        job(page, "talk.mp4").get_by_text("Files").click()
        expect(job(page, "talk.mp4").get_by_role("link", name="spans.csv")).to_be_visible()
        expect(job(page, "talk.mp4")).to_contain_text("1.2 kB")

    def test_what_is_chosen_is_what_is_sent(self, show: Show, server: FakeMien) -> None:
        page = show()
        page.get_by_label("Blur the faces in it").check()
        expect(page.get_by_label("Also mark the faces in a copy")).to_be_checked()  # there is nothing to blur otherwise
        page.get_by_text("Settings").click()
        page.get_by_label("Least probability").fill("0.7")
        send(page, "a.mp4", "b.mp4", content=b"\x00\xff film")
        expect(page.locator("#job-list > li")).to_have_count(2)
        wanted = {"threshold": "0.7", "save_video": "true", "blur": "true", "html": "true"}
        assert server.received == [({"file": name, **wanted}, b"\x00\xff film") for name in ("a.mp4", "b.mp4")]
        page.get_by_label("Least probability").fill("7")
        send(page, "c.mp4")
        expect(page.get_by_label("Least probability")).to_be_focused()  # where the browser says what is wrong
        page.get_by_label("Least probability").fill("0.7")
        send(page, "d.mp4")
        expect(job(page, "d.mp4")).to_be_visible()
        assert [fields["file"] for fields, _ in server.received] == ["a.mp4", "b.mp4", "d.mp4"], "c.mp4 was not sent"

    def test_dropped_anywhere_on_the_page(self, show: Show, server: FakeMien) -> None:
        page = show()
        page.evaluate(
            """() => { const data = new DataTransfer();
            data.items.add(new File(["film"], "dropped.mp4"));
            for (const kind of ["dragenter", "dragover", "drop"])
              document.querySelector("footer").dispatchEvent(
                new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })); }"""
        )
        expect(job(page, "dropped.mp4")).to_be_visible()
        assert server.received[0][1] == b"film"

    def test_sending_is_seen_and_can_be_cancelled(self, show: Show, server: FakeMien, tmp_path: Path) -> None:
        server.pace = 0.05
        page = show()
        long, short = tmp_path / "long.mp4", tmp_path / "next.mp4"
        with long.open("wb") as film:
            film.truncate(25_000_000)  # more than sockets hold, or it is sent before anybody looks
        short.write_bytes(b"film")
        page.get_by_label("Choose videos").set_input_files(
            [long, short]
        )  # by path: as text it takes a minute to get there
        bar = page.get_by_role("progressbar", name="Sending long.mp4")
        expect(page.locator("#uploads")).to_contain_text(re.compile(r"Sending, \d+ % of 25 MB"))
        until(page, lambda: bar.evaluate("bar => bar.value") > 0.05)
        assert bar.evaluate("bar => bar.value") < 1
        expect(page.locator("#uploads > li").nth(1)).to_contain_text("Waiting to be sent")
        server.pace = 0.0
        page.get_by_role("button", name="Cancel sending long.mp4").click()
        expect(bar).to_have_count(0)
        expect(job(page, "next.mp4")).to_be_visible()
        assert [fields["file"] for fields, _ in server.received] == ["next.mp4"]

    def test_refused_files_say_what_to_do_and_hold_up_nobody(self, show: Show, server: FakeMien) -> None:
        server.refusals = [problem(413, "at most 500 MB", "900 MB", "cut the video, or raise --max-upload-mb")]
        page = show(bears="413")
        send(page, "huge.mp4", "small.mp4")
        row = page.locator(
            "#uploads > li", has=page.get_by_role("heading", name="huge.mp4")
        )  # the other may be there too
        expect(row).to_contain_text("Not sent. Expected at most 500 MB, got 900 MB.")
        expect(row).to_contain_text("Cut the video, or raise --max-upload-mb.")
        expect(row.get_by_role("button", name="Try again")).to_be_hidden()  # it would be as large then
        expect(job(page, "small.mp4")).to_be_visible()
        row.get_by_role("button", name="Remove huge.mp4").click()
        expect(page.locator("#uploads > li")).to_have_count(0)

    def test_an_upload_that_broke_off_can_be_tried_again(self, show: Show, server: FakeMien) -> None:
        page = show(bears="ERR_FAILED|429")
        page.route("**/v1/analyze", lambda route: route.abort())
        send(page)
        row = page.locator("#uploads > li")
        expect(row).to_contain_text("Not sent. The server does not answer.")
        page.unroute("**/v1/analyze")
        server.refusals = [problem(429, "room in the queue", "16 waiting", "come again later", Retry_After="600")]
        row.get_by_role("button", name="Try again").click()
        expect(row).to_contain_text("busy")
        expect(row.get_by_role("button", name="Cancel sending talk.mp4")).to_be_focused()
        row.get_by_role("button", name="Try again").click()
        expect(job(page, "talk.mp4")).to_be_visible()

    def test_a_busy_server_is_asked_again_when_it_says(self, show: Show, server: FakeMien) -> None:
        server.refusals = [problem(429, "room in the queue", "16 waiting", "come again later", Retry_After="4")]
        page = show(bears="429")
        began = time.monotonic()
        send(page)
        expect(page.locator("#uploads > li")).to_contain_text(re.compile(r"busy\. Sent again by itself in [1-4] s"))
        expect(job(page, "talk.mp4")).to_be_visible()
        assert time.monotonic() - began >= 4
        server.refusals = [problem(429, "room in the queue", "16 waiting", "come again later", Retry_After="600")]
        send(page, "second.mp4")
        page.get_by_role("button", name="Try again").click()
        expect(job(page, "second.mp4")).to_be_visible()

    def test_failed_jobs_say_why_and_what_to_do(self, show: Show, server: FakeMien) -> None:
        error = {"expected": "a video or picture", "got": "text", "fix": "convert it with ffmpeg"}
        server.add("notes.mp4", "failed", error=error)
        server.add(NASTY, "cancelled")
        server.add("first.mp4", "queued")
        server.add("second.mp4", "queued")
        page = show()
        expect(job(page, "notes.mp4")).to_contain_text("Failed, sent 14 Nov 2023")
        expect(job(page, "notes.mp4")).to_contain_text(
            "Expected a video or picture, got text. Convert it with ffmpeg.", use_inner_text=True
        )
        expect(job(page, NASTY)).to_contain_text("Cancelled")
        expect(job(page, "first.mp4")).to_contain_text("it is next")
        expect(job(page, "second.mp4")).to_contain_text("1 analysis before it")
        names = page.locator("#job-list h3").all_text_contents()
        assert names == ["second.mp4", "first.mp4", NASTY, "notes.mp4"], "newest first"
        assert page.evaluate("window.hurt") is None

    def test_deletion_asks_first_and_needs_no_mouse(self, show: Show, server: FakeMien) -> None:
        server.finish(server.add("old.mp4"))
        server.finish(server.add("new.mp4"))
        page = show()
        page.get_by_role("button", name="Delete new.mp4").focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Delete new.mp4?")
        expect(dialog).to_contain_text("for good")
        expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name="Delete new.mp4")).to_be_focused()
        assert server.deleted == []
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(job(page, "new.mp4")).to_have_count(0)
        expect(page.get_by_role("button", name="Delete old.mp4")).to_be_focused()
        assert server.deleted == ["job2"]
        expect(page.locator("#said")).to_have_text("new.mp4 was deleted.")

    def test_a_refused_deletion_says_so_and_leaves_all_as_it_was(self, show: Show, server: FakeMien) -> None:
        server.finish(server.add("old.mp4"))
        page = show(bears="500")
        page.get_by_role("button", name="Show report of old.mp4").click()
        server.refusals = [problem(500, "a folder that can be removed", "one that cannot", "look at its permissions")]
        for refused in (True, False):
            page.get_by_role("button", name="Delete old.mp4").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            if refused:
                expect(page.locator("#trouble")).to_contain_text("Look at its permissions")
                server.add("other.mp4")
                page.evaluate("dispatchEvent(new Event('visibilitychange'))")
                expect(job(page, "other.mp4")).to_be_visible()  # the list came again
                expect(page.locator("#trouble")).to_contain_text("Look at its permissions")
                expect(page.frame_locator("iframe").get_by_role("heading", name="A report")).to_be_visible()
        expect(job(page, "old.mp4")).to_have_count(0)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#report")).to_be_hidden()

    def test_focus_and_open_parts_outlive_news(self, show: Show, server: FakeMien) -> None:
        server.finish(server.add("old.mp4"))
        page = show()
        job(page, "old.mp4").get_by_text("Files").click()
        page.get_by_role("button", name="Show report of old.mp4").focus()
        server.add("other.mp4")
        page.evaluate("dispatchEvent(new Event('visibilitychange'))")
        expect(job(page, "other.mp4")).to_be_visible()
        expect(page.get_by_role("button", name="Show report of old.mp4")).to_be_focused()
        expect(job(page, "old.mp4").get_by_role("link", name="spans.csv")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#report")).to_be_focused()
        expect(page.get_by_role("button", name="Close report of old.mp4")).to_have_attribute("aria-expanded", "true")

    def test_the_token_is_asked_for_once(self, show: Show, server: FakeMien) -> None:
        server.token = "correct horse"
        server.finish(server.add("old.mp4"))
        page = show(bears="401")
        dialog = page.get_by_role("dialog", name="This server wants its token")
        page.get_by_label("Token", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("The server did not take that one.")
        page.get_by_label("Token", exact=True).fill("correct horse")
        page.get_by_role("button", name="Go on").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("button", name="Show report of old.mp4").click()
        expect(page.frame_locator("iframe").get_by_role("heading", name="A report")).to_be_visible()
        send(page)
        expect(job(page, "talk.mp4")).to_be_visible()
        page.reload()
        expect(job(page, "talk.mp4")).to_be_visible()
        expect(dialog).to_be_hidden()
        assert page.evaluate("localStorage.length") == 0

    def test_a_token_in_the_address_is_taken_over_and_leaves_it(self, show: Show, server: FakeMien) -> None:
        server.token = "correct horse"
        server.add("old.mp4")
        page = show(path="?token=correct+horse")
        expect(job(page, "old.mp4")).to_be_visible()
        assert page.url == server.address

    def test_no_token_no_nagging(self, show: Show, server: FakeMien) -> None:
        server.token = "correct horse"
        page = show(bears="401")
        page.get_by_role("button", name="Not now").click()
        expect(page.locator("#trouble")).to_contain_text("token")
        page.get_by_role("button", name="Enter the token").click()
        page.get_by_label("Token", exact=True).fill("correct horse")
        page.keyboard.press("Enter")
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#empty")).to_be_visible()

    def test_a_server_that_went_away_and_came_back(self, show: Show, server: FakeMien) -> None:
        server.add("old.mp4", "running", progress=None)
        page = show(bears="ERR_FAILED")
        expect(job(page, "old.mp4")).to_contain_text("Being analysed")
        assert not page.get_by_role("progressbar", name="Analysis of old.mp4").get_attribute("value"), "share unknown"
        page.route("**/v1/**", lambda route: route.abort())
        expect(page.get_by_role("alert")).to_contain_text("Is mien serve still running?")
        expect(job(page, "old.mp4")).to_be_visible()
        page.unroute("**/v1/**")
        expect(page.get_by_role("alert")).to_be_hidden()


def talking(page: Page, faces: Callable[[float], list[dict[str, Any]]]) -> dict[str, Any]:
    """Answer the page's camera with ``faces(time)``; gives what came."""
    heard: dict[str, Any] = {"times": [], "pictures": [], "closed": False}

    def connected(socket: WebSocketRoute) -> None:
        def got(message: str | bytes) -> None:
            if isinstance(message, str):
                heard["times"].append(json.loads(message)["time"])
                return
            heard["pictures"].append(message)
            now = heard["times"][-1]
            socket.send(json.dumps({"time": now, "faces": faces(now), "dropped": 3}))

        heard["url"] = socket.url
        socket.on_message(got)
        socket.on_close(lambda *_: heard.update(closed=True))

    page.route_web_socket(re.compile("/v1/live"), connected)
    return heard


def face(
    track: int, label: str, box: tuple[float, ...] = (64, 48, 192, 240), reason: str | None = None
) -> dict[str, Any]:
    shares = {name: 0.86 if name == label else 0.02 for name in LABELS}
    unread = label == "unclear"
    return {
        "track": track,
        "box": list(box),
        "label": label,
        "score": None if unread else 0.86,
        "probabilities": None if unread else shares,
        "reason": reason,
    }


def two_faces(now: float) -> list[dict[str, Any]]:
    first = face(1, "happiness" if now > 0.7 else "unclear", reason=None if now > 0.7 else "not read yet")
    return [first, face(2, "unclear", (400, 10, 500, 130), "turned away")]


@in_chromium
class TestCamera:
    def test_on_and_off(self, show: Show) -> None:
        page = show()
        heard = talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        panel = page.locator(".now-face")
        expect(panel.first).to_contain_text(re.compile("Face 1.*happiness"))
        expect(panel.first.locator("li", has_text="happiness")).to_contain_text("0.86")
        width = panel.first.locator("li", has_text="happiness").locator("i").evaluate("bar => bar.style.width")
        assert width == "86%"
        expect(panel.last).to_contain_text("unclear: turned away")
        expect(panel.last).to_contain_text("This face cannot be read now.")
        assert heard["pictures"][0][:2] == b"\xff\xd8", "JPEG"
        assert heard["times"] == sorted(heard["times"])
        expect(page.locator("#pace")).to_contain_text(
            re.compile(r"\d+ pictures a second, .* behind; 3 of \d+ left out")
        )
        expect(page.locator("#minute-rows .row").first).to_contain_text("most: happiness")
        expect(page.get_by_role("img", name=re.compile("The last minute of Face 2: unclear"))).to_be_visible()
        page.evaluate("() => { window.track = document.getElementById('view').srcObject.getTracks()[0]; }")
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.locator("#live")).to_be_hidden()
        expect(page.locator("#camera-note")).to_have_text("The camera is off. Nothing was kept.")
        assert page.evaluate("track.readyState") == "ended", "the camera's light is off"
        assert page.evaluate("document.getElementById('view').srcObject") is None
        until(page, lambda: heard["closed"])
        expect(page.locator(".now-face, .box, #minute-rows .row")).to_have_count(0)

    def test_boxes_are_where_the_faces_are_also_in_a_mirror(self, show: Show) -> None:
        page = show()
        talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator(".box")).to_have_count(2)
        width, height = page.evaluate(
            "[document.getElementById('view').videoWidth, document.getElementById('view').videoHeight]"
        )

        def left() -> float:
            box, stage = page.locator(".box").first.bounding_box(), page.locator("#stage").bounding_box()
            assert box is not None
            assert stage is not None
            assert box["height"] / stage["height"] == pytest.approx((240 - 48) / height, abs=0.01)
            return float((box["x"] - stage["x"]) / stage["width"])

        assert left() == pytest.approx((width - 192) / width, abs=0.01)
        page.get_by_label("As in a mirror").uncheck()
        until(page, lambda: left() == pytest.approx(64 / width, abs=0.01))
        expect(page.locator(".box").first).to_have_text(re.compile("Face 1: "))

    def test_the_last_minute_has_the_colours_of_the_report(self, show: Show) -> None:
        page = show()
        talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#minute-rows .row").first).to_contain_text(re.compile("most: happiness, [1-9]"))
        pixel = """() => { const canvas = document.querySelector("#minute-rows canvas");
            return [...canvas.getContext("2d").getImageData(canvas.width - 5, 70, 1, 1).data].slice(0, 3); }"""
        assert tuple(page.evaluate(pixel)) == EXPRESSION_COLOURS["happiness"]

    def test_a_camera_that_is_not_allowed(self, show: Show) -> None:
        page = show()
        # In a function: Playwright calls what an expression gives when that is itself a function.
        page.evaluate(
            """() => { navigator.mediaDevices.getUserMedia =
                async () => { throw new DOMException("", "NotAllowedError"); }; }"""
        )
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#camera-note")).to_contain_text("Allow it beside the address of the page")
        expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
        expect(page.locator("#live")).to_be_hidden()

    def test_a_server_that_is_busy_with_other_cameras(self, show: Show) -> None:
        page = show()
        page.route_web_socket(re.compile("/v1/live"), lambda socket: socket.close(code=1013, reason=""))
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#camera-note")).to_contain_text("busy with other cameras")
        assert page.evaluate("document.getElementById('view').srcObject") is None

    def test_the_token_goes_with_it(self, show: Show, server: FakeMien) -> None:
        server.token = "correct horse"
        page = show(path="?token=correct+horse")
        heard = talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator(".box")).to_have_count(2)
        assert heard["url"].endswith("/v1/live?token=correct+horse")


@in_chromium
class TestLooks:
    @pytest.mark.parametrize("size", [WIDE, NARROW, (320, 600)])
    def test_nothing_sticks_out(self, show: Show, server: FakeMien, size: tuple[int, int]) -> None:
        long = "a_very_long_name_without_any_space_" * 4 + ".mp4"
        server.finish(server.add(long))
        error = {"expected": "x" * 90, "got": "y" * 90, "fix": "z" * 90}
        server.add(f"not_{long}", "failed", error=error)
        server.refusals = [problem(413, "x" * 90, "y" * 90, "z" * 90)]
        page = show(size, bears="413")
        talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        send(page, f"new_{long}")
        page.get_by_role("button", name=f"Show report of {long}").click()
        expect(page.locator("#uploads > li")).to_contain_text("Not sent")
        expect(page.locator("#minute-rows .row")).to_have_count(2)
        summaries = page.locator("summary:visible").all()  # a failed analysis has no files to unfold
        assert len(summaries) == 2
        for summary in summaries:
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        outside = page.evaluate(
            """[...document.querySelectorAll("main *, header *")].filter((one) => one.clientWidth &&
                !one.closest("#stage") && one.getBoundingClientRect().right > innerWidth + 0.5)
                .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert outside == []
        page.get_by_role("button", name=f"Delete {long}", exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

    def test_light_and_dark_are_both_readable(self, show: Show, server: FakeMien) -> None:
        server.add("notes.mp4", "failed", error={"expected": "a", "got": "b", "fix": "c"})
        server.finish(server.add("done.mp4"))
        light, dark = show(scheme="light"), show(scheme="dark")
        for page in (light, dark):
            expect(job(page, "done.mp4")).to_be_visible()
            assert page.evaluate(LEAST_CONTRAST) > 4.5
        toggle = light.get_by_role("button", name="Dark colours")
        expect(toggle).to_have_attribute("aria-pressed", "false")
        toggle.click()
        expect(toggle).to_have_attribute("aria-pressed", "true")
        assert light.evaluate("getComputedStyle(document.body).color") == dark.evaluate(
            "getComputedStyle(document.body).color"
        )

    def test_everything_that_can_be_pressed_has_a_name(self, show: Show, server: FakeMien) -> None:
        server.finish(server.add("done.mp4"))
        page = show()
        talking(page, two_faces)
        page.get_by_role("button", name="Start the camera").click()
        expect(job(page, "done.mp4")).to_be_visible()
        expect(page.locator("#minute-rows .row")).to_have_count(2)
        nameless = page.evaluate(
            """[...document.querySelectorAll("button, select, input, a, progress, iframe, [role=img], video, dialog")]
                .filter((one) => !one.ariaLabel && !one.title && !one.labels?.length && !one.textContent.trim())
                .map((one) => one.outerHTML)"""
        )
        assert nameless == []

    def test_the_policy_lets_nothing_in(self, chromium: Browser, server: FakeMien) -> None:
        page = chromium.new_page()  # not by `show`: here the browser is meant to complain
        page.goto(server.address)
        assert page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"
        hurt = page.evaluate(
            """() => new Promise((done) => {
                document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hurt = 1'>");
                document.body.lastElementChild.addEventListener("error", () => done(window.hurt)); })"""
        )
        assert hurt is None
        page.close()


@in_chromium
class TestEndToEnd:
    """With the real server; ``start`` comes before ``show``, so that the pages close before their server goes."""

    def test_upload_progress_report_delete(self, start: Start, show: Show, clip: Path) -> None:
        token = "sixteen letters and more"
        home = start(environment={"MIEN_TOKEN": token}).address.rstrip("/") + "/"
        page = show(address=home, path=f"?token={quote(token)}")
        page.get_by_label("Also mark the faces in a copy").check()
        page.get_by_label("Choose videos").set_input_files(clip)
        done = job(page, clip.name)
        expect(done).to_contain_text("Done in", timeout=60_000)
        expect(done).to_contain_text("1 face")
        report = page.frame_locator("#report iframe")
        expect(report.locator("#facts")).to_contain_text("1 face", timeout=30_000)
        expect(report.locator("#rows .row")).to_have_count(1)
        until(page, lambda: report.locator("video").evaluate("film => film.videoWidth > 0 || film.error !== null"))
        expect(report.locator("#boxes-choice")).to_be_hidden()  # the faces are marked in the picture already
        expect(report.locator("#boxes")).to_be_hidden()
        page.get_by_role("button", name="Dark colours").click()
        expect(report.locator("#theme")).to_have_attribute("aria-pressed", "true")
        expect(report.locator("#theme")).to_be_hidden()  # one button for both
        report.locator("#edit-face").select_option("1")
        report.locator("#edit-text").fill("Anna")
        report.locator("#edit-name").click()
        page.once("dialog", lambda dialog: dialog.dismiss())  # it asks before they are lost
        page.get_by_role("button", name=f"Close report of {clip.name}").click()
        report.get_by_role("button", name="Keep on the server").click()
        expect(report.locator("#edit-note")).to_have_text("Kept on the server, with the report.")
        page.get_by_role("button", name=f"Close report of {clip.name}").click()
        page.get_by_role("button", name=f"Show report of {clip.name}").click()
        expect(report.locator("#edit-list")).to_have_text("Face 1 is Anna")
        expect(report.get_by_role("button", name="Keep on the server")).to_be_disabled()
        page.get_by_role("button", name=f"Delete {clip.name}").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(done).to_have_count(0)
        expect(page.locator("#report")).to_be_hidden()
        expect(page.locator("#empty")).to_be_visible()

    def test_a_text_named_video_is_explained(self, start: Start, show: Show) -> None:
        page = show(address=start().address.rstrip("/") + "/", bears="422")
        send(page, content=b"Dear diary, " * 100)
        wrong = page.locator(".job.wrong")
        expect(wrong).to_contain_text("Expected", timeout=60_000)
        expect(wrong.locator(".quiet").first).not_to_be_empty()

    def test_a_file_far_too_large_is_explained(self, start: Start, show: Show, tmp_path: Path) -> None:
        large = tmp_path / "large.mp4"
        with large.open("wb") as film:
            film.truncate(40_000_000)
        page = show(address=start("--max-upload-mb", 1).address.rstrip("/") + "/", bears="413")
        page.get_by_label("Choose videos").set_input_files(large)
        row = page.locator("#uploads > li")
        expect(row).to_contain_text("Not sent. Expected at most 1 MB, got more.")
        expect(row).to_contain_text("Send a smaller or shorter file.")
        expect(page.locator("#empty")).to_be_hidden()

    def test_the_camera_is_read_by_the_shipped_model(self, start: Start, show: Show) -> None:
        page = show(address=start("--model", "s2d-small").address.rstrip("/") + "/")
        page.get_by_role("button", name="Start the camera").click()
        now = page.locator(".now-face h4")
        expect(now.filter(has_text="happiness")).to_be_visible(timeout=60_000)
        happy = page.locator(".now-face li", has_text="happiness").locator(".number")
        assert float(happy.first.text_content() or "0") > 0.5
        expect(page.locator("#minute-rows .row").first).to_contain_text("most: happiness", timeout=30_000)
        expect(page.locator(".box").first).to_contain_text("Face 1")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_role("button", name="Start the camera")).to_be_focused()


LEAST_CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    const colour = getComputedStyle(one).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(one.parentElement) : colour;
  };
  const written = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() && !one.disabled &&
    [...one.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.textContent.trim()));
  return Math.min(...written.map((one) => {
    const [low, high] = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
}"""
"""The least contrast of anything written on the page with what it stands on (WCAG 2.1)."""
