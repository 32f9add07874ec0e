// What the model says beside the expression: lines for scales, strips for the rest, and numbers for the present.

const MOST_ROWS = 8; // labels of a signal that are shown whoever else is there; of more the strongest, at each moment
const signals = (content.signals ?? []).map((signal, number, all) => ({
  ...signal,
  first: sum(all.slice(0, number).map((one) => one.labels.length)), // of its columns
  low: signal.range[0],
  high: signal.range[1],
  title: signal.name.replaceAll("_", " "),
  isScale: signal.kind === "scale",
  origin: signal.derived_from ? `derived from the ${signal.derived_from}, not measured` : signal.note ?? "",
  isLong: signal.labels.length > MOST_ROWS,
}));
const SAID = sum(signals.map((signal) => signal.labels.length));
const STRONGER = "the stronger the blue, the more of it";
const TONES = 4, DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]], SCALE_HEIGHT = 60, STRIP_HEIGHT = 14;

/** Mean values of a signal of ``face`` from one time to another, in its range; "away" or "unread" where there are none. */
function valuesOf(face, signal, from, to) {
  const shares = meanOf(face, face.signals, SAID, from, to);
  if (typeof shares === "string") return shares;
  return shares.slice(signal.first, signal.first + signal.labels.length)
    .map((share) => signal.low + share * (signal.high - signal.low));
}

/** No more digits than the page's bytes hold. */
function signed({ low, high }, value) {
  const text = value.toFixed(high - low > 25 ? 0 : 2);
  return (Number(text) ? `${low < 0 && value > 0 ? "+" : ""}${text}` : text.replace("-", "")).replace("-", "\u2212");
}

const lineOf = (place) => ({ tone: place % TONES, dash: (place + Math.floor(place / TONES)) % DASHES.length });

/** A piece of a label's line, as the legend shows it and the canvas takes its colour from. */
function swatch(place) {
  const { tone, dash } = lineOf(place);
  return element("i", { class: `swatch tone-${tone} dash-${dash}`, "aria-hidden": "true" });
}

function buildSignals() {
  byId("signal-legend").hidden = byId("signal-note").hidden = !signals.length;
  if (!signals.length) return;
  byId("signal-legend").append(...signals.map((signal) => element("li", {},
    shownSwitch(signal), signal.origin && element("span", { class: "quiet", text: signal.origin }),
    ...(signal.isScale ? signal.labels.map((label, place) => element("span", {}, swatch(place), label)) : [STRONGER]))));
  byId("reading-list").append(...signals.flatMap((signal) => [
    element("dt", { text: signal.title }), element("dd", { text: meaning(signal) })]));
}

/** Whether the bands of a signal are on the timeline; long ones are so at first where few faces have them. */
function shownSwitch(signal) {
  const box = element("input", { type: "checkbox" });
  box.checked = signal.shown = !signal.isLong || faces.length <= 2;
  box.addEventListener("change", () => {
    signal.shown = box.checked;
    for (const { beside } of rows) for (const one of beside) one.band.hidden = !one.signal.shown;
    draw();
  });
  return element("label", {}, box, element("b", { text: signal.title }));
}

function meaning(signal) {
  const names = signal.labels.join(", ");
  const what = { scale: `Numbers from ${signal.low} to ${signal.high} for ${names}.`,
    flags: `How much there is of each of these, or how likely it is, from 0 to 1: ${names}. Several may be there at once.`,
    classes: `How likely each of these is, from 0 to 1, one of them being there: ${names}.` }[signal.kind];
  const origin = signal.derived_from ? ` Derived from the ${signal.derived_from}: computed from what the model says of ` +
    "that, not measured on the face, and no more certain." : signal.note ? ` ${signal.note[0].toUpperCase()}${signal.note.slice(1)}.` : "";
  return `${what}${origin} As seen from outside, like the expression: what the person feels does not follow from it.`;
}

// Bands of the timeline

const signalSummary = (face, signal) => `${signal.title} of ${face.name} over time${signal.origin && `, ${signal.origin}`}`;

function signalBand(signal) {
  const canvas = element("canvas", { role: "img" });
  const height = signal.isScale ? SCALE_HEIGHT : STRIP_HEIGHT * signal.labels.length;
  canvas.style.height = `${height}px`;
  const scale = signal.isScale ? [signal.high, signal.low].map((end) => String(end).replace("-", "\u2212")) : signal.labels;
  const band = element("div", { class: signal.isScale ? "beside" : "beside strips" },
    element("span", { class: "which quiet", text: signal.title }), canvas,
    element("div", { class: "scale", "aria-hidden": "true" }, ...scale.map((text) => element("span", { text }))));
  band.hidden = !signal.shown;
  return { signal, canvas, height, band };
}

