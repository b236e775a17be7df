// The weather of webhooks: the sandbox's own options, in words.

import { api } from "./api.js";
import { openDialog } from "./dialogs.js";
import { find, make, say } from "./dom.js";

const SIGNATURES = [
  ["good", "good"], ["wrong_key", "by another key"], ["flipped_bit", "one bit flipped"],
  ["missing", "missing"], ["no_timestamp", "without its time"], ["url_safe", "Base64 for URLs"],
  ["altered_body", "body changed afterwards"],
];

// Name, words, and what it takes: a count, seconds, yes or no, or one of a list.
const KNOBS = [
  ["profile_webhook_url", "URL for what phones write", "url"],
  ["lose", "Lose the next events", "count"],
  ["duplicate", "Deliver the next events twice", "count"],
  ["swap", "Finalized comes before sent", "flag"],
  ["before_reply", "Events come before the reply to the POST", "flag"],
  ["burst", "Hold back until there are so many", "count"],
  ["delay", "Delay, in seconds", "seconds"],
  ["signature", "Signature", SIGNATURES],
  ["timestamp_shift", "Signature’s clock is off, in seconds", "seconds"],
  ["no_dlr", "Nothing comes after sent", "flag"],
  ["late_second_final", "Another end later, in seconds", "seconds"],
  ["unknown_events", "Events of unknown types as well", "flag"],
];

const FAIR = { count: 0, seconds: 0, flag: false, url: null };
const fairOf = (kind) => (Array.isArray(kind) ? "good" : FAIR[kind]);

const inputs = new Map();

function inputOf(kind) {
  if (Array.isArray(kind)) {
    const select = make("select");
    for (const [value, words] of kind) select.append(new Option(words, value));
    return select;
  }
  const input = make("input");
  input.type = { flag: "checkbox", url: "url" }[kind] || "number";
  if (kind === "url") input.placeholder = "on this machine only";
  if (kind === "count") input.min = "0";
  if (kind === "seconds") input.step = "any";
  return input;
}

function read(input, kind) {
  if (kind === "flag") return input.checked;
  if (kind === "url") return input.value.trim() || null;
  return Array.isArray(kind) ? input.value : Number(input.value);
}

function write(input, kind, value) {
  if (kind === "flag") input.checked = value === true;
  else if (document.activeElement !== input) input.value = String(value ?? fairOf(kind) ?? "");
}

async function turn(values) {
  say(find("knobs-problem"), "");
  try {
    knobs.show(await api.turn(values));
  } catch (problem) {
    say(find("knobs-problem"), problem.message);
  }
}

function build() {
  for (const [name, words, kind] of KNOBS) {
    const input = inputOf(kind), label = make("label", "", words);
    input.id = `knob-${name}`;
    label.htmlFor = input.id;
    input.addEventListener("change", () => turn({ [name]: read(input, kind) }));
    inputs.set(name, input);
    find("knobs").append(label, input);
  }
}

export const knobs = {
  show(options) {
    const data = options.data || options;
    let n = 0;
    for (const [name, , kind] of KNOBS) {
      if (!(name in data)) continue;
      write(inputs.get(name), kind, data[name]);
      if (kind !== "url" && data[name] !== fairOf(kind) && data[name] !== null) n += 1;
    }
    const button = find("show-knobs");
    button.textContent = n ? `${n} changed` : "Fair";
    button.classList.toggle("warm", n > 0);
  },
};

build();
find("show-knobs").addEventListener("click", () => openDialog("knobs-dialog"));
find("knobs-fair").addEventListener("click", () => {
  const weather = KNOBS.filter(([, , kind]) => kind !== "url");
  turn(Object.fromEntries(weather.map(([name, , kind]) => [name, fairOf(kind)])));
});
