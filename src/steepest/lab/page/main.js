// The lab: wires the experiment, its controls, the player, the pictures and the words together.

import { ask, row, state, stop, upload } from "./ask.js";
import { colour, shown } from "./chart.js";
import { button, Controls } from "./controls.js";
import { Bowl } from "./bowl.js";
import { drawing } from "./drawing.js";
import { fragment, fromFragment, History } from "./experiment.js";
import { DataPicture, LossPicture, ParameterPicture, RatesPicture, ResidualPicture, SurfacePicture, TheoryPicture } from "./pictures.js";
import { classroom } from "./classroom.js";
import { graph } from "./graph.js";
import { Player } from "./player.js";
import { comparison, findings, label, scores, step } from "./words.js";

const at = (id) => document.getElementById(id);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? (prefersDark.matches ? "dark" : "light");

const known = await state();
const pictures = [["data", DataPicture], ["surface", SurfacePicture], ["loss", LossPicture], ["residuals", ResidualPicture], ["parameters", ParameterPicture], ["theory", TheoryPicture]]
  .map(([name, Kind]) => new Kind(at(`picture-${name}`)));
const [dataPicture, surfacePicture] = pictures;
const bowl = new Bowl(at("picture-bowl"));
const ratesPicture = new RatesPicture(at("picture-rates"));
let run = null, pins = [], asked = 0, describedFor = "", guessed = null;

const history = new History(fromFragment(location.hash.slice(1)) ?? known.first, changed);
const controls = new Controls(at("controls"), known, history, send);
const player = new Player(show, (playing) => { at("play").textContent = playing ? "Pause" : "Play"; if (!playing) show(Math.round(player.at)); });

// ---- a change of the experiment ----

async function changed(experiment) {
  const link = fragment(experiment);
  window.history.replaceState(null, "", link ? `#${link}` : location.pathname);
  at("undo").disabled = !history.before.length; at("redo").disabled = !history.after.length;
  at("share").disabled = !link;
  const mine = ++asked;
  busy(true);
  controls.show(experiment);
  const waiting = setTimeout(() => { at("stop").hidden = false; say("Descending…"); }, 250);
  try {
    if (experiment.data === "drawing" && experiment.points.length < 2) { plane(experiment); return; }
    await describe(experiment, mine);
    const answer = await ask("descend", { experiment });
    if (mine !== asked) return;
    if (answer.stopped) { say("Stopped, since another window of this lab asked for another descent.", "bad"); return; }
    take(answer, experiment);
    after(experiment, mine);
  } catch (error) {
    if (mine === asked) say(error.message, "bad");
  } finally {
    clearTimeout(waiting);
    if (mine === asked) { at("stop").hidden = true; busy(false); }
  }
}

const main = document.querySelector("main");
main.dataset.answers = "0";

/** Whether an answer is waited for; how many there were is counted. */
function busy(now) {
  main.setAttribute("aria-busy", String(now));
  if (!now) main.dataset.answers = String(Number(main.dataset.answers) + 1);
}

/** Nothing is fitted yet: an empty plane to draw on. */
function plane(experiment) {
  run = null; pins = []; player.load(1, false);
  controls.columns = null; describedFor = ""; controls.show(experiment); controls.mark(null);
  for (const picture of pictures) picture.empty();
  bowl.empty(); dataPicture.plane(experiment.points);
  for (const id of ["update", "parameters", "scores", "findings", "graph"]) at(id).replaceChildren();
  compared();
  say("Click on the picture of the data: each click puts a point there.");
}

/** The columns of a table, when it is another one. */
async function describe(experiment, mine) {
  if (experiment.data === "drawing") { controls.columns = null; describedFor = ""; controls.show(experiment); return; }
  if (describedFor === experiment.data) return;
  const { table } = await ask("describe", { data: experiment.data });
  if (mine !== asked) return;
  describedFor = experiment.data; controls.columns = table.columns;
  controls.show(experiment);
}

