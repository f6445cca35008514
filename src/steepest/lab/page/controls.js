// The controls: what is fitted, and how. Each is made from the setting's own sentence and choices.

import { shown } from "./chart.js";

const GROUPS = {
  Model: ["model", "loss", "penalty", "intercept"],
  Descent: ["optimizer", "lr", "schedule", "batch_size", "epochs", "precondition", "init", "seed"],
  "More settings": ["shuffle", "clip", "max_steps", "tol", "validation", "patience", "test_fraction", "missing", "class_weight", "dtype"],
};
const WORDS = {
  lr: "Learning rate", batch_size: "Batch size", max_steps: "Most steps", test_fraction: "Held-out share", init: "Start",
  tol: "Tolerance", precondition: "Coordinates", class_weight: "Class weights", dtype: "Precision", intercept: "Intercept",
};
const LISTS = {
  precondition: ["auto", "none", "standardize", "orthonormal"], shuffle: ["rows", "draws", "blocks", "none"],
  missing: ["error", "drop", "mean", "level"], class_weight: ["", "balanced"], dtype: ["float64", "float32"],
};
const RATES = [-6, 3];  // powers of ten of the slider

export const word = (name) => WORDS[name] ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export class Controls {
  /** form: where they go. known: what the server told. history: where changes go. send: takes a file. */
  constructor(form, known, history, send) {
    Object.assign(this, { form, known, history, send, files: known.files, columns: null, marks: null });
  }

  /** Build them for an experiment. */
  show(experiment) {
    const focused = document.activeElement?.id, open = this.form.querySelector("details")?.open;
    const settings = experiment.settings;
    this.form.replaceChildren(this.#data(experiment));
    for (const [title, names] of Object.entries(GROUPS)) {
      const group = element("fieldset", {}, element("legend", {}, title), ...names.map((name) => this.#field(name, settings[name])));
      this.form.append(title === "More settings" ? element("details", { open: open ?? false }, element("summary", {}, title), group) : group);
    }
    if (focused) document.getElementById(focused)?.focus();
    this.mark(this.marks);
  }

  // ---- the data ----

  #data(experiment) {
    const choose = element("select", { id: "data" },
      ...this.known.samples.map(({ name }) => option(`sample:${name}`, `Sample: ${name.replaceAll("_", " ")}`)),
      option("drawing", "Points of my own"), ...this.files.map((file) => option(file.data, file.name)));
    choose.value = experiment.data;
    choose.onchange = () => this.history.put({ data: choose.value, points: choose.value === "drawing" ? this.history.now.points : [], settings: descentOnly(this.history.now.settings) });
    const file = element("input", { type: "file", id: "file", hidden: true, accept: ".csv,.tsv,.txt,.parquet,.arrow,.feather,.json,.jsonl,.gz" });
    file.onchange = () => file.files[0] && this.send(file.files[0]);
    const drop = element("div", { class: "drop" }, "Drop a table here, or ", button("choose a file", () => file.click()));
    const group = element("fieldset", {}, element("legend", {}, "Data"), element("div", { class: "field" }, element("label", { for: "data" }, "Rows"), choose), drop, file);
    if (experiment.data === "drawing") group.append(element("div", { class: "field" }, element("small", {}, "Click on the picture of the data to add a point, drag to move one, double-click to remove it.")));
    if (this.columns) group.append(...this.#columns(experiment.settings));
    return group;
  }

  #columns(settings) {
    const target = element("select", { id: "target" }, option("", "choose…"), ...this.columns.map((column) => option(column.name, column.name)));
    const sample = this.known.samples.find(({ name }) => `sample:${name}` === this.history.now.data);
    target.value = settings.target ?? sample?.targets[0] ?? "";
    target.onchange = () => this.history.change({ settings: { target: target.value || undefined, columns: undefined } });
    const chosen = settings.columns ?? this.columns.map((column) => column.name).filter((name) => name !== target.value);
    const boxes = this.columns.filter((column) => column.name !== target.value && !(sample?.targets ?? []).includes(column.name)).map((column) => {
      const box = element("input", { type: "checkbox", checked: chosen.includes(column.name) });
      box.onchange = () => {
        const now = [...list.querySelectorAll("input")].flatMap((one, k) => (one.checked ? [names[k]] : []));
        this.history.change({ settings: { columns: now.length === names.length || !now.length ? undefined : now } });
      };
      return element("label", {}, box, column.name, element("span", {}, about(column)));
    });
    const names = this.columns.filter((column) => column.name !== target.value && !(sample?.targets ?? []).includes(column.name)).map((column) => column.name);
    const list = element("div", { class: "columns" }, ...boxes);
    return [element("div", { class: "field" }, element("label", { for: "target" }, "Target"), target), element("div", { class: "field" }, element("div", { class: "label" }, "Predicted from"), list)];
  }

  // ---- the settings ----

  #field(name, value) {
    const setting = this.known.settings[name], id = `setting-${name}`;
    const put = (given) => this.history.change({ settings: { [name]: given } });
    let control;
    if (name === "lr") return this.#rate(value, put);
    if (setting.choices.length) control = this.#choice(name, value, put);
    else if (LISTS[name]) {
      control = element("select", { id }, ...LISTS[name].map((one) => option(one, one || "none")));
      control.value = value ?? setting.default ?? "";
      control.onchange = () => put(control.value === String(setting.default ?? "") ? undefined : control.value);
    } else if (setting.kind === "switch") {
      control = element("select", { id }, option("true", "yes"), option("false", "no"));
      control.value = String(value ?? setting.default);
      control.onchange = () => put(control.value === "true" ? undefined : false);
    } else {
      control = element("input", { id, type: "text", inputMode: "decimal", autocomplete: "off", value: value ?? "", placeholder: setting.default === null ? "automatic" : String(setting.default) });
      control.onchange = () => put(read(control.value, name));
    }
    const chosen = setting.choices.find((one) => one.name === control.querySelector?.("select")?.value);
    return element("div", { class: "field" }, element("label", { for: id }, word(name)), control, element("small", {}, chosen?.text ?? sentence(setting.text)));
  }

  #choice(name, value, put) {
    const setting = this.known.settings[name], id = `setting-${name}`, own = Array.isArray(value), text = own ? "numbers" : String(value ?? setting.default), [chosen, rest = ""] = text.split(/:(.*)/s);
    const names = setting.choices.map((choice) => choice.name), plain = [...new Set([String(setting.default), ...names])];
    const select = element("select", { id }, ...plain.map((one) => option(one, one)), ...(name === "init" ? [option("numbers", "numbers")] : []));
    select.value = own ? "numbers" : chosen;
    const choice = setting.choices.find((one) => one.name === select.value);
    const numbers = element("input", { type: "text", inputMode: "decimal", autocomplete: "off", value: own ? value.join(", ") : rest, placeholder: choice?.numbers.map((one) => one.default ?? one.name).join(",") ?? "1,2", "aria-label": `${word(name)}: ${choice?.numbers.map((one) => one.name).join(", ") || "numbers"}` });
    numbers.hidden = !(choice?.numbers.length || own);
    select.onchange = () => {
      if (select.value === "numbers") { numbers.hidden = false; numbers.focus(); return; }
      const taken = setting.choices.find((one) => one.name === select.value), needed = taken?.numbers.filter((one) => one.default === null) ?? [];
      const first = { degree: "2", "hidden units": "16", width: "16" };
      const guess = needed.length ? `:${needed.map((one) => first[one.name] ?? (name === "penalty" ? "0.01" : "10")).join(",")}` : "";
      put(select.value === String(setting.default) ? undefined : select.value + guess);
    };
    numbers.onchange = () => put(select.value === "numbers" ? numbers.value.split(/[\s,;]+/).filter(Boolean).map(Number) : numbers.value ? `${select.value}:${numbers.value}` : select.value);
    return element("div", { class: "pair" }, select, numbers);
  }

  #rate(value, put) {
    const number = typeof value === "number" ? value : null;
    const slider = element("input", { id: "setting-lr", type: "range", min: RATES[0], max: RATES[1], step: 0.01, value: number ? Math.log10(number) : -1 });
    const typed = element("input", { id: "typed-lr", type: "text", inputMode: "decimal", autocomplete: "off", value: number ?? "", placeholder: "auto", "aria-label": "Learning rate as a number" });
    slider.oninput = () => { typed.value = Number((10 ** slider.valueAsNumber).toPrecision(3)); };
    slider.onchange = () => put(Number((10 ** slider.valueAsNumber).toPrecision(3)));
    typed.onchange = () => put(read(typed.value, "lr"));
    const automatic = button("auto", () => put(undefined));
    this.typed = typed;
    this.rate = element("div", { class: "rate" }, slider);
    return element("div", { class: "field" }, element("label", { for: "setting-lr" }, "Learning rate"), this.rate,
      element("div", { class: "pair" }, typed, automatic), element("small", {}, sentence(this.known.settings.lr.text)));
  }

  /** Mark the largest stable and the automatic rate on the slider. */
  mark(marks) {
    this.marks = marks;
    if (this.typed) this.typed.placeholder = marks?.used && this.typed.value === "" ? `auto: ${shown(marks.used)}` : "auto";
    this.rate?.querySelectorAll(".mark").forEach((old) => old.remove());
    for (const [name, text] of [["automatic", "auto"], ["largest", "limit"]]) {
      const rate = marks?.[name];
      if (!rate) continue;
      const place = (Math.log10(rate) - RATES[0]) / (RATES[1] - RATES[0]);
      if (place < 0 || place > 1) continue;
      const mark = element("span", { class: `mark ${name}`, title: `${name === "largest" ? "The largest stable learning rate" : "What auto takes"}: ${shown(rate)}` }, text);
      mark.style.left = `calc(8px + ${place} * (100% - 16px))`;
      if (name === "largest" && marks.automatic && Math.abs(Math.log10(rate / marks.automatic)) < 1) mark.style.transform = "translateX(0)";
      if (name === "automatic" && marks.largest && Math.abs(Math.log10(rate / marks.largest)) < 1) mark.style.transform = "translateX(-100%)";
      this.rate.append(mark);
    }
  }
}

const descentOnly = (settings) => Object.fromEntries(Object.entries(settings).filter(([name]) => GROUPS.Descent.includes(name) && name !== "init"));
const sentence = (text) => text.replace(/ \(default[^)]*\)| \(by default[^)]*\)/g, "");
const option = (value, text) => element("option", { value }, text);

function about(column) {
  const { quantiles, levels, kind } = column;
  const size = quantiles ? `${kind} ${shown(quantiles.minimum)} … ${shown(quantiles.maximum)}` : levels.length ? `${kind}, ${levels.length} levels` : kind;
  return column.missing ? `${size}, ${column.missing} missing` : size;
}

function read(text, name) {
  const trimmed = text.trim();
  if (!trimmed || trimmed === "auto" || (name === "batch_size" && trimmed === "full")) return undefined;
  const number = Number(trimmed.replace(",", "."));
  return Number.isNaN(number) ? trimmed : number;
}

/** An element with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value === "boolean") made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function button(text, pressed, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.onclick = pressed;
  return made;
}
