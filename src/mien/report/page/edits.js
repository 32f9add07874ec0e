// What a reader corrects: names, faces that are one person, moments, stretches that do not count. They leave as a file,
// or stay with the server that this page comes from; the figures here stay as mien gave them. docs/formats.md spells the
// file.

const MOST_WORDS = 200;
const nothing = () => ({ names: [], merges: [], marks: [], excluded: [] });
let edits = nothing(), begun = null;
let saved = edits, stored = edits; // what was last downloaded, and what the server has
const undone = []; // what was before each change
const ANSWERED = 30_000; // milliseconds until a server that says nothing is given up

/** Whether this page is where a server of mien keeps its edits: a copy of it elsewhere asks nobody for anything. */
const isKept = Boolean(content.keeper) && /^https?:$/.test(location.protocol) &&
  location.pathname.endsWith(`${content.keeper}report`);

const isUnkept = () => edits !== saved && edits !== stored;
let merged = new Map(), named = new Map(); // of the edits, by track
const rootOf = (track) => merged.get(track) ?? track;
const shortName = (track) => named.get(rootOf(track)) ?? String(rootOf(track));
const nameOf = (track) => named.get(rootOf(track)) ?? `Face ${rootOf(track)}`;
const aboutFace = (track) => (track === null ? "everybody" : nameOf(track));
const words = (text) => text.split(/\s+/).filter(Boolean).join(" ").slice(0, MOST_WORDS);
const exactly = (time) => Math.round(time * 1000) / 1000;

function buildEdits() {
  byId("edit").hidden = isStill || !faces.length;
  if (byId("edit").hidden) return;
  for (const [choice, first] of [["edit-face", "everybody"], ["edit-into", "another face"]])
    byId(choice).append(element("option", { value: "", text: first }), ...faces.map((face) =>
      element("option", { value: face.track, text: face.name, "data-track": face.track })));
  const actions = { "edit-name": nameFace, "edit-merge": mergeFace, "edit-mark": markMoment,
    "edit-from": beginStretch, "edit-to": endStretch, "edit-undo": undo, "edit-save": saveEdits, "edit-keep": keepEdits };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  byId("edit-load").addEventListener("click", () => byId("edit-file").click());
  byId("edit-file").addEventListener("change", () => loadEdits(byId("edit-file")));
  byId("edit-text").addEventListener("keydown", (event) => event.key === "Enter" && nameFace());
  addEventListener("keydown", editByKey);
  addEventListener("beforeunload", (event) => isUnkept() && event.preventDefault());
  showEdits("");
  if (isKept) openKept();
}

/** Show what the server kept; until then nothing can be corrected. */
async function openKept() {
  const place = byId("edit");
  byId("asks").textContent = "This page asks its own server for the edits, and no other network for anything.";
  place.inert = true;
  try {
    stored = edits = taken(await (await askKeeper()).json());
    byId("edit-keep").hidden = false;
    showEdits(Object.values(edits).some((part) => part.length) ? "These edits were kept on the server." : "");
  } catch (error) {
    showEdits(`The edits on the server cannot be read, so that none can be kept there now. ${error.message}`);
  }
  place.inert = false;
}

async function keepEdits() {
  const sent = edits;
  try {
    await askKeeper(fileOfEdits());
    stored = sent;
    showEdits("Kept on the server, with the report.");
  } catch (error) {
    showEdits(`Not kept. ${error.message} Download the edits, so that they are not lost.`);
  }
}

/** Ask for the edits that the server keeps, or send it others. */
async function askKeeper(body) {
  const token = new URLSearchParams(location.search).get("token") ?? sessionStorage.getItem("mien token");
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(body && { "Content-Type": "application/json" }) };
  let answer;
  try {
    answer = await fetch("edits", { method: body ? "PUT" : "GET", body, headers, signal: AbortSignal.timeout(ANSWERED) });
  } catch {
    throw new Error("The server does not answer.");
  }
  if (answer.ok) return answer;
  const { expected, got } = (await answer.json().catch(() => null))?.error ?? {};
  throw new Error(expected ? `It expected ${expected}, and got ${got}.` : `It answered ${answer.status}.`);
}

function editByKey(event) {
  if (event.target.closest?.("input:not([type=checkbox]), select, video") || event.altKey || byId("edit").inert) return;
  const held = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  const action = held ? { z: undo }[key] : { m: markMoment, "[": beginStretch, "]": endStretch,
    n: () => byId("edit-text").focus() }[key];
  if (!action) return;
  event.preventDefault();
  action();
}

