// One row a face: a band of spans, a band of probabilities, and a playhead through all of them.

const view = { from: 0, to: content.duration || 1 };
const rows = [];
const FACES_AT_ONCE = 8;
const BAND_HEIGHT = 72;

const shareOf = (time) => (time - view.from) / (view.to - view.from);
const timeAt = (lanes, x) => {
  const frame = lanes.getBoundingClientRect();
  return clamp(view.from + ((x - frame.left) / frame.width) * (view.to - view.from), 0, content.duration);
};

function buildTimeline() {
  byId("timeline").hidden = isStill || !faces.length;
  if (byId("timeline").hidden) return;
  buildLegend();
  buildAxis();
  buildZoom();
  showMoreFaces();
  byId("more-faces").addEventListener("click", showMoreFaces);
  new ResizeObserver(draw).observe(byId("chart"));
  follow(movePlayhead);
}

function buildLegend() {
  const used = labels.filter((_, label) => label < UNCLEAR || spans.some((span) => span.label === UNCLEAR));
  byId("legend").append(...used.map((label) => element("li", {}, chip(labels.indexOf(label)), label.name)));
}

/** Faces in order of appearance; the first ones at once, the rest on demand. */
function showMoreFaces() {
  for (const face of faces.slice(rows.length, rows.length + FACES_AT_ONCE)) rows.push(buildRow(face));
  byId("rows").append(...rows.slice(byId("rows").children.length).map((row) => row.element));
  const left = faces.length - rows.length;
  byId("more-faces").hidden = !left;
  byId("more-faces").textContent = `Show more faces (${left.toLocaleString("en")} left)`;
  draw();
}

function buildRow(face) {
  const who = element("div", { class: "who" }, portrait(face), element("div", {},
    element("b", { text: face.name, "data-track": face.track }), element("span", { class: "quiet", text: `in view ${lasting(face.seconds)}` })));
  const band = element("div", { class: "spans", role: "group" });
  const canvas = element("canvas", { role: "img" });
  const corrected = element("div", { class: "corrected", "aria-hidden": "true" });
  const scale = element("div", { class: "scale", "aria-hidden": "true" }, element("span", { text: "1" }), element("span", { text: "0" }));
  const beside = signals.map((signal) => signalBand(signal));
  const lanes = element("div", { class: "lanes" }, band, canvas, scale, ...beside.map((one) => one.band), corrected, element("div", { class: "playhead" }));
  const row = { face, band, canvas, beside, corrected, lanes, element: element("div", { class: "row" }, who, lanes), current: null };
  scrubbing(lanes, [canvas, ...beside.map((one) => one.canvas)]);
  for (const one of beside) {
    one.canvas.addEventListener("pointermove", (event) => tipAtSignal(event, face, lanes, one));
    one.canvas.addEventListener("pointerleave", hideTip);
  }
  band.addEventListener("keydown", (event) => walk(event, row));
  canvas.addEventListener("pointermove", (event) => tipAtBand(event, row));
  canvas.addEventListener("pointerleave", hideTip);
  nameRow(row);
  return row;
}

/** Say to ears whose bands these are: the face's name may change. */
function nameRow({ face, band, canvas, beside }) {
  band.setAttribute("aria-label", `Spans of ${face.name}`);
  canvas.setAttribute("aria-label", bandSummary(face));
  for (const one of beside) one.canvas.setAttribute("aria-label", signalSummary(face, one.signal));
}

function bandSummary(face) {
  const shown = Object.entries(face.shown_seconds).sort((one, other) => other[1] - one[1]);
  const most = shown.length ? `shown longest: ${shown[0][0]}, ${lasting(shown[0][1])}` : "never named";
  return `Probabilities of ${face.name} over time; ${most}`;
}

// Drawing

let drawn = 0;

/** Draw everything for the present view and width, once a frame at most. */
function draw() {
  if (!drawn) drawn = requestAnimationFrame(() => ((drawn = 0), drawNow()));
}

function drawNow() {
  for (const row of rows) {
    drawSpans(row);
    drawBand(row);
    for (const one of row.beside) drawSignal(row.face, one);
    drawEdits(row);
  }
  drawTicks();
  movePlayhead(moment);
}

function drawSpans(row) {
  const width = row.band.clientWidth;
  const focused = row.band.contains(document.activeElement) ? document.activeElement.span : null;
  const buttons = [];
  let right = -Infinity;
  for (const span of row.face.spans) {
    if (span.end <= view.from || span.start >= view.to) continue;
    const left = Math.max(0, shareOf(span.start)) * width, end = Math.min(1, shareOf(span.end)) * width;
    // Thinner than a pixel and on one that is taken: to be seen after zooming in, and in the table.
    if (end - left < 1 && left - right < 0) continue;
    right = Math.max(left + 1, end);
    buttons.push(spanButton(span, left / width, (right - left) / width, right - left));
  }
  row.band.replaceChildren(...buttons);
  row.current = undefined;
  (buttons.find((button) => button.span === focused) ?? null)?.focus();
}

