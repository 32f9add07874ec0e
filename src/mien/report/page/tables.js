// Totals per face, and the list of spans.

const CARDS_AT_ONCE = 12, SPANS_AT_ONCE = 25, MORE_SPANS = 100;

function buildTotals() {
  byId("totals").hidden = isStill || !faces.length;
  if (byId("totals").hidden) return;
  const longest = [...faces].sort((one, other) => other.seconds - one.seconds).slice(0, CARDS_AT_ONCE);
  const cards = longest.sort((one, other) => one.track - other.track).map((face) => card(face.name, face, face));
  const all = { shown_seconds: added("shown_seconds"), unclear_seconds: added("unclear_seconds") };
  const together = faces.length > 1 ? [card(`All ${faces.length.toLocaleString("en")} faces`, all, null)] : [];
  byId("cards").append(...together, ...cards);
  if (faces.length > longest.length) {
    const note = `These ${longest.length} were in view longest. result.json has all of them.`;
    byId("cards").after(element("p", { class: "quiet", text: note }));
  }
}

function added(key) {
  const total = {};
  for (const face of faces)
    for (const [name, seconds] of Object.entries(face[key])) total[name] = (total[name] ?? 0) + seconds;
  return total;
}

function card(name, totals, face) {
  const longestFirst = (seconds) => Object.entries(seconds).sort((one, other) => other[1] - one[1]);
  const parts = [
    ...longestFirst(totals.shown_seconds).map(([label, seconds]) =>
      ({ label: labels.findIndex((one) => one.name === label), name: label, seconds })),
    ...longestFirst(totals.unclear_seconds).map(([reason, seconds]) =>
      ({ label: UNCLEAR, name: reason === "unclear" ? reason : `unclear: ${reason}`, seconds })),
  ];
  const whole = sum(parts.map((part) => part.seconds));
  const bar = element("div", { class: "share", "aria-hidden": "true" }, ...parts.map(({ label, seconds }) =>
    element("i", { class: label === UNCLEAR ? "hatched" : "", vars: { shade: labels[label].colour, part: seconds } })));
  const lines = parts.map(({ label, name: what, seconds }) => element("tr", {},
    element("th", { scope: "row" }, element("span", { class: "named" }, chip(label), element("span", { text: what }))),
    element("td", { class: "number", text: lasting(seconds) }),
    element("td", { class: "number", text: percent(seconds / whole) })));
  const head = element("tr", {}, ...["Expression", "Time", "Share"].map((text, column) =>
    element("th", { scope: "col", class: column ? "number" : "", text })));
  return element("div", { class: "card" },
    element("h3", {}, face && portrait(face), element("span", { text: name, "data-track": face?.track })),
    element("p", { class: "quiet", text: `in view ${lasting(whole)}${face ? `, ${clock(face.start)} to ${clock(face.end)}` : " in all"}` }),
    face?.blinks && element("p", { class: "quiet", text: blinking(face.blinks) }),
    bar, element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines)));
}

function blinking({ count, per_minute: pace }) {
  return count === null ? "blinks: not watched" : `${counted(count, "blink")}, ${pace.toFixed(1)} a minute while the eyes could be watched`;
}

// The list of spans

const COLUMNS = [
  { name: "Face", key: (span) => rootOf(span.track), kind: "face" },
  { name: "From", key: (span) => span.start, kind: "number timed" },
  { name: "To", key: (span) => span.end, kind: "number timed extra" },
  { name: "Length", key: (span) => span.end - span.start, kind: "number timed spare" },
  { name: "Expression", key: (span) => verdict(span), kind: "" },
  { name: "Probability", key: (span) => span.score, kind: "likely" },
].filter((column) => !isStill || !column.kind.includes("timed"));
const list = { column: Math.min(1, isStill ? 0 : 1), descending: false, shown: SPANS_AT_ONCE, chosen: [] };

function buildSpans() {
  byId("spans").hidden = !spans.length;
  if (byId("spans").hidden) return;
  byId("spans-title").textContent = isStill ? "Every face" : "Every span";
  byId("span-head").append(...COLUMNS.map((column, place) => element("th", { scope: "col", class: column.kind },
    element("button", { type: "button", text: column.name, onclick: () => sortBy(place) }))));
  const used = labels.map((_, label) => label).filter((label) => spans.some((span) => span.label === label));
  fillChoice(byId("only-face"), faces.map((face) => [face.track, face.name]), true);
  fillChoice(byId("only-label"), used.map((label) => [label, labels[label].name]));
  byId("more-spans").addEventListener("click", () => ((list.shown += MORE_SPANS), listSpans()));
  listSpans();
  follow(markRows);
}

