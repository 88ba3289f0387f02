// Shows the part of the enlarged photograph that is on the screen, and asks for its tiles.

const METHODS = ["bicubic", "network"];
const CACHED_TILES = 256; // of 128 x 128 pixels of the photograph: 150 MB at x3
const MOST_VISIBLE = 100; // tiles of each method; below that zoom the photograph is shown
const LARGEST_ZOOM = 16;
const HANDLE = 22; // pixels to each side of the divider that move it

export class View {
  #photograph = null;
  #model = null;
  #tiles = new Map(); // key -> ImageBitmap, or null while it is computed; the oldest come first
  #generation = 0;
  #frame = 0;
  #failed = false; // whether a tile of this model could not be computed
  #pointers = new Map();
  #centre = { x: 0, y: 0 }; // in pixels of the photograph
  zoom = 1; // pixels of the screen for one of the enlarged image
  divider = 0.5;

  constructor({ stage, canvas, handle, pool, onChange, onError }) {
    Object.assign(this, { stage, canvas, handle, pool, onChange, onError });
    this.context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(stage);
    stage.addEventListener("pointerdown", (event) => this.#press(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    }
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  show(photograph, model) {
    this.#photograph = photograph;
    this.#centre = { x: photograph.width / 2, y: photograph.height / 2 };
    this.zoom = 1;
    this.setModel(model);
  }

  setModel(model) {
    // The same part of the photograph stays on the screen.
    if (this.#model) this.zoom *= this.#model.scale / model.scale;
    this.#model = model;
    this.#generation++;
    this.#failed = false;
    for (const bitmap of this.#tiles.values()) bitmap?.close();
    this.#tiles.clear();
    this.setZoom(this.zoom);
  }

  /** Shows the photograph alone, until another model or photograph is chosen. */
  fail() {
    this.#failed = true;
    if (this.#photograph) this.redraw();
  }

  setDivider(part) {
    this.divider = Math.min(Math.max(part, 0), 1);
    this.redraw();
  }

  /** Sets the zoom; the point of the photograph at a place of the stage stays there. */
  setZoom(zoom, place = { x: this.canvas.width / 2, y: this.canvas.height / 2 }) {
    if (!this.#photograph) return;
    const { width, height } = this.#photograph;
    const { scale } = this.#model;
    const fit = Math.min(this.canvas.width / width, this.canvas.height / height) / scale;
    const before = this.#toPhotograph(place);
    this.zoom = Math.min(Math.max(zoom, Math.min(fit, 1)), LARGEST_ZOOM);
    const after = this.#toPhotograph(place);
    this.#moveBy(before.x - after.x, before.y - after.y);
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  get #ratio() {
    return this.zoom * this.#model.scale; // pixels of the screen for one of the photograph
  }

  #toPhotograph({ x, y }) {
    return {
      x: this.#centre.x + (x - this.canvas.width / 2) / this.#ratio,
      y: this.#centre.y + (y - this.canvas.height / 2) / this.#ratio,
    };
  }

  #resize() {
    this.canvas.width = Math.max(Math.round(this.stage.clientWidth * devicePixelRatio), 1);
    this.canvas.height = Math.max(Math.round(this.stage.clientHeight * devicePixelRatio), 1);
    this.setZoom(this.zoom);
  }

  #moveBy(x, y) {
    const limit = (value, size, shown) =>
      shown >= size ? size / 2 : Math.min(Math.max(value, shown / 2), size - shown / 2);
    const { width, height } = this.#photograph;
    this.#centre = {
      x: limit(this.#centre.x + x, width, this.canvas.width / this.#ratio),
      y: limit(this.#centre.y + y, height, this.canvas.height / this.#ratio),
    };
    this.redraw();
  }

  #visible() {
    const first = this.#toPhotograph({ x: 0, y: 0 });
    const last = this.#toPhotograph({ x: this.canvas.width, y: this.canvas.height });
    return this.#photograph.tilesWithin(first.x, first.y, last.x, last.y);
  }

  #draw() {
    if (!this.#photograph) return;
    const { context, canvas } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#drawPreview();
    const visible = this.#visible();
    const compared = !this.#failed && visible.length <= MOST_VISIBLE;
    if (compared) {
      const split = Math.round(canvas.width * this.divider);
      this.#drawSide("bicubic", visible, 0, split);
      this.#drawSide("network", visible, split, canvas.width);
    }
    this.handle.style.left = `${this.divider * 100}%`;
    const isMissing = (place) => METHODS.some((method) => !this.#tiles.get(keyOf(method, place)));
    const pending = visible.some(isMissing);
    this.onChange({ zoom: this.zoom, compared, pending: compared && pending, failed: this.#failed });
  }

  #drawPreview() {
    const { width, height, preview } = this.#photograph;
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(preview, ...this.#place({ x: 0, y: 0, width, height }));
  }

  #drawSide(method, visible, left, right) {
    const { context, canvas } = this;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, canvas.height);
    context.clip();
    context.imageSmoothingEnabled = this.zoom < 1;
    for (const place of visible) {
      const key = keyOf(method, place);
      const bitmap = this.#tiles.get(key);
      if (bitmap) {
        this.#tiles.delete(key);
        this.#tiles.set(key, bitmap);
        const target = this.#place(place);
        context.clearRect(...target);
        context.drawImage(bitmap, ...target);
      } else if (bitmap === undefined) {
        this.#request(method, place, key);
      }
    }
    context.restore();
  }

  /** Left, top, width and height on the canvas, whole pixels, so that tiles touch. */
  #place({ x, y, width, height }) {
    const { canvas } = this;
    const across = (value) => Math.round((value - this.#centre.x) * this.#ratio + canvas.width / 2);
    const down = (value) => Math.round((value - this.#centre.y) * this.#ratio + canvas.height / 2);
    return [across(x), down(y), across(x + width) - across(x), down(y + height) - down(y)];
  }

  async #request(method, place, key) {
    this.#tiles.set(key, null);
    const [photograph, model, generation] = [this.#photograph, this.#model, this.#generation];
    const current = () => generation === this.#generation;
    const make = () => {
      if (!current() || !this.#visible().some(({ x, y }) => x === place.x && y === place.y)) return null;
      return { model, method, asBitmap: true, ...photograph.cut(place, model.radius) };
    };
    try {
      const bitmap = await this.pool.run(make, true);
      if (!current()) {
        bitmap?.close();
      } else if (bitmap) {
        this.#tiles.set(key, bitmap);
        this.#forget();
        this.redraw();
      } else {
        this.#tiles.delete(key);
      }
    } catch (error) {
      if (current()) this.onError(error);
    }
  }

  #forget() {
    for (const [key, bitmap] of this.#tiles) {
      if (this.#tiles.size <= CACHED_TILES) return;
      if (!bitmap) continue;
      bitmap.close();
      this.#tiles.delete(key);
    }
  }

  #position(event) {
    const box = this.stage.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.canvas.width) / box.width,
      y: ((event.clientY - box.top) * this.canvas.height) / box.height,
    };
  }

  #press(event) {
    if (!this.#photograph || event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    const place = this.#position(event);
    const distance = Math.abs(place.x - this.divider * this.canvas.width) / devicePixelRatio;
    const movesDivider = this.#pointers.size === 0 && distance <= HANDLE;
    this.#pointers.set(event.pointerId, { place, movesDivider });
  }

  #move(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const place = this.#position(event);
    const before = pointer.place;
    pointer.place = place;
    const other = [...this.#pointers.values()].find((each) => each !== pointer);
    if (pointer.movesDivider && !other) {
      this.setDivider(place.x / this.canvas.width);
    } else if (other) {
      const distance = ({ x, y }) => Math.max(Math.hypot(x - other.place.x, y - other.place.y), 1);
      const middle = { x: (place.x + other.place.x) / 2, y: (place.y + other.place.y) / 2 };
      this.setZoom((this.zoom * distance(place)) / distance(before), middle);
      this.#moveBy((before.x - place.x) / 2 / this.#ratio, (before.y - place.y) / 2 / this.#ratio);
    } else {
      this.#moveBy((before.x - place.x) / this.#ratio, (before.y - place.y) / this.#ratio);
    }
  }

  #wheel(event) {
    if (!this.#photograph) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.setZoom(this.zoom * 2 ** ((-event.deltaY * lines) / 300), this.#position(event));
  }

  #key(event) {
    if (!this.#photograph || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60 / this.#ratio;
    const actions = {
      "+": () => this.setZoom(this.zoom * 1.25),
      "=": () => this.setZoom(this.zoom * 1.25),
      "-": () => this.setZoom(this.zoom / 1.25),
      ArrowLeft: () => this.#moveBy(-step, 0),
      ArrowRight: () => this.#moveBy(step, 0),
      ArrowUp: () => this.#moveBy(0, -step),
      ArrowDown: () => this.#moveBy(0, step),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }
}

function keyOf(method, { x, y }) {
  return `${method} ${x} ${y}`;
}
