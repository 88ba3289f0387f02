"""Enlarges many files: plans the output of each, runs them, and counts the outcomes."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.sr._support.errors import InputError, NonFiniteError, describe
from subpixel.sr._support.files import check_folder
from subpixel.sr._support.interrupt import Interrupt
from subpixel.sr.photo.photographs import Settings, upscale_photograph
from subpixel.sr.photo.progress import BatchProgress
from subpixel.sr.photo.reading import SUFFIXES, check_name
from subpixel.sr.photo.video import VIDEO_SUFFIXES, VideoEncoding, result_suffix, upscale_video
from subpixel.sr.photo.video_streams import WRITTEN_VIDEOS
from subpixel.sr.photo.writing import WRITTEN

# A still GIF has a palette, which an enlarged image does not fit into; HEIC is read only.
_REPLACED_SUFFIXES = {".gif": ".png", ".heic": ".jpg", ".heif": ".jpg"}
_SAME_FORMAT = {".jpeg": ".jpg", ".jfif": ".jpg", ".tif": ".tiff"}
_READ = SUFFIXES | VIDEO_SUFFIXES
# The end of a file's name; "results.2" is a folder.
_FILE_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}")


@dataclass(frozen=True)
class Job:
    """One file and the file of its result.

    Attributes:
      source: the file.
      target: the file that is written.
      problem: why the file cannot be enlarged, or "".
    """

    source: Path
    target: Path
    problem: str = ""


@dataclass
class Outcome:
    """The numbers of files that were enlarged, present already, and failed."""

    done: int = 0
    present: int = 0
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """0, or 1 if a file failed."""
        return 1 if self.failed else 0


def jobs_beside(inputs: Sequence[Path], label: str, suffix: str | None = None) -> list[Job]:
    """Returns the jobs for files and folders whose results lie beside them.

    Args:
      inputs: files and folders.
      label: the end of the results' names: "x3" makes photo_x3.jpg of photo.jpg.
      suffix: as in `plan_jobs`.

    Raises:
      InputError: as in `plan_jobs`.
    """
    jobs, taken = [], {}
    for given in inputs:
        if given.is_dir():
            jobs += _jobs_of_folder(given, label, suffix)
            continue
        renamed = _renamed(given, suffix)
        job = Job(given, renamed.with_name(f"{renamed.stem}_{label}{renamed.suffix}"))
        if (checked := _checked(job, taken)) is not None:
            jobs.append(checked)
    return jobs


def _jobs_of_folder(folder: Path, label: str, suffix: str | None) -> list[Job]:
    # "." has no name of its own.
    whole = folder.resolve()
    return plan_jobs([folder], whole.with_name(f"{whole.name}_{label}"), suffix)


def plan_jobs(inputs: Sequence[Path], output: Path, suffix: str | None = None) -> list[Job]:
    """Returns the jobs for files and folders.

    A folder is kept as a tree under the output folder. One file may be given a file's name;
    several files, and folders, need a folder. A file that is given twice is done once.

    Args:
      inputs: files and folders.
      output: file or folder.
      suffix: of the results, such as ".png"; by default each keeps its own.

    Raises:
      InputError: if the output cannot be used, or a folder holds no images or videos.
    """
    if str(output) == "-":
        raise InputError("results are not written to stdout: name a file or a folder")
    known = WRITTEN | WRITTEN_VIDEOS
    single = len(inputs) == 1 and not inputs[0].is_dir()
    names_file = output.suffix.lower() in known and not output.is_dir()
    if single and names_file:
        check_folder(output.parent)
        if suffix is not None and _other_format(output.suffix.lower(), suffix):
            raise InputError(
                f"{output} is no {suffix[1:]} file: leave out the format, or change it"
            )
        return [job for job in [_checked(Job(inputs[0], output), {})] if job is not None]
    if single and _FILE_SUFFIX.fullmatch(output.suffix) and not output.is_dir():
        raise InputError(
            f"{output} has no suffix of a format that is written ({', '.join(sorted(known))}): "
            "change it; or, if it is to be a folder, create it first"
        )
    if names_file or (output.exists() and not output.is_dir() and not single):
        raise InputError(f"several files cannot be written to the one file {output}: name a folder")
    check_folder(output)
    jobs, taken = [], {}
    for given in inputs:
        for source, relative, problem in _files(given, output):
            job = _checked(Job(source, output / _renamed(relative, suffix), problem), taken)
            if job is not None:
                jobs.append(job)
    return jobs


def other_files(inputs: Sequence[Path], output: Path | None) -> Counter[str]:
    """Returns how many files in the folders have each suffix that is not read."""
    folders = (given for given in inputs if given.is_dir())
    paths = (path for given in folders for path, _ in _walk(given, output or given))
    suffixes = (path.suffix.lower() for path in paths if path.suffix and path.is_file())
    return Counter(suffix for suffix in suffixes if suffix not in _READ)


def _files(given: Path, output: Path) -> Iterator[tuple[Path, Path, str]]:
    """Yields every file that is read, its path below the given folder, and its problem or ""."""
    if not given.is_dir():
        yield given, Path(given.name), ""
        return
    found = False
    for path, problem in _walk(given, output):
        if problem or path.suffix.lower() in _READ:
            found = True
            yield path, path.relative_to(given), problem
    if not found:
        raise InputError(f"the folder {given} holds no images or videos")


def _walk(given: Path, output: Path) -> Iterator[tuple[Path, str]]:
    """Yields the files below a folder, and the folders that cannot be listed with the reason.

    Names that begin with a dot are left out: they are of programs, as "._a.jpg" of macOS.
    """
    closed: list[OSError] = []
    seen = {given.resolve()}
    for folder, folders, names in os.walk(given, onerror=closed.append, followlinks=True):
        here, kept = Path(folder), []
        for name in sorted(folders):
            whole = (here / name).resolve()
            # Results of an earlier run are not enlarged again, and a link may lead to itself.
            if not (name.startswith(".") or whole in seen or _same(whole, output)):
                kept.append(name)
                seen.add(whole)
        folders[:] = kept
        yield from ((here / name, "") for name in sorted(names) if not name.startswith("."))
    yield from ((Path(error.filename), str(error)) for error in closed)


def _renamed(relative: Path, suffix: str | None) -> Path:
    own = relative.suffix.lower()
    if own in VIDEO_SUFFIXES:
        return relative.with_suffix(result_suffix(relative.suffix))
    new = suffix or _REPLACED_SUFFIXES.get(own)
    return relative.with_suffix(new) if new else relative


def _other_format(one: str, other: str) -> bool:
    return _SAME_FORMAT.get(one, one) != _SAME_FORMAT.get(other, other)


def _checked(job: Job, taken: dict[str, Path]) -> Job | None:
    """Returns the job, with its problem if it has one; None if it was planned already."""
    if job.problem:
        return job
    # Two names that differ in case only are one file on macOS and Windows.
    key = str(job.target).casefold()
    first = taken.setdefault(key, job.source)
    if first is not job.source and _same(first, job.source):
        return None
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
    """Runs every job, and reports the failures.

    Args:
      jobs: the files to enlarge.
      settings: models, size and encoding.
      video: encoding of videos.
      overwrite: whether results that are there already are replaced.
      progress: receives every event.

    Returns:
      The numbers of enlarged, present and failed files.
    """
    outcome = Outcome()
    # An exception from a signal handler is lost while libvips or FFmpeg call Python.
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
    # A device or a pipe is written into, and holds no result of an earlier call.
    if not job.problem and job.target.is_file() and not overwrite:
        outcome.present += 1
        progress.skip()
        return
    try:
        if job.problem:
            raise InputError(job.problem)
        notes = _run(job, settings, video, progress, interrupt)
    except (InputError, NonFiniteError, OSError) as error:
        outcome.failed += 1
        progress.fail(describe(error))
    else:
        outcome.done += 1
        progress.finish(job.source, notes)


def _run(
    job: Job,
    settings: Settings,
    video: VideoEncoding,
    progress: BatchProgress,
    interrupt: Interrupt,
) -> Sequence[str]:
    check_name(job.source)
    check_name(job.target)
    if job.target.is_dir():
        raise InputError(f"{job.target} is a folder, where the result of {job.source} belongs")

    def advance(pixels: int) -> None:
        _stop_after(interrupt)
        progress.advance(pixels)

    def advance_video(done: float, total: float | None, pixels: int) -> None:
        _stop_after(interrupt)
        progress.video(job.source, done, total, pixels)

    progress.begin(job.source)
    if job.source.suffix.lower() in VIDEO_SUFFIXES:
        return upscale_video(job.source, job.target, settings, video, advance_video)
    return upscale_photograph(job.source, job.target, settings, advance)
