
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // --- tables: sort by a column, filter by words and verdicts -------------------------------------
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.dataset.v ?? cell.textContent).trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last, either way
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  for (const table of all("table.sortable")) {
    const body = table.querySelector("tbody:not(.fixed)");
    if (!body) continue;
    const original = [...body.rows];
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      if (!("sort" in head.dataset)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (order) head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const keyed = original.map((row) => [value(row, column), row]);
        if (order) keyed.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : sign * compare(a, b)));
        body.append(...keyed.map(([, row]) => row));
      });
    });
  }
  const filters = new Map();
  const filter = (id) => {
    const { words, verdicts } = filters.get(id);
    const table = find(id);
    const rows = all("tbody:not(.fixed) tr", table);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && !verdicts.has(row.dataset.verdict);
      row.hidden = !fits;
      shown += fits;
    }
    const count = document.querySelector(`[data-count="${id}"]`);
    if (count) count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  };
  for (const input of all("[data-filter]")) {
    const id = input.dataset.filter;
    filters.set(id, { words: [], verdicts: new Set() });
    input.addEventListener("input", () => {
      filters.get(id).words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      filter(id);
    });
    filter(id);
  }
  for (const box of all("input[data-verdict]")) {
    box.addEventListener("change", () => {
      const hidden = filters.get("verdict-table").verdicts;
      if (box.checked) hidden.delete(box.dataset.verdict);
      else hidden.add(box.dataset.verdict);
      filter("verdict-table");
    });
  }

  // --- curves -------------------------------------------------------------------------------------
  const SVG = "http://www.w3.org/2000/svg";
  const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, item] of Object.entries(attributes)) if (item !== "") element.setAttribute(key, item);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const colour = (level) => (level === 0 ? "c0" : `c${((level - 1) % 6) + 1}`);
  const dash = (level) => (level === 0 ? "" : DASHES[Math.floor((level - 1) / 6) % DASHES.length]);
  const short = (x) => {
    if (x === 0) return "0";
    const size = Math.abs(x);
    return size >= 1e7 || size < 1e-4 ? x.toExponential(2) : String(Number(x.toPrecision(size >= 1e4 ? 6 : 4)));
  };
  const roundNumbers = (low, high, about) => {
    const raw = (high - low) / about;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= raw * 0.999);
    const ticks = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) ticks.push(Number((n * step).toPrecision(12)));
    return ticks;
  };
  const logTicks = (low, high) => {
    const steps = high / low < 1000 ? [1, 2, 5] : [1];
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
      for (const n of steps) if (n * 10 ** power >= low && n * 10 ** power <= high) ticks.push(n * 10 ** power);
    return ticks.length > 1 ? ticks : roundNumbers(low, high, 5);
  };
  const points = (run, series, axis) => {
    for (const curve of run.curves) {
      const [xs, ys] = [curve.at[axis], curve.y[series]];
      if (!xs || !ys) continue;
      const found = new Map();
      xs.forEach((x, i) => { if (x !== null && ys[i] !== null) found.set(x, ys[i]); });
      if (found.size) return [...found].sort((a, b) => a[0] - b[0]);
    }
    return null;
  };
  const at = (line, x) => { // linear interpolation; null outside
    if (x < line[0][0] || x > line[line.length - 1][0]) return null;
    let low = 0;
    let high = line.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (line[middle][0] <= x) low = middle; else high = middle;
    }
    const [[x0, y0], [x1, y1]] = [line[low], line[high]];
    return x1 === x0 ? y0 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
  };
  const summarise = (level, series, axis) => {
    const seeds = data.runs.filter((run) => run.level === level).map((run) => points(run, series, axis)).filter(Boolean);
    if (!seeds.length) return null;
    const same = seeds.every((line) => line.length === seeds[0].length && line.every(([x], i) => x === seeds[0][i][0]));
    let places = seeds[0].map(([x]) => x);
    if (!same) {
      const low = Math.min(...seeds.map((line) => line[0][0]));
      const high = Math.max(...seeds.map((line) => line[line.length - 1][0]));
      places = Array.from({ length: 80 }, (_, i) => low + ((high - low) * i) / 79);
    }
    const ratio = data.series[series].ratio;
    const rows = [];
    for (const x of places) {
      const values = seeds.map((line) => at(line, x)).filter((y) => y !== null);
      if (!values.length) continue;
      const geometric = ratio && values.every((y) => y > 0);
      const total = values.reduce((sum, y) => sum + (geometric ? Math.log(y) : y), 0) / values.length;
      rows.push([x, geometric ? Math.exp(total) : total, Math.min(...values), Math.max(...values)]);
    }
    return { level, seeds, rows };
  };

  const chart = find("chart");
  if (chart && data.series.length && data.axes.length) {
    const [seriesBox, axisBox, logBox, seedsBox, readout] =
      ["curve-series", "curve-axis", "curve-log", "curve-seeds", "curve-readout"].map(find);
    for (const group of new Set(data.series.map((one) => one.group))) {
      const options = document.createElement("optgroup");
      options.label = group;
      data.series.forEach((one, index) => {
        if (one.group === group && data.runs.some((run) => run.curves.some((curve) => index in curve.y)))
          options.append(new Option(one.name, index));
      });
      if (options.children.length) seriesBox.append(options);
    }
    for (const [name, title] of data.axes) axisBox.append(new Option(title, name));
    const hint = readout.textContent;
    const shown = new Set(data.shown);
    const boxes = find("curve-levels");
    const present = new Set(data.runs.map((run) => run.level));
    data.levels.forEach((name, level) => {
      if (!present.has(level)) return;
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = shown.has(level);
      box.dataset.level = level;
      const swatch = make("svg", { class: `swatch ${colour(level)}`, viewBox: "0 0 28 8", "aria-hidden": "true" });
      swatch.append(make("path", { d: "M0 4h28", "stroke-dasharray": dash(level) }));
      label.append(box, swatch, document.createTextNode(name));
      boxes.append(label);
    });
    const HEIGHT = 400, LEFT = 64, RIGHT = 16, TOP = 30, BOTTOM = 46;
    let WIDTH = 760;
    let lines = [];
    let place = null; // of the cursor, as an index into the places of the longest line
    let drawn = null;

    const draw = () => {
      const series = Number(seriesBox.value);
      const axis = axisBox.value;
      lines = [...shown].sort((a, b) => a - b).map((level) => summarise(level, series, axis)).filter(Boolean);
      WIDTH = Math.max(320, Math.min(960, chart.clientWidth || 760)); // one unit is one pixel: texts keep their size
      chart.replaceChildren();
      place = null;
      readout.textContent = hint;
      if (!lines.length) {
        chart.textContent = "Nothing was recorded for these levels.";
        return;
      }
      const every = lines.flatMap((line) => line.rows);
      let low = Math.min(...every.map((row) => row[2]));
      let high = Math.max(...every.map((row) => row[3]));
      if (high === low) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
      const log = logBox.checked && low > 0;
      const start = Math.min(...every.map((row) => row[0]));
      const end = Math.max(...every.map((row) => row[0]), start + 1e-9);
      const scale = (y) => (log ? Math.log(y / low) / Math.log(high / low) : (y - low) / (high - low));
      const across = (x) => (LEFT + ((x - start) / (end - start)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
      const up = (y) => (HEIGHT - BOTTOM - scale(y) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
      const path = (pairs) => "M" + pairs.map(([x, y]) => `${across(x)} ${up(y)}`).join("L");
      const title = `${data.series[series].title} over ${data.axes.find(([name]) => name === axis)[1]}`;
      const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", tabindex: "0", "aria-label": title });
      for (const y of log ? logTicks(low, high) : roundNumbers(low, high, 5)) {
        svg.append(make("path", { class: "rule", d: `M${LEFT} ${up(y)}H${WIDTH - RIGHT}` }));
        svg.append(make("text", { x: LEFT - 8, y: Number(up(y)) + 4, "text-anchor": "end" }, short(y)));
      }
      for (const x of roundNumbers(start, end, WIDTH < 500 ? 4 : 6))
        svg.append(make("text", { x: across(x), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, short(x)));
      svg.append(make("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, axisBox.selectedOptions[0].text));
      svg.append(make("text", { x: 4, y: 14 }, data.series[series].title));
      for (const { level, rows } of seedsBox.checked ? [] : lines) {
        const back = rows.map((row) => [row[0], row[3]]).reverse();
        svg.append(make("path", { class: `band ${colour(level)}`, d: `${path([...rows.map((row) => [row[0], row[2]]), ...back])}Z` }));
      }
      for (const { level, seeds, rows } of lines) {
        const each = seedsBox.checked ? seeds : [rows];
        for (const line of each)
          svg.append(make("path", { class: `line ${colour(level)}${seedsBox.checked ? " thin" : ""}`, d: path(line), "stroke-dasharray": dash(level) }));
      }
      const cursor = make("path", { class: "cursor", d: "" });
      svg.append(cursor);
      chart.append(svg);
      drawn = { svg, cursor, across, start, end, axis, longest: lines.reduce((a, b) => (b.rows.length > a.rows.length ? b : a)).rows };
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        const x = ((event.clientX - box.left) / box.width) * WIDTH;
        const wanted = start + ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * (end - start);
        const gaps = drawn.longest.map((row) => Math.abs(row[0] - wanted));
        read(gaps.indexOf(Math.min(...gaps)));
      });
      svg.addEventListener("keydown", (event) => {
        const last = drawn.longest.length - 1;
        const next = { ArrowRight: (place ?? -1) + 1, ArrowLeft: (place ?? last + 1) - 1, Home: 0, End: last }[event.key];
        if (next === undefined) return;
        event.preventDefault();
        read(Math.max(0, Math.min(last, next)));
      });
    };
    const read = (index) => {
      place = index;
      const x = drawn.longest[index][0];
      drawn.cursor.setAttribute("d", `M${drawn.across(x)} ${TOP}V${HEIGHT - BOTTOM}`);
      const values = lines.map(({ level, rows }) => {
        const y = at(rows, x);
        return y === null ? null : `${data.levels[level]} ${short(y)}`;
      });
      const unit = { step: "step", seconds: "second", images_seen: "images", d_updates: "D update" }[drawn.axis];
      readout.textContent = `${unit} ${short(x)}: ${values.filter(Boolean).join(" · ")}`;
    };
    const choose = (wanted) => {
      shown.clear();
      wanted.forEach((level) => shown.add(level));
      all("input", boxes).forEach((box) => { box.checked = shown.has(Number(box.dataset.level)); });
      draw();
    };
    boxes.addEventListener("change", (event) => {
      const level = Number(event.target.dataset.level);
      if (event.target.checked) shown.add(level); else shown.delete(level);
      draw();
    });
    find("levels-all").addEventListener("click", () => choose([...present]));
    find("levels-few").addEventListener("click", () => choose(data.shown));
    for (const box of [seriesBox, axisBox, logBox, seedsBox]) box.addEventListener("change", draw);
    let width = chart.clientWidth;
    new ResizeObserver(() => { if (chart.clientWidth !== width) { width = chart.clientWidth; draw(); } }).observe(chart);
    draw();
  }

  // --- paper: what is folded is unfolded, unless there is too much of it ---------------------------
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    const folded = all("details:not([open])");
    unfolded = folded.length <= 12 ? folded : [];
    unfolded.forEach((one) => { one.open = true; });
  });
  window.addEventListener("afterprint", () => unfolded.forEach((one) => { one.open = false; }));

  // --- samples ------------------------------------------------------------------------------------
  const figures = all(".gallery figure[data-level]");
  if (figures.length) {
    const [seedBox, time, when, play] = ["sample-seed", "sample-time", "sample-when", "sample-play"].map(find);
    const moments = time ? time.dataset.moments.split(" ").map(Number) : [];
    const show = () => {
      const now = time ? moments[Number(time.value)] : 1;
      const seed = seedBox ? Number(seedBox.value) : null;
      for (const figure of figures) {
        const mine = data.galleries.filter((one) => one.level === Number(figure.dataset.level));
        const one = mine.find((other) => other.seed === seed) ?? (seed === null ? mine[0] : null);
        const image = figure.querySelector("img");
        const caption = figure.querySelector("figcaption > .sub");
        figure.hidden = !one;
        if (!one) continue;
        const past = one.frames.filter((frame) => frame[1] <= now + 1e-6);
        const [step, , uri] = past.length ? past[past.length - 1] : one.frames[0];
        if (image.src !== uri) image.src = uri;
        image.alt = `Samples of ${data.levels[one.level]}, seed ${one.seed}, at step ${step}`;
        caption.textContent = `seed ${one.seed}, step ${step}`;
      }
      if (when) when.textContent = `${Math.round(100 * now)} %`;
      if (time) time.setAttribute("aria-valuetext", `${Math.round(100 * now)} per cent of training`);
    };
    if (seedBox) { // begin with the seed that most levels have
      const count = (seed) => data.galleries.filter((one) => one.seed === seed).length;
      const most = [...seedBox.options].map((option) => Number(option.value)).sort((a, b) => count(b) - count(a) || a - b)[0];
      seedBox.value = String(most);
      seedBox.addEventListener("change", show);
    }
    if (time) {
      time.addEventListener("input", show);
      let timer = null;
      const stop = () => {
        clearInterval(timer);
        timer = null;
        play.textContent = "Play";
        play.setAttribute("aria-pressed", "false");
      };
      play.addEventListener("click", () => {
        if (timer) { stop(); return; }
        if (Number(time.value) === moments.length - 1) time.value = "0";
        show();
        play.textContent = "Stop";
        play.setAttribute("aria-pressed", "true");
        timer = setInterval(() => {
          if (Number(time.value) >= moments.length - 1) { stop(); return; }
          time.value = String(Number(time.value) + 1);
          show();
        }, 600);
      });
    }
    show();
    const dialog = find("enlarged");
    for (const image of all(".gallery img")) {
      image.tabIndex = 0;
      image.setAttribute("role", "button");
      const open = () => {
        const large = dialog.querySelector("img");
        large.src = image.src;
        large.alt = image.alt;
        dialog.showModal();
      };
      image.addEventListener("click", open);
      image.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } });
    }
  }
})();
