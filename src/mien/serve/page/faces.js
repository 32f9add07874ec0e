// What faces show: boxes over the picture, bars for the present, and the last minute as bands.

import { UNCLEAR, arrange, byId, chip, element, lasting, look, write } from "./tools.js";

const MINUTE = 60, STALE = 1; // seconds; an answer holds until the next one, but no longer than STALE
const BANDS = { named: 34, gap: 4, likely: 72 };
const MOST_PANELS = 6, MOST_ROWS = 8;
const people = new Map(); // track to what is known of that face
let labels = [], signals = [], now = 0, drawn = 0, summed = 0;

/** What the server's model says beside the expression. */
export function setSignals(told) {
  signals = told;
}

export function clearFaces() {
  people.clear();
  for (const id of ["boxes", "now-faces", "minute-rows", "legend"]) byId(id).replaceChildren();
  [labels, now, summed] = [[], 0, 0];
  byId("minute").hidden = true;
  byId("nobody-now").hidden = false;
}

/** Show an answer of the server about a picture of ``width`` x ``height`` pixels. */
export function showFaces({ time, faces }, width, height) {
  now = time;
  const read = faces.find((face) => face.probabilities);
  if (!labels.length && read) setLabels(Object.keys(read.probabilities));
  for (const face of faces) {
    if (!people.has(face.track)) people.set(face.track, person(face.track));
    people.get(face.track).samples.push({ time, ...face });
  }
  for (const [track, one] of people) {
    while (one.samples.length > 1 && one.samples[1].time < now - MINUTE) one.samples.shift();
    if (one.samples.at(-1).time < now - MINUTE) people.delete(track);
  }
  const mirrored = byId("mirror").checked;
  arrange(byId("boxes"), faces.map((face) => placeBox(people.get(face.track).box, face, width, height, mirrored)));
  const inView = [...faces].sort((one, other) => one.track - other.track).slice(0, MOST_PANELS);
  arrange(byId("now-faces"), inView.map((face) => people.get(face.track).panel(face)));
  byId("nobody-now").hidden = faces.length > 0;
  if (!drawn) drawn = requestAnimationFrame(() => ((drawn = 0), drawMinute()));
}

function setLabels(names) {
  labels = names;
  byId("legend").replaceChildren(...[...names, UNCLEAR].map((name) => element("li", {}, chip(name), name)));
}

function verdict({ label, reason }) {
  return label === UNCLEAR && reason ? `${UNCLEAR}: ${reason}` : label;
}

function person(track) {
  const name = `Face ${track}`;
  const canvas = element("canvas", { role: "img", "aria-label": `The last minute of ${name}` });
  const longest = element("span", { class: "quiet" });
  const row = element("div", { class: "row" },
    element("div", { class: "who" }, element("div", {}, element("b", { text: name }), longest)), element("div", { class: "lanes" }, canvas));
  return { name, samples: [], box: element("div", { class: "box" }, element("span")), panel: panelOf(name), row, canvas, longest };
}

function placeBox(mark, face, width, height, mirrored) {
  const [x1, y1, x2, y2] = face.box, { colour, ink } = look(face.label);
  const share = (side) => `${(100 * side).toFixed(2)}%`;
  mark.style.left = share((mirrored ? width - x2 : x1) / width);
  mark.style.top = share(y1 / height);
  mark.style.width = share((x2 - x1) / width);
  mark.style.height = share((y2 - y1) / height);
  mark.style.setProperty("--shade", colour);
  mark.style.setProperty("--ink", ink);
  mark.classList.toggle("low", y1 < 0.08 * height);
  write(mark.firstChild, `Face ${face.track}: ${face.label}`);
  return mark;
}

/** A function that shows a face's present in one panel and gives that panel. */
function panelOf(name) {
  const mark = element("span"), title = element("span"), list = element("ul", { class: "bars" }), why = element("p", { class: "quiet why" });
  const beside = signals.map(signalBars);
  const panel = element("div", { class: "now-face" }, element("h4", {}, element("span", { text: name }), mark, title), list,
    ...beside.flatMap((one) => one.parts), why);
  const bars = [];
  return (face) => {
    if (mark.dataset.label !== face.label) {
      mark.dataset.label = face.label;
      mark.replaceChildren(chip(face.label));
    }
    write(title, verdict(face));
    if (bars.length !== labels.length) bars.push(...labels.map((label) => barOf(label, list)));
    const values = face.probabilities;
    list.classList.toggle("faint", !values);
    write(why, values ? "" : face.reason === "not read yet" ? "A second or so, then there is something to say." : "This face cannot be read now.");
    for (const { label, fill, value } of bars) {
      fill.style.width = `${values ? (100 * values[label]).toFixed(1) : 0}%`;
      write(value, values ? values[label].toFixed(2) : "");
    }
    for (const one of beside) one.show(face.signals);
    return panel;
  };
}

