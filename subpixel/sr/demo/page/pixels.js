// Enlarges one tile by the rules of `subpixel upscale`: subpixel.sr.inference.colour.py.
//
// An image is {width, height, channels, data}: a Float32Array, channels last, 0 is black and 1 is
// white. An `enlarger` takes an RGB image and resolves to the enlarged image.

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
export function overlapOf(radius) {
  return Math.max(radius, BICUBIC_RADIUS);
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
    const { width, height } = image;
    const values = await run(channels === 3 ? toPlanes(image) : toLuma(image), width, height);
    const data = channels === 3 ? fromPlanes(values) : toRgb(values, resize(toChroma(image), scale).data);
    return { width: width * scale, height: height * scale, channels: 3, data };
  };
}

/**
 * Enlarges a tile of bytes.
 *
 * @param tile {width, height, data}: RGBA in 0..255, opaque.
 * @returns {width, height, data}: RGBA in 0..255, rounded halves up.
 */
export async function enlarge({ width, height, data }, enlarger) {
  const rgb = new Float32Array(width * height * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * 4 + (i % 3)] / 255;
  const hr = await enlarger({ width, height, channels: 3, data: rgb });
  const bytes = new Uint8ClampedArray(hr.width * hr.height * 4).fill(255);
  for (let i = 0; i < hr.data.length; i++) {
    const value = Math.min(Math.max(hr.data[i], 0), 1);
    bytes[Math.floor(i / 3) * 4 + (i % 3)] = Math.floor(value * 255 + 0.5);
  }
  return { width: hr.width, height: hr.height, data: bytes };
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

function toPlanes({ data }) {
  const size = data.length / 3;
  return data.map((_, i) => data[(i % size) * 3 + Math.floor(i / size)]);
}

function fromPlanes(planes) {
  const size = planes.length / 3;
  return planes.map((_, i) => planes[(i % 3) * size + Math.floor(i / 3)]);
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
