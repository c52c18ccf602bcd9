// Before anything is drawn: the theme that was chosen here. A file of its own, since the policy allows no inline script.
"use strict";
try {
  document.documentElement.dataset.theme = localStorage.getItem("onedoor.theme") || "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
