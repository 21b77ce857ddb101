
"use strict";
// Draws the flame graph: nested boxes, roots at the top, as wide as what they
// hold. Names are strangers' text: they become text nodes, never markup.
(() => {
  const data = JSON.parse(document.getElementById("flame-data").textContent);
  const HEIGHT = 21, NARROWEST = 2;
  const nodes = data.nodes.map((node) => ({ parent: node[0], frame: data.frames[node[1]], values: node, children: [] }));
  for (const node of nodes) {
    node.up = nodes[node.parent];
    if (node.up) node.up.children.push(node);
  }
  const root = nodes[0];
  if (!root || nodes.length < 2) return;

  const at = (id) => document.getElementById(id);
  const flame = at("flame"), about = at("flame-about"), search = at("flame-search"), found = at("flame-found"), value = at("flame-value");
  let zoomed = root, column = 2, wanted = "";

  const bytes = (n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let i = 0;
    while (n >= 1023.5 && i < units.length - 1) { n /= 1024; i++; }
    return (i === 0 || n >= 99.5 ? n.toFixed(0) : n.toFixed(1)) + " " + units[i];
  };
  const weight = (node) => node.values[column];
  const share = (n, of) => (of > 0 ? (100 * n / of).toFixed(1) : "0.0") + " %";
  const matches = (node) => wanted !== "" && node !== root && node.frame.some((text) => text.toLowerCase().includes(wanted));

  // What is said of a box: all that its width is too small for.
  const describe = (node) => {
    const [name, place, language, machinery, boundary] = node.frame;
    const parts = [name, place, node === root ? "" : language, machinery && "machinery: " + machinery, boundary && "entered " + boundary];
    return parts.filter(Boolean).join(" · ") + " — " + bytes(weight(node)) + ", " + share(weight(node), weight(root));
  };

  const box = (node, depth, left, width, isAbove) => {
    const [name, place, language, machinery, boundary] = node.frame;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "box " + (language || "other");
    button.classList.toggle("runtime", machinery !== "");
    button.classList.toggle("entered", boundary !== "");
    button.classList.toggle("above", isAbove);
    button.classList.toggle("found", matches(node));
    button.style.top = depth * HEIGHT + "px";
    button.style.left = left + "px";
    button.style.width = width + "px";
    if (width > 24) {
      const file = place.slice(place.lastIndexOf("/") + 1);
      button.textContent = node === root ? "all: " + bytes(weight(root)) : name + (file && width > 160 ? "  " + file : "");
    }
    button.title = describe(node);
    button.addEventListener("click", () => { zoomed = node; draw(); });
    button.addEventListener("mouseenter", () => { about.textContent = describe(node); });
    button.addEventListener("focus", () => { about.textContent = describe(node); });
    return button;
  };

  const draw = () => {
    const whole = flame.clientWidth || 1000;
    const boxes = document.createDocumentFragment();
    const above = [];
    for (let node = zoomed.up; node; node = node.up) above.unshift(node);
    above.forEach((node, depth) => boxes.append(box(node, depth, 0, whole, true)));
    let deepest = above.length;
    const todo = [[zoomed, above.length, 0, whole]];
    while (todo.length > 0) {
      const [node, depth, left, width] = todo.pop();
      deepest = Math.max(deepest, depth);
      boxes.append(box(node, depth, left, width, false));
      let x = left;
      for (const child of [...node.children].sort((a, b) => weight(b) - weight(a))) {
        const wide = weight(node) > 0 ? width * weight(child) / weight(node) : 0;
        if (wide < NARROWEST) break;
        todo.push([child, depth + 1, x, wide]);
        x += wide;
      }
    }
    flame.replaceChildren(boxes);
    flame.style.height = (deepest + 1) * HEIGHT + "px";
    about.textContent = describe(zoomed);
    tell();
  };

  // What is found is counted once, where one found box stands below another.
  const tell = () => {
    if (wanted === "") { found.textContent = ""; return; }
    let sum = 0, count = 0;
    const todo = [[root, false]];
    while (todo.length > 0) {
      const [node, isBelow] = todo.pop();
      const isFound = matches(node);
      if (isFound) { count++; if (!isBelow) sum += weight(node); }
      for (const child of node.children) todo.push([child, isBelow || isFound]);
    }
    found.textContent = count === 0 ? "not found" : count + (count === 1 ? " box, " : " boxes, ") + bytes(sum) + " (" + share(sum, weight(root)) + ")";
  };

  // What there is none of is not offered; the first that is left is shown.
  for (const option of [...value.options]) {
    if (root.values[Number(option.value)] === 0) option.remove();
  }
  if (value.options.length === 0) return;
  column = Number(value.value);
  const whole = () => { zoomed = root; draw(); };
  search.addEventListener("input", () => { wanted = search.value.trim().toLowerCase(); draw(); });
  value.addEventListener("change", () => { column = Number(value.value); draw(); });
  at("flame-reset").addEventListener("click", whole);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") whole(); });
  addEventListener("resize", draw);
  // A link to a site opens its stacks.
  const open = () => {
    const site = document.getElementById(location.hash.slice(1));
    if (site instanceof HTMLDetailsElement) site.open = true;
  };
  addEventListener("hashchange", open);
  open();
  at("flame-section").hidden = false;
  draw();
})();
