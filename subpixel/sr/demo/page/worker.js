// A worker of the pool: enlarges tiles with ONNX Runtime Web on one thread.

import * as ort from "./ort/ort.wasm.bundle.min.js";
import { bicubic, enlarge, network } from "./pixels.js";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: new URL("./ort/ort-wasm-simd-threaded.wasm", import.meta.url).href };

const sessions = new Map();

self.onmessage = async ({ data: { id, task } }) => {
  try {
    const result = await run(task);
    self.postMessage({ id, result }, [result.data ? result.data.buffer : result]);
  } catch (error) {
    self.postMessage({ id, error: `${task.model.name} does not run: ${error.message || error}` });
  }
};

/** Enlarges a tile and returns the part that is kept, as bytes or as an ImageBitmap. */
async function run({ model, method, tile, keep, asBitmap }) {
  const enlarger =
    method === "bicubic" ? bicubic(model.scale) : network(await runner(model.file), model);
  const kept = crop(await enlarge(tile, enlarger), keep, model.scale);
  if (!asBitmap) return kept;
  return createImageBitmap(new ImageData(kept.data, kept.width, kept.height));
}

async function runner(file) {
  if (!sessions.has(file)) {
    const session = ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
    session.catch(() => sessions.delete(file)); // the next tile tries again
    sessions.set(file, session);
  }
  const session = await sessions.get(file);
  return async (planes, width, height) => {
    const channels = planes.length / (width * height);
    const input = new ort.Tensor("float32", planes, [1, channels, height, width]);
    const { output } = await session.run({ input });
    const data = output.data.slice();
    output.dispose();
    return data;
  };
}

function crop({ width, data }, keep, scale) {
  const [x, y, w, h] = [keep.x, keep.y, keep.width, keep.height].map((side) => side * scale);
  const kept = new Uint8ClampedArray(w * h * 4);
  for (let row = 0; row < h; row++) {
    const start = ((y + row) * width + x) * 4;
    kept.set(data.subarray(start, start + w * 4), row * w * 4);
  }
  return { width: w, height: h, data: kept };
}
