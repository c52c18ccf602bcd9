"""Frames of a video that tell what happens in it: where the picture changes, and spread over its time.

A child's module (`app.utils.children`). The container is read through a file object and by one named demuxer, so that
no name in it can open another file or a socket. Times are those of decoded frames, never of headers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.jobs.child import Answer, Job, Refused, serve

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    Small = np.ndarray[Any, Any]

MAX_PIXELS = 36_000_000
"""Of one frame: 8K passes."""
CANDIDATES = 48
LISTING, DECODING = 1.2, 1.5
"""Seconds of work for listing a file's packets, and for decoding where there are too few key frames to go by. On a
busy machine each may take twice as long."""
SPARSE = 12.0
"""Seconds between key frames from which on they alone do not tell what happens."""
CUT = 12.0
"""Of 255: how much the mean pixel of a thumbnail changes where one scene ends and the next begins."""
_THUMB = (64, 36)


@dataclass(slots=True)
class Candidate:
    """A frame that may be told. change: how far it is from the one before."""

    at: float
    change: float
    jpeg: bytes


def load() -> Callable[[Job], Answer]:
    import av
    import cv2

    av.logging.set_level(av.logging.PANIC)
    cv2.setNumThreads(1)
    return look


def look(job: Job) -> Answer:
    """job: `path`, `format` (FFmpeg's demuxer), `edge`, `most`. The answer's `pictures` name JPEG files in the folder,
    oldest first, each with `at` in seconds; `duration` is the last moment seen."""
    import av

    try:
        found, last = _candidates(job)
    except (av.FFmpegError, ValueError, OSError) as broken:
        raise Refused("unreadable", "the video is broken or cut off") from broken
    if not found:
        raise Refused("unreadable", "no frame of the video can be read")
    chosen = choose(found, job["most"])
    return {"pictures": [_written(index, one) for index, one in enumerate(chosen)], "duration": round(last, 3)}


def _candidates(job: Job) -> tuple[list[Candidate], float]:
    with open(job["path"], "rb") as source:
        container, stream = _opened(source, job["format"])
        with container:
            keys, last = _listed(container, stream)
        source.seek(0)
        container, stream = _opened(source, job["format"])
        with container:
            frames = _way(container, stream, keys, last)
            found = _looked_at(frames, job["edge"])
    start = found[0].at if found else 0.0
    if keys and stream.time_base:
        start = min(start, float(min(keys) * stream.time_base))
    for one in found:
        one.at = max(0.0, one.at - start)
    end = float(last * stream.time_base) - start if stream.time_base else 0.0
    return found, max(end, found[-1].at) if found else 0.0


def _opened(source: Any, demuxer: str) -> tuple[InputContainer, VideoStream]:
    import av

    options = {"protocol_whitelist": "", "format_whitelist": demuxer, "enable_drefs": "0", "probesize": "5000000"}
    if demuxer != "mov":
        del options["enable_drefs"]
    container = av.open(source, "r", format=demuxer, options=options, buffer_size=2**18)
    try:
        stream = _moving(container)
        _check_size(stream.codec_context)
        stream.codec_context.thread_count = 1
    except BaseException:
        container.close()
        raise
    return container, stream


def _check_size(seen: VideoCodecContext | VideoFrame) -> None:
    if seen.width * seen.height > MAX_PIXELS:
        raise Refused("unreadable", "the video's frames are larger than is read here")


def _moving(container: InputContainer) -> VideoStream:
    """Its first stream of pictures that is no cover of a recording."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if getattr(stream, "codec_context", None) is None:
                raise Refused("unsupported", "the video's codec is not known here")
            return stream
    if container.streams.audio:
        raise Refused("unsupported", "it holds sound only, no pictures")
    raise Refused("unreadable", "there is no video in it")


def _listed(container: InputContainer, stream: VideoStream) -> tuple[list[int], int]:
    """Times of its key frames, and the last time of all, in its time base; without decoding anything."""
    import av

    late, keys, last = _allowance(LISTING), [], 0
    try:
        for number, packet in enumerate(container.demux(stream)):
            moment = packet.pts if packet.pts is not None else packet.dts
            if moment is None:
                continue
            last = max(last, moment)
            if packet.is_keyframe:
                keys.append(moment)
            if number % 64 == 0 and late():
                break
    except av.FFmpegError:
        pass  # cut off: what came before may be whole
    return sorted(set(keys)), last


def _way(container: InputContainer, stream: VideoStream, keys: list[int], last: int) -> Iterator[VideoFrame]:
    """The frames to look at, by the cheapest way that shows enough of it."""
    span = float((last - min(keys)) * stream.time_base) if keys and stream.time_base else 0.0
    if len(keys) > CANDIDATES:
        return _sought(container, stream, keys)
    if len(keys) >= 4 and span / len(keys) <= SPARSE and len(keys) >= min(8.0, span / 2):
        return _decoded(container, stream, 0.0, span)
    return _decoded(container, stream, DECODING, span)


def _allowance(seconds: float) -> Callable[[], bool]:
    """Whether so much work was done since, or twice the time went by."""
    worked, began = time.process_time() + seconds, time.monotonic() + 2 * seconds
    return lambda: time.process_time() > worked or time.monotonic() > began


def _sought(container: InputContainer, stream: VideoStream, keys: list[int]) -> Iterator[VideoFrame]:
    """Key frames, evenly spread over all there are."""
    import av

    stream.codec_context.skip_frame = "NONKEY"
    seen: set[int] = set()
    for i in range(CANDIDATES):
        moment = keys[round(i * (len(keys) - 1) / (CANDIDATES - 1))]
        try:
            container.seek(moment, stream=stream)
            frame = next(container.decode(stream), None)
        except av.FFmpegError:
            continue
        if isinstance(frame, av.VideoFrame) and frame.pts is not None and frame.pts not in seen:
            seen.add(frame.pts)
            yield frame


def _decoded(container: InputContainer, stream: VideoStream, seconds: float, span: float) -> Iterator[VideoFrame]:
    """All frames for so many seconds of work, then key frames only; of all of them no more than are wanted."""
    import av

    context, late = stream.codec_context, _allowance(seconds)
    context.skip_frame = "NONREF" if seconds and span > 5 else "DEFAULT" if seconds else "NONKEY"
    step, due, count = span / CANDIDATES, float("-inf"), 0
    try:
        for frame in container.decode(stream):
            if late():
                context.skip_frame = "NONKEY"
            at = frame.time
            if at is None or at >= due:
                due = (at if at is not None else due) + step
                count += 1
                yield frame
                if count >= 4 * CANDIDATES:
                    return
    except av.FFmpegError:
        return  # cut off: what came before can be told


def _looked_at(frames: Iterator[VideoFrame], edge: int) -> list[Candidate]:
    import cv2
    import numpy as np

    found: list[Candidate] = []
    before: Small | None = None
    for frame in frames:
        _check_size(frame)
        small = frame.reformat(*_THUMB, format="gray").to_ndarray().astype(np.int16)
        change = 255.0 if before is None else float(np.abs(small - before).mean())
        before = small
        scale = min(1.0, edge / max(frame.width, frame.height))
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        pixels = frame.reformat(width, height, format="bgr24", interpolation="AREA").to_ndarray()
        done, jpeg = cv2.imencode(".jpg", _upright(pixels, frame.rotation), [cv2.IMWRITE_JPEG_QUALITY, 82])
        if done:
            at = float(frame.time) if frame.time is not None else (found[-1].at + 0.04 if found else 0.0)
            found.append(Candidate(at, change, jpeg.tobytes()))
    return sorted(found, key=lambda one: one.at)


def _upright(pixels: Any, rotation: int) -> Any:
    import cv2

    turn = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}.get(rotation % 360)
    return pixels if turn is None else cv2.rotate(pixels, turn)


def choose(found: list[Candidate], most: int) -> list[Candidate]:
    """At most `most` of them, oldest first: the first, then where the picture changes most, for up to three quarters;
    what is left of the places goes where the longest time lies between two."""
    if len(found) <= most:
        return found
    taken = {0}
    cuts = sorted((i for i in range(1, len(found)) if found[i].change >= CUT), key=lambda i: -found[i].change)
    taken.update(cuts[: max(0, (most * 3) // 4 - 1)])
    while len(taken) < most:
        taken.add(max((i for i in range(len(found)) if i not in taken), key=lambda i: _distance(found, taken, i)))
    return [found[i] for i in sorted(taken)]


def _distance(found: list[Candidate], taken: set[int], index: int) -> float:
    """Seconds to the nearest one that is taken; where times stand still, places."""
    return min((abs(found[index].at - found[i].at), abs(index - i)) for i in taken)[0]


def _written(index: int, one: Candidate) -> dict[str, Any]:
    name = f"frame-{index}.jpg"
    with open(name, "wb") as file:
        file.write(one.jpeg)
    return {"file": name, "mime": "image/jpeg", "at": round(one.at, 3)}


if __name__ == "__main__":
    serve(load)
