// The figures of the page: each change of the state draws both anew.
"use strict";

const LAYOUTS = ["zero_insert", "conv_transpose", "subpixel"];
const NAMES = {
  zero_insert: "zero insertion",
  conv_transpose: "transposed convolution",
  subpixel: "low resolution, shuffle",
};
const MAX_SIGNAL = 8;
// A small image of our own: a slope, an edge and two dots.
const IMAGE = [
  [0, 1, 2, 3, 4, 8],
  [1, 8, 3, 4, 8, 8],
  [2, 3, 4, 8, 8, 1],
  [3, 4, 8, 8, 1, 0],
  [4, 8, 8, 1, 6, 0],
  [8, 8, 1, 0, 0, 0],
];

const state = { r: 3, k: 2, signal: [2, 1, 3, 4, -1, 2], kernel: [], kind: "smooth", x: 7, at: [7, 7] };
const element = (id) => document.getElementById(id);
const range = (length) => Array.from({ length }, (_, i) => i);
const text = (number) => String(Number(number.toPrecision(6))).replace("-", "−");
const phaseStyle = (by, bx) => `style="--by:${by};--bx:${bx}"`;

function counting() {
  return range(state.k * state.r).map((i) => i + 1);
}

/** Kernel whose phases all copy the pixel that they lie in. */
function nearest() {
  const centre = state.r * Math.floor((state.k - 1) / 2);
  return range(state.k * state.r).map((i) => Number(i >= centre && i < centre + state.r));
}

function smooth() {
  const taps = state.k * state.r;
  return range(taps).map((i) => Math.min(i + 1, taps - i));
}

/** Numbers between spaces or commas, or null where one is none. */
function parse(line) {
  const numbers = line.replaceAll("−", "-").split(/[\s,;]+/).filter(Boolean).map(Number);
  return numbers.every((n) => Number.isFinite(n) && Math.abs(n) < 1e6) ? numbers : null;
}

/** The three whole results for an image, each computed in its own way, and the phases. */
function results(image, kernel, scales) {
  const phases = upsampling.splitPhases(kernel, scales);
  return {
    phases,
    zero_insert: upsampling.zeroInsert(image, kernel, scales),
    conv_transpose: upsampling.convTranspose(image, kernel, scales),
    subpixel: upsampling.subpixel(image, phases, scales),
  };
}

const inside = (image, [y, x]) => image[y]?.[x] !== undefined;

/** What the sums say: the products that are left, and how many there were. */
function showSums(figure, image, products, values) {
  const met = products.filter(({ pixel }) => pixel);
  const real = met.filter(({ pixel }) => inside(image, pixel));
  const padding = met.length - real.length;
  const number = (n) => (n < 0 ? `(${text(n)})` : text(n));
  const terms = real.map(({ weight, value }) => `${number(weight)}·${number(value)}`);
  const sum = terms.length > 16 ? `${terms.slice(0, 4).join(" + ")} + …` : terms.join(" + ") || "0";
  const plural = (n) => `${n} product${n === 1 ? "" : "s"}`;
  const more = padding ? `, ${padding} with the padding` : "";
  const counts = {
    zero_insert: `${plural(products.length)}: ${products.length - met.length} with an inserted zero${more}`,
    conv_transpose: `${plural(real.length)}, none with a zero that was put in`,
    subpixel: `${plural(met.length)}${more}`,
  };
  for (const layout of LAYOUTS) {
    element(`${figure}-sum-${layout}`).innerHTML =
      `${sum} = <span class="value">${text(values[layout])}</span> <span class="count">(${counts[layout]})</span>`;
  }
  return counts.zero_insert;
}

function cell(content, classes, style = "") {
  return `<td class="${classes}" ${style}>${content}</td>`;
}

