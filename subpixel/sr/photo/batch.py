"""Enlarges many files: plans the output of each, runs them, and counts the outcomes."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.errors import InputError, NonFiniteError, describe
from subpixel.sr._support.files import check_folder
from subpixel.sr._support.interrupt import Interrupt
from subpixel.sr.photo.photographs import Result, Settings, upscale_photograph
from subpixel.sr.photo.progress import BatchProgress
from subpixel.sr.photo.reading import SUFFIXES, check_name
from subpixel.sr.photo.video import RESULT_SUFFIXES, upscale_video
from subpixel.sr.photo.video_streams import CONTAINERS
from subpixel.sr.photo.writing import FORMATS

# A still GIF has a palette, which an enlarged image does not fit into; HEIC is read only.
_REPLACED_SUFFIXES = {".bmp": ".png", ".gif": ".png", ".heic": ".jpg", ".heif": ".jpg"}
_VIDEOS = CONTAINERS.keys() | RESULT_SUFFIXES.keys()
_WRITTEN = FORMATS.keys() | CONTAINERS.keys()


@dataclass(frozen=True)
class Job:
    """A file and that of its result; `problem` is why it cannot be enlarged, or ""."""

    source: Path
    target: Path
    problem: str = ""


@dataclass
class Outcome:
    """The numbers of files that were enlarged, present already, and failed; the last result."""

    done: int = 0
    present: int = 0
    failed: int = 0
    last: Result | None = None


def plan_jobs(
    inputs: Sequence[Path], output: Path | None, label: str, suffix: str | None = None
) -> tuple[list[Job], Counter[str]]:
    """Returns the jobs for files and folders, and how many files of other kinds there are.

    A folder is kept as a tree. A file that is given twice is done once.

    Args:
      inputs: files and folders.
      output: a folder, which may be a file for one input; None puts results beside their inputs.
      label: the end of the names of results beside their inputs: "x3" makes photo_x3.jpg.
      suffix: of the resulting images, such as ".png"; by default each keeps its own.

    Raises:
      InputError: if the output cannot be used, or a folder holds no images or videos.
    """
    if output is not None:
        if _names_file(inputs, output):
            if suffix is not None:
                raise InputError(f"{output} has a format by its name: leave out --format")
            check_folder(output.parent)
            return [_checked(Job(inputs[0], output), {})], Counter()
        check_folder(output)
    jobs: dict[tuple[str, str], Job] = {}
    taken: dict[str, Path] = {}
    others: Counter[str] = Counter()
    for given in inputs:
        folder = output or _folder_beside(given, label)
        found = False
        for source, problem in _files(given, folder):
            own = source.suffix.lower()
            if given.is_dir() and not problem and own not in SUFFIXES | _VIDEOS:
                others.update([own] if own and source.is_file() else [])
                continue
            found = True
            target = folder / (source.relative_to(given) if given.is_dir() else source.name)
            if own in _VIDEOS:
                target = target.with_suffix(RESULT_SUFFIXES.get(own, source.suffix))
            elif new := suffix or _REPLACED_SUFFIXES.get(own):
                target = target.with_suffix(new)
            if output is None and not given.is_dir():
                target = target.with_name(f"{target.stem}_{label}{target.suffix}")
            jobs.setdefault(
                (os.path.realpath(source), str(target)),
                _checked(Job(source, target, problem), taken),
            )
        if not found:
            raise InputError(f"the folder {given} holds no images or videos")
    return list(jobs.values()), others


def _names_file(inputs: Sequence[Path], output: Path) -> bool:
    if str(output) == "-":
        raise InputError("results are not written to stdout: name a file or a folder")
    if output.is_dir():
        return False
    known = output.suffix.lower() in _WRITTEN
    if len(inputs) == 1 and not inputs[0].is_dir():
        if output.suffix and not known:
            raise InputError(
                f"{output} has no suffix of a format that is written "
                f"({', '.join(sorted(_WRITTEN))}): change it; or, if it is to be a folder, create "
                "it first"
            )
        return known
    if known or output.exists():
        raise InputError(f"several files cannot be written to the one file {output}: name a folder")
    return False


def _folder_beside(given: Path, label: str) -> Path:
    if not given.is_dir():
        return given.parent
    # "." has no name of its own.
    whole = given.resolve()
    return whole.with_name(f"{whole.name}_{label}")


def _files(given: Path, output: Path) -> Iterator[tuple[Path, str]]:
    """Yields a file, or those below a folder; folders that cannot be listed with the reason.

    Names that begin with a dot are left out: they are of programs, as "._a.jpg" of macOS.
    """
    if not given.is_dir():
        yield given, ""
        return
    closed: list[OSError] = []
    # Results of an earlier run are not enlarged again, and a link may lead to itself.
    seen = {given.resolve(), output.resolve()}
    for folder, folders, names in os.walk(given, onerror=closed.append, followlinks=True):
        here, kept = Path(folder), []
        for name in sorted(folders):
            whole = (here / name).resolve()
            if not name.startswith(".") and whole not in seen:
                kept.append(name)
                seen.add(whole)
        folders[:] = kept
        yield from ((here / name, "") for name in sorted(names) if not name.startswith("."))
    yield from ((Path(error.filename), str(error)) for error in closed)


def _checked(job: Job, taken: dict[str, Path]) -> Job:
    """Returns the job, with its problem if its target is another job's or its own source."""
    problem = job.problem
    # Two names that differ in case only are one file on macOS and Windows.
    first = taken.setdefault(str(job.target).casefold(), job.source)
    if os.path.realpath(first) != os.path.realpath(job.source):
        problem = (
            f"{job.source} and {first} would both become {job.target}: enlarge them one after "
            "the other, into two folders"
        )
    elif job.target.exists() and job.source.exists() and job.source.samefile(job.target):
        problem = f"{job.source} would be replaced by its result: name another"
    return Job(job.source, job.target, problem)


def run_jobs(
    jobs: Sequence[Job], settings: Settings, overwrite: bool, progress: BatchProgress
) -> Outcome:
    """Runs every job, and reports the failures; `overwrite` replaces what is there already."""
    outcome = Outcome()
    # An exception from a signal handler is lost while libvips or FFmpeg call Python.
    with Interrupt() as interrupt:

        def advance(done: float, total: float | None) -> None:
            if interrupt.signal is not None:
                raise KeyboardInterrupt(interrupt.signal)
            progress.advance(done, total)

        for job in jobs:
            progress.begin(job.source)
            advance(0, None)
            # A device or a pipe is written into, and holds no result of an earlier call.
            if not job.problem and job.target.is_file() and not overwrite:
                outcome.present += 1
                continue
            try:
                if job.problem:
                    raise InputError(job.problem)
                if job.target.is_dir():
                    raise InputError(
                        f"{job.target} is a folder, where the result of {job.source} belongs"
                    )
                check_name(job.target)
                is_video = job.source.suffix.lower() in _VIDEOS
                upscale = upscale_video if is_video else upscale_photograph
                outcome.last = upscale(job.source, job.target, settings, advance)
            except (InputError, NonFiniteError, OSError) as error:
                outcome.failed += 1
                progress.say(f"error: {describe(error)}")
            else:
                outcome.done += 1
                progress.note(job.source, outcome.last.notes)
    return outcome
