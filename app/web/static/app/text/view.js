// A text drawn as Markdown into an element: all at once in slices, or as it grows. Only its last block is ever redrawn.
import { html, Component } from "../core/lib.js";
import { t } from "../strings.js";
import { Cutter, blocksOf, definitionsIn } from "./blocks.js";
import { blockOf, plainParts } from "./markdown.js";

const SLICE_MS = 10; // of drawing before the page may answer to something else
export const SHOWN_FIRST = 60_000; // characters of a long answer that are drawn unasked
const SHOWN_MORE = 100_000;

/** <Markdown text growing onBlock/>: growing says that more of this text will come. */
export class Markdown extends Component {
  constructor() {
    super();
    this.cutter = new Cutter();
    this.taken = ""; // what of the text the cutter has
    this.frame = 0;
    this.cost = 0; // ms that the last drawing of the growing block took
    this.drawnAt = 0;
  }

  shouldComponentUpdate(next) {
    const before = this.props.text;
    const grew = this.props.growing || next.growing;
    const changed = next.text !== before || Boolean(next.growing) !== Boolean(this.props.growing);
    this.props = next;
    if (changed && grew && next.text.startsWith(this.taken)) this.grow();
    else if (changed) this.drawAll();
    return false;
  }

  componentDidMount() {
    if (this.props.growing) this.grow();
    else this.drawAll();
  }

  componentWillUnmount() {
    this.gone = true;
    cancelAnimationFrame(this.frame);
  }

  render() {
    return html`<div class="prose" ref=${(box) => (this.box = box)}></div>`;
  }

  /** Draw a text that will not change: the first blocks at once, the others in slices. */
  drawAll() {
    const text = this.props.text;
    this.box.replaceChildren();
    this.taken = text;
    this.tail = null;
    const shown = text.length > SHOWN_FIRST ? cutAt(text, SHOWN_FIRST) : text.length;
    this.drawSlices(blocksOf(text.slice(0, shown)), definitionsIn(text.slice(0, SHOWN_FIRST)), () => this.offerMore(shown));
  }

  drawSlices(blocks, definitions, then) {
    let next = 0;
    const draw = () => {
      if (this.gone) return;
      const begun = performance.now();
      while (next < blocks.length && performance.now() - begun < SLICE_MS) {
        this.box.append(blockOf(blocks[next++], definitions));
      }
      if (next < blocks.length) setTimeout(draw, 0);
      else then();
    };
    draw();
  }

  /** A long text ends in a button that draws the next part of it as plain text. */
  offerMore(shown) {
    const text = this.props.text;
    if (shown >= text.length) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = t("text.more", { left: (text.length - shown).toLocaleString("en") });
    button.addEventListener("click", () => {
      button.remove();
      const end = Math.min(text.length, shown + SHOWN_MORE);
      this.box.append(...plainParts(text.slice(shown, end)));
      this.offerMore(end);
    });
    this.box.append(button);
  }

  /** Take what came since; draw at the next frame, or later where the last drawing was dear. */
  grow() {
    if (this.props.growing && this.frame) return;
    if (!this.props.growing) {
      cancelAnimationFrame(this.frame);
      this.drawGrown();
      return;
    }
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.gone) return;
      if (performance.now() - this.drawnAt < this.cost * 4) this.grow();
      else this.drawGrown();
    });
  }

  drawGrown() {
    const { text, growing, onBlock } = this.props;
    if (this.taken.length >= SHOWN_FIRST) {
      if (!growing) this.drawAll();
      return;
    }
    const begun = performance.now();
    const upTo = Math.min(text.length, SHOWN_FIRST + 1);
    const finished = this.cutter.push(text.slice(this.taken.length, upTo));
    this.taken = text.slice(0, upTo);
    if (!growing) finished.push(...this.cutter.finish());
    this.tail?.remove();
    this.tail = null;
    for (const block of finished) {
      const drawn = blockOf(block);
      onBlock?.(drawn.textContent);
      this.box.append(drawn);
    }
    if (growing && this.cutter.rest) {
      this.tail = document.createElement("div");
      this.tail.className = "growing";
      this.tail.append(blockOf(this.cutter.rest));
      this.box.append(this.tail);
    }
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - begun;
    if (!growing && upTo < text.length) this.drawAll();
    else if (!growing && definitionsIn(text)) this.drawAll();
  }
}

/** Where to cut near `at`: at a line's end where one is near. */
function cutAt(text, at) {
  const line = text.lastIndexOf("\n", at);
  return line > at - 4000 ? line + 1 : at;
}
