// Navigation, keyboard shortcuts, and the light and dark themes.

const VIEWS = { units, ranges, unit: unitView, concepts, concept: conceptView, studies, made };
const rendered = new Set();
const scrolled = new Map();
let current = null;
let chapterBefore = "units";

function route() {
  const [, name = "", number, state = ""] = /^#(\w+)(?:-(\d+))?(?:\?(.*))?$/.exec(window.location.hash) || [];
  if (Object.hasOwn(VIEWS, name) && (number !== undefined) === (name === "unit" || name === "concept")) {
    return { name, number: number === undefined ? null : Number(number), state };
  }
  return { name: pictured ? "units" : "ranges", number: null, state: "" };
}

// Keeps the state of the list that is shown in the address, and in the links to lists.
let writing = 0;

function writeAddress() {
  for (const link of document.querySelectorAll("nav.views a")) {
    const list = lists[link.dataset.view];
    if (list) link.setAttribute("href", `#${link.dataset.view}${list.address}`);
  }
  // Browsers refuse to write an address at every step of a slider.
  clearTimeout(writing);
  writing = setTimeout(() => {
    const { name } = route();
    if (lists[name]) window.history.replaceState(null, "", `#${name}${lists[name].address}`);
  }, 150);
}

function show() {
  const { name, number, state } = route();
  const address = `${name}-${number}`;
  if (byId("large").open) byId("large").close();
  if (current !== null) scrolled.set(current, window.scrollY);
  if (lists[name] && (state || current === null)) lists[name].read(state);
  for (const each of Object.keys(VIEWS)) byId(`view-${each}`).hidden = each !== name;
  byId("find").hidden = lists[name] !== found;
  if (lists[name] === found) chapterBefore = name;
  const chapter = name === "unit" ? chapterBefore : name === "concept" ? "concepts" : name;
  for (const link of document.querySelectorAll("nav.views a")) {
    if (link.dataset.view === chapter) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = byId(`view-${name}`);
  if (number !== null || !rendered.has(name)) {
    rendered.add(name);
    VIEWS[name].render(view, number);
  }
  writeAddress();
  const first = current === null;
  current = address;
  window.scrollTo(0, number === null ? scrolled.get(address) || 0 : 0);
  const heading = view.querySelector("h2");
  if (!first && heading) heading.focus({ preventScroll: true });
  document.title = number === null ? run.called : `${name} ${number} · ${run.called}`;
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape" && !byId("large").open) event.target.blur();
    return;
  }
  if (byId("large").open) {
    const buttons = [...byId("large").querySelectorAll("[data-key]")];
    buttons.filter((button) => button.dataset.key === event.key).forEach((button) => button.click());
    return;
  }
  const { name } = route();
  const view = byId(`view-${name}`);
  const step = { j: 1, k: -1, ...(name === "unit" ? { ArrowRight: 1, ArrowLeft: -1 } : {}) };
  if (event.key in step) {
    if (name === "unit") unitView.step(step[event.key]);
    else stepFocus(view, step[event.key]);
  } else if (event.key === "/") {
    if (!lists[name]) window.location.hash = "units";
    (view.querySelector("input[type=search]") || byId("filter")).focus();
  } else if (event.key === "u") {
    window.location.hash = name === "concept" ? "concepts" : chapterBefore;
  } else if (event.key === "t") {
    nextTheme();
  } else {
    return;
  }
  event.preventDefault();
}

const THEMES = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };
let theme = "auto";

function setTheme(name) {
  theme = name;
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = THEMES[name];
  byId("theme").setAttribute("aria-label", `Colors: ${name}`);
}

function nextTheme() {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(theme) + 1) % names.length]);
  try {
    window.localStorage.setItem("ccx-theme", theme);
  } catch {
    // A page that was opened as a file may not store anything: the choice is not kept.
  }
}

function storedTheme() {
  try {
    const stored = window.localStorage.getItem("ccx-theme");
    return Object.hasOwn(THEMES, stored) ? stored : "auto";
  } catch {
    return "auto";
  }
}

function weightsText() {
  const { pretrained, weights } = run.about;
  if (pretrained !== "own" || typeof weights !== "string") return pretrained;
  const sha256 = run.identity.activations && run.identity.activations.weights;
  return weights + (typeof sha256 === "string" ? ` (sha256 ${sha256.slice(0, 12)}...)` : "");
}

function head() {
  const { model, layer, subset, images, split, num_clusters: asked, annotation, sae } = run.about;
  if (typeof model === "string" && typeof layer === "string") {
    byId("title").replaceChildren(
      el("bdi", null, model),
      el("span", { class: "dim" }, " · "),
      el("bdi", null, layer),
      ...(run.called === run.name ? [] : [el("span", { class: "dim" }, " · "), el("bdi", null, run.called)]),
    );
  }
  const search = run.identity.search;
  const facts = [
    run.about.pretrained && ["weights", weightsText()],
    sae && ["latents of", `${sae.file} (sha256 ${sae.sha256.slice(0, 12)}...)`],
    subset && ["dataset", subset + (images ? `, ${count(images, "image", "images")}` : "")],
    split && ["searched", `images marked ${split}`],
    annotation && ["labels", `predicted by ${annotation.engine} ${annotation.checkpoint}, not drawn by people`],
    typeof asked === "number" && ["ranges per unit", whole(asked)],
    search && search.name && ["search", `${search.name}${search.length ? `, up to ${search.length} concepts` : ""}`],
    run.chance && ["chance", run.chance],
  ].filter(Boolean);
  byId("facts").append(
    ...facts.map(([name, value]) => el("span", null, el("span", { class: "dim" }, `${name} `), el("bdi", null, plain(value)))),
  );
  if (run.notes.length) {
    byId("notes").append(el("div", { class: "note" }, run.notes.map((note) => el("p", null, note))));
  }
  byId("theme").addEventListener("click", nextTheme);
}

window.history.scrollRestoration = "manual";
setTheme(storedTheme());
head();
findBar(byId("find"));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  window.location.hash = "units";
  byId("filter").focus();
});
window.addEventListener("hashchange", show);
window.addEventListener("keydown", key);
byId("large").addEventListener("click", (event) => {
  if (event.target === byId("large")) byId("large").close();
});
show();