/** The numbers of a signal in a panel, and a function that shows them. */
function signalBars({ name, labels: names, range: [low, high], derived_from: origin }) {
  const share = (value) => (value - low) / (high - low), zero = low < 0 && high > 0 ? share(0) : 0;
  const rows = names.map((label) => {
    const fill = element("i"), value = element("span", { class: "number" });
    return { label, fill, value, row: element("li", {}, element("span", { text: label }), element("b", { vars: { zero } }, fill), value) };
  });
  const list = element("ul", { class: zero ? "bars two-sided" : "bars" }, ...rows.map(({ row }) => row));
  const said = `${name.replaceAll("_", " ")}${origin ? `, derived from the ${origin}, not measured` : ""}`;
  const show = (told) => {
    list.classList.toggle("faint", !told);
    for (const { label, fill, value } of rows) {
      const number = told?.[name]?.[label] ?? null, end = number === null ? zero : share(number);
      fill.style.left = `${(100 * Math.min(end, zero)).toFixed(1)}%`;
      fill.style.width = `${(100 * Math.abs(end - zero)).toFixed(1)}%`;
      write(value, number === null ? "" : number.toFixed(2).replace("-", "\u2212"));
    }
  };
  return { parts: [element("p", { class: "quiet bars-title", text: said }), list], show };
}

function barOf(label, list) {
  const fill = element("i", { vars: { shade: look(label).colour } }), value = element("span", { class: "number" });
  list.append(element("li", {}, element("span", { text: label }), element("b", {}, fill), value));
  return { label, fill, value };
}

// The last minute

export function drawMinute() {
  const rows = [...people.values()].sort((one, other) => other.samples.at(-1).time - one.samples.at(-1).time).slice(0, MOST_ROWS);
  byId("minute").hidden = !rows.length;
  arrange(byId("minute-rows"), rows.sort((one, other) => one.samples[0].track - other.samples[0].track).map((one) => one.row));
  rows.forEach(drawRow);
  if (Math.abs(now - summed) < 1) return; // words once a second: people are reading them
  summed = now;
  rows.forEach(sumUp);
}

/** Samples with the time at which the next one takes over. */
function lasted({ samples }) {
  return samples.map((sample, place) => ({ ...sample, end: Math.min(samples[place + 1]?.time ?? now, sample.time + STALE) }));
}

function sumUp(one) {
  const seconds = new Map();
  for (const { time, end, label } of lasted(one)) seconds.set(label, (seconds.get(label) ?? 0) + end - Math.max(time, now - MINUTE));
  const shown = [...seconds].filter(([, length]) => length > 0.05).sort((a, b) => b[1] - a[1]);
  const named = shown.find(([label]) => label !== UNCLEAR);
  write(one.longest, named ? `most: ${named[0]}, ${lasting(named[1])}` : "not named yet");
  one.canvas.setAttribute("aria-label", `The last minute of ${one.name}: ${shown.map(([label, length]) => `${label} ${lasting(length)}`).join(", ")}`);
}

function drawRow(one) {
  const { canvas } = one, scale = Math.min(devicePixelRatio || 1, 2);
  const height = BANDS.named + BANDS.gap + BANDS.likely;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const snap = (length) => Math.round(length * scale) / scale; // to whole dots: seams would let the ground through
  const place = (time) => snap((1 - (now - time) / MINUTE) * canvas.clientWidth);
  const hatch = hatching(pen, canvas), samples = lasted(one), top = BANDS.named + BANDS.gap;
  for (const { time, end, probabilities } of samples) {
    const left = place(time), width = place(end) - left;
    if (probabilities) stack(pen, probabilities, left, top, width, snap);
    else (pen.fillStyle = hatch), pen.fillRect(left, top, width, BANDS.likely);
  }
  for (const span of spansOf(samples)) drawSpan(pen, span, place(span.start), place(span.end), hatch);
}

function stack(pen, probabilities, left, top, width, snap) {
  let below = 0, bottom = top + BANDS.likely;
  for (const label of labels) {
    below += probabilities[label];
    const edge = snap(top + (1 - below) * BANDS.likely);
    pen.fillStyle = look(label).colour;
    pen.fillRect(left, edge, width, bottom - edge);
    bottom = edge;
  }
}

function spansOf(samples) {
  const spans = [];
  for (const { time, end, label } of samples) {
    const last = spans.at(-1);
    if (last?.label === label && time - last.end < 0.01) last.end = end;
    else spans.push({ start: time, end, label });
  }
  return spans;
}

function drawSpan(pen, { label, start, end }, from, to, hatch) {
  const left = Math.max(from, 0), width = to - left, { code, colour, ink } = look(label);
  if (width <= 0) return;
  pen.fillStyle = label === UNCLEAR ? hatch : colour;
  pen.fillRect(left, 0, Math.max(width - 1, 1), BANDS.named);
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const seconds = end - start;
  const words = [seconds >= 1 ? `${label} ${lasting(seconds)}` : label, label, code].find((one) => pen.measureText(one).width + 8 <= width);
  if (!words) return;
  const x = left + 4, length = pen.measureText(words).width;
  if (label === UNCLEAR) {
    pen.fillStyle = getComputedStyle(pen.canvas).fill;
    pen.fillRect(x - 2, 8, length + 4, BANDS.named - 16);
  }
  pen.fillStyle = label === UNCLEAR ? getComputedStyle(pen.canvas).color : ink;
  pen.fillText(words, x, BANDS.named / 2 + 1);
}

function hatching(pen, canvas) {
  const style = getComputedStyle(canvas), side = 8;
  const tile = element("canvas", { width: side, height: side }), brush = tile.getContext("2d");
  brush.fillStyle = style.fill;
  brush.fillRect(0, 0, side, side);
  brush.strokeStyle = style.stroke;
  brush.lineWidth = 1.5;
  for (const shift of [-side, 0, side]) {
    brush.moveTo(shift, side);
    brush.lineTo(shift + side, 0);
  }
  brush.stroke();
  return pen.createPattern(tile, "repeat");
}
