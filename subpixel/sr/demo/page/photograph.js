// Decodes a file and cuts it into tiles.

import { isAnimated } from "./animated.js";
import { overlapOf } from "./pixels.js";

const TILE = 128; // pixels of the photograph that a tile keeps, to each side
const STRIP = 256; // rows that are decoded at once
const PREVIEW = 2048; // the longer side of the preview
const MOST_PIXELS = 100e6; // 400 MB of bytes

export class Photograph {
  /**
   * @param name of the file.
   * @param strips Uint8ClampedArrays of STRIP rows, RGBA.
   * @param preview an ImageBitmap, shown until tiles are there.
   */
  constructor({ name, width, height, strips, hasAlpha, preview }) {
    Object.assign(this, { name, width, height, strips, hasAlpha, preview });
  }

  /** Decodes a file upright, with its colours in sRGB. */
  static async decode(file) {
    if (isAnimated(new Uint8Array(await file.arrayBuffer()))) {
      throw new Error(`${file.name} is animated, and only still images are enlarged: save one of its frames.`);
    }
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      throw new Error(`${file.name} is not an image that this browser reads.`);
    }
    const { width, height } = bitmap;
    try {
      if (width * height > MOST_PIXELS) {
        throw new Error(`${file.name} has ${width} × ${height} pixels; at most 100 megapixels are enlarged.`);
      }
      const strips = await readStrips(bitmap);
      const hasAlpha = strips.some(isTransparent);
      // A canvas multiplies colours by alpha, which loses what WebGL keeps.
      const exact = hasAlpha ? await readUnmultiplied(file, width, height) : null;
      const preview = await shrink(bitmap);
      const { name } = file;
      return new Photograph({ name, width, height, strips: exact ?? strips, hasAlpha, preview });
    } finally {
      bitmap.close();
    }
  }

  /** Places of the tiles, row by row: arrays of {x, y, width, height}. */
  rowsOfTiles() {
    const rows = [];
    for (let y = 0; y < this.height; y += TILE) {
      const row = [];
      for (let x = 0; x < this.width; x += TILE) {
        const [width, height] = [Math.min(TILE, this.width - x), Math.min(TILE, this.height - y)];
        row.push({ x, y, width, height });
      }
      rows.push(row);
    }
    return rows;
  }

  /** The tiles that a rectangle of the photograph touches. */
  tilesWithin(left, top, right, bottom) {
    const rows = this.rowsOfTiles().filter(([{ y, height }]) => y < bottom && y + height > top);
    return rows.flat().filter(({ x, width }) => x < right && x + width > left);
  }

  /** Returns a tile with the pixels around it that its result depends on, and what to keep. */
  cut({ x, y, width, height }, radius) {
    const overlap = overlapOf(radius, this.hasAlpha);
    const left = Math.max(x - overlap, 0);
    const top = Math.max(y - overlap, 0);
    const right = Math.min(x + width + overlap, this.width);
    const bottom = Math.min(y + height + overlap, this.height);
    const data = new Uint8ClampedArray((right - left) * (bottom - top) * 4);
    for (let row = top; row < bottom; row++) {
      const start = (row % STRIP) * this.width + left;
      const strip = this.strips[Math.floor(row / STRIP)];
      data.set(strip.subarray(start * 4, (start + right - left) * 4), (row - top) * (right - left) * 4);
    }
    return {
      tile: { width: right - left, height: bottom - top, data },
      keep: { x: x - left, y: y - top, width, height },
    };
  }
}

function shrink(bitmap) {
  const factor = Math.min(PREVIEW / Math.max(bitmap.width, bitmap.height), 1);
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.ceil(side * factor));
  return createImageBitmap(bitmap, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
}

async function readStrips(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = Math.min(STRIP, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  const strips = [];
  for (let y = 0; y < bitmap.height; y += STRIP) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, -y);
    const height = Math.min(STRIP, bitmap.height - y);
    strips.push(context.getImageData(0, 0, bitmap.width, height).data);
    await new Promise((resolve) => setTimeout(resolve)); // the page answers between strips
  }
  return strips;
}

function isTransparent(strip) {
  for (let i = 3; i < strip.length; i += 4) if (strip[i] !== 255) return true;
  return false;
}

/** Returns the strips with the colours that the file holds, or null without such a WebGL. */
async function readUnmultiplied(file, width, height) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const options = { imageOrientation: "from-image", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, options);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  bitmap.close();
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return null;
  const strips = [];
  for (let y = 0; y < height; y += STRIP) {
    const rows = Math.min(STRIP, height - y);
    const strip = new Uint8ClampedArray(width * rows * 4);
    gl.readPixels(0, y, width, rows, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(strip.buffer));
    strips.push(strip);
  }
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return failed ? null : strips;
}
