// Small tools: elements, words for sizes and times, marks of the labels.
// All text reaches the page as text (textContent, append), never as markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes (``text`` is its text, ``on...`` its handlers, ``vars`` custom properties of CSS). */
export function element(tag, attributes = {}, ...children) {
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

/** Set the text of ``node`` if it differs, so that screen readers and selections are left in peace. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Put ``children`` into ``parent`` in that order, moving only what is out of place: focus stays where it is. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
}

/** Tell people who listen to the page. */
export function say(words) {
  byId("said").textContent = words;
}

export function counted(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

export function percent(share) {
  return `${Math.floor(100 * share)} %`;
}

/** A length of time: 0.5 s, 12 s, 3 min 12 s, 1 h 04 min. */
export function lasting(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (whole < 60) return seconds < 9.95 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  return minutes < 60 ? `${minutes} min ${two(whole % 60)} s` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** A size of a file: 812 B, 3.4 MB. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  for (; bytes >= 999.5 && place < units.length - 1; place++) bytes /= 1000;
  return `${place && bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)} ${units[place]}`;
}

/** A point of time as the API gives it: ISO 8601, or seconds since 1970. */
export function moment(value) {
  if (value === null || value === undefined) return null;
  return new Date(typeof value === "number" ? 1000 * value : value);
}

/** When something was: 14:05 today, else with its date. */
export function clock(date) {
  const today = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return today ? `today ${time}` : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${time}`;
}

// Labels

export const UNCLEAR = "unclear";
let palette = { known: { [UNCLEAR]: { code: "?", colour: "#e0e0e0", ink: "#101010" } }, free: [{ colour: "#b8b8b8", ink: "#101010" }] };
const strangers = new Map();

export async function loadPalette() {
  palette = await (await fetch("page/palette.json")).json();
}

/** Code, colour and ink of a label; labels mien does not know take the free colours in turn. */
export function look(label) {
  if (palette.known[label]) return palette.known[label];
  if (!strangers.has(label)) {
    const number = strangers.size;
    strangers.set(label, { code: String(number + 1), ...palette.free[number % palette.free.length] });
  }
  return strangers.get(label);
}

/** The coloured mark of a label: its code on its colour, or hatching. */
export function chip(label) {
  const { code, colour, ink } = look(label);
  const unclear = label === UNCLEAR;
  return element("span", { class: unclear ? "chip hatched" : "chip", vars: unclear ? {} : { shade: colour, ink }, "aria-hidden": "true", text: code });
}
