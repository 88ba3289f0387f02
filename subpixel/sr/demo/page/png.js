// A worker that encodes a PNG strip by strip: no canvas holds the whole image, and no colour is
// multiplied by alpha.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PAETH = 4;
const CRCS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

let size, channels, parts, writer, finished, previous, strip;

const steps = {
  /** Begins an image; `texts` go into its metadata. */
  start({ width, height, hasAlpha, texts }) {
    size = { width, height };
    channels = hasAlpha ? 4 : 3;
    const header = new DataView(new ArrayBuffer(13));
    header.setUint32(0, width);
    header.setUint32(4, height);
    header.setUint8(8, 8);
    header.setUint8(9, hasAlpha ? 6 : 2);
    parts = [Uint8Array.from(SIGNATURE), chunk("IHDR", new Uint8Array(header.buffer))];
    parts.push(chunk("sRGB", Uint8Array.from([0])));
    for (const [key, text] of Object.entries(texts)) {
      parts.push(chunk("tEXt", new TextEncoder().encode(`${key}\0${text}`)));
    }
    const { readable, writable } = new CompressionStream("deflate");
    writer = writable.getWriter();
    finished = collect(readable);
    previous = new Uint8Array(width * channels);
  },

  /** Begins a strip of rows. */
  strip({ height }) {
    strip = new Uint8Array(size.width * height * channels);
  },

  /** Puts a tile into the strip. */
  tile({ x, width, height, data }) {
    for (let row = 0; row < height; row++) {
      let to = (row * size.width + x) * channels;
      for (let from = row * width * 4; from < (row + 1) * width * 4; from += 4) {
        for (let c = 0; c < channels; c++) strip[to++] = data[from + c];
      }
    }
  },

  /** Compresses the strip. */
  async write() {
    await writer.write(filtered());
  },

  /** Returns the file. */
  async finish() {
    await writer.close();
    await finished;
    parts.push(chunk("IEND", new Uint8Array()));
    return new Blob(parts, { type: "image/png" });
  },
};

let last = Promise.resolve();
self.onmessage = ({ data: { step, values } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ result: await steps[step](values) });
    } catch (error) {
      self.postMessage({ error: String(error.message || error) });
    }
  });
};

async function collect(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    // A Blob lets the browser move what is compressed out of memory.
    parts.push(new Blob([chunk("IDAT", value)]));
  }
}

function filtered() {
  const row = size.width * channels;
  const count = strip.length / row;
  const result = new Uint8Array(count * (row + 1));
  for (let y = 0; y < count; y++) {
    const current = strip.subarray(y * row, (y + 1) * row);
    const start = y * (row + 1);
    result[start] = PAETH;
    for (let i = 0; i < row; i++) {
      const left = i < channels ? 0 : current[i - channels];
      const corner = i < channels ? 0 : previous[i - channels];
      result[start + 1 + i] = current[i] - predict(left, previous[i], corner);
    }
    previous = current;
  }
  previous = previous.slice();
  return result;
}

function predict(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

function chunk(type, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc(bytes.subarray(4, content.length + 8)));
  return bytes;
}

function crc(bytes) {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) value = CRCS[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
