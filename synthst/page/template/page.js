"use strict";
(() => {
  const PAGE = 20;
  const sets = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const fold = (text) => text.normalize("NFKC").toLowerCase();

  function makeSortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const values = new Map([...table.tBodies[0].rows].map((row) => [row, valueOf(row.cells[column])]));
      const numbers = [...values.values()].some((value) => typeof value === "number");
      const falls = head.ariaSort ? head.ariaSort === "ascending" : numbers;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = falls ? "descending" : "ascending";
      const rows = [...values.keys()].sort((one, other) => compare(values.get(one), values.get(other), falls));
      table.tBodies[0].append(...rows);
    }));
  }

  function valueOf(cell) {
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  function compare(one, other, falls) { // what is not known stands last
    if (one === null || other === null) return (one === null) - (other === null);
    const order = typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });
    return falls ? -order : order;
  }

  function browse() {
    const [choice, query, order, cards] = [find("set"), find("query"), find("order"), find("cards")];
    const systems = ["first", "second", "third"].map(find);
    let [set, haystacks, found, first, words, taught] = [sets[0], [], [], 0, [], 0];

    function chooseSet() {
      set = sets[Number(choice.value)];
      const names = set.names.map((name, number) => new Option(`${set.bleu[number].toFixed(1)} BLEU, ${name}`, number));
      const initial = [...set.pair, set.teachers[set.pair[1]] ?? ""];
      taught = set.pair[1];
      systems.forEach((select, place) => {
        select.replaceChildren(...names.map((option) => option.cloneNode(true)));
        if (place === 2) select.append(new Option("none", ""));
        select.value = initial[place];
      });
      haystacks = set.sentences.map((one) =>
        fold([one.id, one.source, one.reference, ...one.translations.map(([text]) => text)].join("\n")));
      search();
    }

    function followTeacher() { // of the second system, unless the third was chosen otherwise
      const [, second, third] = systems;
      if (third.value === String(set.teachers[taught] ?? "")) third.value = set.teachers[Number(second.value)] ?? "";
      taught = Number(second.value);
    }

    const chosen = () => systems.map((select) => (select.value === "" ? null : Number(select.value)));
    const chrf = (one, system) => one.translations[system][1];

    function search() {
      const [a, b] = chosen();
      const gain = (one) => chrf(one, b) - chrf(one, a);
      const byId = (one, other) => (one.id < other.id ? -1 : 1);
      const orders = {
        gain: (one, other) => gain(other) - gain(one) || byId(one, other),
        loss: (one, other) => gain(one) - gain(other) || byId(one, other),
        worst: (one, other) => chrf(one, b) - chrf(other, b) || byId(one, other),
        id: byId,
      };
      words = fold(query.value).split(/\s+/).filter(Boolean);
      found = set.sentences.filter((one, number) =>
        words.every((word) => haystacks[number].includes(word)) && (!find("audible")?.checked || one.audio));
      found.sort(orders[order.value]);
      first = 0;
      show();
    }

    function show() {
      const shown = found.slice(first, first + PAGE);
      cards.replaceChildren(...shown.map(makeCard));
      cards.hidden = !shown.length;
      const [all, kept, total] = [set.sentences.length, found.length, set.total].map((n) => n.toLocaleString("en"));
      const drawn = all === total ? "" : `, drawn from ${total}`;
      find("status").textContent = all === kept ? `${all} sentences${drawn}` : `${kept} of ${all} sentences${drawn}`;
      find("position").textContent = shown.length ? `${first + 1}–${first + shown.length} of ${kept}` : "nothing found";
      find("before").disabled = first === 0;
      find("after").disabled = first + PAGE >= found.length;
    }

    function makeCard(one) {
      const [a, b, c] = chosen();
      const card = make("li", "card");
      const head = card.appendChild(make("p", "head"));
      const gain = chrf(one, b) - chrf(one, a);
      const sign = gain > 0 ? "+" : gain < 0 ? "\u2212" : "±";
      head.append(make("span", gain > 0 ? "gain" : gain < 0 ? "loss" : "score", `${sign}${Math.abs(gain).toFixed(1)} chrF2`));
      head.append(make("code", "", one.id));
      const list = card.appendChild(make("dl", ""));
      addText(list, `Source (${set.src})`, "", one.source, set.src);
      if (one.audio) {
        const audio = list.lastChild.appendChild(make("audio", ""));
        audio.controls = true;
        audio.preload = "none";
        audio.src = one.audio;
      }
      addText(list, `Reference (${set.tgt})`, "", one.reference, set.tgt);
      for (const system of new Set([a, b, c].filter((number) => number !== null))) {
        const [text, score] = one.translations[system];
        addText(list, set.names[system], set.roles[system], text, set.tgt, score);
      }
      return card;
    }

    function addText(list, title, role, text, lang, score) {
      const term = list.appendChild(make("dt", role, title));
      if (score !== undefined) term.append(" ", make("span", "score", score.toFixed(1)));
      const span = list.appendChild(make("dd", "")).appendChild(make("span", "text"));
      [span.lang, span.dir] = [lang, "auto"];
      if (text) markWords(span, text); else span.append(make("span", "score", "(empty)"));
    }

    function markWords(parent, text) {
      const lower = text.toLowerCase();
      let at = 0;
      while (words.length && lower.length === text.length) {
        const hits = words.map((word) => [lower.indexOf(word, at), word]).filter(([start]) => start >= 0);
        if (!hits.length) break;
        const [start, word] = hits.reduce((one, other) =>
          other[0] < one[0] || (other[0] === one[0] && other[1].length > one[1].length) ? other : one);
        parent.append(text.slice(at, start), make("mark", "", text.slice(start, start + word.length)));
        at = start + word.length;
      }
      parent.append(text.slice(at));
    }

    function turn(by) {
      first += by * PAGE;
      show();
      find("status").scrollIntoView({ block: "start" });
    }

    choice.form.addEventListener("submit", (event) => event.preventDefault());
    choice.addEventListener("change", chooseSet);
    find("second").addEventListener("change", followTeacher);
    for (const select of [...systems, order]) select.addEventListener("change", search);
    query.addEventListener("input", search);
    find("audible")?.addEventListener("change", search);
    find("before").addEventListener("click", () => turn(-1));
    find("after").addEventListener("click", () => turn(1));
    chooseSet();
  }

  function make(tag, className, text = "") {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(text);
    return element;
  }

  makeSortable(find("lines"));
  if (sets.length) browse();
})();
