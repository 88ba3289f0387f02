// Finds out from a file's bytes whether its image is animated; browsers decode one frame only.

/** @param bytes the whole file, a Uint8Array. */
export function isAnimated(bytes) {
  const text = (start, end) => String.fromCharCode(...bytes.subarray(start, end));
  if (text(0, 3) === "GIF") return hasTwoFrames(bytes);
  if (text(1, 4) === "PNG") return hasChunk(bytes, "acTL");
  if (text(0, 4) === "RIFF" && text(8, 16) === "WEBPVP8X") return (bytes[20] & 2) !== 0;
  return text(4, 12) === "ftypavis";
}

/** Whether a PNG file has a chunk of a type before its pixels. */
function hasChunk(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += view.getUint32(at) + 12) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === wanted) return true;
    if (type === "IDAT") return false;
  }
  return false;
}

function hasTwoFrames(bytes) {
  const tableSize = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const afterBlocks = (at) => {
    while (bytes[at]) at += bytes[at] + 1;
    return at + 1;
  };
  let frames = 0;
  let at = 13 + tableSize(bytes[10]);
  while (at < bytes.length) {
    if (bytes[at] === 0x21) {
      at = afterBlocks(at + 2); // an extension
    } else if (bytes[at] === 0x2c) {
      if (++frames === 2) return true;
      at = afterBlocks(at + 11 + tableSize(bytes[at + 9]));
    } else {
      return false; // the end of the file
    }
  }
  return false;
}
