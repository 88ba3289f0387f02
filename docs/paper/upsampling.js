// The three upsamplings of arXiv 1609.07009 on one channel, with the conventions of `subpixel`.
//
// An image is an array of rows, a signal an image of one row; `scales` is [rows, columns], so a
// signal has the scales [1, r]. Kernels are those of `subpixel.kernels`: zero insertion and the
// transposed convolution share one of k*r taps per axis, the low-resolution convolution has one of
// k taps for each phase. Padding is "SAME", the order of the phases "dcr": row by row.
//
// A plain script, because browsers load no modules from file://. Node reads it with `require`.
"use strict";

const upsampling = (() => {
  const grid = (height, width, value) =>
    Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => value(y, x)));
  const size = (image) => [image.length, image[0].length];
  const at = (image, y, x) => image[y]?.[x] ?? 0; // 0 outside: the padding

  /** Number of low-resolution taps per axis, [rows, columns]. */
  function tapsPerPhase(kernel, scales) {
    const taps = size(kernel).map((length, axis) => length / scales[axis]);
    if (!taps.every(Number.isInteger)) {
      throw new RangeError(`a kernel of ${size(kernel)} taps is no multiple of the scale ${scales}`);
    }
    return taps;
  }

  /** Padding before the zero-inserted image, as `subpixel.kernels.same_padding` returns it. */
  function paddingBefore(kernel, scales) {
    return tapsPerPhase(kernel, scales).map(
      (k, axis) => scales[axis] * Math.floor((k - 1) / 2) + scales[axis] - 1,
    );
  }

  /** Kernel of k*r taps -> one kernel of k taps for each phase: tap r*t + r-1-b is tap t of b. */
  function splitPhases(kernel, [ry, rx]) {
    const [ky, kx] = tapsPerPhase(kernel, [ry, rx]);
    return grid(ry, rx, (by, bx) =>
      grid(ky, kx, (ty, tx) => kernel[ry * ty + ry - 1 - by][rx * tx + rx - 1 - bx]),
    ).flat();
  }

  /** The inverse of `splitPhases`. */
  function mergePhases(phases, [ry, rx]) {
    const [ky, kx] = size(phases[0]);
    return grid(ky * ry, kx * rx, (y, x) => {
      const [by, bx] = [ry - 1 - (y % ry), rx - 1 - (x % rx)];
      return phases[by * rx + bx][Math.floor(y / ry)][Math.floor(x / rx)];
    });
  }

  /** r - 1 zeros after every pixel. */
  function insertZeros(image, [ry, rx]) {
    const [height, width] = size(image);
    return grid(height * ry, width * rx, (y, x) =>
      y % ry || x % rx ? 0 : image[y / ry][x / rx],
    );
  }

  /** Ordinary convolution with strides of 1; the padding gives as many pixels as there are. */
  function convolve(image, kernel, [low, left]) {
    const [height, width] = size(image);
    return grid(height, width, (y, x) => {
      let sum = 0;
      kernel.forEach((row, i) =>
        row.forEach((tap, j) => (sum += tap * at(image, y + i - low, x + j - left))),
      );
      return sum;
    });
  }

  /** Zeros between the pixels, then a convolution of the large image. */
  function zeroInsert(image, kernel, scales) {
    return convolve(insertZeros(image, scales), kernel, paddingBefore(kernel, scales));
  }

  /** Every pixel adds its multiple of the reversed kernel to the large image, which is cropped. */
  function convTranspose(image, kernel, scales) {
    const [height, width] = size(image);
    const [low, left] = paddingBefore(kernel, scales);
    const large = grid(height * scales[0], width * scales[1], () => 0);
    image.forEach((row, y) =>
      row.forEach((pixel, x) =>
        kernel.forEach((taps, i) =>
          taps.forEach((tap, j) => {
            const [v, u] = [scales[0] * y + low - i, scales[1] * x + left - j];
            if (large[v]?.[u] !== undefined) large[v][u] += tap * pixel;
          }),
        ),
      ),
    );
    return large;
  }

  /** Low-resolution convolution: one image for each phase. */
  function phaseImages(image, phases) {
    const before = size(phases[0]).map((k) => Math.floor((k - 1) / 2));
    return phases.map((kernel) => convolve(image, kernel, before));
  }

  /** Pixel shuffle of r*r low-resolution images. */
  function pixelShuffle(images, [ry, rx]) {
    const [height, width] = size(images[0]);
    return grid(height * ry, width * rx, (y, x) =>
      images[(y % ry) * rx + (x % rx)][Math.floor(y / ry)][Math.floor(x / rx)],
    );
  }

  /** A low-resolution convolution, then a pixel shuffle. */
  function subpixel(image, phases, scales) {
    return pixelShuffle(phaseImages(image, phases), scales);
  }

  /**
   * The products of zero insertion for the output pixel [y, x], tap by tap.
   *
   * `pixel` is the place of the factor in the image, which may lie in the padding; it is null
   * for an inserted zero.
   */
  function products(image, kernel, scales, [y, x]) {
    const [low, left] = paddingBefore(kernel, scales);
    return kernel.flatMap((row, i) =>
      row.map((tap, j) => {
        const place = [(y + i - low) / scales[0], (x + j - left) / scales[1]];
        const pixel = place.every(Number.isInteger) ? place : null;
        return { tap: [i, j], weight: tap, pixel, value: pixel ? at(image, ...pixel) : 0 };
      }),
    );
  }

  /** Numbers of products for a whole image: with padding, and before the transposed crop. */
  function productCounts([height, width], kernel, [ry, rx]) {
    const [taps, pixels] = [kernel.length * kernel[0].length, height * width];
    const low = taps / (ry * rx);
    return {
      zero_insert: pixels * ry * rx * taps,
      conv_transpose: pixels * taps,
      subpixel: pixels * ry * rx * low,
    };
  }

  return {
    convTranspose, insertZeros, mergePhases, paddingBefore, phaseImages, pixelShuffle,
    productCounts, products, splitPhases, subpixel, tapsPerPhase, zeroInsert,
  };
})();

if (typeof module !== "undefined") module.exports = upsampling;
