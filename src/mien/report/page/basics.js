// The content of the page, and small tools: elements, bytes, words for times.
// All text reaches the page as text (textContent, append), never as markup.

const content = JSON.parse(document.getElementById("content").textContent);
const labels = content.labels; // the last one is "unclear"
const UNCLEAR = labels.length - 1;
const isStill = content.source.kind === "image";
const FULL = 250, AWAY = 254, UNREAD = 255, BOX_UNITS = 65535; // as in bands.py

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** An element with attributes (``text`` is its text, ``on...`` its handlers, ``vars`` custom properties of CSS). */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name === "vars") for (const [key, one] of Object.entries(value)) made.style.setProperty(`--${key}`, one);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

const spans = content.spans.map(([track, start, end, label, score, reason], number) => ({
  number, track, start, end, label, score,
  reason: reason < 0 ? null : content.reasons[reason],
  picture: content.pictures?.[number] ?? null,
}));
const spansOfTrack = Map.groupBy ? Map.groupBy(spans, (span) => span.track) : grouped(spans);

function grouped(all) {
  const groups = new Map();
  for (const span of all) groups.set(span.track, [...(groups.get(span.track) ?? []), span]);
  return groups;
}

const faces = content.faces.map((face) => ({
  ...face,
  name: `Face ${face.track}`,
  cells: bytesOf(face.cells),
  signals: bytesOf(face.signals ?? ""),
  boxes: face.boxes ? new Uint16Array(bytesOf(face.boxes).buffer) : null,
  spans: spansOfTrack.get(face.track) ?? [],
  seconds: sum(Object.values(face.shown_seconds)) + sum(Object.values(face.unclear_seconds)),
}));

function sum(numbers) {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The number of the cell of ``face`` at ``time``, or -1 when it is out of sight. */
function cellAt(face, time) {
  const cell = isStill ? 0 : Math.floor(time / content.step + 1e-6) - face.first;
  const inside = cell >= 0 && cell * UNCLEAR < face.cells.length;
  return inside && face.cells[cell * UNCLEAR] !== AWAY ? cell : -1;
}

/** Mean probabilities of ``face`` from one time to another; "away" or "unread" where there are none. */
function mixture(face, from, to) {
  return meanOf(face, face.cells, UNCLEAR, from, to);
}

/** Means of ``width`` bytes a cell, as shares of FULL. */
function meanOf(face, bytes, width, from, to) {
  const begin = Math.floor(from / content.step + 1e-6) - face.first;
  const end = Math.max(begin + 1, Math.ceil(to / content.step - 1e-6) - face.first);
  const total = new Float64Array(width);
  let read = 0, unread = 0;
  for (let cell = Math.max(begin, 0); cell < Math.min(end, face.cells.length / UNCLEAR); cell++) {
    const code = face.cells[cell * UNCLEAR];
    if (code === UNREAD) unread++;
    if (code === UNREAD || code === AWAY) continue;
    read++;
    for (let column = 0; column < width; column++) total[column] += bytes[cell * width + column] / FULL;
  }
  if (!read) return unread ? "unread" : "away";
  return total.map((one) => one / read);
}

/** The span of ``face`` at ``time``, or null. */
function spanAt(face, time) {
  let low = 0, high = face.spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (face.spans[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  const span = face.spans[low - 1];
  return span && (isStill || time < span.end || span.end === content.duration) ? span : null;
}

/** A point of time: 5.92 s, 1:05.9 or 1:02:05.9, alike all over a page. */
function clock(time, digits = content.duration < 60 ? 2 : 1) {
  if (content.duration < 60) return `${time.toFixed(digits)} s`;
  const tenths = Math.round(time * 10 ** digits) / 10 ** digits;
  const hours = Math.floor(tenths / 3600), minutes = Math.floor((tenths % 3600) / 60);
  const seconds = (tenths % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** A length of time: 0.48 s, 12.3 s, 3 min 12 s, 1 h 04 min; never broken over lines. */
function lasting(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  const words = seconds < 59.95 ? `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`
    : whole < 3600 ? `${minutes} min ${two(whole % 60)} s` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return words.replaceAll(" ", "\u00a0");
}

function percent(share) {
  return share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`;
}

function counted(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

function verdict(span) {
  return span.reason ? `${labels[span.label].name}: ${span.reason}` : labels[span.label].name;
}

/** What a span says, for eyes (tip) and ears (label) alike. */
function sentence(span) {
  const when = isStill ? "" : `, ${clock(span.start)} to ${clock(span.end)}, ${lasting(span.end - span.start)} long`;
  return `${nameOf(span.track)}: ${verdict(span)}${span.reason ? "" : `, mean probability ${span.score.toFixed(2)}`}${when}`;
}

/** The coloured mark of a label: its code on its colour, or hatching. */
function chip(label) {
  const { code, colour, ink } = labels[label];
  const vars = label === UNCLEAR ? {} : { shade: colour, ink };
  return element("span", { class: label === UNCLEAR ? "chip hatched" : "chip", vars, "aria-hidden": "true", text: code });
}
