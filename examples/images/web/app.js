import { post, problemOf, sentenceOf } from "./answer.js";
import { explainProblem, explainUnexpected, explainUnreachable } from "./failure.js";
import { grayName, inspect, sizeInWords } from "./picture.js";

const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const kMaxBytes = Number(document.querySelector("meta[name=trilby-max-body]")?.content) || Infinity;
const kResultViews = [ui.waiting, ui.busy, ui.gray, ui.sentence, ui.failure];

let picture = null; // {file, kind} that would be sent
let picking = 0; // counts choices, so that a slow look at one cannot overtake the next
let running = null; // AbortController of the upload under way

// --- choosing a picture ---

async function choose(file) {
  const turn = ++picking;
  const { kind, problem } = await inspect(file, kMaxBytes);
  if (turn !== picking) return;
  running?.abort();
  picture = problem ? null : { file, kind };
  refuse(problem ?? "");
  showOriginal();
  show(ui.waiting, { status: picture ? `Chosen: ${file.name || "a picture"}.` : "" });
}

function refuse(problem) {
  ui.refusal.textContent = problem;
}

function showOriginal() {
  ui.drop.toggleAttribute("data-filled", picture !== null);
  ui["original-unseen"].hidden = true;
  ui["file-label"].textContent = picture ? "Choose another" : "Choose a picture";
  ui["original-about"].textContent = picture ? aboutPicture(picture) : "";
  ui.original.alt = picture ? `The original: ${picture.file.name || "a pasted picture"}` : "";
  setSource(ui.original, picture?.file);
  ui.original.hidden = !picture;
}

ui.original.addEventListener("load", () => {
  if (picture) ui["original-about"].textContent = aboutPicture(picture, ui.original);
});
ui.original.addEventListener("error", () => {
  ui.original.hidden = true;
  ui["original-unseen"].hidden = !picture;
});

ui.file.addEventListener("change", () => {
  const [file] = ui.file.files;
  ui.file.value = ""; // so that the same file can be chosen again
  if (file) choose(file);
});

document.addEventListener("paste", ({ clipboardData }) => {
  const [file] = clipboardData.files;
  if (file) choose(file);
  else refuse("There is no picture on the clipboard.");
});

// The whole window takes a drop: one that misses must not make the browser leave the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  ui.drop.toggleAttribute("data-over", true);
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) ui.drop.removeAttribute("data-over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  ui.drop.removeAttribute("data-over");
  const [file] = event.dataTransfer.files;
  if (file) choose(file);
  else refuse("That was not a file. Save the picture first, then drop the file.");
});

// --- sending it ---

ui.form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  if (!picture) {
    if (!ui.refusal.textContent) refuse("Choose a picture first.");
    ui.file.focus();
    return;
  }
  await run(picture, new FormData(ui.form).get("api"));
});

ui.cancel.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") running?.abort();
});

async function run({ file, kind }, api) {
  const mine = new AbortController();
  running = mine;
  refuse("");
  ui.send.setAttribute("aria-disabled", "true");
  showProgress(0);
  show(ui.busy);
  ui.result.scrollIntoView({ block: "nearest" });

  const start = performance.now();
  const answer = await post(file, { api, type: kind.type, signal: mine.signal, onProgress: showProgress });
  const view = await viewOf(answer, api, file.name, performance.now() - start);
  const superseded = picture?.file !== file;

  running = null;
  ui.send.removeAttribute("aria-disabled");
  if (superseded) return;
  const focusFollows = [ui.send, ui.cancel, document.body].includes(document.activeElement);
  show(view.element, view);
  if (!focusFollows) return;
  (view.isResult ? ui["result-title"] : ui.send).focus({ preventScroll: true });
  ui.result.scrollIntoView({ block: "nearest" });
}

function showProgress(share) {
  const text = share < 1 ? "Uploading…" : "Working…";
  ui["busy-text"].textContent = text;
  if (ui.status.textContent !== text) ui.status.textContent = text; // said once, not with each per cent
  ui["busy-percent"].textContent = share < 1 ? `${Math.floor(share * 100)} %` : "";
  if (share < 1) ui.progress.value = share * 100;
  else ui.progress.removeAttribute("value");
}

// --- showing what came back ---

// Fills the element that suits the answer and tells which it is and what to say about it.
async function viewOf(answer, api, name, milliseconds) {
  if (answer.outcome === "cancelled") return { element: ui.waiting, status: "Cancelled." };
  if (answer.outcome === "unreachable") return failureView(explainUnreachable(answer));
  if (answer.status !== 200) return failureView(explainProblem(answer, await problemOf(answer)));

  const view = api === "go" ? await sentenceView(answer) : await grayView(answer, name);
  if (!view) return failureView(explainUnexpected(answer));
  view.about.push(`${Math.max(1, Math.round(milliseconds))}\u00a0ms`);
  return { ...view, isResult: true };
}

async function grayView({ type, body }, name) {
  if (type !== "image/png" && type !== "image/gif") return null;
  setSource(ui.gray, body);
  try {
    await ui.gray.decode();
  } catch {
    setSource(ui.gray, null);
    return null;
  }
  ui.gray.alt = `${name || "The picture"} in shades of gray`;
  ui.download.href = ui.gray.src;
  ui.download.download = grayName(name, type);
  const about = aboutPicture({ file: body, kind: { name: type === "image/gif" ? "GIF" : "PNG" } }, ui.gray);
  return { element: ui.gray, status: "Done. The gray picture is shown.", about: [about] };
}

async function sentenceView(answer) {
  const sentence = answer.type === "text/html" ? await sentenceOf(answer) : null;
  if (!sentence) return null;
  ui.sentence.replaceChildren(sentence);
  const about = ui.sentence.querySelector("a") ? ["The link opens a search in a new tab"] : [];
  return { element: ui.sentence, status: ui.sentence.textContent, about };
}

function failureView({ title, text, quote, small }) {
  ui["failure-title"].textContent = title;
  ui["failure-text"].textContent = text;
  ui["failure-quote"].textContent = quote;
  ui["failure-small"].textContent = small;
  return { element: ui.failure, status: "" }; // an alert speaks for itself
}

/** Shows one view of the result and lets go of what the others held. */
function show(element, { status = "", about = [] } = {}) {
  for (const view of kResultViews) view.hidden = view !== element;
  ui.result.setAttribute("aria-busy", String(element === ui.busy));
  if (element !== ui.busy) ui.status.textContent = status;
  ui["result-about"].textContent = about.join(" · ");
  ui.download.hidden = element !== ui.gray;
  if (element === ui.gray) return;
  setSource(ui.gray, null);
  ui.download.removeAttribute("href");
}

/** Name, kind, pixels and size, as far as they are known. */
function aboutPicture({ file, kind }, image) {
  const pixels = image?.naturalWidth && `${image.naturalWidth}\u00a0×\u00a0${image.naturalHeight}`;
  return [file.name, kind.name, pixels, sizeInWords(file.size)].filter(Boolean).join(" · ");
}

/** Points an image at a Blob, or at nothing, and gives back the memory of the one before. */
function setSource(image, blob) {
  if (image.src) URL.revokeObjectURL(image.src);
  if (blob) image.src = URL.createObjectURL(blob);
  else image.removeAttribute("src");
}

if (Number.isFinite(kMaxBytes)) ui["file-limit"].textContent = `, at most ${sizeInWords(kMaxBytes)}`;
