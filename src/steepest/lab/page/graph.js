// The graph of gradients, as a drawing that a screen reader can read as well.

const NAME = "http://www.w3.org/2000/svg";
const KINDS = { parameter: "descent", data: "data", output: "exact", operation: "axis", module: "predicted" };

/** Draw {nodes, edges} into an element; step: at which their values are. */
export function graph(place, { nodes, edges, notes }, step) {
  const wide = 176, high = 84, xs = nodes.map((node) => node.x), left = Math.min(...xs);
  const at = new Map(nodes.map((node) => [node.id, [(node.x - left) * wide + wide / 2, node.y * high + high / 2]]));
  const width = (Math.max(...xs) - left + 1) * wide, height = (Math.max(...nodes.map((node) => node.y)) + 1) * high;
  const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, style: `width: ${width}px; min-width: ${0.75 * width}px; max-width: 100%`, role: "img", "aria-label": `Graph of gradients: ${nodes.map((node) => node.words.join(" ")).join("; ")}` });
  for (const edge of edges) {
    const [x0, y0] = at.get(edge.from), [x1, y1] = at.get(edge.to);
    svg.append(made("path", { d: `M${x0},${y0} C${x0},${(y0 + y1) / 2} ${x1},${(y0 + y1) / 2} ${x1},${y1}`, fill: "none", stroke: "var(--axis)", "stroke-width": 1.5 }));
    if (edge.factor !== null) svg.append(made("text", { x: (x0 + x1) / 2 + 5, y: (y0 + y1) / 2, "font-size": 10.5, fill: "var(--descent-text)" }, `× ${Number(edge.factor.toPrecision(4))}`));
  }
  for (const node of nodes) {
    const [x, y] = at.get(node.id), box = made("g", { transform: `translate(${x - wide / 2 + 6},${y - 25})` });
    box.append(made("rect", { width: wide - 12, height: 50, rx: 7, fill: "var(--paper)", stroke: `var(--${KINDS[node.kind] ?? "axis"})`, "stroke-width": 1.6 }));
    node.words.slice(0, 3).forEach((text, k) => box.append(made("text", { x: wide / 2 - 6, y: 15 + 14 * k, "text-anchor": "middle", "font-size": 11, "font-weight": k ? 400 : 650, fill: "var(--ink)" }, text.length > 27 ? `${text.slice(0, 26)}…` : text)));
    svg.append(box);
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll graph"; scroll.tabIndex = 0; scroll.append(svg);
  const said = document.createElement("p");
  said.className = "state"; said.textContent = [`At step ${step}.`, ...notes, "∂ is the derivative of the loss by what stands there."].join(" ");
  place.replaceChildren(scroll, said);
}

function made(tag, attributes, text = "") {
  const one = document.createElementNS(NAME, tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.textContent = text;
  return one;
}
