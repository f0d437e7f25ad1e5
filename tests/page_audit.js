// What a reader could not read on the page that is open: a list of sentences, each once, in the order of the page.
(() => {
  const tell = (element) => {
    const words = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 50);
    const kinds = [...element.classList].slice(0, 2).map((name) => "." + name).join("");
    return `<${element.tagName.toLowerCase()}${kinds}> "${words}"`;
  };

  // Colours as [red, green, blue, alpha], whatever the notation of the style sheet: the canvas resolves them.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
      known.set(colour, [red, green, blue, alpha / 255]);
    }
    return known.get(colour);
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const grounds = new Map();
  const ground = (element) => {
    if (element === null) return rgba(getComputedStyle(document.documentElement).colorScheme === "dark" ? "#121212" : "#fff");
    if (!grounds.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      grounds.set(element, own[3] === 1 ? own : over(own, ground(element.parentElement)));
    }
    return grounds.get(element);
  };
  const opacity = (element) => {
    let product = 1;
    for (let one = element; one; one = one.parentElement) product *= Number(getComputedStyle(one).opacity);
    return product;
  };
  const contrast = (element) => {
    const style = getComputedStyle(element), below = ground(element);
    const [red, green, blue, alpha] = rgba(element.closest("svg") ? style.fill : style.color);
    const shown = over([red, green, blue, alpha * opacity(element)], below);
    const [low, high] = [luminance(shown), luminance(below)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    return { ratio: (high + 0.05) / (low + 0.05), needed: large ? 3.0 : 4.5 };
  };

  // The part of an element's box in which its own text can be seen, or reached by scrolling.
  const scrolls = (style) => /auto|scroll/.test(style.overflowX);
  const hides = (style) => /hidden|clip/.test(style.overflowX) || /hidden|clip/.test(style.overflowY);
  const forReadersOfScreens = (element) => element.closest(".visually-hidden, .sr-only, #pst-skip-link, mjx-assistive-mml");
  const textsOf = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || /^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE)$/.test(element.tagName)) continue;
      if (forReadersOfScreens(element) || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      found.push([node, element]);
    }
    return found;
  };

  const problems = new Set();
  const range = document.createRange();
  for (const [node, element] of textsOf()) {
    const { ratio, needed } = contrast(element);
    if (ratio < needed) problems.add(`contrast ${ratio.toFixed(1)} of ${tell(element)} must be at least ${needed}`);
    range.selectNodeContents(node);
    for (let box = element; box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (scrolls(style)) break;
      if (!hides(style)) continue;
      const [text, room] = [range.getBoundingClientRect(), box.getBoundingClientRect()];
      const beyond = Math.max(text.right - room.right, room.left - text.left, text.bottom - room.bottom, room.top - text.top);
      if (beyond > 1.5) problems.add(`the text of ${tell(element)} is clipped by ${Math.round(beyond)} pixels`);
    }
  }

  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.add(`the page is ${document.documentElement.scrollWidth} pixels wide, not ${width}`);
  for (const element of document.querySelectorAll("article *")) {
    const { right, width: own } = element.getBoundingClientRect();
    if (right <= width + 1 || own === 0 || forReadersOfScreens(element)) continue;
    let box = element.parentElement;
    while (box && !scrolls(getComputedStyle(box)) && box.tagName !== "BODY") box = box.parentElement;
    if (box.tagName === "BODY") problems.add(`${tell(element)} reaches to ${Math.round(right)} of ${width} pixels`);
  }

  for (const picture of document.querySelectorAll("article img")) {
    const text = (picture.getAttribute("alt") || "").trim();
    if (!picture.complete || picture.naturalWidth === 0) problems.add(`the picture ${picture.getAttribute("src")} is not shown`);
    if (!/^[A-Z0-9].*\s.*\s.*[.?!]$/s.test(text) || /\.(png|svg|jpe?g)\b/.test(text)) problems.add(`the picture ${picture.getAttribute("src")} is described by "${text}", which is no sentence`);
  }
  return [...problems];
})()