function drawSignal(face, { signal, canvas, height: tall }) {
  if (!signal.shown) return;
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale)), height = tall * scale;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d"), hatch = hatching(pen, canvas, scale);
  const time = (x) => view.from + (x / width) * (view.to - view.from);
  const columns = Array.from({ length: width }, (_, x) => valuesOf(face, signal, time(x), time(x + 1)));
  pen.fillStyle = hatch;
  columns.forEach((values, x) => values === "unread" && pen.fillRect(x, 0, 1, height));
  if (signal.isScale) drawLines(pen, signal, columns, width, height, scale);
  else drawStrips(pen, signal, columns, height);
}

function drawLines(pen, { low, high, labels: names }, columns, width, height, scale) {
  const inset = 2 * scale, y = (value) => inset + ((high - value) / (high - low)) * (height - 2 * inset);
  if (low < 0 && high > 0) {
    pen.fillStyle = getComputedStyle(pen.canvas).stroke;
    pen.fillRect(0, Math.round(y(0)), width, Math.max(1, scale / 2));
  }
  pen.lineWidth = 2 * scale;
  pen.lineJoin = "round";
  names.forEach((_, place) => {
    pen.strokeStyle = toneOf(lineOf(place).tone);
    pen.setLineDash(DASHES[lineOf(place).dash].map((length) => length * scale));
    pen.beginPath();
    columns.forEach((values, x) => {
      if (typeof values === "string") return;
      const begins = x === 0 || typeof columns[x - 1] === "string";
      if (begins) pen.moveTo(x, y(values[place]));
      pen.lineTo(x + 1, y(values[place]));
    });
    pen.stroke();
  });
}

function drawStrips(pen, { labels: names }, columns, height) {
  const tall = height / names.length;
  pen.fillStyle = toneOf(0);
  columns.forEach((values, x) => {
    if (typeof values === "string") return;
    values.forEach((value, place) => {
      pen.globalAlpha = value;
      pen.fillRect(x, Math.round(place * tall) + 1, 1, Math.round(tall) - 2);
    });
  });
  pen.globalAlpha = 1;
}

function toneOf(tone) {
  return getComputedStyle(byId("tones").children[tone]).color;
}

function tipAtSignal(event, face, lanes, { signal, canvas }) {
  const time = timeAt(lanes, event.clientX), values = valuesOf(face, signal, time, time);
  const state = { away: "out of view", unread: "cannot be read" }[values] ?? wording(signal, values);
  showTip(event.clientX, canvas.getBoundingClientRect().top, null, `${clock(time)}: ${state}`);
}

/** All numbers of a scale, the three likeliest of anything else. */
function wording(signal, values) {
  const order = [...values.keys()];
  const told = signal.isScale ? order : order.sort((a, b) => values[b] - values[a]).slice(0, 3);
  const words = told.map((place) => `${signal.labels[place]} ${signed(signal, values[place])}`).join(", ");
  return signal.derived_from ? `${words} (${signal.origin})` : words;
}

// The present

/** A list of numbers for a face, and a function that brings it up to a time. */
function nowSignal(face, signal) {
  const zero = signal.low < 0 && signal.high > 0 ? -signal.low / (signal.high - signal.low) : 0;
  const bars = signal.labels.slice(0, MOST_ROWS).map((label, place) => {
    const name = element("span", { text: label });
    const fill = element("i", { class: `tone-${signal.isScale ? lineOf(place).tone : 0}` }), value = element("span", { class: "number" });
    const row = element("li", {}, name, element("b", { vars: { zero } }, fill), value);
    return { name, fill, value, row };
  });
  const list = element("ul", { class: zero ? "bars two-sided" : "bars" }, ...bars.map((bar) => bar.row));
  const which = signal.isLong ? `${signal.title}, the strongest` : signal.title;
  const title = element("p", { class: "quiet bars-title", text: signal.derived_from ? `${which}, ${signal.origin}` : which });
  const everyPlace = [...signal.labels.keys()];
  const update = (from, to) => {
    const values = valuesOf(face, signal, from, to), read = typeof values !== "string";
    list.classList.toggle("faint", !read);
    const places = signal.isLong && read ? [...everyPlace].sort((a, b) => values[b] - values[a]) : everyPlace;
    bars.forEach(({ name, fill, value }, row) => {
      const place = places[row];
      name.textContent = signal.labels[place];
      const share = read ? (values[place] - signal.low) / (signal.high - signal.low) : zero;
      fill.style.left = `${(100 * Math.min(share, zero)).toFixed(1)}%`;
      fill.style.width = `${(100 * Math.abs(share - zero)).toFixed(1)}%`;
      value.textContent = read ? signed(signal, values[place]) : "";
    });
  };
  return { parts: [title, list], update };
}
