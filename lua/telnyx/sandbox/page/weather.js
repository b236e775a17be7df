// The weather menu: what happens to the next message, or to all of them.

import { api } from "./api.js";
import { find, make, say } from "./dom.js";

const FAMILIES = [
  ["delivery", "Accepted, and not delivered"],
  ["api", "Refused with a code"],
  ["limit", "Too many requests"],
  ["status", "Another HTTP status"],
  ["passing", "Trouble once, then fair"],
  ["slow", "Slow answers"],
  ["oddity", "A good status, and a bad body"],
  ["connection", "The connection ends badly"],
];

const menu = find("weather"), times = find("weather-times"), chip = find("weather-on");

let rows = [];
let knobs = {};

function optionOf(row) {
  const option = make("option", "", `${row.digits} · ${row.causes}`);
  option.value = row.digits;
  return option;
}

function groupOf([family, label]) {
  const group = make("optgroup");
  group.label = label;
  group.append(...rows.filter((row) => row.family === family).map(optionOf));
  return group;
}

function show() {
  const digits = knobs.weather || "", left = knobs.weather_times || 0;
  menu.value = digits;
  menu.classList.toggle("warm", digits !== "");
  if (digits) times.value = left === 0 ? "0" : "1";
  const row = rows.find((one) => one.digits === digits);
  menu.title = row ? row.causes : "";
  say(chip, digits ? `Weather ${digits}` : "");
}

async function turn() {
  const digits = menu.value || null;
  const n = digits ? Number(times.value) : 0;
  try {
    await api.turn({ weather: digits, weather_times: n });
  } catch (problem) {
    say(find("trouble"), problem.message);
    show();
  }
}

export const weather = {
  async load() {
    rows = await api.weather();
    menu.append(...FAMILIES.map(groupOf).filter((group) => group.children.length));
    show();
  },
  show(options) {
    knobs = options;
    show();
  },
};

menu.addEventListener("change", turn);
times.addEventListener("change", () => { if (menu.value) turn(); });
