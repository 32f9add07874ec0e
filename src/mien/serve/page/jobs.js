// The list of analyses, deletion, and the report of one of them.

import { Refusal, ask, withToken } from "./server.js";
import { arrange, byId, clock, counted, element, lasting, moment, percent, say, size, write } from "./tools.js";

// Asked in turns, not by one event stream a job: a browser keeps six connections to a server, and streams would use
// them up.
const WORKING_EVERY = 1, TROUBLED_EVERY = 2, IDLE_EVERY = 8; // seconds
const cards = new Map(); // id to card
const mine = new Set(); // sent from this page since it was opened
let timer = null, asking = false, again = false, uploads = 0, opened = null, heard = false;

export function buildJobs() {
  byId("report-close").addEventListener("click", () => mayLeave() && closeReport());
  addEventListener("visibilitychange", () => document.hidden || refresh());
  addEventListener("hashchange", openAddressed);
  refresh();
}

/** A job that was just accepted is listed at once. */
export function expect({ id }) {
  mine.add(id);
  refresh();
}

export function setUploads(number) {
  uploads = number;
  showCount();
}

/** Ask for the list now, and again later: soon while something is under way. */
export async function refresh() {
  clearTimeout(timer);
  if (asking) return void (again = true);
  asking = true;
  let pause = IDLE_EVERY;
  try {
    const { jobs } = await ask("v1/jobs", { quiet: heard });
    if (jobs.some(isWorking)) pause = WORKING_EVERY;
    heard = true; // before it is shown: an empty list is one only when the server said so
    show(jobs);
    trouble(null);
    openAddressed();
  } catch (refusal) {
    trouble(refusal);
    if (refusal.passing) pause = refusal.retryAfter ?? TROUBLED_EVERY; // people watch for it to come back
  }
  heard = true;
  asking = false;
  if (again) return void ((again = false), refresh());
  if (!document.hidden) timer = setTimeout(refresh, 1000 * pause);
}

/** Say what went wrong with the list, or with the deletion of ``name``: that stays when the list comes again. */
function trouble(refusal, name = "") {
  const place = byId("trouble");
  if (!refusal && !name && place.dataset.about) return;
  place.hidden = !refusal;
  if (!refusal) return void (place.dataset.about = "");
  const help = refusal.status === 401 ? "" : refusal.status ? refusal.fix
    : `Is mien serve still running? ${name ? `${name} was not deleted.` : "This page asks again by itself."}`;
  if (place.dataset.status === String(refusal.status) && place.dataset.about === name && place.childElementCount) return;
  place.dataset.status = refusal.status;
  place.dataset.about = name;
  const button = refusal.status === 401 && element("button", { type: "button", text: "Enter the token", onclick: () => {
    heard = false; // the question may be put again
    refresh();
  } });
  place.replaceChildren(element("span", { text: `${refusal.message ?? refusal} ${help} ` }), button || "");
}

function isWorking({ status }) {
  return status === "queued" || status === "running";
}

function show(jobs) {
  const newest = [...jobs].sort((one, other) => (moment(other.created) ?? 0) - (moment(one.created) ?? 0));
  const queue = newest.filter((job) => job.status === "queued").reverse();
  for (const job of newest) {
    if (!cards.has(job.id)) cards.set(job.id, card(job));
    cards.get(job.id).update(job, queue.indexOf(job));
  }
  const present = new Set(newest.map((job) => job.id));
  for (const id of [...cards.keys()]) if (!present.has(id)) forget(id);
  arrange(byId("job-list"), newest.map((job) => cards.get(job.id).row));
  showCount();
  if (!opened) document.title = titled(jobs);
}

function titled(jobs) {
  const running = jobs.find((job) => job.status === "running");
  return running?.progress ? `${percent(running.progress)} of ${running.name} - mien` : "mien: expressions shown";
}

function showCount() {
  byId("empty").hidden = !heard || cards.size + uploads > 0;
  write(byId("jobs-count"), cards.size ? counted(cards.size, "analysis").replace("analysiss", "analyses") : "");
}

