// Heading, provenance, colours, print; then everything is put up.

function buildHeading() {
  const { source, provenance } = content;
  byId("name").textContent = source.name;
  const made = provenance.date ? `analysed ${provenance.date.slice(0, 10)}` : "";
  const facts = [
    isStill ? "picture" : lasting(content.duration - source.start), `${source.width} × ${source.height} pixels`,
    counted(content.faces_in_all, "face"), isStill ? "" : counted(content.spans_in_all, "span"),
    made && provenance.model?.name ? `${made} with ${provenance.model.name}` : made,
  ];
  byId("facts").append(...facts.filter(Boolean).map((text) => element("span", { text })));
  const problems = [...(provenance.problems ?? [])];
  if (faces.length < content.faces_in_all)
    problems.push(`Of ${counted(content.faces_in_all, "face")}, this page shows the ${faces.length.toLocaleString("en")} ` +
      "seen in most frames. The tables beside it have all of them.");
  byId("problems").hidden = !problems.length;
  byId("problems").append(...problems.map((text) => element("li", { text })));
  const threshold = provenance.model?.threshold;
  if (typeof threshold === "number") byId("threshold").textContent = ` (the threshold was ${threshold.toFixed(2)})`;
  byId("nobody").hidden = faces.length > 0;
  byId("nobody").textContent = `No face was found in this ${isStill ? "picture" : "video"}.`;
  byId("now").hidden = !faces.length;
  byId("watch").classList.toggle("alone", !faces.length);
  byId("watch").classList.toggle("blind", !content.film);
  document.body.classList.toggle("still", isStill);
}

function buildProvenance() {
  const lines = [];
  const walkThrough = (value, path) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value))
      for (const [key, one] of Object.entries(value)) walkThrough(one, [...path, key.replaceAll("_", " ")]);
    else lines.push([path.join(" › "), Array.isArray(value) ? value.join("; ") || "none" : String(value ?? "not set")]);
  };
  walkThrough({ source: content.source, ...content.provenance, ...sameName() }, []);
  byId("provenance-rows").append(...lines.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row", text: name }), element("td", { text: value }))));
}

/** The source as it was read and the source as a file share a name in the provenance. */
function sameName() {
  return { source: { ...content.source, ...content.provenance.source } };
}

function buildTheme() {
  const button = byId("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    button.setAttribute("aria-pressed", isDark());
    draw();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  show();
}

/** On paper: light, all sections open, and the list as long as paper bears. */
function buildPrint() {
  const MOST_PRINTED = 500;
  let before = null;
  addEventListener("beforeprint", () => {
    before = { theme: document.documentElement.dataset.theme, shown: list.shown };
    document.documentElement.dataset.theme = "light";
    list.shown = Math.max(list.shown, MOST_PRINTED);
    for (const part of document.querySelectorAll("details")) part.open = true;
    if (spans.length) listSpans();
    drawNow();
  });
  addEventListener("afterprint", () => {
    if (before.theme) document.documentElement.dataset.theme = before.theme;
    else delete document.documentElement.dataset.theme;
    list.shown = before.shown;
    if (spans.length) listSpans();
    draw();
  });
}

buildHeading();
buildStage();
buildBoxes();
buildNow();
buildSignals();
buildTimeline();
buildTotals();
buildSpans();
buildEdits();
buildWhy();
buildProvenance();
buildTheme();
buildPrint();
document.documentElement.dataset.ready = "";
