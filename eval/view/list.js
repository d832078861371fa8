// The list of episodes: filter, sort, and only the visible rows in the document.

const ROW = 34;
const HEADS = [
  ["order", "", ""],
  ["id", "episode", ""],
  ["type", "type", ""],
  ["score", "score", "right"],
  ["steps", "steps", "right"],
  ["tokens", "tokens", "right"],
  ["error", "ending", ""],
];
const NUMBERS = { steps: "steps", tokens: "tokens", score: "score", seconds: "seconds", sample: "sample",
  invalid: "invalid", inadmissible: "inadmissible" };
const OUTCOMES = ["all", "solved", "unsolved", "failed"];

// What all ids begin with, folder by folder, and the type that has a column of its own say nothing in a narrow list.
function labeller(ids) {
  let shared = ids.length > 1 ? ids[0].slice(0, ids[0].lastIndexOf("/") + 1) : "";
  while (shared && !ids.every((id) => id.startsWith(shared))) {
    shared = shared.slice(0, shared.lastIndexOf("/", shared.length - 2) + 1);
  }
  return ({ id, type }) => {
    const rest = id.slice(shared.length);
    return rest.startsWith(type) && /^[-/]./.test(rest.slice(type.length)) ? rest.slice(type.length + 1) : rest;
  };
}

function readRows(index) {
  const columns = Object.entries(index.columns);
  const label = labeller(index.columns.id);
  return index.places.map((place, number) => {
    const row = { number, place };
    for (const [name, values] of columns) row[name] = values[number];
    row.label = label(row);
    row.tokens = row.completion_tokens;
    row.error = row.failure ?? row.ending;
    row.outcome = row.success === null ? "failed" : row.success ? "solved" : "unsolved";
    row.order = OUTCOMES.indexOf(row.outcome);
    row.text = `${row.id}\n${row.type}\n${row.error}\n${row.ending}`.toLowerCase();
    return row;
  });
}

// "fridge steps>20 type:heat": every term must hold.
function readQuery(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).map((term) => {
    const compared = /^([a-z]+)(<=|>=|<|>|=)(-?[\d.]+)$/.exec(term);
    if (compared && Object.hasOwn(NUMBERS, compared[1])) {
      const [, name, sign, digits] = compared;
      const limit = Number(digits);
      const holds = { "<": (x) => x < limit, ">": (x) => x > limit, "=": (x) => x === limit,
        "<=": (x) => x <= limit, ">=": (x) => x >= limit }[sign];
      return (row) => row[NUMBERS[name]] !== null && holds(row[NUMBERS[name]]);
    }
    const [name, value] = term.split(/:(.*)/s);
    if (value && ["type", "ending", "id", "task"].includes(name)) {
      const key = name === "ending" ? "error" : name;
      return (row) => String(row[key]).toLowerCase().includes(value);
    }
    return (row) => row.text.includes(term);
  });
}

class List {
  constructor(rows, open) {
    this.all = rows;
    this.open = open;
    this.shown = rows;
    this.current = null;
    this.sort = { key: null, down: false };
    this.filter = { text: "", type: "", ending: "", outcome: "all" };
    this.build();
    this.update();
  }

  build() {
    this.choices(element("type"), "all types", "type");
    this.choices(element("ending"), "all endings", "error");
    const outcome = element("outcome");
    for (const name of OUTCOMES) {
      const count = name === "all" ? this.all.length : this.all.filter((row) => row.outcome === name).length;
      const button = make("button", name, name, make("small", "", count));
      button.type = "button";
      button.dataset.value = name;
      button.onclick = () => this.choose("outcome", name);
      outcome.append(button);
    }
    element("search").oninput = (event) => this.choose("text", event.target.value);
    for (const [key, label, side] of HEADS) {
      const head = make("button", side, label || "\u25CF");
      head.type = "button";
      head.dataset.key = key;
      if (!label) head.ariaLabel = "outcome";
      head.onclick = () => this.sortBy(key);
      element("heads").append(head);
    }
    const rows = element("rows");
    rows.addEventListener("scroll", () => this.paint(), { passive: true });
    rows.onclick = (event) => {
      const at = event.target.closest("[data-at]");
      if (at) this.open(this.shown[Number(at.dataset.at)]);
    };
    new ResizeObserver(() => this.paint()).observe(rows);
  }

  choices(select, everything, key) {
    const counts = new Map();
    for (const row of this.all) counts.set(row[key], (counts.get(row[key]) ?? 0) + 1);
    select.append(new Option(everything, ""));
    for (const name of [...counts.keys()].sort()) select.append(new Option(`${name} (${counts.get(name)})`, `=${name}`));
    select.onchange = () => this.choose(select.id, select.value);
  }

  choose(name, value) {
    this.filter[name] = value;
    this.update();
    element("rows").scrollTop = 0;
  }

  sortBy(key) {
    const again = this.sort.key === key;
    const down = ["score", "steps", "tokens"].includes(key);
    // A third click gives the file's order back.
    this.sort = again && this.sort.down !== down ? { key: null, down: false } : { key, down: again ? !this.sort.down : down };
    this.update();
  }

  update() {
    const { text, type, ending, outcome } = this.filter;
    const terms = readQuery(text);
    this.shown = this.all.filter((row) =>
      (outcome === "all" || row.outcome === outcome) && (!type || `=${row.type}` === type) &&
      (!ending || `=${row.error}` === ending) && terms.every((holds) => holds(row)));
    const { key, down } = this.sort;
    if (key) {
      const way = down ? -1 : 1;
      this.shown.sort((a, b) => {
        const [x, y] = [a[key], b[key]];
        if (x === y) return a.number - b.number;
        if (x === null || y === null) return x === null ? 1 : -1;
        return x < y ? -way : way;
      });
    }
    for (const head of element("heads").children) {
      head.ariaSort = head.dataset.key === key ? (down ? "descending" : "ascending") : "none";
    }
    for (const button of element("outcome").children) button.ariaPressed = button.dataset.value === outcome;
    element("count").textContent = `${grouped(this.shown.length)} of ${grouped(this.all.length)}`;
    element("canvas").style.height = `${this.shown.length * ROW}px`;
    this.paint();
  }

  paint() {
    const box = element("rows");
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
    const last = Math.min(this.shown.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 8);
    const nodes = [];
    for (let at = first; at < last; at++) nodes.push(this.row(this.shown[at], at));
    element("canvas").replaceChildren(...nodes);
    if (!this.shown.length) element("canvas").append(make("p", "nothing", "No episode fits the filter."));
  }

  row(row, at) {
    const node = make("div", `row ${row.outcome}`,
      make("i", "dot"),
      make("span", "id", row.label),
      make("span", "type", row.type),
      make("span", "right", row.score === null ? "" : +row.score.toFixed(3)),
      make("span", "right", row.steps),
      make("span", "right", grouped(row.tokens)),
      make("span", "ending", row.error));
    node.style.transform = `translateY(${at * ROW}px)`;
    node.dataset.at = at;
    node.title = row.id;
    node.role = "option";
    node.ariaSelected = row === this.current;
    return node;
  }

  // Open the episode `by` places further down; the first one if none of the shown is open.
  move(by) {
    const at = this.shown.indexOf(this.current);
    const row = this.shown[at < 0 ? 0 : Math.min(this.shown.length - 1, Math.max(0, at + by))];
    if (row) this.open(row);
  }

  select(row) {
    this.current = row;
    const at = this.shown.indexOf(row);
    const box = element("rows");
    if (at >= 0) {
      const top = at * ROW;
      if (top < box.scrollTop) box.scrollTop = top;
      if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
    }
    this.paint();
  }
}