function drawLine() {
  const { r, k, x } = state;
  const scales = [1, r];
  const [image, kernel] = [[state.signal], [state.kernel]];
  const found = results(image, kernel, scales);
  const products = upsampling.products(image, kernel, scales, [0, x]);
  const [phase, q] = [x % r, Math.floor(x / r)];
  const length = state.signal.length * r;
  const phaseOfTap = (j) => r - 1 - (j % r);

  const output = element("line-output");
  const focused = output.contains(document.activeElement);
  output.innerHTML = range(length)
    .map(
      (i) => `<button type="button" role="radio" class="phase" ${phaseStyle(0, i % r)} data-index="${i}"
        aria-checked="${i === x}" tabindex="${i === x ? 0 : -1}"
        aria-label="output ${i}, phase ${i % r}, value ${text(found.subpixel[0][i])}">${text(found.subpixel[0][i])}</button>`,
    )
    .join("");
  if (focused) output.children[x].focus();

  const row = (title, cells) => `<tr><th scope="row">${title}</th>${cells.join("")}</tr>`;
  const kindOf = ({ pixel }) => (!pixel ? "zero" : inside(image, pixel) ? "plain" : "padding");
  element("line-zero_insert").innerHTML =
    row("signal with zeros", products.map((p) => cell(text(p.value), kindOf(p)))) +
    row("kernel", products.map((p) =>
      cell(text(p.weight), p.pixel ? "phase" : "phase faint", phaseStyle(0, phaseOfTap(p.tap[1]))))) +
    row("product", products.map((p) => cell(text(p.weight * p.value), kindOf(p))));

  const pixels = products.filter((p) => p.pixel && inside(image, p.pixel)).map((p) => p.pixel[1]);
  const low = upsampling.paddingBefore(kernel, scales)[1];
  const first = r * pixels[0] + low - k * r + 1;
  const columns = range(r * (pixels.length - 1) + k * r).map((i) => first + i);
  const columnClass = (o) => (o === x ? " chosen" : o < 0 || o >= length ? " cropped" : "");
  const positive = (n) => ((n % r) + r) % r;
  element("line-conv_transpose").innerHTML =
    `<thead><tr><th scope="row">output</th>${columns
      .map((o) => `<th scope="col" class="phase${columnClass(o)}" ${phaseStyle(0, positive(o))}>${
        o < 0 || o >= length ? "cut" : o}</th>`).join("")}</tr></thead><tbody>` +
    pixels.map((i) => row(`pixel ${i}: ${text(state.signal[i])} ×`, columns.map((o) => {
      const tap = r * i + low - o;
      if (tap < 0 || tap >= k * r) return cell("", "");
      const classes = o === x ? "phase chosen" : "phase faint";
      return cell(text(state.kernel[tap]), classes, phaseStyle(0, phaseOfTap(tap)));
    }))).join("") +
    row("sum", columns.map((o) => (o === x ? cell(text(found.conv_transpose[0][x]), "chosen") : cell("", "")))) +
    "</tbody>";

  const window = products.filter((p) => p.pixel);
  element("line-subpixel").innerHTML =
    row("signal", [...window.map((p) => cell(text(p.value), kindOf(p))), cell("", "")]) +
    found.phases.map((taps, b) => {
      const classes = b === phase ? "phase" : "phase faint";
      const value = found.subpixel[0][r * q + b];
      return row(`phase ${b}`, [
        ...taps[0].map((tap) => cell(text(tap), classes, phaseStyle(0, b))),
        cell(`${text(value)} → output ${r * q + b}`, `${classes}${b === phase ? " chosen" : ""}`, phaseStyle(0, b)),
      ]);
    }).join("");

  const values = Object.fromEntries(LAYOUTS.map((layout) => [layout, found[layout][0][x]]));
  const zeros = showSums("line", image, products, values);
  element("line-status").textContent =
    `Output ${x} = ${text(values.subpixel)}: phase ${phase} of input pixel ${q}. Zero insertion: ${zeros}.`;
  const scroll = element("line-conv_transpose").parentElement;
  const chosen = scroll.querySelector("th.chosen");
  if (chosen) scroll.scrollLeft = chosen.offsetLeft - scroll.clientWidth / 2;
}

const rect = (x, y, width, height, attributes) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" ${attributes}/>`;

/** Grey from 0 to the largest value, written as a colour. */
function grey(value, most) {
  const level = Math.round(255 * Math.min(1, Math.max(0, most ? value / most : 0)));
  return `fill="rgb(${level} ${level} ${level})"`;
}

function drawing(id, size, content) {
  const svg = element(id);
  svg.setAttribute("viewBox", `-0.15 -0.15 ${size + 0.3} ${size + 0.3}`);
  svg.innerHTML = content;
}

function planeKernel() {
  const line = { smooth, nearest, outer: () => state.kernel }[state.kind]();
  return line.map((a) => line.map((b) => a * b));
}

