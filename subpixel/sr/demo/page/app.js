// The page: connects its controls with the view and the workers.

import { Photograph } from "./photograph.js";
import { Pool } from "./pool.js";
import { encode } from "./save.js";
import { View } from "./view.js";

const element = (id) => document.getElementById(id);
const pool = new Pool();
const view = new View({
  stage: element("stage"),
  canvas: element("canvas"),
  handle: element("divider"),
  pool,
  onChange: showState,
  onError: showFailure,
});

let models = [];
let photograph = null;
let opened = 0;
let saving = null;
pool.onFailure = showFailure;

function model() {
  return models[element("model").selectedIndex];
}

async function start() {
  const response = await fetch("models.json");
  if (!response.ok) throw new Error(`models.json cannot be loaded: ${response.status} ${response.statusText}.`);
  const facts = await response.json();
  ({ models } = facts);
  for (const { name, scale } of models) element("model").append(new Option(`${name} (×${scale})`));
  element("about").textContent = facts.software;
  if (!element("status").classList.contains("error")) showStatus("");
  document.documentElement.dataset.ready = "true";
}

async function open(file) {
  if (!file) return;
  const number = ++opened;
  saving?.abort();
  showStatus(`Reading ${file.name} …`);
  try {
    const decoded = await Photograph.decode(file);
    if (number !== opened) return;
    photograph?.close();
    photograph = decoded;
  } catch (error) {
    if (number === opened) showError(error);
    return;
  }
  element("empty").hidden = true;
  element("stage").classList.add("loaded");
  for (const id of ["left", "right", "divider"]) element(id).hidden = false;
  for (const id of ["in", "out", "reset", "slider", "save"]) element(id).disabled = false;
  showModel();
  view.show(photograph, model());
}

function showModel() {
  const { name, scale } = model();
  const { width, height } = photograph;
  element("right").textContent = name;
  element("stage").setAttribute(
    "aria-label",
    `${photograph.name}, enlarged by bicubic to the left of the divider and by ${name} to the right`,
  );
  showStatus(`${photograph.name}: ${width} × ${height} becomes ${width * scale} × ${height * scale}.`);
}

function showState({ zoom, compared, pending, failed }) {
  element("zoom").textContent = `${Math.round(zoom * 100)} %`;
  element("slider").value = view.divider * 100;
  element("divider").hidden = !compared;
  const uncompared = failed ? "The photograph, not enlarged" : "The photograph: zoom in to compare";
  element("left").textContent = compared ? "Bicubic" : uncompared;
  element("right").hidden = !compared;
  element("stage").dataset.pending = pending;
  element("stage").setAttribute("aria-busy", pending);
}

function showStatus(text) {
  element("status").textContent = text;
  element("status").classList.remove("error");
}

function showError(error) {
  showStatus(error.message);
  element("status").classList.add("error");
}

/** Shows why the network does not run; nothing on the screen carries its name any more. */
function showFailure(error) {
  showError(error);
  view.fail();
}

async function save() {
  const chosen = model();
  saving = new AbortController();
  const { signal } = saving;
  showSaving(true);
  const started = performance.now();
  try {
    const blob = await encode({
      photograph,
      model: chosen,
      pool,
      advance: (part) => { element("progress").value = part; },
      signal,
    });
    const seconds = (performance.now() - started) / 1000;
    download(blob, photograph.name.replace(/\.[^.]*$/, "") + `_${chosen.name}.png`);
    showStatus(`Enlarged in ${seconds.toFixed(1)} s; the PNG file has ${(blob.size / 1e6).toFixed(1)} MB.`);
  } catch (error) {
    if (signal.aborted) showStatus("Cancelled.");
    else showError(error);
  } finally {
    saving = null;
    showSaving(false);
  }
}

function showSaving(active) {
  element("progress").hidden = !active;
  element("progress").value = 0;
  element("cancel").hidden = !active;
  element("save").disabled = active;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

element("file").addEventListener("change", ({ target }) => {
  open(target.files[0]);
  target.value = ""; // the same file can be chosen again
});
element("model").addEventListener("change", () => {
  if (!photograph) return;
  showModel();
  view.setModel(model());
});
element("slider").addEventListener("input", ({ target }) => view.setDivider(target.value / 100));
element("in").addEventListener("click", () => view.setZoom(view.zoom * 1.5));
element("out").addEventListener("click", () => view.setZoom(view.zoom / 1.5));
element("reset").addEventListener("click", () => view.setZoom(1));
element("save").addEventListener("click", save);
element("cancel").addEventListener("click", () => saving?.abort());

addEventListener("dragover", (event) => {
  event.preventDefault();
  element("stage").classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element("stage").classList.remove("dragging");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  element("stage").classList.remove("dragging");
  open(event.dataTransfer.files[0]);
});

start().catch(showError);
