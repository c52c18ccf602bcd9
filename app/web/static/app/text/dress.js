// What the page itself adds to a cleaned answer: a bar over code, frames that scroll round tables, own pictures.
import { getBlob } from "../core/api.js";
import { t } from "../strings.js";
import { colour } from "./highlight.js";
import { copyText } from "./copy.js";

export function dress(fragment, pictureOf) {
  for (const code of fragment.querySelectorAll("pre > code")) frameCode(code);
  for (const table of fragment.querySelectorAll("table")) frameTable(table);
  for (const picture of fragment.querySelectorAll("img")) {
    const path = pictureOf(picture);
    picture.loading = "lazy";
    if (path) showOwn(picture, path);
  }
  for (const box of fragment.querySelectorAll("input[type=checkbox]")) box.setAttribute("aria-label", t("text.task"));
}

function frameCode(code) {
  const language = [...code.classList].find((name) => name.startsWith("language-"))?.slice(9) || "";
  const frame = document.createElement("div");
  frame.className = "code";
  const bar = document.createElement("div");
  bar.className = "code-bar";
  const name = document.createElement("span");
  name.textContent = language || t("text.code");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small quiet";
  button.textContent = t("text.copy");
  button.setAttribute("aria-label", t("text.copyCode"));
  button.addEventListener("click", async () => {
    const went = await copyText(code.textContent);
    button.textContent = t(went ? "text.copied" : "text.copyFailed");
    setTimeout(() => (button.textContent = t("text.copy")), 1600);
  });
  bar.append(name, button);
  const box = code.parentElement;
  box.replaceWith(frame);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", language ? t("text.codeIn", { language }) : t("text.code"));
  frame.append(bar, box);
  colour(code, language);
}

function frameTable(table) {
  const frame = document.createElement("div");
  frame.className = "table-frame";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", t("text.table"));
  table.replaceWith(frame);
  frame.append(table);
}

/** A picture that is kept here: fetched with our token, shown only where it is a picture. */
export async function showOwn(picture, path) {
  try {
    const blob = await getBlob(path);
    if (!/^image\/(?:png|jpeg|gif|webp|avif|bmp)$/.test(blob.type)) throw new Error("no picture");
    picture.src = URL.createObjectURL(blob);
    picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
  } catch {
    picture.replaceWith(Object.assign(document.createElement("span"), { textContent: t("picture.gone") }));
  }
}
