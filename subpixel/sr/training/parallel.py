"""Several devices and processes: every batch is divided over one mesh axis."""

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
from jaxtyping import UInt8

from subpixel.sr._support.errors import InputError
from subpixel.sr._support.interrupt import Interrupt

AXIS = "data"

# Number of steps after which the processes ask each other whether one has received a signal.
AGREE_EVERY = 10

# Seconds for which the other processes wait at the end for the first, which measures the networks.
PATIENCE = 24 * 3600


@contextmanager
def processes(coordinator: str | None, process: str | None, wait: int) -> Iterator[None]:
    """Connects the processes of a run inside the context, before any other use of JAX.

    Args:
      coordinator: HOST:PORT of the first process; "auto" where JAX finds it by itself, as under
        SLURM, Open MPI, Kubernetes and on TPU pods; None in a run of one process.
      process: number of this process, from 0, and number of processes: "0/4".
      wait: number of seconds within which all processes must connect. After it the process prints
        one line and ends with exit code 1, before JAX aborts with a stack trace.

    Raises:
      InputError: if an argument does not have this form, or JAX finds no coordinator.
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
        f"error: not all processes have met at the coordinator {coordinator} within {wait} s: it "
        "must be the address of process 0, and every process must be running\n"
    )
    timer = threading.Timer(wait, _end, [line])
    timer.daemon = True
    timer.start()
    try:
        # JAX's own limit is longer, so that the timer ends the process first.
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
            "--process must be the number of this process, from 0, and the number of processes, "
            f"such as 0/4; got {process!r}"
        )
    number, count = map(int, found.groups())
    return {"coordinator_address": coordinator, "num_processes": count, "process_id": number}


def _end(line: str) -> None:
    os.write(2, line.encode())
    os._exit(1)


def run_platform() -> str:
    """Returns the platform of the devices on which this process computes, such as "cpu"."""
    return jax.local_devices()[0].platform


def is_first() -> bool:
    """Whether this is the first process, which alone writes and prints."""
    return jax.process_index() == 0


@contextmanager
def first_before_others() -> Iterator[None]:
    """Runs its body in the first process, then in the others, which find its files written."""
    if jax.process_count() > 1 and not is_first():
        multihost_utils.sync_global_devices("the first process is done")
    yield
    if jax.process_count() > 1 and is_first():
        multihost_utils.sync_global_devices("the first process is done")


def agree(interrupt: Interrupt, step: int) -> int | None:
    """Returns the signal that any process has received, and records it in every process.

    The processes exchange it in every tenth step, so all of them stop after the same step.
    """
    if jax.process_count() == 1:
        return interrupt.signal
    if step % AGREE_EVERY:
        return None
    signals = multihost_utils.process_allgather(np.int32(interrupt.signal or 0))
    interrupt.signal = int(signals.max()) or None
    return interrupt.signal


def data_mesh(batch_size: int, axis_type: AxisType = AxisType.Auto) -> Mesh | None:
    """Returns the mesh of all devices of all processes, or None if there is only one device.

    Args:
      batch_size: number of patches in a batch.
      axis_type: type of the mesh axis; the training gives the same result with Auto and Explicit.

    Raises:
      InputError: if the number of devices does not divide the batch.
    """
    devices = jax.device_count()
    check_division(batch_size, devices)
    if devices == 1:
        return None
    return jax.make_mesh((devices,), (AXIS,), axis_types=(axis_type,))


def check_division(batch_size: int, devices: int) -> None:
    """Checks that a batch can be divided over a number of devices.

    Raises:
      InputError: if the number of devices does not divide the batch.
    """
    if batch_size % devices:
        raise InputError(
            f"data.batch_size, {batch_size}, must be a multiple of the {devices} devices over "
            f"which it is divided, such as {batch_size // devices * devices or devices}"
        )


def rows_of_process(batch_size: int) -> slice:
    """Returns the patches of a batch that this process reads."""
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """Copies arrays to every device."""
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def divide(batch: dict[str, UInt8[np.ndarray, "n _ _ c"]], mesh: Mesh | None) -> dict[str, Any]:
    """Builds one batch over all devices from the patches that each process has."""
    if mesh is None:
        return batch
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def local(tree: Any) -> Any:
    """Returns this process's copy of replicated arrays."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)


def over_devices(gradient: Callable[[Any, Any], Any], mesh: Mesh) -> Callable[[Any, Any], Any]:
    """Returns a function that averages `gradient` over devices, each on its part of the batch."""

    def mean(params, batch):
        # Marked as varying, so that gradients are summed once and not after each part of a batch.
        params = jax.tree.map(lambda x: jax.lax.pcast(x, AXIS, to="varying"), params)
        return jax.lax.pmean(gradient(params, batch), AXIS)

    whole, divided = PartitionSpec(), PartitionSpec(AXIS)
    return jax.shard_map(mean, mesh=mesh, in_specs=(whole, divided), out_specs=whole)
