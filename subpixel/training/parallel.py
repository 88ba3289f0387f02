"""Several devices and processes: one mesh axis, over which every batch is divided."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from subpixel.errors import InputError

AXIS = "data"


def data_mesh(batch_size: int) -> Mesh | None:
    """Returns the mesh of all devices of all processes, or None where there is only one.

    Raises:
      InputError: if the devices do not divide the batch.
    """
    devices = jax.device_count()
    if batch_size % devices:
        raise InputError(
            f"data.batch_size, {batch_size}, must be a multiple of the {devices} devices over "
            f"which it is divided: {batch_size // devices * devices or devices} is"
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
