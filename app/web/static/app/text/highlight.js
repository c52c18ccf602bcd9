// Colours for code, fetched when there is code: the core and each language are modules of their own.
import { clean } from "./sanitize.js";

const LONGEST = 40_000;
const FILES = {
  bash: "bash", sh: "bash", shell: "bash", zsh: "bash", console: "bash",
  c: "c", h: "c", cpp: "cpp", "c++": "cpp", cc: "cpp", hpp: "cpp", csharp: "csharp", cs: "csharp", "c#": "csharp",
  css: "css", scss: "css", less: "css", diff: "diff", patch: "diff", dockerfile: "dockerfile", docker: "dockerfile",
  go: "go", golang: "go", html: "xml", xml: "xml", svg: "xml", vue: "xml", ini: "ini", toml: "ini", java: "java",
  javascript: "javascript", js: "javascript", jsx: "javascript", mjs: "javascript", json: "json", jsonc: "json",
  kotlin: "kotlin", kt: "kotlin", markdown: "markdown", md: "markdown", php: "php", python: "python", py: "python",
  ruby: "ruby", rb: "ruby", rust: "rust", rs: "rust", sql: "sql", swift: "swift", typescript: "typescript",
  ts: "typescript", tsx: "typescript", yaml: "yaml", yml: "yaml",
};
const folder = new URL("../../vendor/hljs/", import.meta.url);
let core = null;
const languages = new Map();

async function grammar(name) {
  core ??= import(`${folder}core.min.js`).then((loaded) => loaded.default);
  const highlighter = await core;
  if (!languages.has(name)) {
    languages.set(
      name,
      import(`${folder}${name}.min.js`).then((loaded) => highlighter.registerLanguage(name, loaded.default)),
    );
  }
  await languages.get(name);
  return highlighter;
}

/** Colour a code element where its language is known here; what comes of it is cleaned like all else. */
export async function colour(code, language) {
  const name = Object.hasOwn(FILES, language.toLowerCase()) ? FILES[language.toLowerCase()] : null;
  const text = code.textContent;
  if (!name || text.length > LONGEST) return;
  try {
    const highlighter = await grammar(name);
    const { value } = highlighter.highlight(text, { language: name, ignoreIllegals: true });
    code.replaceChildren(clean(value));
    code.classList.add("hljs");
  } catch {
    // it stays as plain as it is
  }
}
