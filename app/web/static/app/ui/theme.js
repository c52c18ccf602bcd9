// Dark, light, or as the system has it; kept in this browser.
import { set, get } from "../core/store.js";

export const theme = () => document.documentElement.dataset.theme || "auto";

export function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("onedoor.theme", name);
  } catch {
    // then it holds as long as the page
  }
  set({ side: get().side });
}
