// Small helpers for the document. Text goes in as text nodes only.

export const find = (id) => document.getElementById(id);

// A fresh copy of a template's first element.
export function stamp(id) {
  return find(id).content.firstElementChild.cloneNode(true);
}

export function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// Shows a text, or hides the element that has none.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

// What is always written from left to right, whatever stands around it: numbers, codes, URLs.
export function ltr(text, tag = "bdi", className = "ltr") {
  const node = make(tag, className, text);
  node.dir = "ltr";
  return node;
}

// Without permission to write to the clipboard there is still the old way.
function copyBySelection(text) {
  const area = make("textarea", "unseen", text);
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

export function announce(text) {
  find("announce").textContent = text;
}

// Copies, and says so on the button for a moment.
export async function copy(text, button) {
  const done = await write(text);
  button.focus();
  button.dataset.copied = done ? "yes" : "no";
  announce(done ? "Copied" : "The browser did not let us copy");
  setTimeout(() => delete button.dataset.copied, 1200);
}

export function once(action, milliseconds) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

// What is remembered in this browser. Storage may be forbidden or full: then nothing is.
export const memory = {
  get(name) {
    try { return localStorage.getItem(`telnyx-sandbox-${name}`); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(`telnyx-sandbox-${name}`, value); } catch { /* see above */ }
  },
};
