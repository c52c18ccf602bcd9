import { html } from "../core/lib.js"; export default function View(){ return html`<p>soon</p>`; }
