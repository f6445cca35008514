// What is said in words and numbers beside the pictures: the step at hand, why, the comparison.

import { row } from "./ask.js";
import { shown } from "./chart.js";
import { button, element, word } from "./controls.js";

const MOST = 12;  // parameters in the table

/** The update of a step written out, and each parameter beside its exact value. */
export function step(run, i, update, table) {
  const { frames, names, exact, words } = run, theta = row(frames.theta, i), lr = frames.lr[i], end = i === run.last;
  const slope = frames.gradient ? row(frames.gradient, i) : null, change = row(frames.change, i);
  const whole = slope && words.precondition === "none" && frames.step[Math.min(i + 1, run.last)] - frames.step[i] === 1;
  const plain = whole && words.optimizer === "sgd", momentum = whole && words.optimizer.startsWith("momentum");
  const lines = names.slice(0, 4).map((name, k) => {
    if (end) return `${name} = ${shown(theta[k], 7)}`;
    if (plain) return `${name} ← ${shown(theta[k], 5)} − ${shown(lr)} · ${shown(slope[k], 5)} = ${shown(theta[k] + change[k], 5)}`;
    if (momentum) return `${name} ← ${shown(theta[k], 5)} − ${shown(lr)} · ${shown(slope[k], 5)} ${change[k] + lr * slope[k] < 0 ? "−" : "+"} ${shown(Math.abs(change[k] + lr * slope[k]), 5)} = ${shown(theta[k] + change[k], 5)}`;
    return `${name} ← ${shown(theta[k], 5)} ${change[k] < 0 ? "−" : "+"} ${shown(Math.abs(change[k]), 5)} = ${shown(theta[k] + change[k], 5)}`;
  });
  const rule = plain ? "θ ← θ − lr · gradient" : momentum ? "θ ← θ − lr · gradient + momentum" : `θ ← θ + step of ${words.optimizer}${words.precondition === "none" ? "" : `, in ${words.precondition} coordinates`}, lr ${shown(lr)}`;
  update.replaceChildren(element("p", { class: "formula" }, element("b", {}, end ? "The answer" : rule)), ...lines.map((line) => element("p", { class: "formula" }, element("code", {}, line))));
  const heads = ["name", "value", ...(slope ? ["gradient"] : []), ...(exact ? ["exact", "digits"] : [])];
  const digits = frames.digits ? row(frames.digits, i) : null;
  const rows = names.slice(0, MOST).map((name, k) => [name, shown(theta[k], 7), ...(slope ? [shown(slope[k])] : []), ...(exact ? [shown(exact[k], 7), digits ? String(Math.floor(digits[k])) : "–"] : [])]);
  table.replaceChildren(tabled(heads, rows), ...(names.length > MOST ? [element("p", { class: "state" }, `${names.length - MOST} more parameters.`)] : []));
}

const SCORES = { r2: "R²", mae: "MAE", rmse: "RMSE", accuracy: "accuracy", error_rate: "error rate", auc: "AUC" };

/** How good the end is: on the rows fitted, and on those held out. */
export function scores(run, place) {
  const said = Object.entries(run.summary.metrics ?? {}).map(([rows, found]) => `${rows === "train" ? "At the end" : "Held out"}: ${Object.entries(found).filter(([, value]) => typeof value === "number").slice(0, 4).map(([name, value]) => `${SCORES[name] ?? name.replaceAll("_", " ")} ${shown(value)}`).join(", ")}.`);
  place.textContent = said.join(" ");
}

/** The findings, each with a button that applies its remedy. */
export function findings(place, answer, apply) {
  const parts = answer.findings.map((one) => {
    const said = [element("b", {}, `${one.kind[0].toUpperCase()}${one.kind.slice(1)}`), one.what, element("small", {}, one.evidence)];
    if (one.advice) said.push(element("small", {}, one.advice));
    if (one.predicted) said.push(element("small", {}, one.predicted));
    const settings = Object.fromEntries(Object.entries(one.remedy).map(([name, value]) => [name, value === null ? undefined : value]));
    if (one.python) said.push(button(`Apply ${one.python}`, () => apply(settings)));
    return element("div", { class: "finding", "data-code": one.code }, ...said);
  });
  const looked = element("details", {}, element("summary", {}, "What was looked at"), element("p", { class: "state" }, answer.looked_at));
  place.replaceChildren(...(parts.length ? parts : [element("p", {}, "Nothing wrong was found.")]), looked);
}

/** The runs that were pinned and the one at hand, a row each. */
export function comparison(place, runs, unpin) {
  if (runs.length < 2) { place.replaceChildren(element("p", { class: "state" }, "Pin this run, change one thing, and see both.")); return; }
  const name = (run) => element("span", {}, run.label, element("small", {}, `${run.words.status}, ${run.summary.steps.toLocaleString("en")} steps`));
  const rows = runs.map((run) => [name(run), shown(run.summary.loss, 5), shown(run.summary.gap), run.pinned ? button("×", () => unpin(run), { "aria-label": `Unpin ${run.label}` }) : "shown"]);
  place.replaceChildren(tabled(["run", "loss", "gap", "pinned"], rows));
}

function tabled(heads, rows) {
  return element("div", { class: "scroll", tabindex: "0" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)))))));
}

/** What tells a run apart from another: the settings in which they differ. */
export function label(experiment, others) {
  const settings = experiment.settings, names = [...new Set(others.flatMap((other) => Object.keys(other.settings)))].filter((name) => new Set(others.map((other) => JSON.stringify(other.settings[name]))).size > 1);
  const parts = names.slice(0, 3).map((name) => `${word(name).toLowerCase()} ${settings[name] ?? "auto"}`);
  return parts.join(", ") || settings.optimizer || "auto";
}
