// The page: figures on top, keys, the address of an episode, and the tip over a token.

const state = { list: null, row: null, mode: "tokens", turn: 0 };

function figure(name, value, note) {
  return make("div", "", make("dt", "", name), make("dd", "", value, note ? make("small", "", note) : null));
}

function showFigures(index) {
  const { summary } = index;
  const between = ({ low, high }) => (low === null ? "" : `${percent(low)} to ${percent(high)}`);
  const box = element("figures");
  if (summary.success) box.append(figure("success", `${percent(summary.success.value)}%`, between(summary.success)));
  box.append(figure("episodes", grouped(summary.episodes), summary.success ? `${grouped(summary.success.tasks)} tasks` : ""));
  if (summary.steps) box.append(figure("steps", summary.steps.value.toFixed(1),
    summary.steps_solved ? `solved ${summary.steps_solved.value.toFixed(1)}` : ""));
  if (summary.completion_tokens) box.append(figure("tokens", grouped(summary.completion_tokens.value), "an episode"));
  const failed = Object.values(summary.failures).reduce((sum, count) => sum + count, 0);
  box.append(figure("failed", grouped(failed), Object.entries(summary.failures).map((pair) => pair.join(" ")).join(", ")));
  element("about").textContent = [index.protocol, index.model?.name].filter(Boolean).join(" \u00B7 ");
}

function showSummary(index) {
  const { summary } = index;
  const table = make("table", "", make("caption", "", "Success with its 95% interval"));
  const parts = Object.entries(summary.by_type);
  const families = Object.entries(summary.by_family);
  const same = families.every(([name]) => Object.hasOwn(summary.by_type, name)) && families.length === parts.length;
  if (!same) parts.push(...families);
  if (families.length > 1) parts.push([same ? "mean of types" : `mean of ${Object.keys(summary.by_family).join(", ")}`, summary.macro]);
  for (const [k, value] of Object.entries(summary.pass_at)) {
    if (k !== "1") parts.push([`pass@${k}`, value], [`pass^${k}`, summary.pass_hat[k]]);
  }
  if (summary.success) parts.push(["all", summary.success]);
  for (const [name, part] of parts) {
    const bar = make("span", "bar", make("i", "reach"), make("i", "point"));
    bar.style.setProperty("--low", part.low ?? part.value);
    bar.style.setProperty("--high", part.high ?? part.value);
    bar.style.setProperty("--value", part.value);
    table.append(make("tr", name === "all" ? "total" : "", make("th", "", name), make("td", "", bar),
      make("td", "right", `${percent(part.value)}%`),
      make("td", "right dim", part.low === null ? "" : `${percent(part.low)} to ${percent(part.high)}`),
      make("td", "right dim", `n ${part.n}`)));
  }
  element("summary").append(table);
  if (index.fingerprint) {
    element("summary").append(make("div", "fingerprint", make("h2", "", "Fingerprint"),
      make("pre", "", JSON.stringify(index.fingerprint, null, 1))));
  }
  element("more").onclick = () => {
    const shown = element("summary").toggleAttribute("hidden") === false;
    element("more").ariaExpanded = shown;
  };
}

// Ids may hold what no address can; such an episode is found by its number.
function address(row) {
  try {
    return `#${encodeURIComponent(row.id)}`;
  } catch {
    return `#@${row.number}`;
  }
}

function addressed() {
  const raw = location.hash.slice(1);
  if (!raw) return null;
  let id = raw;
  try {
    id = decodeURIComponent(raw);
  } catch { /* a literal % */ }
  const rows = state.list.all;
  return rows.find((row) => row.id === id || row.id === raw) ??
    (/^@\d+$/.test(raw) ? rows[Number(raw.slice(1))] : undefined) ?? null;
}

async function open(row) {
  state.row = row;
  state.turn = 0;
  state.list.select(row);
  history.replaceState(null, "", address(row));
  await show();
  element("episode").scrollTop = 0;
}

async function show() {
  const { row, mode } = state;
  const [script, known] = await Promise.all([row.place ? transcriptOf(row.place) : null, words()]);
  if (row !== state.row) return; // another one was opened meanwhile
  element("episode").replaceChildren(...transcript(row, script, known, mode, change));
  element("episode").dataset.id = row.id;
}

function change(mode) {
  state.mode = mode;
  if (state.row) return show();
}

function goToTurn(by) {
  const turns = element("episode").querySelectorAll(".turn");
  if (!turns.length) return;
  state.turn = Math.min(turns.length, Math.max(1, state.turn + by));
  turns[state.turn - 1].scrollIntoView({ block: "start" });
}

const KEYS = {
  j: () => state.list.move(1),
  k: () => state.list.move(-1),
  n: () => goToTurn(1),
  p: () => goToTurn(-1),
  t: () => change(state.mode === "tokens" ? "messages" : "tokens"),
  "/": () => element("search").focus(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return document.activeElement.blur();
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const key = { ArrowDown: "j", ArrowUp: "k" }[event.target.id === "rows" ? event.key : ""] ?? event.key;
  if (!Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  KEYS[key]();
});

addEventListener("hashchange", () => {
  const row = addressed();
  if (row && row !== state.row) open(row);
});

function tip(target) {
  const { word, at, run } = target.dataset;
  if (run !== undefined) return words().then(() => `${SAID[target.className]} \u00B7 ${run} tokens`);
  return Promise.all([words(), transcriptOf(state.row.place)]).then(([[ids, strings], script]) => {
    const number = Number(target.closest(".turn").id.slice(5)) - 1;
    const nats = script.s[number].l[at];
    const chance = nats === null ? "probability 0" : `logprob ${(-nats / 1000).toFixed(3)} \u00B7 ${percent(Math.exp(-nats / 1000))}%`;
    return `${JSON.stringify(strings[word])} \u00B7 id ${ids[word]} \u00B7 ${chance}`;
  });
}

element("episode").addEventListener("pointerover", async (event) => {
  const target = event.target.closest(".tokens span");
  const box = element("tip");
  box.hidden = true;
  if (!target) return;
  box.textContent = await tip(target);
  box.hidden = false;
  const place = { left: event.clientX, top: event.clientY };
  box.style.left = `${Math.max(8, Math.min(place.left + 12, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${place.top + 22 + box.offsetHeight > innerHeight ? place.top - box.offsetHeight - 10 : place.top + 18}px`;
});
element("episode").addEventListener("pointerleave", () => { element("tip").hidden = true; });

async function start() {
  const index = await unpack("index");
  showFigures(index);
  showSummary(index);
  state.list = new List(readRows(index), open);
  const row = addressed();
  if (row) await open(row);
  else element("episode").append(make("p", "notice", "Choose an episode, or press j."));
  document.documentElement.dataset.ready = "";
}
start();
