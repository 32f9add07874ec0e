"""The HTML report as a reader meets it: in a browser, with mouse, keys and a phone's width."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import BOXES, HEIGHT, SECONDS, SPANS, WIDTH, film, result_about, still_about
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from chromium import CHROMIUM, in_chromium
from films import film as late_film
from films import number
from mien import media
from mien.core.compound import CompoundRule
from mien.core.labels import LABEL_SPACES
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.report.edited import edited
from mien.report.edits import read_edits
from mien.report.page.html import Why
from mien.report.palette import EXPRESSION_COLOURS
from mien.report.result import Result

pytestmark = in_chromium

NASTY = "<script>window.hurt = 1<\\script><img src=x onerror='window.hurt=2'>.mp4"
WIDE, NARROW = (1200, 900), (380, 780)
FRAME = 0.04
CONTRASTS = """() => {
  const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = (of, what) => {
    const parts = getComputedStyle(document.querySelector(of))[what].match(/[\\d.]+/g);
    const [r, g, b] = parts.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light("#timeline", "backgroundColor");
  const inks = ["h2", ".quiet", ".link"].map((one) => light(one, "color"));
  return [ground, Math.min(...inks.map((ink) => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)))];
}"""
"""The luminance of a sheet, and the least contrast of what is written on it (WCAG 2.1)."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def talk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that this browser plays: H.264 as mien writes it, VP8 where the browser was built without."""
    page = chromium.new_page()
    plays = page.evaluate("""document.createElement("video").canPlayType('video/mp4; codecs="avc1.640028"')""")
    page.close()
    return film(tmp_path_factory.mktemp("film") / ("talk.mp4" if plays else "talk.webm"))


Show = Callable[..., Page]


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Opens a page; afterwards it must have asked for nothing but itself and its film, and complained of nothing."""
    pages: list[tuple[Page, list[str], list[str]]] = []

    def opened(path: Path, size: tuple[int, int] = WIDE, scheme: str = "light") -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        page, asked, said = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        pages.append((page, asked, said))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield opened
    for page, asked, said in pages:
        page.context.close()
        assert said == []
        assert all(url.startswith(("file://", "blob:", "data:")) for url in asked), asked


@pytest.fixture
def report(talk: Path, tmp_path: Path) -> Path:
    return result_about(talk).html(tmp_path / "report.html")


def video_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def playhead(page: Page) -> float:
    return float(page.get_by_role("slider", name="Playhead").get_attribute("aria-valuenow") or "nan")


def until(page: Page, met: str, seconds: float = 20.0) -> None:
    """Wait for an expression to hold; the page's policy forbids Playwright's own wait, which evaluates text in it."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(met):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {met}"
        page.wait_for_timeout(20)


def ready(page: Page) -> Page:
    """Once the film can be played."""
    until(page, "document.querySelector('video').readyState >= 2")
    return page


def lanes_of(page: Page, face: int) -> dict[str, float]:
    lanes = page.locator("#rows .lanes").nth(face - 1)
    lanes.evaluate("lanes => lanes.scrollIntoView({ block: 'center' })")
    box = lanes.bounding_box()
    assert box is not None
    return dict(box)


