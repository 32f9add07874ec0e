// The moment the page is at, and the video that moves with it. Without a video the moment moves all the same.

let moment = 0;
let video = null;
const followers = [];

/** Call ``follower`` now and whenever the moment changes. */
function follow(follower) {
  followers.push(follower);
  follower(moment);
}

function setMoment(time) {
  moment = clamp(time, 0, content.duration);
  for (const follower of followers) follower(moment);
}

/** Move the page, and the video with it, to ``time`` seconds. */
function seek(time) {
  setMoment(time);
  if (video) video.currentTime = moment;
}

/** Move to the first frame of ``span``; a millisecond in, so that rounding does not show the frame before. */
function jump(span) {
  if (!isStill) seek(Math.min(span.start + 0.001, Math.max(span.end - 0.0005, span.start)));
}

function buildStage() {
  const film = content.film;
  const { width, height } = content.source;
  byId("stage").style.setProperty("--aspect", width / height);
  if (!film) {
    byId("stage").hidden = true;
    const why = content.source.kind === "camera" ? "a camera, which cannot be shown again" : "not a single file";
    if (!isStill) byId("film-note").textContent = `There is no video here: the source was ${why}. Everything else works.`;
    return;
  }
  if (film.still) showPicture(film);
  else showVideo(film, film.embedded ? embeddedFilm(film) : film.link);
}

function embeddedFilm(film) {
  const parts = [...document.querySelectorAll("script.film-part")].map((part) => bytesOf(part.textContent));
  return URL.createObjectURL(new Blob(parts, { type: film.type }));
}

function showPicture(film) {
  const picture = element("img", { alt: `The picture ${film.name}`, onerror: () => filmProblem(film) });
  picture.src = film.embedded ? embeddedFilm(film) : film.link;
  byId("stage").prepend(picture);
}

function showVideo(film, address) {
  video = element("video", {
    controls: true, playsinline: true, preload: "auto", "aria-label": `Video ${film.name}`,
    onerror: () => filmProblem(film),
    onloadedmetadata: () => {
      if (!video.videoWidth) return filmProblem(film);
      byId("stage").style.setProperty("--aspect", video.videoWidth / video.videoHeight);
      byId("film-note").replaceChildren();
      byId("stage").classList.toggle("other", !isSourcesShape(video));
    },
    onseeking: () => setMoment(video.currentTime),
    ontimeupdate: () => setMoment(video.currentTime),
    onplay: followVideo,
  });
  video.src = address;
  byId("stage").prepend(video);
}

/** Whether boxes of the source fit a film: a smaller copy keeps the shape, oblong pixels the height, a drawing neither. */
function isSourcesShape({ videoWidth, videoHeight }) {
  const { width, height } = content.source;
  return videoHeight === height || Math.abs((videoWidth * height) / (videoHeight * width) - 1) < 0.01;
}

function followVideo() {
  if (!video || video.paused) return;
  setMoment(video.currentTime);
  requestAnimationFrame(followVideo);
}

/** Say that the film cannot be shown and offer to open it from this machine. */
function filmProblem(film) {
  byId("stage").classList.add("empty");
  const kind = film.still ? "picture" : "video";
  const reason = film.embedded
    ? `This browser cannot show the embedded ${kind}: it does not know the format.`
    : `The ${kind} ${film.name} is not where this report expects it (${film.link}), or this ` +
      "browser does not know its format.";
  const advice = ` A ${kind} that browsers show is made by mien analyze --save-video --html.`;
  const choose = element("input", {
    type: "file", accept: film.still ? "image/*" : "video/*,.mkv", onchange: () => openLocal(film, choose.files[0]),
  });
  byId("film-note").replaceChildren(
    `${reason} Everything else on this page works without it.${advice} `,
    element("label", { class: "choose" }, "Show it from a file on this machine: ", choose),
  );
}

function openLocal(film, file) {
  if (!file) return;
  byId("stage").querySelector("video, img")?.remove();
  byId("stage").classList.remove("empty");
  byId("film-note").replaceChildren();
  const chosen = { ...film, name: file.name, link: file.name };
  const address = URL.createObjectURL(file);
  if (film.still) showPicture({ ...chosen, link: address });
  else showVideo(chosen, address);
  seek(moment);
}

// Boxes over the picture, so that the reader knows which face is which. A drawing of mien's has its own.