function drawPlane() {
  const { r, k, at: [y, x] } = state;
  const scales = [r, r];
  const kernel = planeKernel();
  const found = results(IMAGE, kernel, scales);
  const products = upsampling.products(IMAGE, kernel, scales, [y, x]);
  const met = products.filter((p) => p.pixel);
  const [phase, q] = [[y % r, x % r], [Math.floor(y / r), Math.floor(x / r)]];
  const n = IMAGE.length;
  const most = Math.max(...found.subpixel.flat());
  const [top, left] = met[0].pixel;

  drawing("plane-input", n,
    IMAGE.flatMap((row, v) => row.map((value, u) => rect(u, v, 1, 1, `class="cell" ${grey(value, 8)}`))).join("") +
    rect(left, top, k, k, 'class="window"') + rect(q[1], q[0], 1, 1, 'class="mark"'));

  drawing("plane-output", n * r,
    found.subpixel.flatMap((row, v) => row.map((value, u) =>
      rect(u, v, 1, 1, grey(value, most)) +
      rect(u, v, 0.32, 0.32, `class="phase" ${phaseStyle(v % r, u % r)}`))).join("") +
    rect(x, y, 1, 1, 'class="mark"'));

  const numbers = k * r <= 9;
  const font = 'font-size="0.4"';
  drawing("plane-zero_insert", k * r, products.map(({ tap: [v, u], pixel, weight }) => {
    const classes = pixel ? "cell phase" : "cell unused";
    const style = phaseStyle(...[v, u].map((j) => r - 1 - (j % r)));
    const cross = pixel ? "" :
      `<path class="cross" d="M${u} ${v}l1 1m-1 0l1 -1"/>`;
    const label = numbers ? `<text x="${u + 0.5}" y="${v + 0.5}" ${font}>${text(weight)}</text>` : "";
    return rect(u, v, 1, 1, `class="${classes}" ${style}`) + (pixel ? label : cross);
  }).join(""));
  element("plane-zero_insert").setAttribute("aria-label",
    `Kernel of ${k * r} by ${k * r} taps, of which ${met.length} meet pixels`);

  // The painted squares, in coordinates of the output; the drawing begins at the first of them.
  const low = upsampling.paddingBefore(kernel, scales)[0];
  const corner = (pixel) => r * pixel + low - k * r + 1;
  const [originY, originX] = [corner(top), corner(left)];
  const width = r * (k - 1) + k * r;
  drawing("plane-conv_transpose", width,
    range(width).flatMap((v) => range(width).map((u) => {
      const [oy, ox] = [v + originY, u + originX];
      const real = inside(found.subpixel, [oy, ox]);
      return rect(u, v, 1, 1, `class="cell unused" ${real ? "" : 'opacity="0.35"'}`);
    })).join("") +
    met.filter((p) => inside(IMAGE, p.pixel)).map(({ pixel }) =>
      rect(corner(pixel[1]) - originX, corner(pixel[0]) - originY, k * r, k * r,
        `class="phase paint" ${phaseStyle(...phase)}`)).join("") +
    rect(x - originX, y - originY, 1, 1, 'class="mark"'));
  element("plane-conv_transpose").setAttribute("aria-label",
    `${met.filter((p) => inside(IMAGE, p.pixel)).length} squares of ${k * r} by ${k * r} overlap at the chosen output`);

  const images = upsampling.phaseImages(IMAGE, found.phases);
  const pitch = n + 1;
  drawing("plane-subpixel", pitch * r - 1, images.map((image, b) => {
    const [by, bx] = [Math.floor(b / r), b % r];
    const [v, u] = [by * pitch, bx * pitch];
    const own = by === phase[0] && bx === phase[1];
    return image.flatMap((row, i) => row.map((value, j) => rect(u + j, v + i, 1, 1, grey(value, most)))).join("") +
      rect(u - 0.1, v - 0.1, n + 0.2, n + 0.2, `class="frame" ${phaseStyle(by, bx)}`) +
      (own ? rect(u + q[1], v + q[0], 1, 1, 'class="mark"') : "");
  }).join(""));
  element("plane-subpixel").setAttribute("aria-label",
    `${r * r} images of ${n} by ${n}, one for each phase; the chosen pixel is in that of phase ${phase}`);

  const values = Object.fromEntries(LAYOUTS.map((layout) => [layout, found[layout][y][x]]));
  const zeros = showSums("plane", IMAGE, products, values);
  element("plane-status").textContent =
    `Row ${y}, column ${x} = ${text(values.subpixel)}: phase (${phase.join(", ")}) of input pixel (${q.join(", ")}). ` +
    `Zero insertion: ${zeros}.`;

  const counts = upsampling.productCounts([n, n], kernel, scales);
  element("work").innerHTML =
    "<thead><tr><th></th><th scope=col>kernel</th><th scope=col>multiplications</th><th scope=col>ratio</th></tr></thead><tbody>" +
    LAYOUTS.map((layout) => {
      const shape = layout === "subpixel" ? `${k}×${k}, ${r * r} phases` : `${k * r}×${k * r}`;
      return `<tr><th scope="row">${NAMES[layout]}</th><td>${shape}</td><td data-count="${layout}">${
        counts[layout].toLocaleString("en")}</td><td>${counts[layout] / counts.subpixel}</td></tr>`;
    }).join("") + "</tbody>";
}

