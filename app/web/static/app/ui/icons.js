// Line icons, drawn as elements; each beside a word or under a label, never alone in meaning.
import { html } from "../core/lib.js";

const PATHS = {
  plus: ["M12 5v14M5 12h14"],
  search: ["M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM20 20l-4-4"],
  menu: ["M4 7h16M4 12h16M4 17h16"],
  close: ["M6 6l12 12M18 6L6 18"],
  more: ["M5 12h.01M12 12h.01M19 12h.01"],
  send: ["M12 19V5M6 11l6-6 6 6"],
  stop: ["M7 7h10v10H7z"],
  clip: ["M20 11.5l-8.2 8.2a5 5 0 0 1-7-7l8.4-8.4a3.3 3.3 0 0 1 4.7 4.7l-8.4 8.3a1.7 1.7 0 0 1-2.4-2.3l7.7-7.7"],
  copy: ["M9 9h10v11H9zM15 9V4H5v11h4"],
  again: ["M20 11a8 8 0 1 0-2.3 6.6M20 5v6h-6"],
  edit: ["M4 20h4L19 9a2.1 2.1 0 0 0-4-3.6L4.5 16z"],
  up: ["M7 11v9H4v-9zM7 11l4-8a2.4 2.4 0 0 1 2.4 2.6L13 9h5.5a2 2 0 0 1 2 2.4l-1.3 7a2 2 0 0 1-2 1.6H7"],
  down: ["M17 13V4h3v9zM17 13l-4 8a2.4 2.4 0 0 1-2.4-2.6L11 15H5.5a2 2 0 0 1-2-2.4l1.3-7a2 2 0 0 1 2-1.6H17"],
  star: ["M12 3.5l2.6 5.4 5.9.800-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z"],
  receipt: ["M6 3h12v18l-3-2-3 2-3-2-3 2zM9.5 8h5M9.5 12h5"],
  chat: ["M4 5h16v11H9l-5 4z"],
  template: ["M5 4h14v16H5zM8.5 9h7M8.5 13h7M8.5 17h4"],
  chart: ["M4 20V4M4 20h16M8.5 16v-5M13 16V8M17.5 16v-3"],
  file: ["M7 3h7l5 5v13H7zM14 3v5h5"],
  gear: ["M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM19 12l2-1.5-2-3.5-2.4.900-1.8-1L14.5 4h-5l-.4 2.9-1.8 1L5 7 3 10.5 5 12l-2 1.5L5 17l2.4-.9 1.8 1 .4 2.9h5l.4-2.9 1.8-1L19 17l2-3.5z"],
  trash: ["M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5"],
  download: ["M12 4v11M7 11l5 5 5-5M5 20h14"],
  globe: ["M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18"],
  memory: ["M8 4h8v16H8zM4 8h4M4 12h4M4 16h4M16 8h4M16 12h4M16 16h4"],
  fresh: ["M13 3L5 14h6l-1 7 8-11h-6z"],
  sliders: ["M4 8h9M17 8h3M15 5.5v5M4 16h3M11 16h9M9 13.5v5"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  chevron: ["M7 10l5 5 5-5"],
  sun: ["M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4"],
  moon: ["M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"],
  auto: ["M12 3a9 9 0 1 1 0 18zM12 3a9 9 0 0 0 0 18"],
  out: ["M10 4H5v16h5M14 8l4 4-4 4M18 12H9"],
  key: ["M8 11a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM11 12l8-8M16 7l3 3"],
  user: ["M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20a7.5 7.5 0 0 1 15 0"],
  alert: ["M12 4l9.5 16h-19zM12 10v4M12 17h.01"],
  picture: ["M4 5h16v14H4zM4 16l5-5 5 5 2-2 4 4M15.5 9h.01"],
  arrow: ["M12 5v14M6 13l6 6 6-6"],
};

export function Icon({ name, size = 18 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    ${PATHS[name].map((path) => html`<path d=${path} />`)}
  </svg>`;
}

export function Mark({ size = 28 }) {
  return html`<svg class="mark" width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect class="mark-wall" width="32" height="32" rx="8.5" />
    <path class="mark-door" d="M10 25V13a6 6 0 0 1 12 0v12z" />
    <circle class="mark-wall" cx="18.6" cy="18.4" r="1.4" />
  </svg>`;
}
