// What can be told about a picture before it is sent.

// First bytes, as Latin-1 text. A BMP's are only two, so the upper bytes of its second header's size count too.
const kReadable = [
  { name: "PNG", type: "image/png", start: /^\x89PNG\r\n\x1a\n/ },
  { name: "JPEG", type: "image/jpeg", start: /^\xff\xd8\xff/ },
  { name: "GIF", type: "image/gif", start: /^GIF8[79]a/ },
  { name: "BMP", type: "image/bmp", start: /^BM[^]{13}\0\0\0/ },
];
const kUnreadable = [
  { name: "WebP", start: /^RIFF[^]{4}WEBP/ },
  { name: "AVIF", start: /^[^]{4}ftypavi[fs]/ },
  { name: "HEIC", start: /^[^]{4}ftyp(?:hei|hev|mif1|msf1)/ },
  { name: "TIFF", start: /^(?:II\*\0|MM\0\*)/ },
];
const kHeadBytes = 32;
const kAdvice = "Please choose a PNG, JPEG, GIF or BMP picture.";

/** The size in words, rounded up so that what is over a limit never reads as the limit. */
export function sizeInWords(bytes) {
  if (bytes < 1024) return `${bytes}\u00a0bytes`;
  const [value, unit] = bytes < 1024 ** 2 ? [bytes / 1024, "KiB"] : [bytes / 1024 ** 2, "MiB"];
  return `${value < 10 ? Math.ceil(value * 10) / 10 : Math.ceil(value)}\u00a0${unit}`;
}

/** The name for the gray version of `name`, with the ending of `type`. */
export function grayName(name, type) {
  const stem = name.replace(/\.[^.]*$/, "") || "picture";
  return `${stem}-gray.${type === "image/gif" ? "gif" : "png"}`;
}

/**
 * Looks at a file's type, size and first bytes.
 * Resolves to `{kind: {name, type}}`, or to `{problem}`: why it cannot be sent, in words.
 */
export async function inspect(file, maxBytes) {
  const name = file.name ? `“${file.name}”` : "That";
  if (file.type && !file.type.startsWith("image/")) return { problem: `${name} is not a picture. ${kAdvice}` };
  if (file.size > maxBytes) {
    return {
      problem: `${name} is too large: ${sizeInWords(file.size)}, and at most ${sizeInWords(maxBytes)} can be sent.`,
    };
  }
  let head;
  try {
    head = String.fromCharCode(...new Uint8Array(await file.slice(0, kHeadBytes).arrayBuffer()));
  } catch {
    return { problem: `${name} could not be read. If it is a folder, choose a picture inside it.` };
  }
  if (!head) return { problem: `${name} is empty. ${kAdvice}` };

  const kind = kReadable.find(({ start }) => start.test(head));
  if (kind) return { kind };
  const unreadable = kUnreadable.find(({ start }) => start.test(head));
  if (unreadable) {
    return {
      problem: `${name} is a ${unreadable.name} picture, which cannot be read here. Save it as PNG or JPEG first.`,
    };
  }
  return { problem: `${name} does not look like a picture inside. ${kAdvice}` };
}
