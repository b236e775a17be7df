// The strip on top: where the sandbox is, its keys, its weather; and the page's own switches.

import { api } from "./api.js";
import { closeDialog, openDialog } from "./dialogs.js";
import { copy, find, memory, say } from "./dom.js";

const base = `${location.origin}/v2`;
const NARROW = matchMedia("(max-width: 44rem)");

const commands = {
  "curl-command": `curl -s ${base}/messages \\
  -H 'Authorization: Bearer KEY_TEST' \\
  -H 'Content-Type: application/json' \\
  -d '{"from":"+13125550001","to":"+13125550002","text":"Hello, phone"}'`,
  "lua-command": `TELNYX_API_KEY=KEY_TEST TELNYX_BASE_URL=${base} lua5.4 -e '
  local client = require("telnyx").new()
  local sent = assert(client:send {
    from = "+13125550001", to = "+13125550002", text = "Hello, phone" })
  print(sent.id)'`,
  "env-command": `export TELNYX_API_KEY=KEY_TEST TELNYX_BASE_URL=${base}`,
};

function showStrip(isOpen) {
  const words = isOpen ? "Hide the strip" : "Show the strip";
  find("strip").hidden = !isOpen;
  document.body.classList.toggle("has-strip", isOpen);
  find("strip-toggle").setAttribute("aria-expanded", String(isOpen));
  find("strip-toggle").setAttribute("aria-label", words);
  find("strip-toggle").title = words;
}

const stripName = () => (NARROW.matches ? "strip-narrow" : "strip");

// On a narrow page it would take the room of the phones, unless one wants it.
function wantsStrip() {
  const kept = memory.get(stripName());
  return kept === null ? !NARROW.matches : kept === "open";
}

function toggleStrip() {
  const isOpen = find("strip").hidden;
  memory.set(stripName(), isOpen ? "open" : "hidden");
  showStrip(isOpen);
}

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const THEME_WORDS = { auto: "as the system", light: "light", dark: "dark" };
const theme = () => document.documentElement.dataset.theme || "auto";

function showTheme() {
  const words = `Colours: ${THEME_WORDS[theme()]}`;
  find("theme").setAttribute("aria-label", words);
  find("theme").title = words;
}

function turnTheme() {
  const next = NEXT[theme()];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  memory.set("theme", next);
  showTheme();
}

async function deleteAll() {
  say(find("delete-problem"), "");
  try {
    await api.deleteAll();
    closeDialog("delete-dialog");
  } catch (problem) {
    say(find("delete-problem"), problem.message);
  }
}

export const strip = {
  async load() {
    find("public-key").textContent = await api.publicKey();
    find("public-key").title = find("public-key").textContent;
  },
};

find("base-url").textContent = base;
for (const [id, text] of Object.entries(commands)) find(id).textContent = text;
showStrip(wantsStrip());
showTheme();
NARROW.addEventListener("change", () => showStrip(wantsStrip()));

find("strip-toggle").addEventListener("click", toggleStrip);
find("weather-on").addEventListener("click", () => {
  showStrip(true);
  find("weather").focus();
});
find("theme").addEventListener("click", turnTheme);
find("copy-base-url").addEventListener("click", (event) => copy(base, event.currentTarget));
find("copy-public-key").addEventListener("click", (event) => {
  copy(find("public-key").textContent, event.currentTarget);
});
find("empty").addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(find(button.dataset.copy).textContent, button);
});
find("delete-all").addEventListener("click", () => openDialog("delete-dialog"));
find("delete-confirm").addEventListener("click", deleteAll);
