"""Pixels of HEIF pictures: coded pieces through FFmpeg, tiles put together, then cropped, turned and mirrored.

AVIF, which OpenCV decodes, takes the crop and the turn alone from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from jaxtyping import Shaped, UInt8

from mien.core.errors import SourceError
from mien.core.settings import thread_count
from mien.media.boxes import Fields
from mien.media.heif import HeifFile
from mien.media.orientation import UPRIGHT, Orientation

CODECS = {
    b"hvc1": ("hevc", b"hvcC"),
    b"av01": ("libdav1d", b"av1C"),
    b"avc1": ("h264", b"avcC"),
    b"jpeg": ("mjpeg", b"jpgC"),
}
"""FFmpeg's name for each kind of coded item, and the property that prepares its decoder."""
BLOCK = 64
"""Pixels to whose multiple codecs round up the sides of what they decode."""
LIMITED, FULL = 1, 2
"""FFmpeg's names for luma from 16 to 235, and from 0 to 255."""


@dataclass(frozen=True, slots=True)
class Crop:
    """The middle part of a picture (the clean aperture of ISO/IEC 14496-12).

    Attributes:
        width: pixels, at least 1.
        height: pixels, at least 1.
        right: pixels from the picture's middle to the crop's.
        down: pixels from the picture's middle to the crop's.
    """

    width: int
    height: int
    right: float
    down: float

    def upright(self, image: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h2 w2 c"]:
        """That part of ``image``; what would lie outside of it is left out."""
        height, width = image.shape[:2]
        left = min(max(round((width - self.width) / 2 + self.right), 0), width - 1)
        top = min(max(round((height - self.height) / 2 + self.down), 0), height - 1)
        return image[top : top + self.height, left : left + self.width]


Change = Crop | Orientation


def changes_of(file: HeifFile, item: int) -> list[Change]:
    """What is done to an item's pixels before they are shown, in this order."""
    changes: list[Change] = []
    for box in file.properties.get(item, ()):
        fields = Fields(file.data[box.start : box.end])
        if box.kind == b"irot":
            changes.append(Orientation(-fields.number(1) % 4))
        elif box.kind == b"imir":
            # 1 swaps left and right; 0 top and bottom, which is that and half a turn.
            changes.append(Orientation(0, True) if fields.number(1) & 1 else Orientation(2, True))
        elif box.kind == b"clap":
            changes += _clap(fields)
    return changes


def turn_of(changes: Sequence[Change]) -> Orientation:
    """All turns and mirrorings of ``changes`` as one."""
    whole = UPRIGHT
    for change in changes:
        whole = whole.then(change) if isinstance(change, Orientation) else whole
    return whole


def _clap(fields: Fields) -> list[Change]:
    numbers = [(fields.signed(4), fields.signed(4)) for _ in range(4)]
    if any(below <= 0 for _, below in numbers):
        return []
    width, height, right, down = (above / below for above, below in numbers)
    return [Crop(round(width), round(height), right, down)] if min(round(width), round(height)) > 0 else []


def decode_heif(file: HeifFile, name: str, max_pixels: int) -> UInt8[np.ndarray, "h w c"]:
    """The pixels of the picture to show, as stored: RGB, or RGB and alpha.

    Args:
        file: what was read of it.
        name: what to call it.
        max_pixels: of the whole; more are refused before they are decoded.

    Raises:
        SourceError: a kind of picture or codec that this build cannot decode, or a torn one.
    """
    colours = _decode_item(file, file.primary, name, max_pixels)
    alpha = file.alpha_of(file.resolved(file.primary))
    if alpha is None:
        return colours
    opacity = _decode_item(file, alpha, name, max_pixels)
    if opacity.shape != colours.shape:
        raise _torn(name, "whose transparency has another size")
    return np.dstack([colours, opacity[..., :1]])


def _decode_item(file: HeifFile, item: int, name: str, max_pixels: int) -> UInt8[np.ndarray, "h w 3"]:
    item = file.resolved(item)
    if file.kinds.get(item) == b"grid":
        return _decode_grid(file, item, name, max_pixels)
    _demand_size(file.size(item), name, max_pixels)
    return next(_decode_coded(file, [item], item, name))[1]


def _decode_grid(file: HeifFile, item: int, name: str, max_pixels: int) -> UInt8[np.ndarray, "h w 3"]:
    grid = file.grid(item)
    if grid is None:
        raise _torn(name, "whose tiles do not fit together")
    width, height = file.size(grid.tiles[0])
    _demand_size((width, height), name, max_pixels)
    _demand_size((grid.width, grid.height), name, max_pixels)
    beyond = grid.columns * width - grid.width, grid.rows * height - grid.height
    # No tile may lie outside as a whole: a small picture must not ask for the decoding of endless tiles.
    if not (0 <= beyond[0] < width and 0 <= beyond[1] < height):
        raise _torn(name, "whose tiles do not fit together")
    image = np.empty((grid.height, grid.width, 3), np.uint8)
    for number, tile in _decode_coded(file, grid.tiles, item, name):
        top, left = number // grid.columns * height, number % grid.columns * width
        if tile.shape[:2] != (height, width):
            raise _torn(name, "whose tiles differ in size")
        image[top : top + height, left : left + width] = tile[: grid.height - top, : grid.width - left]
    return image


def _demand_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    if not 0 < size[0] * size[1] <= max_pixels:
        raise _torn(name, f"a part of which claims {size[0]} x {size[1]} pixels")


def _decode_coded(
    file: HeifFile, items: Sequence[int], whole: int, name: str
) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"]]]:
    """The place in ``items`` and the pixels of each; ``whole`` knows the colours where an item does not."""

    def setting(place: int) -> tuple[bytes, bytes]:
        kind = file.kinds.get(items[place], b"")
        if kind not in CODECS:
            raise _unknown(name, kind.decode("ascii", "backslashreplace") or "nothing")
        return kind, file.first(items[place], CODECS[kind][1])

    for (kind, preparation), places in groupby(range(len(items)), setting):
        yield from _Decoder(file, items, whole, name).decode(kind, preparation, list(places))


@dataclass(frozen=True)
class _Decoder:
    """Decodes items of one setting in one go, so that tiles keep all cores busy."""

    file: HeifFile
    items: Sequence[int]
    whole: int
    name: str

    def decode(
        self, kind: bytes, preparation: bytes, places: list[int]
    ) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"]]]:
        context = self._context(kind, preparation, self.file.size(self.items[places[0]]))
        left, most = set(places), len(self.file.data)
        for place in (*places, None):
            packet = None
            if place is not None:
                content = self.file.content(self.items[place])
                most -= len(content or b"")
                if content is None or most < 0:
                    raise _torn(self.name, "which is cut off")
                packet = av.Packet(content)
                packet.pts = place
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError as error:
                raise _torn(self.name, "whose pixels cannot be decoded") from error
            for frame in frames:
                done = frame.pts
                if done is None or done not in left or frame.is_corrupt:
                    raise _torn(self.name, "whose pixels cannot be decoded")
                left.discard(done)
                yield done, self._pixels(frame, self.items[done])
        if left:
            raise _torn(self.name, "whose pixels cannot be decoded")

    def _context(self, kind: bytes, preparation: bytes, size: tuple[int, int]) -> VideoCodecContext:
        codec = CODECS[kind][0]
        try:
            context = av.CodecContext.create(codec, "r")
        except av.codec.codec.UnknownCodecError as error:
            raise _unknown(self.name, codec) from error
        assert isinstance(context, VideoCodecContext)
        context.extradata = preparation or None
        context.thread_type, context.thread_count = "AUTO", thread_count()
        # What is coded must not be larger than what was said; a damaged part must not come out grey.
        most = (size[0] + BLOCK) * (size[1] + BLOCK)
        context.options = {"max_pixels": str(most), "err_detect": "explode"}
        return context

    def _pixels(self, frame: VideoFrame, item: int) -> UInt8[np.ndarray, "h w 3"]:
        self._set_colours(frame, item)
        try:
            return frame.reformat(format="rgb24").to_ndarray()
        except (av.error.FFmpegError, OSError, ValueError) as error:  # a matrix that FFmpeg does not know
            raise _torn(self.name, "whose colours cannot be converted") from error

    def _set_colours(self, frame: VideoFrame, item: int) -> None:
        """Let the container's word on the colours, where there is one, count before that of the coded pixels."""
        said = [*self.file.all_of(item, b"colr"), *self.file.all_of(self.whole, b"colr")]
        numbers = next((one for one in said if one[:4] == b"nclx" and len(one) >= 11), None)
        if numbers is not None:
            frame.colorspace = int.from_bytes(numbers[8:10], "big")
            frame.color_range = FULL if numbers[10] & 0x80 else LIMITED


def _torn(name: str, what: str) -> SourceError:
    return SourceError("a whole picture file", f"{name}, {what}", "copy it again, or save it as JPEG or PNG")


def _unknown(name: str, codec: str) -> SourceError:
    return SourceError(
        "a HEIF picture of a codec this build can decode", f"{name}, coded as {codec}", "save it as JPEG"
    )