function forget(id) {
  cards.delete(id);
  if (opened === id) closeReport();
}

function card({ id, name }) {
  const state = element("p", { class: "state" });
  const bar = element("progress", { max: 1, "aria-label": `Analysis of ${name}` });
  const fix = element("p", { class: "quiet" });
  const files = element("details", { hidden: true }, element("summary", { text: "Files" }), element("ul", { class: "files" }));
  const read = element("button", { type: "button", class: "main", hidden: true, text: "Show report", "aria-expanded": "false",
    "aria-controls": "report", "aria-label": `Show report of ${name}`, onclick: () => mayLeave() && (opened === id ? closeReport() : openReport(id)) });
  const gone = element("button", { type: "button", text: "Delete", "aria-label": `Delete ${name}`, onclick: () => confirmDelete(id) });
  const row = element("li", { class: "job" },
    element("div", { class: "heading" },
      element("div", {}, element("h3", { text: name }), state, fix), element("div", { class: "tools" }, read, gone)), bar, files);
  const one = { row, read, gone, files, job: null };
  one.update = (job, place) => {
    const before = one.job?.status;
    one.job = job;
    row.dataset.status = job.status;
    row.classList.toggle("wrong", job.status === "failed");
    write(state, words(job, place));
    write(fix, job.status === "failed" ? advice(job.error) : "");
    bar.hidden = job.status !== "running";
    if (job.progress === null || job.progress === undefined) bar.removeAttribute("value");
    else bar.value = job.progress;
    read.hidden = job.status !== "done";
    listFiles(files, job);
    if (before !== job.status && (before || mine.has(id))) news(job, before);
  };
  return one;
}

/** The state of a job in words. */
function words(job, place) {
  const [created, started, finished] = [job.created, job.started, job.finished].map(moment);
  const sent = created ? `, sent ${clock(created)}` : "";
  if (job.status === "queued") return place > 0 ? `Waiting, ${counted(place, "analysis").replace("analysiss", "analyses")} before it` : "Waiting; it is next";
  if (job.status === "running") {
    const left = started && job.progress > 0.05 ? ((Date.now() - started) / 1000) * (1 / job.progress - 1) : null;
    const share = typeof job.progress === "number" ? `, ${percent(job.progress)}` : "";
    return `Being analysed${share}${left !== null ? `, about ${lasting(Math.max(left, 1)).replace(/\.\d/, "")} left` : ""}`;
  }
  if (job.status === "done") return `Done${started && finished ? ` in ${lasting((finished - started) / 1000)}` : ""}${found(job)}${sent}`;
  if (job.status === "cancelled") return `Cancelled${sent}`;
  return `Failed${sent}. ${reason(job.error)}`;
}

function reason(error) {
  return error ? new Refusal(500, { error }).message : "";
}

function advice(error) {
  return error?.fix ? new Refusal(500, { error }).fix : "Delete it and send the file again.";
}

/** What was found, in a few words. */
function found({ result }) {
  if (!result) return "";
  if (!result.tracks_in_all) return ": no face was found";
  return `: ${counted(result.tracks_in_all, "face")}${result.source?.kind === "image" ? "" : `, ${counted(result.spans_in_all, "span")}`}`;
}

function listFiles(place, { files = [], status }) {
  place.hidden = status !== "done" || !files.length;
  const list = place.lastElementChild;
  if (list.children.length === files.length) return;
  list.replaceChildren(...files.map((file) => element("li", {},
    element("a", { href: withToken(file.url), download: file.name, text: file.name }), element("span", { class: "quiet", text: ` ${size(file.size)}` }))));
}