class TestAPictureThatStartsLate:
    """A film cut at a key frame: its picture starts two seconds after its sound."""

    @pytest.fixture
    def late(self, talk: Path, tmp_path: Path) -> Result:
        if talk.suffix != ".mp4":
            pytest.skip("this browser plays no H.264")
        path = late_film(tmp_path / "late.mp4", [2.0], sound=0.0, seconds=4.0, count=20)
        with media.open(path) as source:
            times = [frame.time for frame in source]
        table = FaceTable(8)
        face = Face(np.array([4, 4, 28, 28], np.float32), 0.9, np.zeros((5, 2), np.float32))
        for index, moment in enumerate(times):
            table.append(FaceRow(index, moment, 1, face, Quality(24, 99, 0), np.full(8, 0.125)))
        spans = (Span(1, times[0], times[7], "neutral", 0.9), Span(1, times[7], times[-1] + 0.1, "happiness", 0.8))
        return Result(source.info, LABEL_SPACES["ferplus"], spans, table, {}, origin=path)

    @pytest.mark.parametrize("shown", ["linked", "embedded", "annotated"])
    def test_a_click_on_a_span_shows_its_moment(self, show: Show, late: Result, tmp_path: Path, shown: str) -> None:
        bare = dataclasses.replace(late, frames=FaceTable(8))  # no box hides the picture
        film = bare.draw(tmp_path / "annotated.mp4", strip=False) if shown == "annotated" else None
        page = ready(show(late.html(tmp_path / "report.html", film, embed=shown == "embedded")))
        for span, first in zip(late.spans, (0, 7), strict=True):
            page.get_by_role("button", name=re.compile(f"^Face 1: {span.label}")).click()
            assert video_time(page) == pytest.approx(span.start, abs=FRAME)
            until(page, "!document.querySelector('video').seeking")
            page.wait_for_timeout(200)
            picture = cv2.imdecode(np.frombuffer(page.locator("video").screenshot(), np.uint8), cv2.IMREAD_COLOR)
            height, width = picture.shape[:2]
            corner = picture[height // 2 - 3 : height // 2 + 3, width // 2 - 3 : width // 2 + 3]
            assert number(corner) == pytest.approx(first, abs=1)


class TestInStep:
    def test_clicking_a_span_moves_the_film_to_its_first_frame(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        for span in (SPANS[3], SPANS[1], SPANS[2]):
            page.get_by_role(
                "button", name=re.compile(f"^Face {span.track}: {span.label}.*{span.start:.2f} s to")
            ).click()
            assert span.start <= video_time(page) < span.start + FRAME / 2
            assert playhead(page) == pytest.approx(span.start, abs=0.01)

    def test_pressing_and_dragging_moves_the_film(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        lanes = lanes_of(page, 1)

        def at(share: float) -> float:
            return lanes["x"] + share * lanes["width"]

        band, spans = lanes["y"] + lanes["height"] - 20, lanes["y"] + 10
        page.mouse.click(at(0.25), band)
        assert video_time(page) == pytest.approx(0.25 * SECONDS, abs=0.05)
        for height in (band, spans):
            page.mouse.move(at(0.1), height)
            page.mouse.down()
            page.mouse.move(at(0.4), height, steps=4)
            page.mouse.move(at(0.75), height, steps=4)
            assert video_time(page) == pytest.approx(0.75 * SECONDS, abs=0.05)
            page.mouse.up()
            assert video_time(page) == pytest.approx(0.75 * SECONDS, abs=0.05), "the end of a drag is no click"

    def test_the_film_moves_the_playhead(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        page.evaluate("document.querySelector('video').currentTime = 4.5")
        until(page, "Math.abs(document.getElementById('axis').ariaValueNow - 4.5) < 0.01")
        expect(page.locator("#moment")).to_have_text("At 4.50 s")
        page.evaluate("document.querySelector('video').currentTime = 1")
        page.evaluate("document.querySelector('video').play()")
        until(page, "document.getElementById('axis').ariaValueNow > 1.3")
        page.evaluate("document.querySelector('video').pause()")
        page.wait_for_timeout(300)
        assert playhead(page) == pytest.approx(video_time(page), abs=0.02)

    def test_the_table_moves_the_film_too(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        page.locator("#span-rows tr").nth(3).locator("td").last.click()
        assert video_time(page) == pytest.approx(SPANS[3].start, abs=0.01)
        expect(page.locator("#span-rows tr").nth(3)).to_have_attribute("aria-current", "time")

    def test_keys_do_all_that_the_mouse_does(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        page.locator("#axis").focus()
        page.keyboard.press("End")
        assert video_time(page) == pytest.approx(SECONDS, abs=0.05)
        page.keyboard.press("Home")
        page.keyboard.press("PageDown")
        assert video_time(page) == 0
        for _ in range(3):
            page.keyboard.press("PageUp")
        page.keyboard.press("ArrowLeft")
        assert video_time(page) == pytest.approx(0.3 * SECONDS - 0.06, abs=0.01)
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^Face 1: neutral"))
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^Face 1: happiness"))
        page.keyboard.press("ArrowDown")
        expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^Face 2: unclear: low confidence"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "the focus is to be seen"
        page.keyboard.press("Enter")
        assert video_time(page) == pytest.approx(SPANS[4].start, abs=0.01)

    def test_the_present_moment_is_told_in_numbers_and_over_the_film(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        page.mouse.click(lanes_of(page, 1)["x"] + 0.75 * lanes_of(page, 1)["width"], lanes_of(page, 1)["y"] + 80)
        now = page.locator(".now-face")
        expect(now).to_have_count(2)
        expect(now.first).to_contain_text(re.compile("Face 1.*happiness"))
        expect(now.first.locator("li", has_text="happiness")).to_contain_text("0.80")
        expect(now.last).to_contain_text("unclear: low confidence")
        box, stage = page.locator(".box").first.bounding_box(), page.locator("#stage").bounding_box()
        assert box is not None
        assert stage is not None
        assert (box["x"] - stage["x"]) / stage["width"] == pytest.approx(BOXES[1][0] / WIDTH, abs=0.01)
        assert box["height"] / stage["height"] == pytest.approx((BOXES[1][3] - BOXES[1][1]) / HEIGHT, abs=0.01)
        page.mouse.click(lanes_of(page, 1)["x"] + 0.4 * lanes_of(page, 1)["width"], lanes_of(page, 1)["y"] + 80)
        expect(now.first).to_contain_text("This face cannot be read here.")
        page.mouse.click(lanes_of(page, 1)["x"] + 0.95 * lanes_of(page, 1)["width"], lanes_of(page, 1)["y"] + 80)
        expect(page.locator(".box")).to_have_count(1)

    @pytest.mark.parametrize("size", [WIDE, NARROW])
    @pytest.mark.parametrize("with_film", [True, False])
    def test_the_timeline_stays_where_it_is(
        self, show: Show, talk: Path, tmp_path: Path, size: tuple[int, int], with_film: bool
    ) -> None:
        """Faces come and go while the reader drags: what is under the pointer must stay under it."""
        page = show(result_about(talk if with_film else None).html(tmp_path / "r.html"), size)
        if with_film:
            ready(page)
        page.locator("#axis").focus()
        tops = set()
        for _ in range(11):
            tops.add(page.evaluate("Math.round(document.getElementById('rows').getBoundingClientRect().top + scrollY)"))
            page.keyboard.press("PageUp")
        assert len(tops) == 1

    def test_zoom(self, show: Show, report: Path) -> None:
        page = ready(show(report))
        button = page.get_by_role("button", name=re.compile("^Face 1: happiness"))
        button.click()
        before = button.bounding_box()
        page.get_by_role("button", name="Zoom in").click()
        page.get_by_role("button", name="Zoom in").click()
        expect(page.get_by_role("slider", name="Scroll")).to_be_visible()
        page.wait_for_timeout(100)
        after = button.bounding_box()
        assert before is not None
        assert after is not None
        lanes = lanes_of(page, 1)
        assert after["x"] == pytest.approx(before["x"], abs=2), "the playhead's time stays where it was"
        assert after["x"] + after["width"] == pytest.approx(lanes["x"] + lanes["width"], abs=2)
        page.mouse.click(lanes["x"] + lanes["width"] - 1, lanes["y"] + 80)
        assert video_time(page) == pytest.approx(3.0 + SECONDS / 4 / 2, abs=0.1)
        page.get_by_role("button", name="Whole video").click()
        expect(page.get_by_role("slider", name="Scroll")).to_be_hidden()


class TestWhatIsShown:
    def test_probabilities_are_stacked_in_the_colours_of_the_labels(self, show: Show, report: Path) -> None:
        page = show(report)
        pixel = """([share, height]) => {
            const canvas = document.querySelectorAll("#rows canvas")[0], pen = canvas.getContext("2d");
            return [...pen.getImageData(share * canvas.width, height * canvas.height, 1, 1).data]; }"""
        until(page, "document.querySelector('#rows canvas').width > 300")
        page.wait_for_timeout(100)
        neutral, happiness = ((*EXPRESSION_COLOURS[name], 255) for name in ("neutral", "happiness"))
        assert tuple(page.evaluate(pixel, [0.1, 0.95])) == neutral
        assert tuple(page.evaluate(pixel, [0.1, 0.15])) == neutral, "nine tenths of the height"
        assert tuple(page.evaluate(pixel, [0.8, 0.5])) == happiness
        unread = {tuple(page.evaluate(pixel, [0.35 + x / 200, 0.5]))[:3] for x in range(20)}
        assert len(unread) > 1
        assert not unread & set(EXPRESSION_COLOURS.values()), "hatched"

    def test_totals_reasons_and_provenance(self, show: Show, report: Path) -> None:
        page = show(report)
        card = page.locator(".card", has=page.get_by_role("heading", name="Face 1"))
        expect(card.locator("tbody tr").nth(0)).to_have_text(re.compile(r"happiness\s*3\.00\ss\s*50 %"))
        expect(card.locator("tbody tr").nth(2)).to_have_text(re.compile(r"unclear: turned away\s*1\.00\ss\s*17 %"))
        expect(page.get_by_role("heading", name="All 2 faces")).to_be_visible()
        page.get_by_text("Where these numbers come from").click()
        expect(page.locator("#provenance-rows tr", has_text="command")).to_contain_text("mien analyze 'talk.mp4'")
        expect(page.locator(".use")).to_contain_text("not what anyone feels")

    def test_the_list_is_sorted_and_filtered(self, show: Show, report: Path) -> None:
        page = show(report)
        rows = page.locator("#span-rows tr")
        expect(rows).to_have_count(len(SPANS))
        page.get_by_role("button", name="Probability", exact=True).click()
        page.get_by_role("button", name="Probability", exact=True).click()
        expect(rows.first).to_contain_text("0.90")
        expect(page.get_by_role("columnheader", name="Probability")).to_have_attribute("aria-sort", "descending")
        page.get_by_label("Face", exact=True).select_option("2")
        expect(rows).to_have_count(2)
        page.get_by_label("Expression", exact=True).select_option(label="unclear")
        expect(rows).to_have_count(1)
        expect(rows.first).to_contain_text("low confidence")
        expect(page.locator("#spans-note")).to_contain_text("1 span.")

    @pytest.mark.parametrize("size", [WIDE, NARROW, (320, 600)])
    def test_nothing_sticks_out(self, show: Show, talk: Path, tmp_path: Path, size: tuple[int, int]) -> None:
        result = result_about(talk, "a_very_long_name_without_any_space_" * 4 + ".mp4")
        page = show(result.html(tmp_path / "r.html", thumbnails=True), size)
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        outside = page.evaluate(
            """[...document.querySelectorAll("main *, header *")].filter((one) => one.clientWidth &&
                one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert outside == []

    def test_light_and_dark_are_both_readable(self, show: Show, report: Path) -> None:
        light, dark = (show(report, scheme=scheme) for scheme in ("light", "dark"))
        assert light.evaluate(CONTRASTS)[0] > 0.8
        assert dark.evaluate(CONTRASTS)[0] < 0.1
        toggle = light.get_by_role("button", name="Dark colours")
        expect(toggle).to_have_attribute("aria-pressed", "false")
        toggle.click()
        expect(toggle).to_have_attribute("aria-pressed", "true")
        assert light.evaluate(CONTRASTS)[0] < 0.1
        for page in (light, dark):
            assert page.evaluate(CONTRASTS)[1] > 4.5

    def test_everything_that_can_be_pressed_has_a_name(self, show: Show, report: Path) -> None:
        page = show(report)
        page.wait_for_selector(".span")
        nameless = page.evaluate(
            """[...document.querySelectorAll("button, select, input, [role=slider], [role=img], video")].filter((one) =>
                one.checkVisibility() && !one.ariaLabel && !one.labels?.length && !one.textContent.trim()).length"""
        )
        assert nameless == 0
        hatched = page.locator(".span.hatched")
        expect(hatched).to_have_count(2)
        expect(hatched.first).to_have_attribute("aria-label", re.compile("unclear: turned away"))
        words = page.locator(".span").evaluate_all("all => all.map(one => one.textContent)")
        assert "happiness 0.80" in words, "told by words, not by colour alone"

    def test_on_paper(self, show: Show, report: Path) -> None:
        page = show(report, scheme="dark")
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(page.locator("#watch")).to_be_hidden()
        expect(page.locator("#provenance-rows")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 28, 32)"
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        expect(page.locator("#watch")).to_be_visible()


class TestOddThings:
    def test_names_do_no_harm(self, show: Show, talk: Path, tmp_path: Path) -> None:
        result = dataclasses.replace(result_about(talk, NASTY), provenance={"</script>": NASTY, "problems": [NASTY]})
        page = show(result.html(tmp_path / f"{NASTY.replace('/', '')[:40]}.html"))
        expect(page.get_by_role("heading", level=1)).to_have_text(NASTY)
        expect(page.locator("#problems")).to_have_text(NASTY)
        page.wait_for_timeout(100)
        assert page.evaluate("window.hurt") is None

    def test_the_policy_lets_nothing_out(self, show: Show, report: Path, chromium: Browser) -> None:
        page = chromium.new_page()  # not by `show`: here the browser is meant to complain
        page.goto(report.as_uri())
        assert page.evaluate("fetch('data:,x').then(() => 'sent', () => 'refused')") == "refused"
        inline = "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hurt = 1\">')"
        page.evaluate(inline)
        page.wait_for_timeout(100)
        assert page.evaluate("window.hurt") is None
        page.close()

    def test_a_film_that_cannot_be_played_is_said_and_the_rest_works(
        self, show: Show, talk: Path, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(b"this is no film" * 100)
        page = show(result_about(talk).html(tmp_path / "r.html", broken))
        expect(page.locator("#film-note")).to_contain_text("broken.mp4 is not where this report expects it")
        page.get_by_role("button", name=re.compile("^Face 1: happiness")).click()
        assert playhead(page) == pytest.approx(3.0, abs=0.01)
        expect(page.locator("#moment")).to_have_text("At 3.00 s")
        page.get_by_label("Show it from a file on this machine").set_input_files(talk)
        ready(page)
        assert video_time(page) == pytest.approx(3.0, abs=0.01)
        expect(page.locator("#stage")).to_be_visible()

    def test_embedded_it_plays_wherever_the_page_goes(self, show: Show, talk: Path, tmp_path: Path) -> None:
        made = result_about(talk).html(tmp_path / "made" / "r.html", embed=True)
        (tmp_path / "sent").mkdir()
        page = ready(show(made.rename(tmp_path / "sent" / "r.html")))
        page.get_by_role("button", name=re.compile("^Face 1: happiness")).click()
        until(page, "!document.querySelector('video').seeking")
        assert 3.0 <= video_time(page) < 3.02

    def test_a_picture(self, show: Show, tmp_path: Path) -> None:
        photo = tmp_path / "photo 100%.png"
        cv2.imwrite(str(photo), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
        page = show(still_about(photo).html(tmp_path / "r.html"), NARROW)
        until(page, "document.querySelector('#stage img').naturalWidth === 160")
        expect(page.locator(".box")).to_have_count(2)
        expect(page.locator("#timeline")).to_be_hidden()
        expect(page.locator("#totals")).to_be_hidden()
        expect(page.locator("#span-rows tr")).to_have_text(
            [re.compile("1.*happiness"), re.compile("2.*low confidence")]
        )
        expect(page.get_by_role("columnheader", name="From")).to_have_count(0)
        expect(page.locator(".now-face").first.locator("li", has_text="happiness")).to_contain_text("0.80")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]

    def test_nobody(self, show: Show, talk: Path, tmp_path: Path) -> None:
        empty = dataclasses.replace(result_about(talk), spans=(), frames=FaceTable(8))
        page = ready(show(empty.html(tmp_path / "r.html")))
        expect(page.locator("#nobody")).to_have_text("No face was found in this video.")
        for part in ("#timeline", "#totals", "#spans", "#now"):
            expect(page.locator(part)).to_be_hidden()

    def test_without_any_film(self, show: Show, tmp_path: Path) -> None:
        page = show(result_about(None).html(tmp_path / "r.html"))
        expect(page.locator("#film-note")).to_contain_text("There is no video here")
        page.locator("#axis").focus()
        page.keyboard.press("End")
        assert playhead(page) == SECONDS


def test_analyze_writes_a_report_that_plays(desk, short_clip: Path, show: Show) -> None:
    (desk.folder / "talk.mp4").write_bytes(short_clip.read_bytes())
    ran = desk.run("mien", "analyze", "talk.mp4", "-o", "out", "--html", "--save-video", "--blur")
    assert ran.returncode == 0, ran.stderr
    page = ready(show(desk.folder / "out" / "talk" / "report.html", NARROW))
    assert page.evaluate("document.querySelector('video').currentSrc").endswith("/out/talk/annotated.mp4")
    expect(page.locator("#facts")).to_contain_text("1 face")
    expect(page.locator(".box")).to_have_count(0)  # the annotated video has its own
    page.get_by_role("button", name=re.compile("^Face 1: happiness")).click()
    assert 0.3 < video_time(page) < 0.9
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


def test_two_expressions_at_once_stand_beside_the_span(show: Show, talk: Path, tmp_path: Path) -> None:
    found = dataclasses.replace(result_about(talk), compound=CompoundRule(least=0.02))
    page = ready(show(found.html(tmp_path / "report.html")))
    rows = page.locator("#span-rows tr")
    expect(page.locator("#spans-note")).to_contain_text("more often wrong than right")
    expect(rows.filter(has_text="happily surprised (lesser of both 0.03)")).to_have_count(1)
    expect(rows.filter(has_text="neutral").filter(has_text="lesser")).to_have_count(0)
    expect(rows.filter(has_text="turned away").filter(has_text="lesser")).to_have_count(0)


class TestWhy:
    def test_the_picture_of_a_face_leads_to_its_moment(self, show: Show, talk: Path, tmp_path: Path) -> None:
        picture = tmp_path / "face-1.png"
        cv2.imwrite(str(picture), np.full((40, 60, 3), 90, np.uint8))
        lines = ("Expected of happiness: action units 6 + 12.", "occlusion: IoU 0.40")
        why = [Why(1, SPANS[1].start, "face 1, shown: <b>happiness</b> (0.93)", lines, picture)]
        page = ready(show(result_about(talk).html(tmp_path / "report.html", why=why)))
        figure = page.locator("#why figure")
        expect(figure).to_contain_text("happiness: action units 6 + 12")
        assert figure.locator("img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [60, 40]
        figure.get_by_role("button", name="face 1, shown: <b>happiness</b> (0.93)").click()
        assert video_time(page) == pytest.approx(SPANS[1].start, abs=FRAME / 2)

    def test_nothing_is_said_of_it_where_nobody_asked(self, show: Show, report: Path) -> None:
        expect(show(report).locator("#why")).to_be_hidden()


def test_what_is_corrected_leaves_as_a_file_that_mien_reads(show: Show, tmp_path: Path) -> None:
    whole = result_about(None)
    table = FaceTable(8)
    for row in whole.frames:  # face 1 leaves when it looks away, and comes back as face 3
        table.append(dataclasses.replace(row, track=3) if row.track == 1 and row.time >= 3 else row)
    spans = tuple(dataclasses.replace(one, track=3) if one == SPANS[3] else one for one in SPANS)
    result = dataclasses.replace(whole, spans=spans, frames=table)
    page = show(result.html(tmp_path / "r.html"))
    page.locator("#edit-face").select_option("1")
    page.locator("#edit-text").fill("Anna")
    page.locator("#edit-name").click()
    expect(page.locator("#rows .who b").first).to_have_text("Anna")
    page.locator("#edit-into").select_option("2")
    page.locator("#edit-merge").click()
    expect(page.locator("#edit-note")).to_contain_text("two people")
    page.locator("#edit-face").select_option("3")
    page.locator("#edit-into").select_option("1")
    page.locator("#edit-merge").click()
    expect(page.locator("#rows .who b").nth(2)).to_have_text("Anna")
    page.locator("#edit-face").select_option("")
    page.locator("#axis").focus()
    page.keyboard.press("Home")
    page.keyboard.press("m")
    page.keyboard.press("m")
    expect(page.locator("#edit-list li")).to_have_count(4)
    page.keyboard.press("Control+z")
    expect(page.locator("#edit-list li")).to_have_count(3)
    page.keyboard.press("[")
    page.keyboard.press("PageUp")
    page.keyboard.press("]")
    expect(page.locator("#edit-list li").last).to_contain_text("Left out from 0.00 s to 0.60 s, everybody")
    with page.expect_download() as download:
        page.locator("#edit-save").click()
    assert download.value.suggested_filename == "talk.edits.json"
    edits = read_edits(download.value.path())
    assert (edits.names, edits.merges) == ({1: "Anna"}, {3: 1})
    assert [(one.time, one.text, one.track) for one in edits.marks] == [(0.0, "mark", None)]
    found = edited(result, edits)
    assert {span.track for span in found.spans} == {1, 2}
    assert found.spans[0].start == pytest.approx(0.6)

    again = show(tmp_path / "r.html")
    again.locator("#edit-file").set_input_files(download.value.path())
    expect(again.locator("#edit-list li")).to_have_text(page.locator("#edit-list li").all_text_contents())
    veils = again.locator("#rows .row .left-out")
    expect(veils).to_have_count(3)
    lanes, veil = (place.first.bounding_box() for place in (again.locator("#rows .lanes"), veils))
    assert lanes
    assert veil
    assert veil["width"] / lanes["width"] == pytest.approx(0.6 / SECONDS, abs=0.005)
    expect(again.locator("#rows .row .mark")).to_have_count(3)
    expect(again.locator("#only-face option")).to_have_text(["all", "Anna", "Face 2", "Anna"])
    expect(again.locator("#cards h3").nth(1)).to_have_text("Anna")
    expect(again.get_by_role("group", name="Spans of Anna")).to_have_count(2)
    expect(again.get_by_role("button", name=re.compile("^Anna: happiness, mean"))).to_have_count(1)
    again.locator("#only-face").select_option("1")
    expect(again.locator("#span-rows td.face")).to_have_text(["Anna"] * 3)
    again.locator("#edit-undo").click()
    expect(again.locator("#edit-list li")).to_have_count(0)
    expect(veils).to_have_count(0)


def test_a_file_that_does_not_fit_changes_nothing(show: Show, tmp_path: Path) -> None:
    page = show(result_about(None).html(tmp_path / "r.html"))
    head = '{"format": "mien edits", "version": 1, "source": {"name": "talk.mp4"}, '
    for text, wording in (
        ("{", "It is no JSON"),
        ("[]", "no file of edits"),
        (head.replace("talk", "other") + '"names": []}', "another film or analysis: other.mp4"),
        (head + '"names": [{"track": 7, "name": "Anna"}]}', "no face 7"),
        (head + '"names": [{"track": 1, "name": "Person  2"}]}', 'face 1 "Person 2". A name, please, not a number'),
        (head + '"names": [{"track": 1, "name": "Anna"}, {"track": 2, "name": "anna"}]}', "Face 2 is called so"),
        (head + '"names": [{"track": 1, "name": "Anna"}, {"track": 1, "name": "Bea"}]}', "two names for face 1"),
        (head + '"merges": [{"track": 1, "into": 2}, {"track": 2, "into": 1}]}', "not as docs/formats.md"),
        (head + '"excluded": [{"start": 2, "end": 1}]}', "not as docs/formats.md"),
        (head + '"marks": 7}', "not as docs/formats.md"),
    ):
        file = FilePayload(name=f"{len(text)}.json", mimeType="application/json", buffer=text.encode())
        page.locator("#edit-file").set_input_files(file)
        expect(page.locator("#edit-note")).to_contain_text(f"{len(text)}.json was not loaded. ")
        expect(page.locator("#edit-note")).to_contain_text(wording)
    expect(page.locator("#edit-undo")).to_be_disabled()
