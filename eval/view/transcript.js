// One episode: its head, then a card for each turn with what was shown, what was said, and what came of it.

const SOURCES = ["template", "environment", "earlier"];
const SAID = { template: "chat template", environment: "environment", earlier: "earlier reply, shown again" };

function chip(text, kind) {
  return make("span", `chip ${kind ?? ""}`, text);
}

function episodeHead(row, script, hasTokens, mode, change) {
  const outcome = row.outcome === "failed" ? "failed outside the model" : row.outcome;
  const chips = make("p", "chips", chip(outcome, row.outcome), chip(row.type), chip(row.ending),
    chip(`${row.steps} turns`));
  if (row.completion_tokens !== null) {
    chips.append(chip(`${grouped(row.completion_tokens)} sampled`), chip(`${grouped(row.prompt_tokens)} prompt`));
  }
  chips.append(chip(`${row.seconds.toFixed(1)} s`));
  if (row.score !== null) chips.append(chip(`score ${+row.score.toFixed(4)}`, "number"));
  for (const [name, value] of Object.entries(script?.r ?? {})) chips.append(chip(`${name} ${signed(value)}`, "number"));
  const head = make("header", "", make("h2", "", row.id), chips);
  if (row.link) head.append(make("p", "link", row.link));
  if (script?.f) head.append(make("p", "failure", make("b", "", script.f[0]), ` ${script.f[1]}`));
  if (!script) return head;
  const [split, seed, attempt, window] = script.e;
  const facts = `split ${split}, seed ${seed}${attempt ? `, attempt ${attempt}` : ""}` +
    `${window === null ? "" : `, window of ${window} turns`}`;
  const details = make("details", "", make("summary", "", facts));
  if (script.l) details.append(make("pre", "", script.l));
  head.append(details);
  if (hasTokens) head.append(modes(mode, change, window !== null));
  return head;
}

function modes(mode, change, windowed) {
  const bar = make("div", "modes");
  for (const name of ["tokens", "messages"]) {
    const button = make("button", "", name);
    button.type = "button";
    button.ariaPressed = name === mode;
    button.onclick = () => change(name);
    bar.append(button);
  }
  if (mode === "tokens") {
    for (const [kind, label] of [["sampled", "sampled"], ["environment", "environment"], ["template", "template"],
      ["unlikely", "unlikely"]]) {
      bar.append(make("span", `key ${kind}`, label));
    }
    if (windowed) bar.append(make("span", "key earlier", "earlier reply"));
  }
  return bar;
}

function message([role, text, calls], extra) {
  const node = make("div", `message ${/^(system|user|assistant|tool)$/.test(role) ? role : ""} ${extra ?? ""}`,
    make("b", "role", role));
  if (text || !calls) node.append(make("pre", "", text));
  for (const [name, given] of calls ?? []) node.append(make("pre", "call", make("b", "", name), ` ${given}`));
  return node;
}

function promptTokens(step, folded) {
  const block = make("pre", "tokens prompt");
  let count = 0;
  for (const [source, text, tokens] of step.p) {
    const run = make("span", SOURCES[source], text);
    run.dataset.run = tokens;
    block.append(run);
    count += tokens;
  }
  if (!folded) return block;
  return make("details", "fold", make("summary", "", `prompt of ${grouped(count)} tokens`), block);
}

function likelihood(thousandths) {
  if (thousandths === null || thousandths > 4605) return "sampled u3";   // under 1%
  if (thousandths > 2303) return "sampled u2";                           // under 10%
  return thousandths > 693 ? "sampled u1" : "sampled";                   // under 50%
}

function sampledTokens(step, [, strings]) {
  const block = make("pre", "tokens completion");
  step.c.forEach((word, at) => {
    const string = strings[word];
    const token = make("span", likelihood(step.l[at]), string);
    if (string.includes("\n")) token.classList.add("line");
    token.dataset.word = word;
    token.dataset.at = at;
    block.append(token);
  });
  if (!step.c.length) block.append(make("i", "empty", "nothing was sampled"));
  return block;
}

function outcomeOf(step, total) {
  const [queue, model, env] = step.t;
  const side = make("aside", "");
  const reward = make("b", `reward ${step.w > 0 ? "plus" : step.w < 0 ? "minus" : ""}`, signed(step.w));
  reward.title = "reward of this step";
  side.append(reward);
  if (total !== step.w) side.append(make("span", "", `sum ${signed(total)}`));
  if (step.g !== null) side.append(make("span", "", `progress ${percent(step.g)}%`));
  if (!step.v) side.append(make("span", "bad", "out of form"));
  if (step.d === false) side.append(make("span", "bad", "inadmissible"));
  if (step.f !== "stop") side.append(make("span", "bad", step.f === "length" ? "token limit" : step.f));
  const seconds = make("span", "time", `${(queue + model + env).toFixed(2)} s`);
  seconds.title = `queue ${queue} s, model ${model} s, environment ${env} s`;
  side.append(seconds);
  if (step.n) side.append(make("span", "", `version ${step.n}`));
  return side;
}

function turn(step, number, total, words, mode, windowed) {
  const body = make("div", "body");
  if (mode === "tokens" && step.c) {
    body.append(promptTokens(step, windowed && number > 0), sampledTokens(step, words));
  } else {
    body.append(...step.m.map((each) => message(each)), message(step.r, "reply"));
  }
  if (step.a.length) {
    body.append(make("p", "action", ...step.a.flatMap((action) => [make("span", "", "\u2192 "), make("code", "", action)])));
  }
  const card = make("section", "turn", make("h3", "", number + 1), body, outcomeOf(step, total));
  card.id = `turn-${number + 1}`;
  return card;
}

function transcript(row, script, words, mode, change) {
  const hasTokens = Boolean(script?.s?.some((step) => step.c));
  const nodes = [episodeHead(row, script, hasTokens, mode, change)];
  if (!script) {
    nodes.push(make("p", "notice", "The report holds no transcript of this episode."));
    return nodes;
  }
  const steps = script.s ?? [];
  let total = 0;
  steps.forEach((step, number) => {
    if (typeof step.w === "number") total += step.w;
    nodes.push(turn(step, number, +total.toFixed(6), words, mode, script.e[3] !== null));
  });
  const last = steps.length ? steps[steps.length - 1].o : script.o ? [script.o] : [];
  if (last.length) nodes.push(make("section", "end", make("b", "role", steps.length ? "last observation" : "first observation"),
    ...last.map((text) => make("pre", "", text))));
  if (!steps.length) nodes.push(make("p", "notice", "No turn was played."));
  return nodes;
}