/** What became of a job: said to listeners; the first report of one's own is opened. */
function news(job, before) {
  if (job.status === "done") {
    say(`${job.name} is analysed. Its report is ready.`);
    if (mine.has(job.id) && !opened && uploads === 0 && [...mine].filter((id) => cards.has(id)).length === 1) openReport(job.id, false);
  } else if (job.status === "failed") say(`The analysis of ${job.name} failed. ${reason(job.error)} ${advice(job.error)}`);
  else if (job.status === "running" && before === "queued") say(`${job.name} is being analysed.`);
}

// The report

/** Show the report of a job below the list; ``go`` there unless it opens by itself. */
function openReport(id, go = true) {
  const { job, read } = cards.get(id);
  if (opened) closeReport(false);
  opened = id;
  read.setAttribute("aria-expanded", "true");
  write(read, "Close report");
  read.setAttribute("aria-label", `Close report of ${job.name}`);
  write(byId("report-title"), `Report of ${job.name}`);
  const address = withToken(`v1/jobs/${encodeURIComponent(id)}/report`);
  byId("report-tab").href = address;
  const frame = element("iframe", { title: `Report of ${job.name}`, src: address, onload: matchColours });
  byId("report").append(frame);
  byId("report").hidden = false;
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  document.title = `${job.name} - mien`;
  if (!go) return;
  byId("report").scrollIntoView();
  byId("report").focus({ preventScroll: true });
}

/** Whether the open report may go: what was corrected in it and is neither kept nor downloaded goes with it. */
function mayLeave() {
  const page = byId("report").querySelector("iframe")?.contentDocument?.documentElement;
  return !page?.hasAttribute("data-unkept") ||
    confirm("The report has edits that are neither kept on the server nor downloaded. Close it without them?");
}

function closeReport(back = true) {
  if (!opened) return;
  const one = cards.get(opened);
  opened = null;
  const inside = byId("report").contains(document.activeElement);
  byId("report").querySelector("iframe").remove();
  byId("report").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  document.title = "mien: expressions shown";
  if (!one) return;
  one.read.setAttribute("aria-expanded", "false");
  write(one.read, "Show report");
  one.read.setAttribute("aria-label", `Show report of ${one.job.name}`);
  if (back && inside) one.read.focus();
}

/** The address of the page names the open report, so that it is still open after a reload. */
function openAddressed() {
  const id = [...cards.keys()].find((one) => location.hash === `#${encodeURIComponent(one)}`);
  if (id && id !== opened && cards.get(id).job.status === "done") openReport(id);
}

/** The report follows the colours chosen here; its own button for them would be a second one. */
export function matchColours() {
  const button = byId("report").querySelector("iframe")?.contentDocument?.getElementById("theme");
  if (button) button.hidden = true;
  if (button && button.getAttribute("aria-pressed") !== byId("theme").getAttribute("aria-pressed")) button.click();
}

// Deletion

function confirmDelete(id) {
  const { job, gone } = cards.get(id), dialog = byId("delete");
  write(byId("delete-title"), `Delete ${job.name}?`);
  write(byId("delete-words"), isWorking(job)
    ? "Its analysis stops, and what there is of it goes from the server. Your own file stays where it is."
    : "Its report and tables go from the server for good. Your own file stays where it is.");
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.open) return; // said late: of the time before, and it was opened again since
    if (dialog.returnValue === "delete") remove(id);
    else gone.focus();
  };
  dialog.showModal();
}

async function remove(id) {
  const { job, row, gone } = cards.get(id);
  gone.disabled = true;
  const neighbour = row.nextElementSibling ?? row.previousElementSibling;
  const shown = opened === id;
  trouble(null, job.name);
  if (shown) closeReport(false); // its film must not be in the middle of a transfer when the file goes
  try {
    await ask(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  } catch (refusal) {
    if (refusal.status !== 404) {
      gone.disabled = false;
      if (shown && cards.has(id)) openReport(id, false);
      gone.focus();
      return trouble(refusal, job.name);
    }
  }
  forget(id);
  row.remove();
  say(`${job.name} was deleted.`);
  showCount();
  (neighbour?.querySelector(".heading > .tools > button:last-child") ?? byId("files")).focus();
  return refresh();
}