function change(said, into) {
  undone.push(edits);
  edits = { ...edits, ...into };
  byId("edit-text").value = "";
  showEdits(said);
}

function undo() {
  if (!undone.length) return;
  edits = undone.pop();
  showEdits("Taken back.");
}

const chosenFace = () => (byId("edit-face").value ? rootOf(Number(byId("edit-face").value)) : null);

/** Why a face cannot be called so beside these names, which mien could not tell apart; empty where it can. */
function misnamed(track, name, names) {
  const plain = name.toLowerCase();
  if (/^((person|face|track) )?\p{Nd}+$/u.test(plain)) return "A name, please, not a number as mien gives them.";
  const same = names.find((one) => one.track !== track && one.name.toLowerCase() === plain);
  return same ? `Face ${same.track} is called so: merge the faces, or name them apart.` : "";
}

function nameFace() {
  const track = chosenFace(), name = words(byId("edit-text").value);
  if (track === null || !name) return showEdits("Choose a face and write a name.");
  const fault = misnamed(track, name, edits.names);
  if (fault) return showEdits(fault);
  change("", { names: [...edits.names.filter((one) => one.track !== track), { track, name }] });
}

function mergeFace() {
  const track = chosenFace(), other = byId("edit-into").value, into = other ? rootOf(Number(other)) : null;
  if (track === null || into === null || track === into) return showEdits("Choose two faces that are one person.");
  const of = (root) => faces.filter((face) => rootOf(face.track) === root);
  // A cell may hold the last frame of one and the first of the other: two in a row are two people.
  const together = of(track).some((one) => of(into).some((two) => sharedCells(one, two) > 1));
  if (together) return showEdits("These faces are in view at once: they are two people.");
  const moved = (one) => (one.track === track ? { ...one, track: into } : one);
  const named = edits.names.some((one) => one.track === into);
  change("", {
    merges: [...edits.merges.map((one) => (one.into === track ? { ...one, into } : one)), { track, into }],
    names: named ? edits.names.filter((one) => one.track !== track) : edits.names.map(moved),
    marks: edits.marks.map(moved), excluded: edits.excluded.map(moved),
  });
}

function sharedCells(one, two) {
  let shared = 0;
  const last = Math.min(one.first + one.cells.length / UNCLEAR, two.first + two.cells.length / UNCLEAR);
  const there = (face, cell) => face.cells[(cell - face.first) * UNCLEAR] !== AWAY;
  for (let cell = Math.max(one.first, two.first); cell < last; cell++) shared += there(one, cell) && there(two, cell);
  return shared;
}

function markMoment() {
  const text = words(byId("edit-text").value) || "mark";
  change("", { marks: [...edits.marks, { time: exactly(moment), track: chosenFace(), text }] });
}

function beginStretch() {
  begun = exactly(moment);
  showEdits(`From ${clock(begun)}: now move to its end.`);
}

function endStretch() {
  const end = exactly(moment);
  if (begun === null || end <= begun) return showEdits("First say where the stretch begins; it ends later than that.");
  const reason = words(byId("edit-text").value) || "excluded";
  const stretch = { start: begun, end, track: chosenFace(), reason };
  begun = null;
  change("", { excluded: [...edits.excluded, stretch] });
}

function showEdits(said) {
  merged = new Map(edits.merges.map(({ track, into }) => [track, into]));
  named = new Map(edits.names.map(({ track, name }) => [track, name]));
  byId("edit-note").textContent = said;
  byId("edit-undo").disabled = !undone.length;
  byId("edit-save").disabled = !Object.values(edits).some((part) => part.length);
  byId("edit-keep").disabled = edits === stored;
  document.documentElement.toggleAttribute("data-unkept", isUnkept());
  const lines = [
    ...edits.names.map(({ track, name }) => `Face ${track} is ${name}`),
    ...edits.merges.map(({ track, into }) => `Face ${track} is the same person as ${nameOf(into)}`),
    ...edits.marks.map(({ time, track, text }) => `Mark at ${clock(time)}, ${aboutFace(track)}: ${text}`),
    ...edits.excluded.map(({ start, end, track, reason }) =>
      `Left out from ${clock(start)} to ${clock(end)}, ${aboutFace(track)}: ${reason}`),
  ];
  byId("edit-list").replaceChildren(...lines.map((text) => element("li", { text })));
  for (const face of faces) face.name = nameOf(face.track);
  for (const shown of document.querySelectorAll("[data-track]")) shown.textContent = nameOf(Number(shown.dataset.track));
  for (const row of rows) nameRow(row);
  if (spans.length) listSpans();
  setMoment(moment);
  draw();
}