function draw() {
  const { r, k } = state;
  state.x = Math.min(state.x, state.signal.length * r - 1);
  state.at = state.at.map((place) => Math.min(place, IMAGE.length * r - 1));
  element("sizes").textContent = `kernel: ${k * r} taps, ${k} for each of ${r} phases`;
  drawLine();
  drawPlane();
}

function setKernel(kernel) {
  state.kernel = kernel;
  element("kernel").value = kernel.map(text).join(" ");
  readLine();
}

/** Reads both fields; what does not fit is said, and the last numbers stay. */
function readLine() {
  const problems = [];
  const read = (id, fits, rule) => {
    const numbers = parse(element(id).value);
    const problem = !numbers ? `The ${id} must be numbers with spaces between them.` :
      fits(numbers.length) ? "" : `The ${id} ${rule}; it has ${numbers.length}.`;
    element(id).setAttribute("aria-invalid", String(Boolean(problem)));
    if (problem) problems.push(problem);
    else state[id] = numbers;
  };
  read("signal", (n) => n >= 1 && n <= MAX_SIGNAL, `must have 1 to ${MAX_SIGNAL} numbers`);
  const taps = state.k * state.r;
  read("kernel", (n) => n === taps, `must have k·r = ${taps} numbers`);
  element("problem").textContent = problems.join(" ");
  draw();
}

/** How far a key moves, [rows, columns], or null. */
function step({ key }) {
  return { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key] ?? null;
}

function chooseLine(index) {
  state.x = Math.min(Math.max(index, 0), state.signal.length * state.r - 1);
  drawLine();
}

function choosePlane(y, x) {
  state.at = [y, x].map((place) => Math.min(Math.max(place, 0), IMAGE.length * state.r - 1));
  drawPlane();
}

/** Calls `choose` with the events of a pointer that is pressed on an element. */
function onDrag(target, choose) {
  target.addEventListener("pointerdown", (event) => {
    if (target.id === "plane-output") target.focus({ preventScroll: true });
    event.preventDefault();
    choose(event);
  });
  target.addEventListener("pointermove", (event) => event.buttons && choose(event));
}

for (const [id, name] of [["scale", "r"], ["taps", "k"]]) {
  element(id).addEventListener("change", ({ target }) => {
    state[name] = Number(target.value);
    setKernel(counting());
  });
}
element("settings").addEventListener("submit", (event) => event.preventDefault());
element("signal").addEventListener("input", readLine);
element("kernel").addEventListener("input", readLine);
element("count").addEventListener("click", () => setKernel(counting()));
element("nearest").addEventListener("click", () => setKernel(nearest()));
element("kind").addEventListener("change", ({ target }) => {
  state.kind = target.value;
  drawPlane();
});
element("line-output").addEventListener("keydown", (event) => {
  const ends = { Home: 0, End: Infinity };
  const move = step(event);
  if (!move && !(event.key in ends)) return;
  event.preventDefault();
  chooseLine(move ? state.x + move[0] + move[1] : ends[event.key]);
});
// A screen reader presses a button without a pointer.
element("line-output").addEventListener("click", ({ target }) => {
  if (target.dataset.index) chooseLine(Number(target.dataset.index));
});
onDrag(element("line-output"), ({ clientX, clientY }) => {
  const under = document.elementFromPoint(clientX, clientY);
  if (!under?.dataset.index || !element("line-output").contains(under)) return;
  chooseLine(Number(under.dataset.index));
  element("line-output").children[state.x].focus({ preventScroll: true });
});
element("plane-output").addEventListener("keydown", (event) => {
  const move = step(event);
  if (!move) return;
  event.preventDefault();
  choosePlane(state.at[0] + move[0], state.at[1] + move[1]);
});
onDrag(element("plane-output"), ({ clientX, clientY }) => {
  const box = element("plane-output").getBoundingClientRect();
  const size = IMAGE.length * state.r;
  const place = (offset, length) => Math.floor((offset / length) * (size + 0.3) - 0.15);
  choosePlane(place(clientY - box.top, box.height), place(clientX - box.left, box.width));
});

setKernel(counting());
document.documentElement.dataset.ready = "";
