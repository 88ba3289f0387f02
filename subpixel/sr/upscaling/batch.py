"""Enlarges many files: which file goes where, and what became of each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr.errors import InputError, NonFiniteError
from subpixel.sr.training.interrupt import Interrupt
from subpixel.sr.upscaling.photographs import Settings, upscale_photograph
from subpixel.sr.upscaling.progress import BatchProgress
from subpixel.sr.upscaling.reading import SUFFIXES
from subpixel.sr.upscaling.video import VIDEO_SUFFIXES, VideoEncoding, upscale_video
from subpixel.sr.upscaling.writing import WRITTEN

# A still GIF has a palette, which an enlarged image does not fit into.
_REPLACED_SUFFIXES = {".gif": ".png"}


@dataclass(frozen=True)
class Job:
    """One file and where its result goes.

    Attributes:
      source: the file.
      target: the file that is written.
      problem: why it cannot be done, or "".
    """

    source: Path
    target: Path
    problem: str = ""


@dataclass
class Outcome:
    """How many files were enlarged, were there already, and failed."""

    done: int = 0
    present: int = 0
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """0, or 1 if a file failed."""
        return 1 if self.failed else 0


def plan_jobs(inputs: Sequence[Path], output: Path, suffix: str | None = None) -> list[Job]:
    """Returns what is to be done.

    A folder is kept as a tree under the output folder. One file may be given a file's name;
    several files, and folders, need a folder.

    Args:
      inputs: files and folders.
      output: file or folder.
      suffix: of the results, such as ".png"; by default each keeps its own.

    Raises:
      InputError: if the output cannot be what it must be, or a folder holds nothing.
    """
    known = WRITTEN | VIDEO_SUFFIXES
    single = len(inputs) == 1 and not inputs[0].is_dir()
    names_file = output.suffix.lower() in known and not output.is_dir()
    if single and names_file:
        return [_checked(Job(inputs[0], output), {})]
    if names_file or output.is_file():
        raise InputError(f"several files cannot be written to the one file {output}: name a folder")
    jobs, taken = [], {}
    for given in inputs:
        for source, relative in _files(given, output):
            job = Job(source, output / _renamed(relative, suffix))
            jobs.append(_checked(job, taken))
    return jobs


def _files(given: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    if not given.is_dir():
        yield given, Path(given.name)
        return
    found = False
    for folder, folders, names in os.walk(given):
        here = Path(folder)
        # Results of an earlier run are not enlarged again.
        folders[:] = sorted(f for f in folders if not _same(here / f, output))
        for name in sorted(names):
            path = here / name
            if path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES:
                found = True
                yield path, path.relative_to(given)
    if not found:
        raise InputError(f"the folder {given} holds no images or videos")


def _renamed(relative: Path, suffix: str | None) -> Path:
    own = relative.suffix.lower()
    if own in VIDEO_SUFFIXES:
        return relative
    new = suffix or _REPLACED_SUFFIXES.get(own)
    return relative.with_suffix(new) if new else relative


def _checked(job: Job, taken: dict[str, Path]) -> Job:
    # Two names that differ in case only are one file on macOS and Windows.
    key = str(job.target).casefold()
    first = taken.setdefault(key, job.source)
    if first is not job.source:
        return Job(
            job.source,
            job.target,
            f"{job.source} and {first} would both become {job.target}: enlarge them one after "
            "the other, into two folders",
        )
    if _same(job.source, job.target):
        return Job(
            job.source, job.target, f"{job.source} would be replaced by its result: name another"
        )
    return job


def _same(a: Path, b: Path) -> bool:
    try:
        return a.exists() and b.exists() and a.samefile(b)
    except OSError:
        return False


def run_jobs(
    jobs: Sequence[Job],
    settings: Settings,
    video: VideoEncoding,
    overwrite: bool,
    progress: BatchProgress,
) -> Outcome:
    """Does every job, and names what cannot be done.

    Args:
      jobs: what is to be done.
      settings: how.
      video: encoding of videos.
      overwrite: whether results that are there already are replaced.
      progress: is told of everything.

    Returns:
      What became of them.
    """
    outcome = Outcome()
    # An exception that a signal raises is lost when it comes while libvips or FFmpeg call Python.
    with Interrupt() as interrupt:
        for job in jobs:
            _stop_after(interrupt)
            _do(job, settings, video, overwrite, progress, outcome, interrupt)
    return outcome


def _stop_after(interrupt: Interrupt) -> None:
    if interrupt.signal is not None:
        raise KeyboardInterrupt(interrupt.signal)


def _do(
    job: Job,
    settings: Settings,
    video: VideoEncoding,
    overwrite: bool,
    progress: BatchProgress,
    outcome: Outcome,
    interrupt: Interrupt,
) -> None:
    if not job.problem and job.target.exists() and not job.target.is_dir() and not overwrite:
        outcome.present += 1
        progress.skip()
        return
    try:
        if job.problem:
            raise InputError(job.problem)
        notes = _run(job, settings, video, progress, interrupt)
    except (InputError, NonFiniteError, OSError) as error:
        outcome.failed += 1
        progress.fail(str(error))
    else:
        outcome.done += 1
        progress.finish([f"{job.source}: {note}" for note in notes])


def _run(
    job: Job,
    settings: Settings,
    video: VideoEncoding,
    progress: BatchProgress,
    interrupt: Interrupt,
) -> Sequence[str]:
    if job.target.is_dir():
        raise InputError(f"{job.target} is a folder, where the result of {job.source} belongs")

    def advance(pixels: int) -> None:
        _stop_after(interrupt)
        progress.advance(pixels)

    def advance_video(path: Path, done: float, total: float | None, pixels: int) -> None:
        _stop_after(interrupt)
        progress.video(path, done, total, pixels)

    if job.source.suffix.lower() in VIDEO_SUFFIXES:
        return upscale_video(job.source, job.target, settings, video, advance_video)
    progress.begin(job.source)
    return upscale_photograph(job.source, job.target, settings, advance)
