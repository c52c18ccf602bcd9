// Cuts Markdown into blocks that can be drawn each for itself, so that a text which grows is drawn at its end alone.

const FENCE = /^[ \t]*(`{3,}|~{3,})(.*)$/;
const LIST = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
const LONGEST = 24_000; // characters of one block; a longer one is cut, or shown as plain text where it cannot be

/** Takes a text piece by piece and hands out the blocks that later text cannot change any more. */
export class Cutter {
  constructor() {
    this.rest = ""; // the block that still grows, from its beginning
    this.scanned = 0; // how far into `rest` its whole lines were looked at
    this.fence = null; // {mark, length} while inside of one
    this.inList = false;
    this.blank = false; // the line before was empty
    this.started = false; // the block has a line that is not empty
  }

  /** Add text; the finished blocks, in order. */
  push(text) {
    this.rest += text;
    const done = [];
    for (let end = this.rest.indexOf("\n", this.scanned); end >= 0; end = this.rest.indexOf("\n", this.scanned)) {
      const cut = this.line(this.rest.slice(this.scanned, end));
      if (cut && this.scanned > 0) {
        done.push(this.rest.slice(0, this.scanned));
        this.rest = this.rest.slice(this.scanned);
        end -= this.scanned;
      }
      this.scanned = end + 1;
    }
    return done;
  }

  /** What is left when no more comes. */
  finish() {
    const { rest, scanned } = this;
    const cut = scanned > 0 && scanned < rest.length && this.line(rest.slice(scanned));
    this.rest = "";
    this.scanned = 0;
    return (cut ? [rest.slice(0, scanned), rest.slice(scanned)] : [rest]).filter(Boolean);
  }

  /** Look at one whole line; whether a new block begins with it. */
  line(line) {
    const fence = FENCE.exec(line);
    if (this.fence) {
      if (fence && fence[1][0] === this.fence.mark && fence[1].length >= this.fence.length && !fence[2].trim()) {
        this.fence = null;
        this.blank = true; // what follows a closed fence is a block of its own
        this.inList = false;
      }
      return false;
    }
    if (!line.trim()) {
      this.blank = this.started;
      return false;
    }
    const belongs = this.inList && (/^\s/.test(line) || LIST.test(line));
    const cut = this.started && ((this.blank && !belongs) || (fence && !this.inList) || this.scanned > LONGEST);
    if (fence) this.fence = { mark: fence[1][0], length: fence[1].length };
    if (cut || !this.started) this.inList = LIST.test(line);
    this.started = true;
    this.blank = false;
    return Boolean(cut);
  }
}

/** A whole text as blocks. */
export function blocksOf(text) {
  const cutter = new Cutter();
  return [...cutter.push(text), ...cutter.finish()];
}

/** Definitions of reference links, which may stand in another block than the links. */
export function definitionsIn(text) {
  if (!text.includes("]:")) return "";
  return (text.match(/^ {0,3}\[[^\]\n]{1,200}\]:[^\n]{1,2000}$/gm) || []).slice(0, 200).join("\n");
}
