// Enlarges one tile by the rules of `subpixel upscale`: subpixel.sr.inference.colour.py.
//
// An image is {width, height, channels, data}: a Float32Array, channels last, 0 is black and 1 is
// white. An `enlarger` takes an image of 1 or 3 channels and resolves to the enlarged image.

// BT.601 in studio range with MATLAB's digits: subpixel/image/_color.py.
const FROM_RGB = [
  [65.481, 128.553, 24.966],
  [-37.797, -74.203, 112],
  [112, -93.786, -18.214],
].map((row) => row.map((value) => value / 255));
const OFFSET = [16, 128, 128];
const TO_RGB = inverse(FROM_RGB);
const BICUBIC_RADIUS = 2;

/** How many pixels to each side an output pixel depends on. */
export function overlapOf(radius, hasAlpha) {
  const opaque = Math.max(radius, BICUBIC_RADIUS);
  // The colours of invisible pixels spread from their neighbours before they are enlarged.
  return hasAlpha ? 2 * opaque + 1 : opaque;
}

/** Returns the enlarger of bicubic interpolation. */
export function bicubic(scale) {
  return (image) => resize(image, scale);
}

/**
 * Returns the enlarger of a network.
 *
 * @param run planar values and sizes -> planar values of the enlarged image.
 * @param model its scale and channels: 1 for luma, 3 for RGB.
 */
export function network(run, { scale, channels }) {
  return async (image) => {
    const output = (data) => ({
      width: image.width * scale, height: image.height * scale, channels: image.channels, data,
    });
    const grey = image.channels === 1;
    if (channels === 3) {
      const planes = grey ? repeated(image.data, 3) : toPlanes(image);
      const rgb = await run(planes, image.width, image.height);
      return output(grey ? meanOfPlanes(rgb, 3) : fromPlanes(rgb, 3));
    }
    if (grey) {
      const luma = await run(image.data.map((v) => (v * 219 + 16) / 255), image.width, image.height);
      return output(luma.map((v) => (v * 255 - 16) / 219));
    }
    const luma = await run(toLuma(image), image.width, image.height);
    return output(toRgb(luma, resize(toChroma(image), scale).data));
  };
}

/**
 * Enlarges a tile of bytes.
 *
 * @param tile {width, height, data}: RGBA in 0..255.
 * @param hasAlpha whether the whole image has a pixel that is not opaque.
 * @param radius how many pixels to each side an output pixel of the enlarger depends on.
 * @returns {width, height, data}: RGBA in 0..255, rounded halves up.
 */
export async function enlarge(tile, enlarger, hasAlpha, radius) {
  let colours = select(tile, [0, 1, 2]);
  if (!hasAlpha) return toBytes(await enlarger(colours));
  const alpha = select(tile, [3]);
  colours = spreadColours(colours, alpha, Math.max(radius, BICUBIC_RADIUS) + 1);
  return toBytes(await enlarger(colours), await enlargeAlpha(alpha, enlarger));
}

/** MATLAB's bicubic by a whole number: rows first, then columns. */
function resize(image, scale) {
  return resizeColumns(resizeRows(image, scale), scale);
}

function resizeRows({ width, height, channels, data }, scale) {
  const { indices, weights, count } = taps(height, scale);
  const row = width * channels;
  const result = new Float32Array(height * scale * row);
  for (let y = 0; y < height * scale; y++) {
    for (let i = 0; i < row; i++) {
      let sum = 0;
      for (let t = y * count; t < (y + 1) * count; t++) sum += weights[t] * data[indices[t] * row + i];
      result[y * row + i] = sum;
    }
  }
  return { width, height: height * scale, channels, data: result };
}

function resizeColumns({ width, height, channels, data }, scale) {
  const { indices, weights, count } = taps(width, scale);
  const result = new Float32Array(width * scale * height * channels);
  let out = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width * scale; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let t = x * count; t < (x + 1) * count; t++) {
          sum += weights[t] * data[(y * width + indices[t]) * channels + c];
        }
        result[out++] = sum;
      }
    }
  }
  return { width: width * scale, height, channels, data: result };
}

/** The source pixels of each output pixel and their weights; the border mirrors the image. */
function taps(size, scale) {
  const count = 4;
  const indices = new Int32Array(size * scale * count);
  const weights = new Float64Array(size * scale * count);
  for (let i = 0; i < size * scale; i++) {
    const centre = (i + 0.5) / scale - 0.5;
    const first = Math.floor(centre) - 1;
    for (let t = 0; t < count; t++) {
      const around = (((first + t) % (2 * size)) + 2 * size) % (2 * size);
      indices[i * count + t] = Math.min(around, 2 * size - 1 - around);
      weights[i * count + t] = cubic(centre - first - t);
    }
  }
  return { indices, weights, count };
}

