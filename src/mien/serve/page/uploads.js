// Sending files: one after the other, with progress, waiting where the server asks for patience.

import { Refusal, askToken, headers, json, seconds } from "./server.js";
import { arrange, byId, element, lasting, percent, say, size, write } from "./tools.js";

const waiting = []; // in order; the first one is being sent
const PATIENCE = 10; // seconds, where the server names none
let changed = () => {};
let sent = () => {};

/** ``onChange(number)`` hears how many files are under way, ``onSent(job)`` of every one that arrived. */
export function buildUploads(onChange, onSent) {
  [changed, sent] = [onChange, onSent];
  const input = byId("files"), form = byId("upload");
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  form.elements.blur.addEventListener("change", () => form.elements.blur.checked && (form.elements.save_video.checked = true));
  form.elements.save_video.addEventListener("change", () => form.elements.save_video.checked || (form.elements.blur.checked = false));
  buildDrop();
  addEventListener("beforeunload", (event) => waiting.some((one) => one.request) && event.preventDefault());
}

/** The whole page takes files, so that none that misses the mark is opened by the browser instead. */
function buildDrop() {
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const mark = (change) => byId("drop").classList.toggle("over", (depth = change ? depth + change : 0) > 0);
  addEventListener("dragenter", (event) => holdsFiles(event) && mark(1));
  addEventListener("dragleave", (event) => holdsFiles(event) && mark(-1));
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(0);
    add([...event.dataTransfer.files]);
  });
}

function add(files) {
  const form = byId("upload");
  if (!files.length || !form.reportValidity()) return;
  const options = optionsOf(form);
  waiting.push(...files.map((file) => item(file, options)));
  show();
  next();
}

/** What was chosen beside the file; empty fields are left to the server. */
function optionsOf(form) {
  const filled = [...new FormData(form)].filter(([name, value]) => name && value !== "" && typeof value === "string");
  return { ...Object.fromEntries(filled), save_video: form.elements.save_video.checked, blur: form.elements.blur.checked, html: true };
}

function item(file, options) {
  const state = element("p", { class: "state" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
  const fix = element("p", { class: "quiet" });
  const again = element("button", { type: "button", text: "Try again", hidden: true, onclick: () => retry(one) });
  const drop = element("button", { type: "button", onclick: () => remove(one) });
  const row = element("li", { class: "job" },
    element("div", { class: "heading" },
      element("div", {}, element("h3", { text: file.name }), state, fix), element("div", { class: "tools" }, again, drop)), bar);
  const one = { file, options, state, bar, fix, again, drop, row, request: null, stuck: false, timer: null };
  nameDrop(one, "Cancel");
  write(state, `Waiting to be sent, ${size(file.size)}`);
  return one;
}

/** One button takes a file out of the list, whatever has become of it. */
function nameDrop({ drop, file }, word) {
  write(drop, word);
  drop.setAttribute("aria-label", word === "Cancel" ? `Cancel sending ${file.name}` : `Remove ${file.name} from this list`);
}

function show() {
  arrange(byId("uploads"), waiting.map((one) => one.row));
  changed(waiting.length);
}

function remove(one) {
  rest(one);
  waiting.splice(waiting.indexOf(one), 1);
  if (one.row.contains(document.activeElement)) byId("files").focus();
  one.request?.abort();
  one.request = null;
  show();
  next();
}

function retry(one) {
  rest(one);
  one.stuck = false;
  one.row.classList.remove("wrong");
  one.again.hidden = true;
  nameDrop(one, "Cancel");
  write(one.fix, "");
  write(one.state, "Waiting to be sent");
  one.bar.hidden = false;
  one.drop.focus();
  next();
}

function next() {
  if (waiting.some((one) => one.request || one.timer)) return;
  const one = waiting.find((one) => !one.stuck);
  if (one) send(one);
}

function send(one) {
  const { file, options } = one;
  const body = new FormData();
  for (const [name, value] of Object.entries(options)) body.append(name, value);
  body.append("file", file);
  const request = (one.request = new XMLHttpRequest());
  request.open("POST", "v1/analyze");
  for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    one.bar.value = loaded / total;
    write(one.state, loaded < total ? `Sending, ${percent(loaded / total)} of ${size(file.size)}` : "Sent; the server looks at it");
  });
  request.addEventListener("load", () => answered(one, request));
  request.addEventListener("error", () => failed(one, new Refusal(0)));
  write(one.state, `Sending, ${size(file.size)}`);
  request.send(body);
}

function answered(one, request) {
  const body = json(request.responseText);
  if (request.status >= 200 && request.status < 300) {
    say(`${one.file.name} was sent.`);
    sent({ ...body, name: one.file.name });
    return remove(one);
  }
  return failed(one, new Refusal(request.status, body, seconds(request.getResponseHeader("Retry-After"))));
}

async function failed(one, refusal) {
  one.request = null;
  if (refusal.status === 401) {
    one.stuck = true;
    if (await askToken()) return retry(one);
  }
  if (refusal.status === 429) return wait(one, refusal);
  one.stuck = true;
  one.row.classList.add("wrong");
  one.bar.hidden = true;
  one.again.hidden = !(refusal.passing || refusal.status === 401);
  nameDrop(one, "Remove");
  write(one.state, `Not sent. ${refusal.message}`);
  write(one.fix, refusal.fix || (refusal.status === 0 ? "Is mien serve still running? Or the file was larger than it takes." : ""));
  say(`${one.file.name}: ${one.state.textContent} ${one.fix.textContent}`);
  next();
}

function rest(one) {
  clearInterval(one.timer);
  one.timer = null;
}

/** The server has too much to do: try again when it says, unless the reader is quicker. */
function wait(one, refusal) {
  const due = Date.now() + 1000 * (refusal.retryAfter ?? PATIENCE);
  one.bar.hidden = true;
  one.again.hidden = false;
  write(one.fix, refusal.fix);
  say(`${one.file.name} waits: the server is busy.`);
  const tick = () => {
    const left = Math.ceil((due - Date.now()) / 1000);
    write(one.state, `The server is busy. Sent again by itself in ${lasting(Math.max(left, 1)).replace(".0", "")}.`);
    if (left > 0) return;
    rest(one);
    one.bar.hidden = false;
    one.again.hidden = true;
    write(one.fix, "");
    next();
  };
  one.timer = setInterval(tick, 250);
  tick();
}
