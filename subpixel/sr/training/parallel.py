"""Several devices and processes: one mesh axis, over which every batch is divided."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from subpixel.sr.errors import InputError
from subpixel.sr.training.interrupt import Interrupt

AXIS = "data"

# Steps between the moments at which processes ask each other whether one was told to stop.
AGREE_EVERY = 10

# Seconds for which processes that are done wait for the first, which goes on to measure.
PATIENCE = 24 * 3600


@contextmanager
def processes(coordinator: str | None, process: str | None, wait: int) -> Iterator[None]:
    """Joins the processes of a run, before JAX is used for anything else, and leaves at the end.

    Args:
      coordinator: HOST:PORT of the first process; "auto" where JAX finds it by itself, as under
        SLURM, Open MPI, Kubernetes and on TPU pods; None in a run of one process.
      process: this one's number, from 0, and how many there are: "0/4".
      wait: seconds within which all of them must have come. JAX would abort with a trace of its
        own; instead the process ends with a line and exit code 1.

    Raises:
      InputError: if an argument is not of that form, or there is nothing for JAX to find.
    """
    if wait < 1:
        raise InputError(f"--wait must be at least 1 second; got {wait}")
    if coordinator is None:
        if process is not None:
            raise InputError(f"--process={process} needs --coordinator, HOST:PORT of process 0")
        yield
        return
    where = {} if coordinator == "auto" else _place(coordinator, process)
    line = (
        f"error: not all processes have met at the coordinator {coordinator} within {wait} s: its "
        "address must be that of process 0, and every process must be running\n"
    )
    timer = threading.Timer(wait, _end, [line])
    timer.daemon = True
    timer.start()
    try:
        # The timer comes first.
        jax.distributed.initialize(
            **where,
            initialization_timeout=wait + 60,
            shutdown_timeout_seconds=PATIENCE,
        )
    except (ValueError, RuntimeError) as error:
        raise InputError(f"--coordinator={coordinator} cannot be used: {error}") from error
    finally:
        timer.cancel()
    yield
    jax.distributed.shutdown()


def _place(coordinator: str, process: str | None) -> dict[str, Any]:
    if not re.fullmatch(r".+:\d+", coordinator):
        raise InputError(f'--coordinator must be HOST:PORT or "auto"; got {coordinator!r}')
    found = re.fullmatch(r"(\d+)/(\d+)", process or "")
    if not found or int(found[1]) >= int(found[2]):
        raise InputError(
            "--process must be this process's number, from 0, and how many there are, such as 0/4; "
            f"got {process!r}"
        )
    number, count = map(int, found.groups())
    return {
        "coordinator_address": coordinator,
        "num_processes": count,
        "process_id": number,
    }


def _end(line: str) -> None:
    os.write(2, line.encode())
    os._exit(1)


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return jax.process_index() == 0


@contextmanager
def first_before_others() -> Iterator[None]:
    """Lets the first process do what it writes for all, then the others, who find it done."""
    if jax.process_count() > 1 and not is_first():
        multihost_utils.sync_global_devices("the first process is done")
    yield
    if jax.process_count() > 1 and is_first():
        multihost_utils.sync_global_devices("the first process is done")


def agree(interrupt: Interrupt, step: int) -> int | None:
    """Returns the signal by which any process was told to stop, and notes it in every one.

    They ask each other in some steps only, in which the answer is the same for all.
    """
    if jax.process_count() == 1:
        return interrupt.signal
    if step % AGREE_EVERY:
        return None
    signals = multihost_utils.process_allgather(np.int32(interrupt.signal or 0))
    interrupt.signal = int(signals.max()) or None
    return interrupt.signal


def data_mesh(batch_size: int) -> Mesh | None:
    """Returns the mesh of all devices of all processes, or None where there is only one.

    Raises:
      InputError: if the devices do not divide the batch.
    """
    devices = jax.device_count()
    if batch_size % devices:
        raise InputError(
            f"data.batch_size, {batch_size}, must be a multiple of the {devices} devices over "
            f"which it is divided, such as {batch_size // devices * devices or devices}"
        )
    if devices == 1:
        return None
    return jax.make_mesh((devices,), (AXIS,), axis_types=(AxisType.Auto,))


def rows_of_process(batch_size: int) -> slice:
    """Returns which patches of a batch this process reads."""
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """Places arrays on every device."""
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def divide(batch: dict[str, np.ndarray], mesh: Mesh | None) -> dict[str, Any]:
    """Makes one batch over all devices of the rows that each process has."""
    if mesh is None:
        return batch
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def local(tree: Any) -> Any:
    """Returns this process's own copy of arrays that every device has."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)


def over_devices(gradient: Callable[[Any, Any], Any], mesh: Mesh) -> Callable[[Any, Any], Any]:
    """Returns the mean over the devices of what each computes from its share of the batch."""

    def mean(params, batch):
        # Each device's own copy: its gradient is summed once, not after each part of the batch.
        params = jax.tree.map(lambda x: jax.lax.pcast(x, AXIS, to="varying"), params)
        return jax.lax.pmean(gradient(params, batch), AXIS)

    whole, divided = PartitionSpec(), PartitionSpec(AXIS)
    return jax.shard_map(mean, mesh=mesh, in_specs=(whole, divided), out_specs=whole)
