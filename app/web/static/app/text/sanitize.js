// The last step before anything a model, a file or another person wrote becomes part of the page.
// HTML alone by a list of elements, no SVG and no MathML, no styles, ids, names, forms or frames; pictures of other hosts become words.
import "../../vendor/purify.min.js";
import { t } from "../strings.js";

const purify = globalThis.DOMPurify;

const CONFIG = {
  ALLOWED_TAGS: [
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl",
    "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input", "ins", "kbd", "li", "mark", "ol", "p", "pre",
    "q", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "u", "ul", "var", "wbr",
  ],
  ALLOWED_ATTR: ["href", "src", "alt", "title", "class", "start", "type", "checked", "disabled", "colspan", "rowspan",
    "align", "open", "dir", "lang", "target", "rel"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/v1\/files\/|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
  // Words, numbers and flags, which are not to be read as addresses.
  ADD_URI_SAFE_ATTR: ["type", "start", "checked", "disabled", "colspan", "rowspan", "align", "open", "dir", "lang"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  KEEP_CONTENT: true,
  RETURN_DOM_FRAGMENT: true,
};
const OURS = /^(?:hljs(?:-[\w-]+)?|language-[\w+#.-]+|[\w]+_|function_|class_|inherited__)$/;
const OWN_FILE = /^\/v1\/files\/[\w-]+\/content$/;
const DATA_PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]+$/i;

purify.addHook("uponSanitizeElement", (node, told) => {
  if (told.tagName === "input") keepCheckbox(node);
});

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  if (node.hasAttribute("class")) keepOurClasses(node);
  if (node.tagName === "A") closeLink(node);
  if (node.tagName === "IMG") keepOwnPicture(node);
});

/** A fragment that can be put into the page. */
export function clean(html) {
  return purify.sanitize(html, CONFIG);
}

/** Only what a task list is made of; any other field is no part of an answer. */
function keepCheckbox(node) {
  if (node.getAttribute("type") !== "checkbox") return node.remove();
  return node.setAttribute("disabled", "");
}

function keepOurClasses(node) {
  const kept = [...node.classList].filter((name) => OURS.test(name));
  if (kept.length) node.className = kept.join(" ");
  else node.removeAttribute("class");
}

function closeLink(node) {
  node.removeAttribute("target");
  const href = node.getAttribute("href") || "";
  if (!/^(?:https?:\/\/|mailto:)/i.test(href)) return node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  return node.setAttribute("rel", "noopener noreferrer nofollow");
}

/** Our own files are fetched with our token later; everything else that would be fetched is only named. */
function keepOwnPicture(node) {
  const src = node.getAttribute("src") || "";
  if (DATA_PICTURE.test(src)) return;
  const alt = node.getAttribute("alt") || "";
  if (OWN_FILE.test(src)) {
    node.removeAttribute("src");
    ownPictures.set(node, src);
    return;
  }
  const words = document.createElement("span");
  words.textContent = t("picture.foreign", { alt: alt.slice(0, 200), host: hostOf(src) });
  node.replaceWith(words);
}

const ownPictures = new WeakMap();

/** The address of a picture of ours that waits to be fetched, undefined for others. */
export const ownPicture = (node) => ownPictures.get(node);

function hostOf(src) {
  try {
    return new URL(src).host;
  } catch {
    return t("picture.nowhere");
  }
}