/** Keys' cubic convolution kernel with a = -0.5. */
function cubic(distance) {
  const x = Math.abs(distance);
  if (x <= 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x <= 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

function select({ width, height, data }, channels) {
  const count = channels.length;
  const values = new Float32Array(width * height * count);
  for (let p = 0; p < width * height; p++) {
    for (let c = 0; c < count; c++) values[p * count + c] = data[p * 4 + channels[c]] / 255;
  }
  return { width, height, channels: count, data: values };
}

function toLuma({ width, height, data }) {
  const [r, g, b] = FROM_RGB[0];
  const luma = new Float32Array(width * height);
  for (let p = 0, i = 0; p < luma.length; p++, i += 3) {
    luma[p] = r * data[i] + g * data[i + 1] + b * data[i + 2] + OFFSET[0] / 255;
  }
  return luma;
}

function toChroma({ width, height, data }) {
  const chroma = new Float32Array(width * height * 2);
  for (let i = 0, out = 0; i < data.length; i += 3) {
    for (const row of [1, 2]) {
      const [r, g, b] = FROM_RGB[row];
      chroma[out++] = r * data[i] + g * data[i + 1] + b * data[i + 2] + OFFSET[row] / 255;
    }
  }
  return { width, height, channels: 2, data: chroma };
}

function toRgb(luma, chroma) {
  const rgb = new Float32Array(luma.length * 3);
  for (let p = 0; p < luma.length; p++) {
    const y = luma[p] - OFFSET[0] / 255;
    const cb = chroma[2 * p] - OFFSET[1] / 255;
    const cr = chroma[2 * p + 1] - OFFSET[2] / 255;
    for (let c = 0; c < 3; c++) {
      const [a, b, d] = TO_RGB[c];
      rgb[p * 3 + c] = a * y + b * cb + d * cr;
    }
  }
  return rgb;
}

function toPlanes({ width, height, channels, data }) {
  const size = width * height;
  const planes = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) planes[(i % channels) * size + Math.floor(i / channels)] = data[i];
  return planes;
}

function fromPlanes(planes, channels) {
  const size = planes.length / channels;
  const data = new Float32Array(planes.length);
  for (let i = 0; i < data.length; i++) data[i] = planes[(i % channels) * size + Math.floor(i / channels)];
  return data;
}

function repeated(plane, count) {
  const planes = new Float32Array(plane.length * count);
  for (let i = 0; i < count; i++) planes.set(plane, i * plane.length);
  return planes;
}

function meanOfPlanes(planes, count) {
  const size = planes.length / count;
  return Float32Array.from({ length: size }, (_, p) => {
    let sum = 0;
    for (let c = 0; c < count; c++) sum += planes[c * size + p];
    return sum / count;
  });
}

/** Gives invisible pixels the mean colour of their known neighbours, step by step. */
function spreadColours(image, alpha, steps) {
  const { width, height, channels } = image;
  let known = Uint8Array.from(alpha.data, (value) => (value > 0 ? 1 : 0));
  const visible = known.reduce((sum, value) => sum + value, 0);
  if (visible === 0 || visible === known.length) return image;
  let data = image.data;
  for (let step = 0; step < steps; step++) {
    const nextKnown = known.slice();
    const next = data.slice();
    for (let p = 0; p < known.length; p++) {
      if (known[p]) continue;
      const around = neighbours(p, width, height).filter((q) => known[q]);
      if (!around.length) continue;
      for (let c = 0; c < channels; c++) {
        next[p * channels + c] =
          around.reduce((sum, q) => sum + data[q * channels + c], 0) / around.length;
      }
      nextKnown[p] = 1;
    }
    data = next;
    known = nextKnown;
  }
  return { ...image, data };
}

/** Enlarges alpha like a grey image and keeps it within the range of its 3x3 neighbourhood. */
async function enlargeAlpha(alpha, enlarger) {
  const enlarged = await enlarger(alpha);
  const scale = enlarged.width / alpha.width;
  const values = enlarged.data.slice();
  for (let p = 0; p < alpha.data.length; p++) {
    const around = neighbours(p, alpha.width, alpha.height).map((q) => alpha.data[q]);
    const lowest = Math.min(...around);
    const highest = Math.max(...around);
    const top = Math.floor(p / alpha.width) * scale;
    const left = (p % alpha.width) * scale;
    for (let y = top; y < top + scale; y++) {
      for (let i = y * enlarged.width + left; i < y * enlarged.width + left + scale; i++) {
        values[i] = Math.min(Math.max(values[i], lowest), highest);
      }
    }
  }
  return { ...enlarged, data: values };
}

function neighbours(p, width, height) {
  const x = p % width;
  const y = Math.floor(p / width);
  const found = [];
  for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
    for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) found.push(v * width + u);
  }
  return found;
}

function toBytes({ width, height, data }, alpha) {
  const bytes = new Uint8ClampedArray(width * height * 4);
  const level = (value) => Math.floor(Math.min(Math.max(value, 0), 1) * 255 + 0.5);
  for (let p = 0; p < width * height; p++) {
    for (let c = 0; c < 3; c++) bytes[p * 4 + c] = level(data[p * 3 + c]);
    bytes[p * 4 + 3] = alpha ? level(alpha.data[p]) : 255;
  }
  return { width, height, data: bytes };
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