/** A finished descent comes in. */
function take(answer, experiment) {
  run = { ...answer, experiment, last: answer.frames.step.length - 1 };
  if (surfacePicture.swept && surfacePicture.sweptFor !== sweptKey(experiment)) { surfacePicture.swept = null; at("picture-rates").hidden = true; }
  pins = pins.filter((pin) => pin.picture.across === run.picture.across && pin.picture.up === run.picture.up);  // of the same columns
  at("scrub").max = run.last;
  at("graph").replaceChildren();
  say(`${run.words.message}${run.warnings ? `\n${run.warnings.join(" ")}` : ""}`, { diverged: "bad", converged: "good" }[run.words.status]);
  scores(run, at("scores"));
  compared();
  redraw();
  player.load(run.frames.step.length);
}

/** What may come a little later: the marks of the slider, and why. */
async function after(experiment, mine) {
  const rates = await ask("rates", { experiment }).catch(() => null);
  if (mine !== asked) return;
  controls.mark(rates && !rates.stopped ? rates : null);
  at("findings").hidden = experiment === guessed; at("reveal").hidden = experiment !== guessed;
  at("findings").textContent = "Looking…";
  try {
    const found = await ask("diagnose", { experiment });
    if (mine === asked && !found.stopped) findings(at("findings"), found, (settings) => history.change({ settings }));
  } catch (error) {
    if (mine === asked) at("findings").textContent = error.message;
  }
}

let drawn = null;
async function drawGraph() {
  if (!at("gradients").open || !run) return;
  const mine = asked, frame = Math.round(player.at);
  try {
    const found = await ask("graph", { experiment: run.experiment, frame });
    if (mine === asked && frame === Math.round(player.at) && !found.stopped) graph(at("graph"), found, run.frames.step[frame]);
  } catch (error) { at("graph").textContent = error.message; }
}

async function send(file) {
  say(`Reading ${file.name}…`);
  try {
    const { data, name } = await upload(file);
    controls.files.push({ data, name });
    const { table } = await ask("describe", { data });
    history.put({ data, points: [], settings: { target: table.columns.at(-1).name } });
  } catch (error) { say(error.message, "bad"); }
}

// ---- what is shown ----

function redraw() {
  if (!run) { if (history.now.data === "drawing") dataPicture.plane(history.now.points); return; }
  for (const picture of pictures) picture.begin(run, pins);
  bowl.begin(run);
  if (!at("picture-rates").hidden) { ratesPicture.begin(ratesPicture.run, []); ratesPicture.show(0, false, false); }
  show(Math.round(player.at));
}

document.addEventListener("waiting", () => say("The lab does not answer. Waiting for it…", "bad"));

let worded = 0, latest = "", spoken = null;

/** Tell a screen reader, at most every three seconds. */
function announce(text) {
  latest = text;
  if (spoken !== null || at("announcer").textContent === text) return;
  at("announcer").textContent = text;
  spoken = setTimeout(() => { spoken = null; announce(latest); }, 3000);
}

function show(i) {
  if (!run) return;
  i = Math.min(i, run.last);
  const playing = player.playing && i < run.last, now = performance.now();
  const words = !playing || now - worded > 150;  // words are read more slowly than pictures are seen
  for (const picture of pictures) picture.show(i, playing, words);
  bowl.show(i, playing);
  if (!words) return;
  worded = now;
  at("scrub").value = i;
  at("where").textContent = `step ${run.frames.step[i].toLocaleString("en")}`;
  step(run, i, at("update"), at("parameters"));
  at("scrub").setAttribute("aria-valuetext", `step ${run.frames.step[i]}, loss ${shown(run.frames.objective[i])}`);
  if (playing) return;
  announce(`Step ${run.frames.step[i]}. ${pictures.filter((picture) => picture.drawn && !picture.figure.hidden).map((picture) => picture.state.textContent).join(" ")}`);
  clearTimeout(drawn);
  drawn = setTimeout(drawGraph, 150);
}

