// Pictures of messages. Only what this sandbox itself keeps is fetched; the rest are links.

import { make } from "./dom.js";
import { plain } from "./text.js";

const OWN = /^\/sandbox\/media\/[\w-]+\.(png|jpe?g|gif|webp)$/;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|.*\.localhost|\[::1\])$/;

function parse(url) {
  try { return new URL(url); } catch { return null; }
}

// The path of a picture of this sandbox, by whichever of its names it was written.
export function ownPath(text) {
  const url = parse(text);
  if (!url || url.protocol !== location.protocol || url.port !== location.port) return null;
  return LOOPBACK.test(url.hostname) && OWN.test(url.pathname) ? url.pathname : null;
}

function picture(path) {
  const image = make("img");
  image.alt = "Picture";
  image.loading = "lazy";
  image.addEventListener("error", () => {
    image.replaceWith(make("p", "gone", "The picture is no longer kept."));
  });
  image.src = path;
  return image;
}

function link(text) {
  const url = parse(text);
  const isWeb = url && (url.protocol === "http:" || url.protocol === "https:");
  if (!isWeb) return make("p", "ltr address", plain(text));
  const anchor = make("a", "ltr address", plain(text));
  anchor.href = url.href;
  anchor.rel = "noreferrer noopener";
  anchor.target = "_blank";
  return anchor;
}

export function mediaNode(url) {
  const path = ownPath(url);
  return path ? picture(path) : link(url);
}
