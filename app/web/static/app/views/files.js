// Files: sent, listed, looked into, taken home, deleted.
import { getBlob, getJson, remove } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/lib.js";
import { bytes, time } from "../core/format.js";
import { toast } from "../core/store.js";
import { t } from "../strings.js";
import { save } from "../chat/list.js";
import { Uploads } from "../chat/uploads.js";
import { showOwn } from "../text/dress.js";
import { confirm, Dialog, show } from "../ui/dialog.js";
import { Icon } from "../ui/icons.js";
import { Page, Table } from "../ui/page.js";
import { Empty, IconButton, Loaded, Name, Skeleton, errorText, useLoad } from "../ui/parts.js";

const PICTURE = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/;
const contentOf = (file) => `/v1/files/${encodeURIComponent(file.id)}/content`;

export default function FilesView() {
  const list = useLoad(async () => (await getJson("/files/list")).files);
  const [, draw] = useState(0);
  const uploads = useRef(null);
  const input = useRef(null);
  uploads.current ??= new Uploads(() => {
    draw((n) => n + 1);
    if (uploads.current.ready.length && !uploads.current.busy) {
      uploads.current.items = uploads.current.items.filter((item) => item.state === "failed");
      list.reload();
    }
  });
  const add = (files) => uploads.current.add(files);
  const actions = html`<button type="button" class="primary" onClick=${() => input.current.click()}><${Icon} name="plus" size=${16} />${t("files.add")}</button>`;
  return html`<${Page} title=${t("place.files")} actions=${actions}>
    <input ref=${input} type="file" multiple class="unseen" tabindex="-1" aria-hidden="true" onChange=${(event) => {
      add(event.target.files);
      event.target.value = "";
    }} />
    <p class="hint">${t("files.text")}</p>
    ${uploads.current.items.map((item) => html`<p class="upload-line" role="status" key=${item.key}><${Icon} name="file" size=${16} /><${Name} of=${item.name} most=${60} />
      ${item.state === "sending"
        ? html`<progress max="1" value=${item.part} aria-label=${t("composer.uploading")}></progress>`
        : html`<span class="fault">${item.error ? errorText(item.error) : ""}</span>
            <${IconButton} icon="close" size=${14} label=${t("close")} onClick=${() => uploads.current.remove(item)} />`}</p>`)}
    <${Loaded} from=${list}>${(files) =>
      files.length ? html`<${FileTable} files=${files} onGone=${list.reload} />` : html`<${Empty} icon="file" title=${t("files.none")} text=${t("files.noneText")} />`}<//>
  <//>`;
}

function FileTable({ files, onGone }) {
  const look = (file) => show((close) => html`<${Preview} file=${file} close=${close} />`);
  const take = (file) => said(async () => save(await getBlob(contentOf(file), { headers: { accept: "*/*" } }), file.filename));
  const erase = async (file) => {
    if (!(await confirm({ title: t("files.delete"), text: t("files.deleteText", { name: file.filename }), action: t("delete") }))) return;
    await said(async () => {
      await remove(`/v1/files/${encodeURIComponent(file.id)}`);
      toast(t("list.deleted"), "good");
      onGone();
    });
  };
  const columns = [
    { name: t("files.name"), of: (file) => html`<button type="button" class="link" onClick=${() => look(file)}><${Name} of=${file.filename} most=${90} /></button>` },
    { name: t("files.type"), of: (file) => file.content_type },
    { name: t("files.size"), right: true, of: (file) => bytes(file.bytes) },
    { name: t("files.time"), of: (file) => time(file.created_at) },
    {
      name: "",
      right: true,
      of: (file) => html`<span class="row-actions">
        <${IconButton} icon="download" size=${16} label=${t("files.take", { name: file.filename })} onClick=${() => take(file)} />
        <${IconButton} icon="trash" size=${16} label=${t("files.deleteNamed", { name: file.filename })} onClick=${() => erase(file)} /></span>`,
    },
  ];
  return html`<${Table} label=${t("place.files")} columns=${columns} rows=${files} keyOf=${(file) => file.id} />`;
}

async function said(work) {
  try {
    await work();
  } catch (error) {
    toast(errorText(error), "bad");
  }
}

function Preview({ file, close }) {
  return html`<${Dialog} title=${file.filename} onClose=${() => close()} wide>
    <p class="hint">${file.content_type} · ${bytes(file.bytes)} · ${time(file.created_at)}</p>
    ${PICTURE.test(file.content_type) ? html`<${Picture} file=${file} />` : html`<${Words} file=${file} />`}
  <//>`;
}

function Picture({ file }) {
  const place = useRef(null);
  useEffect(() => {
    const picture = Object.assign(new Image(), { alt: file.filename });
    place.current.replaceChildren(picture);
    showOwn(picture, contentOf(file));
  }, [file.id]);
  return html`<figure class="picture" ref=${place}></figure>`;
}

function Words({ file }) {
  const text = useLoad(() => getJson(`/files/${encodeURIComponent(file.id)}/preview`));
  if (!text.data && !text.error) return html`<${Skeleton} lines=${5} />`;
  if (text.error) return html`<p class="fault" role="alert">${errorText(text.error)}</p>`;
  if (!text.data.text) return html`<p class="hint">${t("files.noText")}</p>`;
  return html`<pre class="file-text plain" tabindex="0" role="region" aria-label=${t("templates.preview")}>${text.data.text.slice(0, 50_000)}</pre>`;
}