function say(text, kind = "") { at("message").textContent = text; at("message").className = `message ${kind}`; }

function compared() {
  const all = [...pins, ...(run ? [run] : [])], experiments = all.map((one) => one.experiment);
  for (const one of all) one.label = label(one.experiment, experiments);
  comparison(at("runs"), all, (gone) => { pins = pins.filter((pin) => pin !== gone); compared(); redraw(); });
}

// ---- buttons, keys, windows ----

at("play").onclick = () => player.toggle();
at("back").onclick = () => player.step(-1);
at("forward").onclick = () => player.step(1);
at("first").onclick = () => { player.pause(); player.go(0); };
at("last").onclick = () => { player.pause(); player.go(player.last); };
at("scrub").oninput = () => { const frame = at("scrub").valueAsNumber; player.pause(); player.go(frame); };
at("speed").onchange = () => { player.speed = Number(at("speed").value); };
at("stop").onclick = async () => { asked++; at("stop").hidden = true; await stop(); say("Stopped. What was computed before is still here."); };
at("undo").onclick = () => history.undo();
at("redo").onclick = () => history.redo();
at("share").onclick = async () => {
  const link = `${location.origin}/${location.hash}`;
  await navigator.clipboard.writeText(link).then(() => say("The link is copied. It opens this experiment in a lab.", "good"), () => say(link));
};
at("theme").onclick = () => {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = other; localStorage.setItem("theme", other); redraw();
};
at("gradients").ontoggle = drawGraph;
at("cabinet").append(...known.exhibits.map((one, k) => button(`${k + 1}. ${one.name}`, () => { guessed = { data: "sample:line", points: [], ...one.experiment }; history.put(guessed); })));
at("reveal").onclick = () => { guessed = null; at("reveal").hidden = true; at("findings").hidden = false; };
at("pin").onclick = () => { if (run && !run.pinned) { run = { ...run }; pins = [...pins, { ...run, pinned: true }].slice(-4); compared(); redraw(); } };

at("race").onclick = async () => {
  const experiment = history.now, mine = ++asked;
  say("Descending by each rule…"); at("stop").hidden = false; busy(true);
  try {
    const raced = [];
    for (const optimizer of ["sgd", "momentum:0.9", "nesterov:0.9", "adam"]) {
      const one = { ...experiment, settings: { ...experiment.settings, optimizer } }, answer = await ask("descend", { experiment: one });
      if (mine !== asked || answer.stopped) return;
      raced.push({ ...answer, experiment: one, last: answer.frames.step.length - 1, pinned: true });
    }
    pins = raced; compared(); redraw(); player.load(run.frames.step.length);
    const best = raced.filter((one) => one.words.status !== "diverged").sort((a, b) => a.summary.loss - b.summary.loss)[0];
    say(best ? `Of the four rules at this learning rate ${best.words.optimizer} came lowest: loss ${shown(best.summary.loss, 6)}.` : "All four rules diverge at this learning rate.");
  } catch (error) { say(error.message, "bad"); } finally { at("stop").hidden = true; busy(false); }
};

const sweptKey = (experiment) => JSON.stringify({ ...experiment, settings: { ...experiment.settings, lr: null } });
at("rates").onclick = async () => {
  const experiment = history.now, marks = controls.marks, middle = marks?.largest ?? marks?.automatic ?? run?.summary.lr ?? 0.1;
  const lr = Array.from({ length: 200 }, (_, k) => Number((middle * 10 ** (-3.2 + 3.6 * (k / 199))).toPrecision(3)));
  say("Descending at 200 learning rates…"); at("stop").hidden = false; busy(true);
  try {
    const found = await ask("sweep", { experiment, lr });
    if (found.stopped) return;
    surfacePicture.swept = found.paths; surfacePicture.sweptFor = sweptKey(experiment);
    at("picture-rates").hidden = false; ratesPicture.run = { runs: found.runs };
    say(`${found.runs.length} descents, each at another learning rate.`); redraw();
  } catch (error) { say(error.message, "bad"); } finally { at("stop").hidden = true; busy(false); }
};
at("picture-rates").querySelector("canvas").onclick = (event) => {
  const [rate] = ratesPicture.chart.at(event.offsetX, event.offsetY);
  if (rate > 0) history.change({ settings: { lr: Number(rate.toPrecision(2)) } });
};
at("picture-surface").querySelector("canvas").onclick = (event) => {
  const surface = run?.surface;
  if (!surfacePicture.starts) return;
  const start = surfacePicture.chart.at(event.offsetX, event.offsetY), order = run.names.map((name) => start[surface.labels.indexOf(name)]);
  history.change({ settings: { init: order.map((value) => Number(value.toPrecision(4))) } });
};
drawing(dataPicture, history);