function fillChoice(choice, options, named = false) {
  choice.append(element("option", { value: "", text: "all" }),
    ...options.map(([value, text]) => element("option", { value, text, "data-track": named && value })));
  choice.addEventListener("change", () => ((list.shown = SPANS_AT_ONCE), listSpans()));
}

function sortBy(place) {
  list.descending = list.column === place && !list.descending;
  list.column = place;
  listSpans();
}

function listSpans() {
  const track = byId("only-face").value, label = byId("only-label").value;
  const { key } = COLUMNS[list.column], turn = list.descending ? -1 : 1;
  const order = (one, other) => (key(one) < key(other) ? -turn : key(one) > key(other) ? turn : one.number - other.number);
  list.chosen = spans
    .filter((span) => (!track || rootOf(span.track) === rootOf(Number(track))) && (!label || span.label === Number(label)))
    .sort(order);
  [...byId("span-head").children].forEach((head, place) => {
    const state = list.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", place === list.column ? state : "none");
  });
  byId("span-rows").replaceChildren(...list.chosen.slice(0, list.shown).map(spanRow));
  const left = list.chosen.length - list.shown;
  byId("more-spans").hidden = left <= 0;
  byId("more-spans").textContent = `Show more (${left.toLocaleString("en")} left)`;
  byId("spans-note").textContent = listNote();
  markRows(moment);
}

function listNote() {
  const left = content.spans_in_all - spans.length;
  const cut = left ? ` ${counted(left, "shorter span")} more stand only in spans.csv.` : "";
  const pairs = content.compounds ? " Pairs of expressions are a rule's guess, more often wrong than right." : "";
  return `${counted(list.chosen.length, isStill ? "face" : "span")}.${isStill ? "" : " Click one to go there."}${cut}${pairs}`;
}

function spanRow(span) {
  const go = () => {
    jump(span);
    if (video) byId("stage").scrollIntoView({ block: "nearest", behavior: gently() });
  };
  const reason = span.reason ? element("small", { class: "quiet", text: span.reason }) : null;
  const [verdict, told] = content.readings?.[span.number] ?? [];
  const units = told && element("details", { class: "units", onclick: (event) => event.stopPropagation() },
    element("summary", { text: UNITS_SAY[verdict] }), element("span", { class: "quiet", text: told }));
  const [pair, lesser] = content.compounds?.[span.number] ?? [];
  const mixed = pair && element("span", { class: "quiet", text: `${pair} (lesser of both ${lesser.toFixed(2)})` });
  const cells = {
    Face: () => [shortName(span.track), span.picture && element("img", { class: "portrait", src: span.picture, alt: "" })],
    From: () => [element("button", { type: "button", class: "link", "aria-label": `Go to ${clock(span.start)}`, text: clock(span.start) })],
    To: () => [clock(span.end)],
    Length: () => [lasting(span.end - span.start)],
    Expression: () => [element("span", { class: "named" }, chip(span.label), element("span", {}, labels[span.label].name, reason ?? "")), mixed ?? null, units ?? null],
    Probability: () => [element("b", { class: "meter", "aria-hidden": "true" }, element("i", { vars: { part: span.score } })),
      element("span", { class: span.reason ? "quiet" : "", text: span.score.toFixed(2) })],
  };
  const row = element("tr", { onclick: isStill ? null : go }, ...COLUMNS.map((column) =>
    element("td", { class: column.kind }, ...cells[column.name]().filter((part) => part !== null))));
  row.span = span;
  return row;
}

const UNITS_SAY = { agrees: "units agree", contradicts: "units say otherwise", open: "units" };

function gently() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}

function markRows(time) {
  if (isStill) return;
  for (const row of byId("span-rows").children) {
    const current = row.span.start <= time && time < row.span.end;
    if (current) row.setAttribute("aria-current", "time");
    else row.removeAttribute("aria-current");
  }
}

/** What labels rest on, where it was asked for: a picture a face. */
function buildWhy() {
  byId("why").hidden = !content.why.length;
  byId("why-faces").append(...content.why.map((one) =>
    element("figure", {},
      element("figcaption", {}, element("button", { type: "button", class: "link", text: one.title, onclick: () => seek(one.time) })),
      element("img", { src: one.picture, alt: `Maps over the crops of face ${one.track}. ${one.lines.join(" ")}` }),
      ...one.lines.map((text) => element("p", { class: "quiet", text })))));
}
