// The experiment on the page: what is fitted and how. It stands in the address, and every change can be undone.

const START = { data: "sample:line", points: [], settings: {} };

export class History {
  /** changed: called with the experiment after any change, undo or redo. */
  constructor(first, changed) {
    this.now = { ...START, ...first };
    this.before = [];
    this.after = [];
    this.changed = changed;
  }

  /** Change the data or settings; `undefined` takes a setting away. */
  change({ settings = {}, ...more }) {
    const merged = { ...this.now.settings, ...settings };
    for (const [name, value] of Object.entries(merged)) if (value === undefined || value === "") delete merged[name];
    this.put({ ...this.now, ...more, settings: merged });
  }

  /** Another experiment altogether. */
  put(experiment) {
    if (JSON.stringify(experiment) === JSON.stringify(this.now)) return;
    this.before.push(this.now);
    this.after = [];
    this.now = experiment;
    this.changed(this.now);
  }

  undo() { this.#move(this.before, this.after); }
  redo() { this.#move(this.after, this.before); }

  #move(from, to) {
    if (!from.length) return;
    to.push(this.now);
    this.now = from.pop();
    this.changed(this.now);
  }
}

const own = (data) => data === "given" || data.startsWith("upload:");

/** The experiment as the part of an address behind `#`; "" where its rows are a user's file, which no link can hold. */
export function fragment(experiment) {
  if (own(experiment.data)) return "";
  const bytes = new TextEncoder().encode(JSON.stringify(experiment));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The experiment of an address; null where there is none, or it cannot be read. */
export function fromFragment(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
    const found = JSON.parse(new TextDecoder().decode(bytes));
    return typeof found.data === "string" && !own(found.data) ? { ...START, ...found } : null;
  } catch { return null; }
}
