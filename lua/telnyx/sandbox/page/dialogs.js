// Dialogs: opened as modal ones, so that the browser keeps the focus inside and gives it back.

import { find } from "./dom.js";

export function openDialog(id, focus) {
  const dialog = find(id);
  if (!dialog.open) dialog.showModal();
  if (focus) {
    find(focus).focus();
    if (find(focus).select) find(focus).select();
  }
}

export function closeDialog(id) {
  find(id).close();
}

export const isDialogOpen = () => document.querySelector("dialog[open]") !== null;

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    const isOutside = event.target === dialog;
    if (isOutside || event.target.closest("[data-close]")) dialog.close();
  });
}