function spanButton(span, left, width, pixels) {
  const unclear = span.label === UNCLEAR;
  const { name, code, colour, ink } = labels[span.label];
  const words = unclear ? [verdict(span), name, code] : [`${name} ${span.score.toFixed(2)}`, name, code];
  const button = element("button", {
    type: "button", class: unclear ? "span hatched" : "span", tabindex: -1, "aria-label": sentence(span),
    vars: { left, width, ...(unclear ? {} : { shade: colour, ink }) },
    text: words.find((word) => word.length * 7.2 + 8 <= pixels) ?? "",
    onclick: () => jump(span), onfocus: () => tipAtSpan(button, span), onblur: hideTip,
    onpointerenter: () => tipAtSpan(button, span), onpointerleave: hideTip,
  });
  button.span = span;
  return button;
}

function drawBand({ face, canvas }) {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale)), height = BAND_HEIGHT * scale;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const hatch = hatching(pen, canvas, scale);
  const time = (x) => view.from + (x / width) * (view.to - view.from);
  for (let x = 0; x < width; x++) {
    const values = mixture(face, time(x), time(x + 1));
    if (values === "away") continue;
    if (values === "unread") {
      pen.fillStyle = hatch;
      pen.fillRect(x, 0, 1, height);
    } else drawColumn(pen, values, x, height);
  }
}

function drawColumn(pen, values, x, height) {
  const total = sum([...values]) || 1;
  let bottom = height;
  for (let label = 0; label < UNCLEAR; label++) {
    const top = bottom - (values[label] / total) * height;
    pen.fillStyle = labels[label].colour;
    pen.fillRect(x, Math.floor(top), 1, Math.ceil(bottom) - Math.floor(top));
    bottom = top;
  }
}

function hatching(pen, canvas, scale) {
  const style = getComputedStyle(canvas), side = 8 * scale;
  const tile = element("canvas", { width: side, height: side });
  const brush = tile.getContext("2d");
  brush.fillStyle = style.fill;
  brush.fillRect(0, 0, side, side);
  brush.strokeStyle = style.stroke;
  brush.lineWidth = 1.5 * scale;
  for (const shift of [-side, 0, side]) {
    brush.moveTo(shift, side);
    brush.lineTo(shift + side, 0);
  }
  brush.stroke();
  return pen.createPattern(tile, "repeat");
}

// The axis and the playhead

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400];

function drawTicks() {
  const axis = byId("axis"), length = view.to - view.from;
  const most = Math.max(2, axis.clientWidth / 80);
  const step = STEPS.find((one) => length / one <= most) ?? length;
  const first = Math.ceil(view.from / step - 1e-9);
  const ticks = [];
  for (let number = first; number * step <= view.to + 1e-9; number++) {
    const share = shareOf(number * step);
    const edge = share > 0.96 ? "tick last" : share < 0.02 ? "tick first" : "tick";
    ticks.push(element("span", { class: edge, vars: { left: share }, text: clock(number * step, step < 1 ? 1 : 0) }));
  }
  axis.replaceChildren(...ticks, element("div", { class: "playhead handle" }));
}

function buildAxis() {
  const axis = byId("axis");
  axis.setAttribute("aria-valuemin", "0");
  axis.setAttribute("aria-valuemax", content.duration.toFixed(2));
  scrubbing(axis.parentElement, [axis]);
  axis.addEventListener("keydown", (event) => {
    const length = view.to - view.from, small = Math.max(content.step, length / 100);
    const moves = {
      ArrowRight: moment + small, ArrowUp: moment + small, ArrowLeft: moment - small, ArrowDown: moment - small,
      PageUp: moment + length / 10, PageDown: moment - length / 10, Home: 0, End: content.duration,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    seek(moves[event.key]);
  });
}

function movePlayhead(time) {
  const playing = video && !video.paused;
  if ((playing || document.activeElement === byId("axis")) && (time < view.from || time > view.to)) bringIntoView(time);
  const share = shareOf(time);
  byId("chart").style.setProperty("--now", share);
  byId("chart").classList.toggle("elsewhere", share < 0 || share > 1);
  byId("axis").setAttribute("aria-valuenow", time.toFixed(2));
  byId("axis").setAttribute("aria-valuetext", clock(time));
  for (const row of rows) markCurrent(row, spanAt(row.face, time));
}

function markCurrent(row, span) {
  if (row.current === span) return;
  row.current = span;
  for (const button of row.band.children) {
    button.toggleAttribute("data-current", button.span === span);
    button.tabIndex = -1;
  }
  const stop = [...row.band.children].find((button) => button.span === span) ?? row.band.firstElementChild;
  if (stop) stop.tabIndex = 0;
}

/** Pressing and dragging on ``lanes`` moves the playhead; a press alone does where it hits one of ``grounds``. */
function scrubbing(lanes, grounds) {
  let pressed = null, dragging = false;
  lanes.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    [pressed, dragging] = [event, false];
    if (grounds.some((ground) => ground.contains(event.target))) seek(timeAt(lanes, event.clientX));
  });
  lanes.addEventListener("pointermove", (event) => {
    if (!event.buttons) pressed = null; // let go outside
    if (!pressed || event.pointerId !== pressed.pointerId) return;
    if (!dragging && Math.abs(event.clientX - pressed.clientX) < 4) return;
    if (!dragging) lanes.setPointerCapture(event.pointerId);
    dragging = true;
    seek(timeAt(lanes, event.clientX));
  });
  for (const name of ["pointerup", "pointercancel"]) lanes.addEventListener(name, () => (pressed = null));
  // The end of a drag is no click on the span below it.
  lanes.addEventListener("click", (event) => {
    if (dragging && event.detail) event.stopPropagation();
    dragging = false;
  }, true);
}