function buildBoxes() {
  const wanted = content.film?.own && faces.some((face) => face.boxes);
  const choice = byId("boxes-choice");
  choice.hidden = !wanted;
  if (!wanted) return;
  const layer = byId("boxes");
  const marks = new Map();
  choice.addEventListener("change", () => (layer.hidden = !choice.querySelector("input").checked));
  follow((time) => {
    for (const face of faces) {
      const cell = cellAt(face, time);
      if (cell < 0) marks.get(face)?.remove();
      else placeBox(face, cell, time, marks, layer);
    }
  });
}

function placeBox(face, cell, time, marks, layer) {
  if (!marks.has(face)) marks.set(face, element("div", { class: "box" }, element("span")));
  const mark = marks.get(face);
  if (!mark.isConnected) layer.append(mark);
  const [x0, y0, x1, y1] = face.boxes.subarray(4 * cell, 4 * cell + 4).map((side) => side);
  const share = (side) => `${((100 * side) / BOX_UNITS).toFixed(2)}%`;
  mark.style.left = share(x0);
  mark.style.top = share(y0);
  mark.style.width = share(x1 - x0);
  mark.style.height = share(y1 - y0);
  const span = spanAt(face, time);
  const label = span ? labels[span.label] : labels[UNCLEAR];
  mark.style.setProperty("--shade", label.colour);
  mark.style.setProperty("--ink", label.ink);
  mark.classList.toggle("low", y0 < 0.08 * BOX_UNITS);
  mark.firstChild.textContent = `${face.name}: ${label.name}`;
}

// What every face shows at this moment.

const MOST_NOW = 3;

function buildNow() {
  const panels = new Map();
  const rest = element("p", { class: "quiet" });
  // Room for a face is kept when none is there: the timeline below must not move while it is used.
  byId("now").style.setProperty("--panel", `${(1.4 * (UNCLEAR + sum(signals.map((one) => Math.min(one.labels.length, MOST_ROWS) + 2))) + 4).toFixed(1)}rem`);
  byId("now").classList.toggle("many", faces.length > 1);
  follow((time) => {
    byId("moment").textContent = isStill ? "In this picture" : `At ${clock(time)}`;
    const seen = faces.filter((face) => cellAt(face, time) >= 0);
    const shown = isStill ? seen.slice(0, 12) : seen.slice(0, MOST_NOW);
    for (const face of shown) {
      if (!panels.has(face)) panels.set(face, nowPanel(face));
      panels.get(face).update(time);
    }
    rest.textContent = !seen.length ? "No face is in view." :
      seen.length > shown.length ? `and ${counted(seen.length - shown.length, "more face")}` : "";
    const wanted = [...shown.map((face) => panels.get(face).panel), rest];
    const place = byId("now-faces");
    if (wanted.length !== place.children.length || wanted.some((one, at) => place.children[at] !== one))
      place.replaceChildren(...wanted);
  });
}

function nowPanel(face) {
  const title = element("span");
  const mark = element("span");
  const bars = labels.slice(0, UNCLEAR).map((label) => {
    const fill = element("i", { vars: { shade: label.colour } });
    const value = element("span", { class: "number" });
    return { fill, value, row: element("li", {}, element("span", { text: label.name }), element("b", {}, fill), value) };
  });
  const list = element("ul", { class: "bars" }, ...bars.map((bar) => bar.row));
  const why = element("p", { class: "quiet why" });
  const beside = signals.map((signal) => nowSignal(face, signal));
  const panel = element("div", { class: "now-face" },
    element("h3", {}, portrait(face), element("span", { text: face.name, "data-track": face.track }), mark, title), list,
    ...beside.flatMap((one) => one.parts), why);
  const update = (time) => {
    const span = spanAt(face, time);
    title.textContent = span ? verdict(span) : "";
    if (span && mark.dataset.label !== String(span.label)) {
      mark.dataset.label = span.label;
      mark.replaceChildren(chip(span.label));
    }
    const when = isStill ? [0, content.step] : [time, time];
    const values = mixture(face, ...when);
    for (const one of beside) one.update(...when);
    const read = typeof values !== "string";
    list.classList.toggle("faint", !read);
    why.textContent = read ? "" : "This face cannot be read here.";
    bars.forEach(({ fill, value }, label) => {
      fill.style.width = `${read ? (100 * values[label]).toFixed(1) : 0}%`;
      value.textContent = read ? values[label].toFixed(2) : "";
    });
  };
  return { panel, update };
}

function portrait(face) {
  return face.picture ? element("img", { class: "portrait", src: face.picture, alt: "" }) : null;
}