/** What lies over a face's bands in the part of the film that is shown: stretches that are left out, and marks. */
function drawEdits({ face, corrected }) {
  const concerns = ({ track }) => track === null || track === rootOf(face.track);
  const left = edits.excluded.filter((one) => concerns(one) && one.end > view.from && one.start < view.to).map((one) => {
    const start = Math.max(0, shareOf(one.start));
    return element("i", { class: "left-out", vars: { left: start, width: Math.min(1, shareOf(one.end)) - start } });
  });
  const marks = edits.marks.filter((one) => concerns(one) && one.time >= view.from && one.time <= view.to)
    .map((one) => element("i", { class: "mark", vars: { left: shareOf(one.time) } }));
  corrected.replaceChildren(...left, ...marks);
}

/** Which result these edits are of. */
function sourceOfEdits() {
  const { source, provenance } = content, file = provenance.source ?? {};
  return { name: source.name, sha256: file.sha256 ?? null, bytes: file.bytes ?? null, analysed: provenance.date ?? null };
}

function fileOfEdits(indent) {
  return `${JSON.stringify({ format: "mien edits", version: 1, source: sourceOfEdits(), ...edits }, null, indent)}\n`;
}

function saveEdits() {
  const address = URL.createObjectURL(new Blob([fileOfEdits(2)], { type: "application/json" }));
  element("a", { href: address, download: `${content.source.name.replace(/\.[^.]*$/, "") || "film"}.edits.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  saved = edits;
  showEdits("");
}

/** Take the edits of a file in place of those here; undo brings these back. */
async function loadEdits(input) {
  const file = input.files[0];
  if (!file) return;
  try {
    const found = taken(JSON.parse(await file.text()));
    undone.push(edits);
    edits = saved = found;
    showEdits(`These are the edits of ${file.name}.`);
  } catch (error) {
    showEdits(`${file.name} was not loaded. ${error instanceof SyntaxError ? "It is no JSON." : error.message}`);
  }
  input.value = ""; // the same file may be chosen again
}

/** The edits in the content of a file, every track by the one that remains; an Error in words where they do not fit. */
function taken(file) {
  const demand = (holds, words) => {
    if (!holds) throw new Error(words);
  };
  demand(file?.format === "mien edits" && file.version === 1, "It is no file of edits that this report reads.");
  const own = sourceOfEdits(), source = file.source ?? {};
  const differs = ["sha256", "bytes", "analysed"].some((key) =>
    source[key] != null && own[key] != null && source[key] !== own[key]);
  const same = source.name === own.name || (own.sha256 !== null && source.sha256 === own.sha256);
  demand(same && !differs, `It is of another film or analysis: ${source.name}.`);
  const there = new Set(faces.map((face) => face.track)), whole = faces.length === content.faces_in_all;
  const { names, merges, marks, excluded } = { ...nothing(), ...file };
  const wrong = "Something in it is not as docs/formats.md has it.";
  demand([names, merges, marks, excluded].every(Array.isArray), wrong);
  const into = new Map(merges.map((one) => [one.track, one.into]));
  const found = (track, passed = 0) => {
    demand(Number.isInteger(track) && track > 0 && passed <= into.size, wrong);
    demand(there.has(track) || !whole, `There is no face ${track} here.`);
    return into.has(track) ? found(into.get(track), passed + 1) : track;
  };
  const whose = (track) => (track == null ? null : found(track));
  const said = (text) => {
    demand(typeof text === "string" && words(text), wrong);
    return words(text);
  };
  const time = (seconds) => {
    demand(Number.isFinite(seconds) && seconds >= 0, wrong);
    return seconds;
  };
  const told = names.map(({ track, name }) => ({ track: found(track), name: said(name) }));
  for (const { track, name } of told) {
    const fault = misnamed(track, name, told);
    demand(!fault, `It calls face ${track} "${name}". ${fault}`);
    demand(told.every((one) => one.track !== track || one.name === name), `It has two names for face ${track}.`);
  }
  demand(excluded.every((one) => one.start < one.end), wrong);
  return {
    names: [...new Map(told.map((one) => [one.track, one])).values()],
    merges: [...into.keys()].map((track) => ({ track, into: found(track) })),
    marks: marks.map((one) => ({ time: time(one.time), track: whose(one.track), text: said(one.text) })),
    excluded: excluded.map((one) =>
      ({ start: time(one.start), end: time(one.end), track: whose(one.track), reason: said(one.reason ?? "excluded") })),
  };
}
