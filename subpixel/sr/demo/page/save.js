// Enlarges a whole photograph and encodes it as PNG.

/**
 * @param options {photograph, model, pool, advance, signal}: `advance` is told the part that is
 *   done, and `signal` stops the work.
 * @returns the file, a Blob.
 */
export async function encode({ photograph, model, pool, advance, signal }) {
  const { scale } = model;
  const [width, height] = [photograph.width * scale, photograph.height * scale];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true, colorSpace: "srgb" });
  const tooLarge = new Error(`This browser does not hold an image of ${width} × ${height} pixels: choose a smaller photograph, or use the command \`subpixel upscale\`.`);
  if (!context) throw tooLarge;
  let done = 0;
  let failed = false;
  const draw = async (place) => {
    const task = () => ({ model, method: "network", ...photograph.cut(place, model.radius) });
    const tile = await pool.run(() => (signal.aborted || failed ? null : task()));
    signal.throwIfAborted();
    if (!tile) throw tooLarge;
    const [x, y] = [place.x * scale, place.y * scale];
    context.putImageData(new ImageData(tile.data, tile.width, tile.height), x, y);
    // Some browsers draw nothing on a canvas that is too large for them, without an error.
    const { data } = context.getImageData(x, y, 1, 1);
    failed ||= data.some((value, i) => value !== tile.data[i]);
    if (failed) throw tooLarge;
    done += place.width * place.height;
    advance(done / (photograph.width * photograph.height));
  };
  await Promise.all(photograph.tilesWithin(0, 0, photograph.width, photograph.height).map(draw));
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw tooLarge;
  return blob;
}