/** Arrow keys go from span to span: along a face, and up or down to the span of another face at that time. */
function walk(event, row) {
  const buttons = [...row.band.children], place = buttons.indexOf(document.activeElement);
  const number = rows.indexOf(row);
  const besides = (other) => other && [...other.band.children].reduce((best, one) =>
    !best || distance(one.span, buttons[place].span) < distance(best.span, buttons[place].span) ? one : best, null);
  const target = {
    ArrowRight: () => buttons[place + 1], ArrowLeft: () => buttons[place - 1],
    Home: () => buttons[0], End: () => buttons.at(-1),
    ArrowDown: () => besides(rows[number + 1]), ArrowUp: () => besides(rows[number - 1]),
  }[event.key];
  if (!target || place < 0) return;
  event.preventDefault();
  target()?.focus();
}

function distance(one, other) {
  return Math.max(one.start - other.end, other.start - one.end, -Math.min(one.end, other.end) + Math.max(one.start, other.start));
}

// Zoom

function setView(from, length) {
  const most = content.duration, least = Math.min(most, Math.max(0.5, 20 * content.step));
  const wanted = clamp(length, least, most);
  view.from = clamp(from, 0, most - wanted);
  view.to = view.from + wanted;
  byId("pan-row").hidden = wanted >= most;
  byId("pan").value = wanted < most ? (1000 * view.from) / (most - wanted) : 0;
  byId("pan").setAttribute("aria-valuetext", `${clock(view.from)} to ${clock(view.to)}`);
  byId("closer").disabled = wanted <= least;
  byId("wider").disabled = byId("whole").disabled = wanted >= most;
  draw();
}

function bringIntoView(time) {
  setView(time - 0.05 * (view.to - view.from), view.to - view.from);
}

/** Show ``factor`` times as much as now, ``time`` staying where it is. */
function zoom(factor, time = moment) {
  const held = time >= view.from && time <= view.to ? time : (view.from + view.to) / 2;
  const length = clamp(factor * (view.to - view.from), 1e-3, content.duration);
  setView(held - shareOf(held) * length, length);
}

function buildZoom() {
  byId("closer").addEventListener("click", () => zoom(0.5));
  byId("wider").addEventListener("click", () => zoom(2));
  byId("whole").addEventListener("click", () => setView(0, content.duration));
  byId("pan").addEventListener("input", (event) => {
    const length = view.to - view.from;
    setView((event.target.value / 1000) * (content.duration - length), length);
  });
  byId("chart").addEventListener("wheel", (event) => {
    const lanes = byId("axis").parentElement, length = view.to - view.from;
    if (!event.ctrlKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    if (event.ctrlKey) zoom(Math.exp(event.deltaY / 200), timeAt(lanes, event.clientX));
    else setView(view.from + (event.deltaX / lanes.clientWidth) * length, length);
  }, { passive: false });
  setView(0, content.duration);
}

// The tip

function tipAtSpan(button, span) {
  const frame = button.getBoundingClientRect();
  showTip(frame.left + frame.width / 2, frame.top, span.picture, sentence(span));
}

function tipAtBand(event, { face, lanes, canvas }) {
  const time = timeAt(lanes, event.clientX), values = mixture(face, time, time);
  const most = typeof values === "string" ? [] : [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, 3);
  const words = most.map((label) => `${labels[label].name} ${values[label].toFixed(2)}`).join(", ");
  const state = { away: "out of view", unread: "cannot be read" }[values] ?? words;
  showTip(event.clientX, canvas.getBoundingClientRect().top, null, `${clock(time)}: ${state}`);
}

function showTip(x, y, picture, text) {
  const tip = byId("tip");
  tip.replaceChildren(picture ? element("img", { src: picture, alt: "" }) : "", element("span", { text }));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${clamp(x - width / 2, 4, Math.max(4, document.documentElement.clientWidth - width - 4))}px`;
  tip.style.top = `${y - height - 8 > 0 ? y - height - 8 : y + 44}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}
