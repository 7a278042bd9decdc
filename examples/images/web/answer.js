// Sends a picture and takes the answer apart.

const kUrl = "/api/hello";
const kMaxHtmlBytes = 64 * 1024;
const kSearch = "https://www.google.com/search";

// DOMParser's documents are inert: they run nothing and load nothing. What is taken out of one goes through `allowed`.
const kPassOn = { createHTML: (html) => html };
const kInertHtml = globalThis.trustedTypes?.createPolicy("inert-html", kPassOn) ?? kPassOn;

/**
 * Posts `file` to the function that `api` names. `onProgress` gets the uploaded share, 0 to 1; 1 means that the
 * function is at work. XMLHttpRequest, because fetch cannot tell how much of a body has gone out.
 *
 * Resolves to `{outcome: "answered", status, type, reason, retryAfter, body}` with a Blob as body,
 * `{outcome: "unreachable", uploaded}` or `{outcome: "cancelled"}`; never rejects.
 */
export function post(file, { api, type, signal, onProgress }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let uploaded = false;
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? Math.min(loaded / total, 0.99) : 0);
    request.upload.onload = () => {
      uploaded = true;
      onProgress(1);
    };
    request.onerror = () => resolve({ outcome: "unreachable", uploaded });
    request.onabort = () => resolve({ outcome: "cancelled" });
    request.onload = () =>
      resolve({
        outcome: "answered",
        status: request.status,
        type: (request.getResponseHeader("content-type") ?? "").split(";")[0].trim().toLowerCase(),
        reason: request.getResponseHeader("trilby-reason") ?? "",
        retryAfter: request.getResponseHeader("retry-after") ?? "",
        body: request.response,
      });
    signal.addEventListener("abort", () => request.abort(), { once: true });

    request.open("POST", kUrl);
    request.responseType = "blob";
    request.setRequestHeader("api", api);
    request.setRequestHeader("content-type", type);
    request.send(file);
  });
}

/** The members of a problem document (RFC 9457), or an empty object. */
export async function problemOf({ type, body }) {
  if (type !== "application/problem+json") return {};
  try {
    return Object(JSON.parse(await body.text()));
  } catch {
    return {};
  }
}

/** The answer's sentence as a DocumentFragment of text and search links, or null if there is none in it. */
export async function sentenceOf({ body }) {
  if (body.size > kMaxHtmlBytes) return null;
  const html = kInertHtml.createHTML(await body.text());
  const sentence = allowed(new DOMParser().parseFromString(html, "text/html").body);
  return sentence.textContent.trim() ? sentence : null;
}

// Built anew from what is allowed, so nothing of the foreign nodes is carried over. Links that lead elsewhere keep
// their text; any other element goes with all that is in it.
function allowed(parent) {
  const kept = document.createDocumentFragment();
  for (const node of parent.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) kept.append(node.data);
    if (node.nodeName === "A") kept.append(link(node.getAttribute("href"), allowed(node)));
  }
  return kept;
}

function link(href, content) {
  const url = URL.canParse(href) ? new URL(href) : null;
  const query = url?.searchParams.get("q");
  if (!query || url.origin + url.pathname !== kSearch) return content;
  const anchor = document.createElement("a");
  anchor.href = `${kSearch}?${new URLSearchParams({ q: query })}`;
  anchor.rel = "noopener noreferrer";
  anchor.target = "_blank";
  anchor.append(content);
  return anchor;
}
