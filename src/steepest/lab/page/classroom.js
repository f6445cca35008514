// A class: what the teacher sends comes to every page; the teacher sees how far each student is.

import { shown } from "./chart.js";
import { element } from "./controls.js";

const EVERY = 3000;  // milliseconds

/** sent: takes an experiment from the teacher. current: the experiment at hand. say: a message. */
export function classroom({ role, name }, { sent, current, say }) {
  const at = (id) => document.getElementById(id);
  let number = null;

  async function told(more = {}) {
    const response = await fetch("/api/class", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(more) }).catch(() => null);
    if (!response?.ok) return;
    const answer = await response.json();
    if (answer.error) { say(answer.error, "bad"); return; }
    if (number !== null && answer.number > number && role === "student") { sent(answer.sent); say("Your teacher sent this experiment."); }
    number = answer.number;
    if (role === "teacher") list(answer.students);
  }

  function list(students) {
    const away = (one) => one.seconds > 20;
    const rows = students.map((one) => [
      one.name || "no name", `${(one.data ?? "").replace("sample:", "")} ${one.optimizer ?? ""}`,
      away(one) ? "away" : one.error ? "error" : one.status ?? "nothing yet", shown(one.relative_gap, 2),
    ]);
    const heads = ["student", "rows, rule", "ended", "relative gap"];
    const here = element("p", { class: "state" }, `${students.filter((one) => !away(one)).length} of ${students.length} are here.`);
    at("students").replaceChildren(here, element("div", { class: "scroll", tabindex: "0" }, element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))))));
  }

  at("class").hidden = role !== "teacher";
  at("send").onclick = async () => { await told({ send: current() }); say("Sent to all.", "good"); };
  document.querySelector(".name").hidden = role !== "student";
  at("name").value = name;
  at("name").onchange = () => told({ name: at("name").value });
  setInterval(told, EVERY);
  told();
}