for (const pressed of document.querySelectorAll("[data-away]")) pressed.onclick = () => away(pressed.dataset.away);

async function away(what) {
  try {
    if (!run) throw new Error("Nothing is fitted yet.");
    if (what === "picture") return save(await blob(dataPicture.chart.layers.merged(colour("paper"))), "fit.png");
    if (what === "data") return save(new Blob([rows()], { type: "text/csv" }), "descent.csv");
    say("Writing…");
    const answer = await ask(what, { experiment: history.now });
    if (what === "script") { at("script").textContent = answer.text; at("script").hidden = false; save(new Blob([answer.text], { type: "text/x-python" }), "descent.py"); }
    if (what === "notebook") save(new Blob([answer.text], { type: "application/x-ipynb+json" }), "descent.ipynb");
    if (what === "report") save(new Blob([answer.text], { type: "text/html" }), "report.html");
    if (what === "film") save(new Blob([answer], { type: "image/gif" }), "descent.gif");
    say("Saved where your browser keeps downloads.", "good");
  } catch (error) { say(error.message, "bad"); }
}

/** The steps as a table. */
function rows() {
  const { frames, names } = run, quoted = (name) => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const lines = [["step", "epoch", "lr", "objective", ...names.map(quoted)].join(",")];
  for (let i = 0; i <= run.last; i++) lines.push([frames.step[i], frames.epoch[i], frames.lr[i], frames.objective[i], ...row(frames.theta, i)].join(","));
  return `${lines.join("\n")}\n`;
}

const blob = (canvas) => new Promise((done) => canvas.toBlob(done));
function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content); link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

for (const pressed of document.querySelectorAll("[data-jump]")) pressed.onclick = () => document.querySelector(pressed.dataset.jump).scrollIntoView();

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=range]), select, textarea, [contenteditable]");
  if ((event.ctrlKey || event.metaKey) && !typing && "zy".includes(event.key.toLowerCase())) {
    event.preventDefault();
    if (event.key.toLowerCase() === "y" || event.shiftKey) history.redo(); else history.undo();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const own = event.target.closest("button, summary, a, input");
  const keys = { ArrowLeft: () => player.step(-1), ArrowRight: () => player.step(1), Home: () => at("first").click(), End: () => at("last").click(), " ": () => player.toggle() };
  if (keys[event.key] && !(own && (event.key === " " || event.target.id === "setting-lr"))) { event.preventDefault(); keys[event.key](); }
});

if (known.role) classroom(known, { sent: (experiment) => history.put(experiment), current: () => history.now, say });

const page = document.querySelector(".controls");
page.addEventListener("submit", (event) => event.preventDefault());
for (const name of ["dragover", "drop", "dragleave"]) document.addEventListener(name, (event) => {
  event.preventDefault();
  document.querySelector(".drop")?.classList.toggle("over", name === "dragover");
  if (name === "drop" && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
});
let wide = 0;
new ResizeObserver(() => { if (main.clientWidth !== wide) { wide = main.clientWidth; redraw(); } }).observe(main);
addEventListener("hashchange", () => { const found = fromFragment(location.hash.slice(1)); if (found) history.put(found); });
changed(history.now);
