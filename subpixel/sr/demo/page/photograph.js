// Decodes a file and cuts it into tiles.

import { overlapOf } from "./pixels.js";

const TILE = 128; // pixels of the photograph that a tile keeps, to each side
const STRIP = 256; // rows that are looked through at once
const PREVIEW = 2048; // the longer side of the preview
const MOST_PIXELS = 100e6; // 400 MB of bytes

export class Photograph {
  /** @param preview an ImageBitmap, shown until tiles are there. */
  constructor({ name, bitmap, preview }) {
    Object.assign(this, { name, bitmap, preview, width: bitmap.width, height: bitmap.height });
  }

  /** Decodes a file upright, with its colours in sRGB. */
  static async decode(file) {
    await refuseAnimated(file);
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      throw new Error(`${file.name} is not an image that this browser reads.`);
    }
    try {
      const { width, height } = bitmap;
      if (width * height > MOST_PIXELS) {
        throw new Error(`${file.name} has ${width} × ${height} pixels; at most 100 megapixels are enlarged.`);
      }
      await refuseTransparent(bitmap, file.name);
      const factor = Math.min(PREVIEW / Math.max(width, height), 1);
      const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.ceil(side * factor));
      const options = { resizeWidth, resizeHeight, resizeQuality: "high" };
      return new Photograph({ name: file.name, bitmap, preview: await createImageBitmap(bitmap, options) });
    } catch (error) {
      bitmap.close();
      throw error;
    }
  }

  close() {
    this.bitmap.close();
    this.preview.close();
  }

  /** Places of the tiles that a rectangle of the photograph touches: {x, y, width, height}. */
  tilesWithin(left, top, right, bottom) {
    const first = (value) => Math.max(Math.floor(value / TILE), 0) * TILE;
    const places = [];
    for (let y = first(top); y < Math.min(bottom, this.height); y += TILE) {
      for (let x = first(left); x < Math.min(right, this.width); x += TILE) {
        const [width, height] = [Math.min(TILE, this.width - x), Math.min(TILE, this.height - y)];
        places.push({ x, y, width, height });
      }
    }
    return places;
  }

  /** Returns a tile with the pixels around it that its result depends on, and what to keep. */
  cut({ x, y, width, height }, radius) {
    const overlap = overlapOf(radius);
    const [left, top] = [Math.max(x - overlap, 0), Math.max(y - overlap, 0)];
    const right = Math.min(x + width + overlap, this.width);
    const bottom = Math.min(y + height + overlap, this.height);
    const context = contextOf(right - left, bottom - top);
    context.drawImage(this.bitmap, -left, -top);
    const { data } = context.getImageData(0, 0, right - left, bottom - top);
    return {
      tile: { width: right - left, height: bottom - top, data },
      keep: { x: x - left, y: y - top, width, height },
    };
  }
}

function contextOf(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
}

/** Refuses several frames: browsers decode the first one only. */
async function refuseAnimated(file) {
  const advice = "save one of its frames as PNG or JPEG.";
  if (!("ImageDecoder" in self)) {
    if (!/^image\/(gif|webp|avif|apng)$/.test(file.type)) return;
    throw new Error(`This browser does not tell whether ${file.name} is animated: ${advice}`);
  }
  let frames = 1;
  try {
    const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type });
    await Promise.all([decoder.tracks.ready, decoder.completed]);
    frames = decoder.tracks.selectedTrack.frameCount;
    decoder.close();
  } catch {
    return; // what is no image is named where it is decoded
  }
  if (frames > 1) throw new Error(`${file.name} is animated, and only still images are enlarged: ${advice}`);
}

async function refuseTransparent(bitmap, name) {
  const { width, height } = bitmap;
  const context = contextOf(width, Math.min(STRIP, height));
  for (let y = 0; y < height; y += STRIP) {
    context.clearRect(0, 0, width, STRIP);
    context.drawImage(bitmap, 0, -y);
    const { data } = context.getImageData(0, 0, width, Math.min(STRIP, height - y));
    for (let i = 3; i < data.length; i += 4) {
      if (data[i] === 255) continue;
      throw new Error(`${name} is transparent, and opaque photographs are enlarged here: the command \`subpixel upscale\` keeps transparency.`);
    }
    await new Promise((resolve) => setTimeout(resolve)); // the page answers between strips
  }
}
