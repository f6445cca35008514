// Questions to the server, and the arrays in its answers.

const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array };

/** Ask for a task; resolves to the answer with its arrays unpacked, or throws an Error with what is wrong. */
export async function ask(task, more) {
  const question = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ task, ...more }) };
  let response = await fetch("/api/ask", question).catch(() => null);
  for (let tries = 0; !response && tries < 60; tries++) {  // a lab that was started anew goes on
    document.dispatchEvent(new CustomEvent("waiting"));
    await new Promise((done) => setTimeout(done, 1000));
    response = await fetch("/api/ask", question).catch(() => null);
  }
  if (!response) throw new Error("The lab does not answer. Is `steepest lab` still running?");
  return unpacked(await said(response));
}

/** End whatever this visitor waits for. */
export const stop = () => fetch("/api/stop", { method: "POST" });

/** What the page begins with. */
export const state = async () => said(await fetch("/api/state"));

/** Send a file; resolves to {data, name}. */
export async function upload(file) {
  const query = new URLSearchParams({ name: file.name });
  return said(await fetch(`/api/upload?${query}`, { method: "POST", body: file }));
}

async function said(response) {
  const answer = await response.json().catch(() => ({ error: `The lab answered with the code ${response.status}.` }));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** Turn {"f4": base64, "shape": […]} into a typed array with a `shape`, anywhere in an answer. */
function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  const kind = Object.keys(KINDS).find((name) => typeof value[name] === "string" && Array.isArray(value.shape));
  if (kind) {
    const array = new KINDS[kind](bytes(value[kind]).buffer);
    array.shape = value.shape;
    return array;
  }
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, unpacked(entry)]));
}

/** What base64 stands for; only young browsers have a function for it, which is many times as quick. */
function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const signs = atob(text), found = new Uint8Array(signs.length);
  for (let i = 0; i < signs.length; i++) found[i] = signs.charCodeAt(i);
  return found;
}

/** Row i of a two-dimensional array. */
export function row(array, i) {
  const width = array.shape.slice(1).reduce((a, b) => a * b, 1);
  return array.subarray(i * width, (i + 1) * width);
}
