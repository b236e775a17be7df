// The keyboard: single keys, and only while nothing is being written.

import { composer, writeAsNew } from "./composer.js";
import { isDialogOpen, openDialog } from "./dialogs.js";
import { find } from "./dom.js";
import { go, place } from "./router.js";
import { search } from "./search.js";

const WRITES = "input:not([type=checkbox]), textarea, select";

const openList = () => (search.isOpen ? find("results") : find("phones"));
const links = () => [...openList().querySelectorAll("a.phone")];

// Of a list only one entry is a stop of the Tab key; arrows go from one to the next.
function focusOn(link) {
  const before = openList().querySelector('[tabindex="0"]');
  if (before) before.tabIndex = -1;
  link.tabIndex = 0;
  link.focus();
}

function siblingOf(link, step) {
  const item = link.closest("li");
  const next = step > 0 ? item.nextElementSibling : item.previousElementSibling;
  return next && next.querySelector("a.phone");
}

function move(step) {
  const list = openList();
  const { activeElement } = document;
  const focused = list.contains(activeElement) && activeElement.closest("a.phone");
  const from = focused || list.querySelector('[aria-current="true"]');
  const next = from ? siblingOf(from, step) : list.querySelector("a.phone");
  if (next) focusOn(next);
}

function toList() {
  const link = openList().querySelector('[aria-current="true"], [tabindex="0"]');
  go(null);
  if (link) focusOn(link);
  else document.activeElement.blur();
}

function back() {
  if (!find("attach-menu").hidden) return find("attach").click();
  if (place().phone) return toList();
  if (search.isOpen) search.clear();
}

const ACTIONS = {
  j: () => move(1), k: () => move(-1),
  "/": () => {
    if (matchMedia("(max-width: 44rem)").matches) go(null);
    search.focus();
  },
  r: () => { if (place().phone) composer.focus(); },
  n: writeAsNew,
  p: () => find("pause").click(),
  "?": () => openDialog("keys-dialog"),
};

const LIST_ACTIONS = {
  ArrowDown: () => move(1), ArrowUp: () => move(-1),
  Home: () => { const [first] = links(); if (first) focusOn(first); },
  End: () => { const all = links(); if (all.length) focusOn(all[all.length - 1]); },
};

function actionFor(event) {
  const inList = openList().contains(event.target) || event.target === document.body;
  return ACTIONS[event.key] || (inList && LIST_ACTIONS[event.key]);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isDialogOpen()) return;
  const isWriting = event.target.matches(WRITES);
  if (event.key === "Escape") return isWriting && place().phone ? find("log").focus() : back();
  if (isWriting) {
    if (event.target === find("search") && event.key === "ArrowDown") move(1);
    return;
  }
  const action = actionFor(event);
  if (!action) return;
  event.preventDefault();
  action();
});

find("show-keys").addEventListener("click", ACTIONS["?"]);

for (const id of ["phones", "results"]) {
  find(id).addEventListener("focusin", (event) => {
    const link = event.target.closest("a.phone");
    if (link && link.tabIndex !== 0) focusOn(link);
  });
}
