// Before the first paint: colours as chosen, and the direction of the browser's language.
(function () {
  "use strict";
  const RTL = /^(ar|arc|ckb|dv|fa|he|iw|ks|ku-arab|nqo|pa-arab|ps|sd|syr|ug|ur|yi)\b/i;
  const root = document.documentElement;
  root.dir = RTL.test(navigator.language || "") ? "rtl" : "ltr";
  try {
    const theme = localStorage.getItem("telnyx-sandbox-theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  } catch { /* Storage may be forbidden: then the system's colours hold. */ }
})();
