// Enlarges a whole photograph and encodes it as PNG; only one row of tiles is held at a time.

/**
 * @param options {photograph, model, pool, software, advance, signal}: `advance` is told the part
 *   that is done, and `signal` stops the work.
 * @returns the file, a Blob.
 */
export async function encode({ photograph, model, pool, software, advance, signal }) {
  const encoder = new Encoder();
  try {
    const { width, height, hasAlpha } = photograph;
    const scale = model.scale;
    const texts = { Software: software };
    await encoder.call("start", { width: width * scale, height: height * scale, hasAlpha, texts });
    let done = 0;
    for (const row of photograph.rowsOfTiles()) {
      await encoder.call("strip", { height: row[0].height * scale });
      await Promise.all(
        row.map(async (place) => {
          const make = () => signal.aborted ? null : task(photograph, model, place);
          const result = await pool.run(make);
          signal.throwIfAborted();
          await encoder.call("tile", { x: place.x * scale, ...result }, [result.data.buffer]);
          done += place.width * place.height;
          advance(done / (width * height));
        }),
      );
      await encoder.call("write");
    }
    return await encoder.call("finish");
  } finally {
    encoder.end();
  }
}

function task(photograph, model, place) {
  const { hasAlpha } = photograph;
  return { model, method: "network", hasAlpha, asBitmap: false, ...photograph.cut(place, model.radius) };
}

class Encoder {
  #worker = new Worker(new URL("./png.js", import.meta.url), { type: "module" });
  #waiting = []; // the worker answers in the order of the calls

  constructor() {
    this.#worker.onmessage = ({ data: { result, error } }) => {
      const { resolve, reject } = this.#waiting.shift();
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    this.#worker.onerror = ({ message }) => {
      const error = new Error(`The PNG file cannot be written: ${message || "png.js cannot be loaded"}.`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
  }

  call(step, values = {}, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage({ step, values }, transfer);
    });
  }

  end() {
    this.#worker.terminate();
  }
}
