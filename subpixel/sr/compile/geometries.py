"""Transposed convolutions to measure: layers of well-known networks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """One layer, channels last, batch first, padding "SAME"."""

    name: str
    x: tuple[int, ...]
    """Shape of the input, (n, s1, ..., sd, in)."""
    taps: tuple[int, ...]
    stride: int
    out: int
    """Number of channels of the output."""

    @property
    def strides(self) -> tuple[int, ...]:
        return (self.stride,) * len(self.taps)

    @property
    def kernel(self) -> tuple[int, ...]:
        """Shape of the kernel, (k1, ..., kd, in, out)."""
        return (*self.taps, self.x[-1], self.out)

    @property
    def y(self) -> tuple[int, ...]:
        """Shape of the output, (n, q1, ..., qd, out)."""
        return (self.x[0], *(size * self.stride for size in self.x[1:-1]), self.out)


GEOMETRIES = (
    Geometry("ESPCN x3 head", (16, 32, 32, 32), (9, 9), 3, 1),
    Geometry("FSRCNN x3 head", (16, 32, 32, 56), (9, 9), 3, 1),
    Geometry("DCGAN", (16, 16, 16, 256), (4, 4), 2, 128),
    Geometry("U-Net", (4, 32, 32, 256), (2, 2), 2, 128),
    Geometry("autoencoder", (8, 32, 32, 128), (3, 3), 2, 64),
    Geometry("5x5", (8, 32, 32, 64), (5, 5), 2, 32),
    Geometry("HiFi-GAN", (4, 100, 512), (16,), 8, 256),
    Geometry("audio", (4, 2048, 128), (4,), 2, 64),
    Geometry("V-Net", (1, 16, 16, 16, 64), (2, 2, 2), 2, 32),
    Geometry("3-D 3", (1, 16, 16, 16, 32), (3, 3, 3), 2, 16),
)
