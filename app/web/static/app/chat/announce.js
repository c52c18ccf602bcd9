// What screen readers hear of a growing answer: paragraph by paragraph, politely, never letter by letter.
import { t } from "../strings.js";

let place = null;

function region() {
  if (place) return place;
  place = document.createElement("div");
  place.className = "unseen";
  place.setAttribute("role", "log");
  place.setAttribute("aria-live", "polite");
  place.setAttribute("aria-relevant", "additions");
  place.setAttribute("aria-label", t("announce.name"));
  document.body.append(place);
  return place;
}

export function announce(text) {
  const words = text?.trim();
  if (!words) return;
  const line = document.createElement("p");
  line.textContent = words.slice(0, 1500);
  region().append(line);
  while (place.childElementCount > 12) place.firstElementChild.remove();
}
