// Unpacking: base64 of zlib of JSON, each block once.

const element = (id) => document.getElementById(id);

// Elements are made of text nodes only: no text of an episode is ever parsed as HTML.
function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined).map(
    (child) => (child instanceof Node ? child : String(child))));
  return node;
}

async function unpack(name) {
  const block = element(name);
  if (!block) throw new Error(`the report has no block ${name}: the file is incomplete`);
  const packed = atob(block.textContent);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const RECENT = 6;
const chunks = new Map();

async function transcriptOf(place) {
  const [chunk, index] = place;
  const known = chunks.get(chunk) ?? unpack(`chunk-${chunk}`);
  chunks.delete(chunk);
  chunks.set(chunk, known);
  if (chunks.size > RECENT) chunks.delete(chunks.keys().next().value);
  return (await known)[index];
}

let vocabulary = null;
const words = () => (vocabulary ??= unpack("vocabulary"));

function fail(error) {
  const box = element("trouble");
  box.textContent = typeof DecompressionStream === "undefined"
    ? "This browser cannot unpack the report: it needs one of 2023 or later."
    : `The report could not be shown: ${error && error.message ? error.message : error}`;
  box.hidden = false;
}
addEventListener("error", (event) => fail(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason));

const percent = (value) => (100 * value).toFixed(1);
const signed = (value) => (typeof value === "number" ? (value > 0 ? "+" : "") + +value.toFixed(4) : String(value));
const grouped = (value) => (value === null ? "" : Math.round(value).toLocaleString("en"));
