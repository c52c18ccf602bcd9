// Markdown to elements, a block at a time. What would take long, or is built to, is shown as the text it is.
import { marked } from "../../vendor/marked.esm.js";
import { clean, ownPicture } from "./sanitize.js";
import { dress } from "./dress.js";

const LONGEST_BLOCK = 32_000;
const LONGEST_LINE = 8_000;
const PART = 2_000; // characters of a box of plain text
const DEEPEST = 24;
const DEEP_QUOTE = new RegExp(`^[ \\t]*(?:>[ \\t]?){${DEEPEST},}`, "m");
const DEEP_LIST = new RegExp(`(?:[-*+][ \\t]+){${DEEPEST},}`);
const DEEP_MARKS = /[[\]()*_~<>!`\\]{200,}/;
const DEEP_HTML = /(?:<[a-z][^>]{0,40}>\s*){60,}/i;

marked.use({ gfm: true, breaks: true, async: false });

/** One block as a fragment that is safe in the page. definitions: of links, from the whole text. */
export function blockOf(source, definitions = "") {
  if (isTooMuch(source)) return plain(source);
  try {
    const html = marked.parse(definitions && source.includes("]") ? `${source}\n\n${definitions}` : source);
    const fragment = clean(html);
    dress(fragment, ownPicture);
    return fragment;
  } catch {
    return plain(source); // nested past what the parser bears
  }
}

function isTooMuch(source) {
  const fenced = /^ {0,3}(?:`{3,}|~{3,})/.test(source);
  if (source.length > (fenced ? 400_000 : LONGEST_BLOCK)) return true;
  if (fenced) return false;
  return hasLongLine(source) || DEEP_QUOTE.test(source) || DEEP_LIST.test(source) || DEEP_MARKS.test(source) ||
    DEEP_HTML.test(source);
}

function hasLongLine(source) {
  for (let from = 0; from < source.length; ) {
    const end = source.indexOf("\n", from);
    if ((end < 0 ? source.length : end) - from > LONGEST_LINE) return true;
    if (end < 0) return false;
    from = end + 1;
  }
  return false;
}

function plain(source) {
  const fragment = document.createDocumentFragment();
  const box = document.createElement("p");
  box.className = "plain";
  if (source.length <= PART) box.textContent = source;
  else box.append(...plainParts(source));
  fragment.append(box);
  return fragment;
}

/** A text that is shown as it is, as boxes: a line of millions of letters is laid out only where it is seen. */
export function* plainParts(text) {
  for (let at = 0; at < text.length; ) {
    const end = partEnd(text, at);
    const part = document.createElement("span");
    part.className = "plain part";
    part.textContent = text.slice(at, end);
    yield part;
    at = end;
  }
}

/** Where a part ends that begins at `at`: behind a line or a word where one ends near, never inside of a character. */
function partEnd(text, at) {
  const end = at + PART;
  if (end >= text.length) return text.length;
  for (const mark of ["\n", " "]) {
    const found = text.lastIndexOf(mark, end - 1);
    if (found > at + PART / 2) return found + 1;
  }
  return end - (/[\ud800-\udbff]/.test(text[end - 1]) ? 1 : 0);
}
